"""Figures of a folder of results as files for print, and its tables as LaTeX and JSON."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from hopkin.analysis.comparison import Card, Row, Run, collect, find_runs, leaderboard_of
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.report import columns
from hopkin.analysis.report.columns import Column
from hopkin.analysis.report.figures import figures_of
from hopkin.analysis.report.panels import Figure, Panel, Series
from hopkin.analysis.report.plots import (
    STYLE,
    EnergyProfile,
    MsdCurve,
    legend,
    plot_energy_profiles,
    plot_msd,
    plot_rdf,
    style_of,
)
from hopkin.analysis.report.text import plain
from hopkin.analysis.transport import read_table

_FORMATS = ("pdf", "svg", "png")
_DPI = 300
EDGE_MARKERS = ("^", "v", ">", "<")  # of what lies above, below, right, left
_SAVED: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "hopkin", "pdf.fonttype": 42}
NOT_DRAWN = "type_I_divergence"  # energies without meaning, of any size


def write_figures(results_root: Path, folder: Path, cards: Mapping[str, Card] | None = None) -> list[Path]:
    """Write every figure of a folder of results as PDF, SVG and PNG, and its leaderboard and tables.

    Parameters
    ----------
    results_root
        the folder that holds the run directories
    folder
        where they are written; it is made
    cards
        what is known of models, by their names

    Returns
    -------
    list of Path
        the files

    Raises
    ------
    ResultsError
        if there are no runs
    """
    import pandas as pd

    runs = find_runs(results_root)
    tables = collect(results_root, runs)
    board = leaderboard_of(tables, cards or {})
    folder.mkdir(parents=True, exist_ok=True)
    order = [row["model"] for row in sorted(board, key=lambda row: str(row["model"]))]
    drawings = [(figure.name, draw(figure, order)) for figure in figures_of(tables, board, cards or {})]
    written = []
    for name, drawing in (*drawings, *_of_materials(runs)):
        for label in drawing.findobj(Text):
            if isinstance(label, Text):
                label.set_text(plain(label.get_text()))
        with mpl.rc_context(STYLE | _SAVED), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph .* missing from font")  # who reads it has other fonts
            for kind in _FORMATS:
                metadata = (
                    {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
                )
                drawing.savefig(folder / f"{name}.{kind}", dpi=_DPI, bbox_inches="tight", metadata=metadata)
                written.append(folder / f"{name}.{kind}")
    frame = pd.DataFrame(
        [{k: plain(v) if isinstance(v, str) else v for k, v in row.items()} for row in board]
    )
    frame.to_parquet(folder / "leaderboard.parquet")
    frame.to_csv(folder / "leaderboard.csv", index=False)
    for name, text in (
        ("leaderboard.json", json.dumps(board, indent=2) + "\n"),
        ("leaderboard.tex", latex(board, columns.MODELS)),
        ("barriers.tex", latex(tables.get("barriers", ()), columns.BARRIERS)),
        ("negative_diffusivities.tex", latex(negative(tables.get("dynamics", ())), columns.DYNAMICS)),
    ):
        (folder / name).write_text(plain(text), encoding="utf-8")
        written.append(folder / name)
    return [*written, folder / "leaderboard.parquet", folder / "leaderboard.csv"]


def negative(dynamics: Sequence[Row]) -> list[Row]:
    """Return the runs whose diffusivity by the published protocol is negative."""
    return [row for row in dynamics if (row["diffusivity_cm2_per_s"] or 0.0) < 0]


def latex(rows: Sequence[Row], of: Sequence[Column]) -> str:
    """Write rows as a LaTeX table (booktabs), without the columns that are empty."""
    import pandas as pd

    used = columns.used(of, rows)
    cells = {
        f"{column.title}{column.unit and f' ({column.unit})'}": [_cell(row, column) for row in rows]
        for column in used
    }
    return str(pd.DataFrame(cells).to_latex(index=False, escape=True))


def _cell(row: Row, column: Column) -> str:
    value = row.get(column.field)
    if value is None:
        return "--"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if column.high and not column.low and row[column.high] != value:
        return f"{value:{column.form}} to {row[column.high]:{column.form}}"
    return format(value, column.form) if column.form and is_number else plain(str(value))


def draw(figure: Figure, order: Sequence[str] = ()) -> Drawing:
    """Draw a figure of a comparison; models of one `order` look alike in all that are given it."""
    with mpl.rc_context(STYLE):
        width = max(5.6, *(1.6 + 0.32 * _n_categories(panel) for panel in figure.panels))
        drawing = Drawing(figsize=(width, 3.6 * len(figure.panels)), layout="constrained")
        for axes, panel in zip(
            drawing.subplots(len(figure.panels), 1, squeeze=False).ravel(), figure.panels, strict=True
        ):
            _draw_panel(axes, panel, order)
        return drawing


def _n_categories(panel: Panel) -> int:
    return len({x for series in panel.series for x in series.x if isinstance(x, str)})


def _draw_panel(axes: Axes, panel: Panel, order: Sequence[str]) -> None:
    named = (x for series in panel.series for x in series.x if isinstance(x, str))
    categories = list(dict.fromkeys([*panel.categories, *named]))
    places = list(dict.fromkeys([*order, *(series.model or series.label for series in panel.series)]))
    bars = [series for series in panel.series if series.mark == "bar"]
    beside = max(1, len(bars)) if panel.bars == "beside" else 1
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    bottom = np.zeros(len(categories))
    for series in panel.series:
        style = style_of(places.index(series.model) if series.model else list(panel.series).index(series))
        x = np.array([categories.index(x) if isinstance(x, str) else x for x in series.x], dtype=np.float64)
        y = np.array(series.y, dtype=np.float64)
        if series.mark == "box":
            axes.boxplot(
                [y],
                positions=[x[0]],
                showfliers=False,
                widths=0.55,
                medianprops={"color": "0.2", "linewidth": 1.4},
            )
            axes.scatter(x, y, s=12, alpha=0.6, linewidths=0, **style)
        elif series.mark == "bar":
            width = 0.8 / beside
            at = x if beside == 1 else x + (bars.index(series) - (beside - 1) / 2) * width
            axes.bar(
                at, y, width, bottom=bottom[x.astype(int)] if panel.bars == "stacked" else None,
                color=style["color"], label=series.label, yerr=_ends(series),
                error_kw={"elinewidth": 0.9, "ecolor": "0.35"},
            )  # fmt: skip
            bottom[x.astype(int)] += y
        elif series.mark == "line":
            axes.plot(x, y, color=style["color"], linewidth=1.4, label=series.label)
        else:
            _draw_points(axes, series, x, y, style, panel.ends)
    if categories:
        axes.set_xticks(range(len(categories)), categories, rotation=40, ha="right", rotation_mode="anchor")
    if panel.level is not None:
        axes.axhline(panel.level, color="0.6", linewidth=0.9, linestyle="--", zorder=0)
    if panel.ends:
        axes.plot(panel.ends, panel.ends, color="0.6", linewidth=0.9, linestyle="--", zorder=0)
        axes.set_xlim(*panel.ends)
        axes.set_ylim(*panel.ends)
        axes.set_aspect("equal")
        low, high = panel.ends
        outside = sum(
            not (low <= float(x) <= high and low <= y <= high)
            for one in panel.series
            for x, y in zip(one.x, one.y, strict=True)
        )
        if outside:
            axes.plot([], [], "^", color="0.4", markersize=5, label=f"{outside} outside")
    for axis, log in ((axes.xaxis, panel.log_x), (axes.yaxis, panel.log_y)):
        if log:  # plain numbers: the usual ones of decades are mathematics
            axis.set_major_formatter(LogFormatter())
    axes.set_title(panel.title, loc="left")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    if labelled := len(axes.get_legend_handles_labels()[1]):
        legend(axes, labelled)


def _draw_points(
    axes: Axes, series: Series, x: Any, y: Any, style: Mapping[str, Any], ends: tuple[float, float] | None
) -> None:
    hollow = np.array(series.hollow or [False] * len(y), dtype=bool)
    beyond = np.full(len(y), "")
    if ends:
        sides = [y > ends[1], y < ends[0], x > ends[1], x < ends[0]]
        beyond = np.select(sides, EDGE_MARKERS, default="")
        x, y = np.clip(x, *ends), np.clip(y, *ends)
    if series.high:
        axes.errorbar(x, y, yerr=_ends(series), fmt="none", elinewidth=0.9, ecolor="0.35")
    for open_ones, face in ((False, style["color"]), (True, "none")):
        for marker in ("", *EDGE_MARKERS):
            chosen = (hollow == open_ones) & (beyond == marker)
            axes.scatter(
                x[chosen], y[chosen], s=22, marker=marker or style["marker"], edgecolors=style["color"],
                facecolors=face, linewidths=0.9, clip_on=False,
                label=None if open_ones or marker else series.label,
            )  # fmt: skip


def _ends(series: Series) -> Any:
    """(2, n) distances of the ends of the intervals from y; None without."""
    if not series.high:
        return None
    pairs = zip(series.y, series.low, series.high, strict=True)
    return np.array(
        [(0.0 if low is None else y - low, 0.0 if high is None else high - y) for y, low, high in pairs]
    ).T


def _of_materials(runs: Sequence[Run]) -> Iterator[tuple[str, Drawing]]:
    """Energy profiles of each hop, MSD and RDF of each material and temperature."""
    complete = [run for run in runs if run.state in ("finished", "failed")]
    order = sorted({str(run.get("model")) for run in complete})
    bands = [
        run
        for run in complete
        if run.kind in ("barrier", "neb")
        and all(isinstance(energy, int | float) for energy in run.get("energies_eV") or [None])
        and run.get("failure") != NOT_DRAWN
    ]
    for (material, hop, mechanism), group in _grouped(bands, "material", "hop_index", "mechanism"):
        name = _file("profile", material, "" if hop is None else f"hop{hop}", mechanism)
        profiles = [_profile(run) for run in group]
        label = (
            "reaction coordinate" if all(profile.coordinate[-1] == 1.0 for profile in profiles) else "image"
        )
        yield name, plot_energy_profiles(profiles, coordinate_label=label, order=order)
    dynamics = [run for run in complete if run.kind in ("md", "reference")]
    for (material, kelvin), group in _grouped(dynamics, "material", "temperature_K"):
        curves, functions = [], {}
        for run in group:
            seed = run.get("seed") or 1
            label = f"{run.get('model')}{f', seed {seed}' if seed != 1 else ''}"
            try:
                table, rdf = read_table(run.directory / "msd.csv"), read_table(run.directory / "rdf.csv")
                curves.append(
                    MsdCurve(
                        label=label,
                        times=table["time_ps"],
                        single_origin=table["msd_single_origin_A2"],
                        windowed=table["msd_windowed_A2"],
                    )
                )
                functions[label] = rdf
            except (ResultsError, KeyError):
                continue
        if curves:
            r = next(iter(functions.values()))["r_A"]
            pairs = dict.fromkeys(pair for rdf in functions.values() for pair in rdf if pair != "r_A")
            yield _file("msd", material, f"{kelvin:g}K"), plot_msd(curves, order=order)
            by_pair = {
                pair: {
                    label: np.interp(r, rdf["r_A"], rdf[pair])
                    for label, rdf in functions.items()
                    if pair in rdf
                }
                for pair in pairs
            }
            yield _file("rdf", material, f"{kelvin:g}K"), plot_rdf(r, by_pair, order=order)


def _profile(run: Run) -> EnergyProfile:
    energies = np.array(run.get("energies_eV"), dtype=np.float64)
    coordinate = run.get("reaction_coordinate")
    scaled = bool(coordinate) and len(coordinate) == len(energies)
    points, spline = run.get("spline_coordinate_A"), run.get("spline_energies_eV")
    return EnergyProfile(
        label=str(run.get("model")),
        coordinate=np.array(coordinate if scaled else range(len(energies)), dtype=np.float64),
        energies=energies,
        barrier=run.get("barrier_eV"),
        failed=run.state == "failed",
        curve=(np.array(points) / points[-1], np.array(spline)) if scaled and points and spline else None,
    )


def _grouped(runs: Sequence[Run], *keys: str) -> Iterator[tuple[tuple[Any, ...], list[Run]]]:
    def key(run: Run) -> tuple[str, ...]:
        return tuple("" if run.get(name) is None else str(run.get(name)) for name in keys)

    for _, group in groupby(sorted(runs, key=key), key=key):
        members = list(group)
        yield tuple(members[0].get(name) for name in keys), members


def _file(*parts: object) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(str(part) for part in parts if part))
