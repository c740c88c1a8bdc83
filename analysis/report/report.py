"""One self-contained HTML page from a folder of runs; figures and tables of it as files."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from hopkin.analysis.calibration import Calibration
from hopkin.analysis.comparison import Card, Row, Run, collect, find_runs, leaderboard_of
from hopkin.analysis.report import columns
from hopkin.analysis.report.columns import Column
from hopkin.analysis.report.details import details_of
from hopkin.analysis.report.figures import figures_of
from hopkin.analysis.report.text import plain

_PAGE = Path(__file__).with_name("page")
_STATES = ("finished", "failed", "unfinished", "unreadable")
_SCRIPTS = ("tables.js", "figures.js", "run.js", "page.js")
_LIBRARIES = ("plotly-cartesian.min.js", "tabulator.min.js", "3Dmol-min.js")

# Tables of `collect` that the page shows, each with its heading and what has to be known of it
_TABLES: Mapping[str, tuple[str, Sequence[Column], str]] = {
    "barriers": (
        "Barriers",
        columns.BARRIERS,
        "One row for each hop and model. Error: the same of both, over the mean of the ends, or over one end"
        " where only that is known.",
    ),
    "believed": (
        "Believed barriers",
        columns.BELIEVED,
        "What the calibrated models together say of a hop, each corrected by its errors for known barriers;"
        " models that err alike share a weight. The interval is one of 90 %.",
    ),
    "kinetics": (
        "Diffusivities from hops",
        columns.KINETICS,
        "At 300 K, by the barriers and rates of all vacancy hops, along the vectors of the cell. Vacancy: of"
        " one; believed: by corrected barriers, with the 90 % interval; at most: as if hops that failed had"
        " no barrier.",
    ),
    "statistics": (
        "Statistics of barriers",
        columns.STATISTICS,
        "Converged: runs that ended without a failure. All: every run that has a number, that of a failed one"
        " too. 95 % percentile bootstrap intervals over the cases.",
    ),
    "images": (
        "At the saddles of DFT",
        columns.IMAGES,
        "A model at the images of a DFT band, nothing relaxed. Forces across: without the part along it.",
    ),
    "labels": ("Labelled structures", columns.LABELS, "Mean absolute errors against DFT."),
    "dynamics": (
        "Molecular dynamics",
        columns.DYNAMICS,
        "D, paper: negative where the MSD falls at the end of the run. D, windowed: where its rule allows a"
        " number; the run itself says why not.",
    ),
    "dynamics_statistics": (
        "Statistics of dynamics",
        columns.DYNAMICS_STATISTICS,
        "Materials whose known MSD at 800 K stays below 5 Å² are immobile, and left out of D and Ea. log10:"
        " of positive numbers.",
    ),
}


def write_report(
    results_root: Path,
    output: Path,
    cards: Mapping[str, Card] | None = None,
    calibration: Calibration | None = None,
) -> None:
    """Write the page on every run directory at or below a folder; it needs no network.

    Parameters
    ----------
    results_root
        the folder that holds the run directories
    output
        the HTML file to write
    cards
        what is known of models, by their names
    calibration
        what barriers are believed by; None: that of hopkin's own benchmark

    Raises
    ------
    ResultsError
        if there are no runs
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["plain"] = plain
    content = contents(Path(results_root), Path(output), cards or {}, calibration)
    text = environment.get_template("report.html.j2").render(
        title=content["title"],
        counts=content["counts"],
        board=content["tables"]["models"]["rows"],
        hopkin_version=content["hopkin_version"],
        data=_json(content),
        style=_script(_vendored("tabulator_simple.min.css") + _text("report.css")),
        libraries=[_script(_vendored(name)) for name in _LIBRARIES],
        script=_script("".join(map(_text, _SCRIPTS))),
    )
    Path(output).write_text(text, encoding="utf-8")


def contents(
    results_root: Path, output: Path, cards: Mapping[str, Card], calibration: Calibration | None = None
) -> dict[str, Any]:
    """Gather all that the page shows, as plain numbers and text; see `write_report`."""
    runs = find_runs(results_root)
    tables = collect(results_root, runs, calibration)
    numbers = {run.directory.name: number for number, run in enumerate(runs)}
    board = leaderboard_of(tables, cards)
    shown: dict[str, Any] = {
        "models": _table("Models", columns.MODELS, "", board, {}),
        **{
            name: _table(heading, of, note, tables[name], numbers)
            for name, (heading, of, note) in _TABLES.items()
            if name in tables
        },
        "provenance": _table("Provenance", columns.PROVENANCE, "", list(_provenance(runs)), numbers),
    }
    return {
        "title": results_root.resolve().name,
        "counts": {state: sum(run.state == state for run in runs) for state in _STATES},
        "hopkin_version": _hopkin_version(),
        "tables": shown,
        "figures": [asdict(figure) for figure in figures_of(tables, board, cards)],
        "runs": [details_of(run, _link(run.directory, output)) for run in runs],
    }


def _table(
    heading: str, of: Sequence[Column], note: str, rows: Sequence[Row], numbers: Mapping[str, int]
) -> dict[str, Any]:
    """Return a table for the page: without its empty columns, each row with the number of its run."""
    used = columns.used(of, rows)
    fields = [name for column in used for name in (column.field, column.low, column.high) if name]
    return {
        "heading": heading,
        "note": note,
        "columns": [asdict(column) for column in used],
        "rows": [
            {name: row.get(name) for name in fields} | {"run": numbers.get(str(row.get("directory")))}
            for row in rows
        ],
    }


def _provenance(runs: Sequence[Run]) -> Iterator[Row]:
    for run in runs:
        row = {column.field: run.get(column.field) for column in columns.PROVENANCE}
        yield row | {"name": run.name, "kind": run.kind, "state": run.state, "directory": run.directory.name}


def _link(directory: Path, output: Path) -> str:
    return quote(Path(os.path.relpath(directory, output.resolve().parent)).as_posix() + "/")


def _text(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _vendored(name: str) -> str:
    return re.sub(r"(?m)^(//|/\*)# sourceMappingURL=.*$", "", _text(f"vendor/{name}"))


def _json(content: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a page; what is not a number is null."""
    finite = json.loads(json.dumps(content), parse_constant=lambda _: None)
    text = plain(json.dumps(finite, ensure_ascii=False))
    return Markup(text.replace("<", "\\u003c"))


def _script(text: str) -> Markup:
    """Let a text stand in a script or style of the page: nothing in it ends that."""
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\!--"))


def _hopkin_version() -> str:
    try:
        return version("hopkin")
    except PackageNotFoundError:
        return "not installed"
