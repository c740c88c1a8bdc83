"""One self-contained HTML page from a folder of runs."""

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.text import Text

from hopkin.analysis.comparison import Row, Run, collect, find_runs
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.report import columns
from hopkin.analysis.report.plots import (
    STYLE,
    EnergyProfile,
    MsdCurve,
    ParityPoints,
    plot_distributions,
    plot_energy_profiles,
    plot_msd,
    plot_parity,
    plot_rdf,
)
from hopkin.analysis.transport import read_table

_NO_METADATA: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_KINDS = ("barrier", "neb", "images", "md", "reference")
_STATES = ("finished", "failed", "unfinished", "unreadable")
PARITY_CAPTION = (
    "Dashed: equality. Open: runs that failed and have a number all the same. Triangles at the edge: outside."
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # no page may hold them
NOT_DRAWN = "type_I_divergence"  # energies without meaning, of any size


@dataclass(frozen=True, slots=True, kw_only=True)
class Illustration:
    """A figure in the report, as inline SVG, with its heading and caption."""

    heading: str
    caption: str
    svg: Markup
    wide: bool = False


def write_report(results_root: Path, output: Path) -> None:
    """Write the report on every run directory at or below a folder.

    Figures are inline SVG by matplotlib rather than plotly: the page needs no script, stays
    small (plotly.js alone is 4 MB) and prints as vector graphics.

    Parameters
    ----------
    results_root
        The folder that holds the run directories.
    output
        The HTML file to write.

    Raises
    ------
    ResultsError
        If there are no runs.
    """
    runs = find_runs(Path(results_root))
    complete = [run for run in runs if run.state in ("finished", "failed")]
    barriers = [run for run in complete if run.kind in ("barrier", "neb")]
    barriers.sort(key=lambda run: _order(run, "material", "hop", "model"))
    images = [run for run in complete if run.kind == "images"]
    images.sort(key=lambda run: _order(run, "material", "model"))
    dynamics = [run for run in complete if run.kind in ("md", "reference")]
    dynamics.sort(key=lambda run: _order(run, "material", "temperature_K", "model", "seed"))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hopkin.analysis.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = _shown
    page = environment.get_template("report.html.j2").render(
        results=Path(results_root).resolve().name,
        counts={state: sum(run.state == state for run in runs) for state in _STATES},
        models=_distinct([run for run in complete if run.kind != "reference"], "model"),
        materials=_distinct(complete, "material"),
        tables=[
            ("Migration barriers", columns.BARRIER_COLUMNS, barriers, columns.BARRIER_NOTE),
            ("Images of DFT bands", columns.IMAGES_COLUMNS, images, columns.IMAGES_NOTE),
            ("Molecular dynamics", columns.MD_COLUMNS, dynamics, columns.MD_NOTE),
            (
                "Other runs",
                columns.OTHER_COLUMNS,
                [run for run in complete if run.kind not in _KINDS],
                "Runs of a kind that this report has no table for.",
            ),
        ],
        comparisons=list(_comparisons(Path(results_root))),
        profiles=list(_energy_figures(barriers)),
        transport=list(_transport_figures(dynamics)),
        open_runs=[run for run in runs if run.state in ("unfinished", "unreadable")],
        provenance=columns.PROVENANCE_COLUMNS,
        runs=runs,
        hopkin_version=_hopkin_version(),
    )
    Path(output).write_text(_plain(page), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A results folder with known numbers: statistics, figures, and its cases, the furthest off first."""

    heading: str
    note: str
    statistics: tuple[Sequence[columns.Column], Sequence[Row]]
    figures: Sequence[Illustration]
    cases: tuple[Sequence[columns.Column], Sequence[Row]]


def _comparisons(results_root: Path) -> Iterable[Comparison]:
    """One for the barriers of each campaign at or below a root, one for its dynamics where some are known."""
    for file in sorted(results_root.rglob("campaign.json")):
        tables, name = collect(file.parent), file.parent.resolve().name
        if "statistics" in tables:
            yield _barriers_compared(name, tables)
        if "dynamics_statistics" in tables:
            yield _dynamics_compared(name, tables)


def _barriers_compared(name: str, tables: Mapping[str, Sequence[Row]]) -> Comparison:
    cases = [
        row | {"found": None if row["error_eV"] is None else row["reference_eV"] + row["error_eV"]}
        for row in tables["barriers"]
        if row["reference_eV"] is not None
    ]
    cases.sort(key=lambda row: -abs(row["error_eV"] or 0.0))
    figures = []
    if cases:
        points = list(_parity_points(cases, "reference_eV", "found"))
        figures.append(
            Illustration(
                heading="Computed against known barriers",
                caption=PARITY_CAPTION,
                svg=_svg(plot_parity(points, quantity="barrier (eV)")),
            )
        )
    return Comparison(
        heading=f"{'Against known barriers' if cases else 'Barriers'}: {name}",
        note=columns.COMPARISON_NOTE if cases else columns.CASES_NOTE,
        statistics=(columns.STATISTICS_COLUMNS, tables["statistics"]),
        figures=figures,
        cases=(columns.CASE_COLUMNS, cases),
    )


def _dynamics_compared(name: str, tables: Mapping[str, Sequence[Row]]) -> Comparison:
    known = ("reference_common_msd_A2", "reference_diffusivity_cm2_per_s")
    cases = [row for row in tables["dynamics"] if any(row[field] is not None for field in known)]
    cases.sort(key=_orders_of_magnitude, reverse=True)
    figures = []
    for quantity, reference, computed in (
        ("MSD (Å²)", known[0], "common_msd_A2"),
        ("D (cm²/s)", known[1], "diffusivity_cm2_per_s"),
    ):
        positive = [row for row in cases if (row[reference] or 0.0) > 0 and (row[computed] or 0.0) > 0]
        points = list(_parity_points(positive, reference, computed))
        if points:
            figures.append(
                Illustration(
                    heading=f"Computed against known {quantity.split()[0]}",
                    caption=f"{PARITY_CAPTION} Immobile materials are in it, negative numbers not.",
                    svg=_svg(plot_parity(points, quantity=quantity, logarithmic=True)),
                )
            )
    spread: dict[str, list[float]] = {}
    for row in tables.get("rdf_differences", ()):
        spread.setdefault(row["model"], []).append(row["mae_A"])
    if spread:
        arrays = {model: np.array(values) for model, values in spread.items()}
        figures.append(
            Illustration(
                heading="Radial distribution functions",
                caption="Integral of the absolute difference, of each pair of species in each run, failed"
                " ones too; boxes: quartiles.",
                svg=_svg(plot_distributions(arrays, quantity="difference (Å)")),
            )
        )
    return Comparison(
        heading=f"Against known dynamics: {name}",
        note=columns.DYNAMICS_COMPARISON_NOTE,
        statistics=(columns.DYNAMICS_STATISTICS_COLUMNS, tables["dynamics_statistics"]),
        figures=figures,
        cases=(columns.DYNAMICS_CASE_COLUMNS, cases),
    )


def _orders_of_magnitude(row: Row) -> float:
    """How far a run is off: of its MSD, or else of its diffusivity."""
    for computed, known in (
        ("common_msd_A2", "reference_common_msd_A2"),
        ("diffusivity_cm2_per_s", "reference_diffusivity_cm2_per_s"),
    ):
        if (row[computed] or 0.0) > 0 and (row[known] or 0.0) > 0:
            return abs(float(np.log10(row[computed] / row[known])))
    return 0.0


def _parity_points(cases: Sequence[Row], reference: str, computed: str) -> Iterable[ParityPoints]:
    for model in sorted({row["model"] for row in cases}):
        drawn = [row for row in cases if row["model"] == model and row[computed] is not None]
        yield ParityPoints(
            label=model,
            reference=np.array([row[reference] for row in drawn]),
            computed=np.array([row[computed] for row in drawn]),
            failed=np.array([bool(row["failure"]) for row in drawn]),
        )


def _energy_figures(runs: Sequence[Run]) -> Iterable[Illustration]:
    """One figure for each material and hop, one curve per model."""
    order = sorted(set(_model_names(runs)))
    for (material, hop), group in _grouped(runs, "material", "hop"):
        drawn: list[Run] = []
        left_out: list[Run] = []
        for run in group:
            energies = np.array(run.get("energies_eV") or [], dtype=np.float64)
            usable = energies.size > 1 and bool(np.isfinite(energies).all())
            (drawn if usable and run.get("failure") != NOT_DRAWN else left_out).append(run)
        scaled = all(len(run.get("reaction_coordinate") or []) == _images(run) for run in drawn)
        caption = "Lines: splines through energies and slopes of the images; dashed: failed runs."
        if left_out:
            names = ", ".join(
                f"{run.get('model') or run.name} ({run.get('failure') or 'no energies'})" for run in left_out
            )
            caption += f" Not drawn: {names}."
        svg = Markup()
        if drawn:
            labels = _labels(drawn, "mechanism")
            profiles = [_profile(*pair, scaled=scaled) for pair in zip(drawn, labels, strict=True)]
            label = "reaction coordinate" if scaled else "image"
            svg = _svg(plot_energy_profiles(profiles, coordinate_label=label, order=order))
        heading = " · ".join([str(material)] + ([f"hop {hop}"] if hop is not None else []))
        yield Illustration(heading=heading, caption=caption, svg=svg)


def _images(run: Run) -> int:
    return len(run.get("energies_eV") or [])


def _profile(run: Run, label: str, *, scaled: bool) -> EnergyProfile:
    coordinate = run.get("reaction_coordinate") if scaled else range(_images(run))
    points, spline = run.get("spline_coordinate_A"), run.get("spline_energies_eV")
    return EnergyProfile(
        label=label,
        coordinate=np.array(coordinate, dtype=np.float64),
        energies=np.array(run.get("energies_eV"), dtype=np.float64),
        barrier=run.get("barrier_eV"),
        failed=run.state == "failed",
        curve=(np.array(points) / points[-1], np.array(spline)) if scaled and points and spline else None,
    )


def _transport_figures(runs: Sequence[Run]) -> Iterable[Illustration]:
    """MSD and RDF for each material and temperature, one curve per run."""
    order = sorted(set(_model_names(runs)))
    for (material, temperature), group in _grouped(runs, "material", "temperature_K"):
        heading = f"{material} · {_shown(temperature)} K"
        msd, rdf, missing = [], {}, []
        for run, label in zip(group, _labels(group, "seed"), strict=True):
            if run.state == "failed":
                label += " (failed)"
            try:
                table = read_table(run.directory / "msd.csv")
                msd.append(
                    MsdCurve(
                        label=label,
                        times=table["time_ps"],
                        single_origin=table["msd_single_origin_A2"],
                        windowed=table["msd_windowed_A2"],
                    )
                )
                rdf[label] = read_table(run.directory / "rdf.csv")
            except (ResultsError, KeyError):
                missing.append(label)
        reasons = "".join(
            f" No windowed D for {label}: {reason}."
            for run, label in zip(group, _labels(group, "seed"), strict=True)
            if (reason := run.get("diffusivity_windowed_reason"))
        )
        note = f" No complete tables: {', '.join(missing)}." if missing else ""
        yield Illustration(
            heading=f"{heading} · mean squared displacement",
            caption="Ions, framework drift removed." + reasons + note,
            svg=_svg(plot_msd(msd, order=order)) if msd else Markup(),
        )
        if rdf:
            yield Illustration(
                heading=f"{heading} · radial distribution functions",
                caption="All periodic images; last 40 % of the run." + note,
                svg=_svg(_rdf_figure(rdf, order)),
                wide=True,
            )


def _rdf_figure(tables: dict[str, dict[str, Any]], order: Sequence[str]) -> Figure:
    r = next(iter(tables.values()))["r_A"]
    pairs = dict.fromkeys(name for table in tables.values() for name in table if name != "r_A")
    curves = {
        pair: {
            label: np.interp(r, table["r_A"], table[pair]) for label, table in tables.items() if pair in table
        }
        for pair in pairs
    }
    return plot_rdf(r, curves, order=order)


def _grouped(runs: Sequence[Run], first: str, second: str) -> Iterable[tuple[tuple[Any, Any], list[Run]]]:
    def key(run: Run) -> tuple[str, ...]:
        return _order(run, first, second)

    for _, group in groupby(sorted(runs, key=key), key=key):
        members = list(group)
        yield (members[0].get(first) or members[0].name, members[0].get(second)), members


def _model_names(runs: Sequence[Run]) -> list[str]:
    """(n_runs,) what each is called after, its model or else its directory."""
    return [columns.model_name(run) or run.name for run in runs]


def _labels(runs: Sequence[Run], key: str) -> list[str]:
    """Return labels that tell runs apart: model, else with a further field, else the end of the directory."""
    models = _model_names(runs)
    longer = [f"{model}, {key} {run.get(key)}" for model, run in zip(models, runs, strict=True)]
    names = [f"{model}, {run.name.rpartition('-')[2]}" for model, run in zip(models, runs, strict=True)]
    return next((labels for labels in (models, longer) if len(set(labels)) == len(runs)), names)


def _order(run: Run, *keys: str) -> tuple[str, ...]:
    """Return a key that sorts runs by fields, numbers by size; a missing field is the name."""
    values = [run.name if run.get(key) is None else run.get(key) for key in keys]
    return tuple(f"{v:012.3f}" if isinstance(v, int | float) else str(v) for v in values)


def _svg(figure: Figure) -> Markup:
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "hopkin"}
    for label in figure.findobj(Text):
        if isinstance(label, Text) and _CONTROL.search(label.get_text()):
            label.set_text(_plain(label.get_text()))
    with mpl.rc_context(STYLE | style):
        text = io.StringIO()
        with warnings.catch_warnings():  # who reads the page has other fonts
            warnings.filterwarnings("ignore", r"Glyph .* missing from font")
            figure.savefig(text, format="svg", transparent=True, metadata=_NO_METADATA)
    svg = text.getvalue()
    return Markup(svg[svg.index("<svg") :])  # matplotlib has escaped the labels


def _plain(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _distinct(runs: Sequence[Run], key: str) -> list[str]:
    return sorted({str(run.get(key)) for run in runs if run.get(key) is not None})


def _shown(value: Any, digits: int = 4) -> str:
    """Return a value as a reader wants it: rounded numbers, words for truth values."""
    if value is None or value == "" or value == {}:
        return columns.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item, 2)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(item, digits) for item in value)
    return str(value)


def _hopkin_version() -> str:
    try:
        return version("hopkin")
    except PackageNotFoundError:
        return "not installed"
