"""What the command line shows: progress, tables, JSON."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hopkin.drivers.doctor import Check
from hopkin.drivers.hops import Hop
from hopkin.drivers.materials import WITHOUT_COORDINATES, Material
from hopkin.drivers.models import Model
from hopkin.drivers.parity import (
    ENERGY_TOLERANCE_EV_PER_ATOM,
    FORCE_TOLERANCE_EV_PER_A,
    GOLDEN_TOLERANCE_EV_PER_ATOM,
    GRADIENT_TOLERANCE,
    PRESSURE_TOLERANCE_GPA,
    STRESS_TOLERANCE_GPA,
    Parity,
)
from hopkin.drivers.rundirectory import RunDirectory

if TYPE_CHECKING:
    from hopkin.drivers.jobs import Job

_console = Console()
_progress_console = Console(stderr=True)

# Beyond it, hops are said to disagree about the energies of the sites
_SITE_ENERGY_TOLERANCE_EV = 0.02
_LINE_EVERY_S = 10.0

# Columns of the tables of a campaign that fit a terminal, by their headings
_SHOWN: Mapping[str, Mapping[str, str]] = {
    "barriers": {
        "material": "material",
        "mechanism": "mechanism",
        "hop": "hop_index",
        "model": "model",
        "barrier [eV]": "barrier_eV",
        "forward": "forward_barrier_eV",
        "known": "reference_eV",
        "error": "error_eV",
        "failure": "failure",
    },
    "statistics": {
        "model": "model",
        "family": "family",
        "over": "over",
        "cases": "n_cases",
        "n": "n",
        "MAE [eV]": "mae_eV",
        "from": "mae_eV_low",
        "to": "mae_eV_high",
        "median": "median_ae_eV",
        "bias": "bias_eV",
        "R2": "r2",
        "slope": "slope",
        "failures": "failures",
    },
    "images": {
        "material": "material",
        "model": "model",
        "saddle [eV]": "saddle_energy_eV",
        "DFT": "saddle_reference_energy_eV",
        "across [eV/A]": "saddle_normal_force_mae_eV_per_A",
        "stress [GPa]": "saddle_stress_mae_GPa",
        "failure": "failure",
    },
    "dynamics": {
        "material": "material",
        "model": "model",
        "T [K]": "temperature_K",
        "D [cm^2/s]": "diffusivity_cm2_per_s",
        "hops": "n_hops",
        "failure": "failure",
    },
}

Runs = Sequence[tuple[RunDirectory, Mapping[str, Any]]]
Columns = Mapping[str, str | tuple[str, int]]


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show, on standard error, what is being done; lines where it is no terminal."""
    if _progress_console.is_terminal:
        with _progress_console.status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")
        return
    stage, said_at = "", -math.inf

    def say(text: str) -> None:
        nonlocal stage, said_at
        now = time.monotonic()
        if text.partition(":")[0] != stage or now - said_at > _LINE_EVERY_S:
            stage, said_at = text.partition(":")[0], now
            _progress_console.print(f"{title}: {text}", highlight=False, soft_wrap=True)

    yield say


def _print_json(content: object) -> None:
    _console.print_json(json.dumps(content))


def _table(*columns: str) -> Table:
    return Table(*map(escape, columns), box=None, pad_edge=False, header_style="bold")


def _shown(value: object, digits: int = 3) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.{digits}f}"
    if isinstance(value, list | tuple):
        separator = "\n" if value and isinstance(value[0], dict) else " "
        return separator.join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items() if item)
    return str(value)


def show_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Show names and values, one a line."""
    if as_json:
        _print_json(fields)
        return
    table = _table("", "")
    table.columns[1].overflow = "fold"
    for name, value in fields.items():
        table.add_row(name, escape(_shown(value)))
    _console.print(table)


def show_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """Show what the doctor found."""
    if as_json:
        _print_json([asdict(check) for check in checks])
        return
    table = _table("", "", "")
    for check in checks:
        mark = {True: "[green]works[/]", False: "[red]fails[/]", None: "[yellow]-[/]"}[check.works]
        table.add_row(check.name, mark, escape(check.detail))
    _console.print(table)


def show_models(models: Sequence[Model], *, as_json: bool) -> None:
    """Show the registry."""
    if as_json:
        _print_json([model.describe() for model in models])
        return
    table = _table("model", "family", "training set", "state", "licence")
    for column in (0, 1, 3):
        table.columns[column].no_wrap = True
    for model in models:
        family = model.family if model.conservative else f"{model.family}, direct"
        table.add_row(model.name, family, model.training_set, str(model.state()), model.licence)
    _console.print(table)


def show_parity(model: Model, parity: Parity, *, as_json: bool) -> None:
    """Show how far LAMMPS and the model's own calculator are apart."""
    if as_json:
        _print_json({"model": model.name, **parity.model_dump(), "passed": parity.passed})
        return
    table = _table(f"{model.name} on {parity.formula}", "difference", "tolerance")
    rows = (
        (escape("energy [eV/atom]"), parity.energy_difference_eV_per_atom, ENERGY_TOLERANCE_EV_PER_ATOM),
        (escape("forces [eV/A]"), parity.force_difference_eV_per_A, FORCE_TOLERANCE_EV_PER_A),
        (escape("stress [GPa]"), parity.stress_difference_GPa, STRESS_TOLERANCE_GPA),
        (
            escape("golden energy [eV/atom]"),
            parity.golden_difference_eV_per_atom,
            GOLDEN_TOLERANCE_EV_PER_ATOM,
        ),
        ("force against energy, relative", parity.gradient_difference, GRADIENT_TOLERANCE),
        (escape("pressure against energy [GPa]"), parity.pressure_difference_GPa, PRESSURE_TOLERANCE_GPA),
    )
    for name, difference, tolerance in rows:
        table.add_row(name, "-" if difference is None else f"{difference:.1e}", f"{tolerance:.0e}")
    _console.print(table)
    if not parity.conservative:
        _console.print("not conservative: its forces are not the gradient of its energy", markup=False)
    _console.print("[green]passed[/]" if parity.passed else "[red]failed[/]")


def show_materials(materials: Sequence[Material], *, as_json: bool) -> None:
    """Show the built-in materials."""
    if as_json:
        _print_json(
            [
                asdict(material)
                | {"space_group_symbol": material.space_group_symbol, "citation": material.citation}
                for material in materials
            ]
        )
        return
    table = _table("material", "formula", "family", "space group", "source")
    for column in range(4):
        table.columns[column].no_wrap = True
    for material in materials:
        source = material.materials_project or f"{material.authors.split(',')[0]} {material.year}"
        derived = f", {material.substitution}: relax before use" if material.substitution else ""
        group = material.space_group_symbol
        table.add_row(material.name, material.formula, material.family, group, source + derived)
    _console.print(table)
    for name in WITHOUT_COORDINATES:
        _console.print(
            f"{name}: no published coordinates at hand; give a file of your own, such as {name}.cif",
            markup=False,
        )


def show_hops(material: str, hops: Sequence[Hop], *, as_json: bool) -> None:
    """Show the distinct hops of a crystal."""
    if as_json:
        _print_json([hop.as_dict() for hop in hops])
        return
    table = _table("hop", material, "[A]", "count", "symm.", "room [A]", "alone", "up to")
    table.columns[1].no_wrap = True
    for hop in hops:
        room = "-" if hop.bottleneck_A is None else f"{hop.bottleneck_A:.2f}"
        table.add_row(
            str(hop.index),
            escape(hop.label.split("  ")[0]),
            f"{hop.length_A:.3f}",
            str(hop.multiplicity),
            "yes" if hop.symmetric else "no",
            f"through {hop.ion}" if hop.through_ion else room,
            f"{hop.dimension}D",
            f"{hop.dimension_up_to}D",
        )
    _console.print(table)
    for note in (
        "count: equivalent hops in the cell; symm.: the same seen from both ends",
        "room: from the straight path to the framework, less the ionic radius (Shannon 1976)",
        "alone, up to: dimensions in which it, and all hops up to its length, lead through the crystal",
    ):
        _console.print(note, markup=False, soft_wrap=True)


def show_barriers(runs: Runs, network: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Show the results of barrier runs, where they are, and how the network of all hops percolates."""
    if as_json and network is not None:
        _print_json({"runs": [_with_directory(run) for run in runs], **network})
        return
    columns: Columns = {
        "material": "material",
        "hop": "hop_index",
        "[A]": ("path_length_A", 2),
        "model": "model",
        "barrier [eV]": ("barrier_eV", 3),
        "forward": ("forward_barrier_eV", 3),
        "reverse": ("reverse_barrier_eV", 3),
    }
    _show_runs(runs, columns, as_json=as_json)
    if as_json:
        return
    for _, result in runs:
        if reason := result.get("evidence"):
            _console.print(f"{result['material']}, {result['failure']}: {reason}", markup=False)
        if reason := result.get("rates_evidence"):
            _console.print(f"{result['material']}, no rates: {reason}", markup=False)
        if rates := result.get("rates"):
            for kelvin, rate in rates["rates_per_s"].items():
                _console.print(
                    f"{result['material']}: attempt frequency {rates['attempt_frequency_THz']:.2f} THz,"
                    f" rate at {kelvin} K {rate:.3g} /s",
                    markup=False,
                )
    if network is None:
        return
    thresholds = (f"{name} {_shown(barrier)}" for name, barrier in network["percolating_barriers_eV"].items())
    without = ", ".join(map(str, network["hops_without_barrier"]))
    note = f", without hop {without}, which has no barrier: an upper bound" if without else ""
    _console.print(f"percolating barriers [eV]: {', '.join(thresholds)}{note}", markup=False)
    if (apart := network["site_energy_disagreement_eV"]) > _SITE_ENERGY_TOLERANCE_EV:
        _console.print(
            f"the hops disagree by up to {apart:.3f} eV about the energies of the sites", markup=False
        )


def show_dynamics(runs: Runs, *, as_json: bool) -> None:
    """Show the results of molecular-dynamics runs, and where they are."""
    columns: Columns = {
        "material": "material",
        "model": "model",
        "T [K]": ("temperature_K", 0),
        "mean": ("temperature_mean_K", 0),
        "[ps]": ("time_ps", 2),
        "MSD [A^2]": ("msd_A2_final", 2),
        "D [cm^2/s]": ("diffusivity_cm2_per_s", 2),
    }
    _show_runs(runs, columns, as_json=as_json)
    for _, result in () if as_json else runs:
        if evidence := result.get("bulk_evidence"):
            _console.print(evidence, markup=False)
        if evidence := result["evidence"]:
            _console.print(f"{result['failure']}: {evidence}", markup=False)
        if reason := result["diffusivity_windowed_reason"]:
            _console.print(f"no windowed diffusivity: {reason}", markup=False)


def show_jobs(jobs: "Sequence[Job]", *, as_json: bool) -> None:
    """Show what a campaign would do."""
    if as_json:
        _print_json(
            [
                {"title": job.title, "kind": job.kind, **job.specification.model_dump(mode="json")}
                for job in jobs
            ]
        )
        return
    table = _table("job", "kind", "length [A]", "known [eV]")
    for job in jobs:
        length = _shown(job.path_length_A, 2)
        table.add_row(escape(job.title), job.kind, length, _shown(job.reference and job.reference.known[1]))
    _console.print(table)
    _console.print(f"{len(jobs)} jobs")


def show_tables(tables: Mapping[str, Sequence[Mapping[str, Any]]], root: Path, *, as_json: bool) -> None:
    """Show the tables of a campaign, without the columns that are empty, and where they are."""
    if as_json:
        _print_json(tables)
        return
    for name, rows in tables.items():
        columns = {h: c for h, c in _SHOWN[name].items() if any(row[c] is not None for row in rows)}
        table = _table(*columns)
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(escape(_shown(row[column])) for column in columns.values()))
        _console.print(table)
    for row in (row for rows in tables.values() for row in rows if row.get("message")):
        title = f"{row['material']}, {row['model']}"
        _console.print(f"{title}: {row['message']}", markup=False, highlight=False, soft_wrap=True)
    for name in tables:
        _console.print(str(root / f"{name}.csv"), markup=False, highlight=False, soft_wrap=True)


def show_arrhenius(
    results: Sequence[Mapping[str, Any]], arrhenius: Mapping[str, Any], *, as_json: bool
) -> None:
    """Show the diffusivities of runs at several temperatures, and the activation energies from them."""
    if as_json:
        _print_json({"results": results, **arrhenius})
        return
    table = _table("T [K]", "D paper [cm^2/s]", "D [cm^2/s]", "+-", "error from")
    for row in arrhenius["runs"]:
        numbers = ("diffusivity_paper_cm2_per_s", "diffusivity_cm2_per_s", "diffusivity_std")
        source = row["source"] or row["reason"]
        table.add_row(
            f"{row['temperature_K']:g}", *(_shown(row[name], 2) for name in numbers), escape(source)
        )
    _console.print(table)
    for name, failure in arrhenius["failed"].items():
        _console.print(f"left out, {failure}: {name}", markup=False, soft_wrap=True)
    for name, fit in ((name, arrhenius[name]) for name in ("paper", "weighted")):
        if fit["reason"]:
            _console.print(f"{name}: {fit['reason']}", markup=False)
            continue
        error = fit["activation_energy_interval_95"]
        interval = f" (95 %: {error[0]:.3f} to {error[1]:.3f})" if error else ""
        how = ", extrapolated" if fit["extrapolated"] else ""
        sigma = fit["conductivity_300K_S_per_cm"]
        conducts = "" if sigma is None else f", Nernst-Einstein {1000 * sigma:.3g} mS/cm"
        _console.print(
            f"{name}: Ea {fit['activation_energy_eV']:.3f} eV{interval}; at 300 K{how}:"
            f" D {fit['diffusivity_300K_cm2_per_s']:.2e} cm^2/s{conducts}",
            markup=False,
        )
        if fit["excluded_temperatures_K"]:
            kelvin = ", ".join(f"{t:g} K" for t in fit["excluded_temperatures_K"])
            _console.print(f"{name}: left out, not positive: {kelvin}", markup=False)


def show_evaluation(run: tuple[RunDirectory, Mapping[str, Any]], *, as_json: bool) -> None:
    """Show the errors of a model against labels, and where they are."""
    directory, result = run
    if as_json:
        _print_json({**result, "directory": str(directory.path)})
        return
    fields = {
        "structures": ("n_structures", 0),
        "energy [meV/atom]": ("energy_mae_eV_per_atom", 1e3),
        "shifted": ("energy_shifted_mae_eV_per_atom", 1e3),
        "force [eV/A]": ("force_mae_eV_per_A", 1),
        "RMSE": ("force_rmse_eV_per_A", 1),
        "stress [GPa]": ("stress_mae_GPa", 1),
    }
    table = _table("mean absolute error", *fields)
    parts = {"all": result, **result["groups"], **result["elements"]}
    for name, part in parts.items():
        values = ((part.get(field), factor) for field, factor in fields.values())
        table.add_row(
            name, *(_shown(value * factor if factor and value else value) for value, factor in values)
        )
    _console.print(table)
    if result["energy_shifted_mae_eV_per_atom"] is not None:
        _console.print(
            "shifted: without the energies of the elements that fit the differences best", markup=False
        )
    _console.print(f"{result['n_skipped']} skipped (elements), {result['n_failed']} failed", markup=False)
    _console.print(str(directory.path), markup=False, highlight=False, soft_wrap=True)


def _with_directory(run: tuple[RunDirectory, Mapping[str, Any]]) -> dict[str, Any]:
    return {**run[1], "directory": str(run[0].path)}


def _show_runs(runs: Runs, columns: Columns, *, as_json: bool) -> None:
    """Show one row per run; `columns` are fields of the result, with the digits of those that are numbers."""
    if as_json:
        _print_json([_with_directory(run) for run in runs])
        return
    table = _table(*columns, "failure")
    notes: set[str] = set()
    fields = [(field, 3) if isinstance(field, str) else field for field in columns.values()]
    for _, result in runs:
        cells = (escape(_shown(result.get(field), digits)) for field, digits in fields)
        table.add_row(*cells, result["failure"] or "none")
        if not result["conservative"]:
            notes.add(f"{result['model']} is direct: its forces are not the gradient of its energy")
        if not result["verified"]:
            notes.add(f"{result['model']} has not been verified: LAMMPS may disagree with its calculator")
    _console.print(table)
    for note in sorted(notes):
        _console.print(note, markup=False)
    for run, _ in runs:
        _console.print(str(run.path), markup=False, highlight=False, soft_wrap=True)
