"""Campaigns: what they would do, and the tables of what they did."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hopkin.drivers.terminal.console import (
    console,
    plain,
    print_json,
    progress,
    progress_console,
    show_table,
    shown,
    table_of,
)

if TYPE_CHECKING:
    from hopkin.drivers.campaigns import Cost, Job, Outcome, Standing

_MOST_ROWS = 20

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
        "believed": "believed_barrier_eV",
        "from": "believed_low_eV",
        "to": "believed_high_eV",
        "failure": "failure",
    },
    "believed": {
        "material": "material",
        "mechanism": "mechanism",
        "hop": "hop_index",
        "models": "models",
        "lowest [eV]": "lowest_eV",
        "highest": "highest_eV",
        "believed": "believed_barrier_eV",
        "from": "believed_low_eV",
        "to": "believed_high_eV",
        "known": "reference_eV",
    },
    "kinetics": {
        "material": "material",
        "model": "model",
        "axis": "axis",
        "vacancy, 300 K [cm^2/s]": "vacancy_300K_cm2_per_s",
        "believed": "believed_300K_cm2_per_s",
        "from": "believed_300K_low_cm2_per_s",
        "to": "believed_300K_high_cm2_per_s",
        "Ea [eV]": "activation_energy_eV",
        "conductivity [S/cm]": "conductivity_300K_S_per_cm",
        "failure": "failure",
    },
    "statistics": {
        "model": "model",
        "family": "family",
        "over": "over",
        "cases": "n_cases",
        "converged": "n_converged",
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
        "D paper [cm^2/s]": "diffusivity_cm2_per_s",
        "known": "reference_diffusivity_cm2_per_s",
        "MSD [A^2]": "common_msd_A2",
        "known MSD": "reference_common_msd_A2",
        "RDF [A]": "rdf_mae_A",
        "hops": "n_hops",
        "failure": "failure",
    },
    "dynamics_statistics": {
        "model": "model",
        "over": "over",
        "cases": "n_cases",
        "n": "n",
        "log10 MSD": "log10_msd_mae",
        "D [cm^2/s]": "diffusivity_mae_cm2_per_s",
        "log10 D": "log10_diffusivity_mae",
        "Ea [eV]": "activation_energy_mae_eV",
        "RDF [A]": "rdf_mae_median_A",
        "immobile": "immobile",
        "negative D": "negative",
        "failures": "failures",
    },
}


@contextmanager
def standing_shown(title: str) -> "Iterator[Callable[[Standing], None]]":
    """Show, on standard error, how far a campaign is: a table, renewed; lines where it is no terminal."""
    if progress_console.is_terminal:
        with Live(console=progress_console, auto_refresh=False, transient=True) as live:
            yield lambda standing: live.update(_standing_table(title, standing), refresh=True)
        return
    with progress(title) as say:
        yield lambda standing: say(_line_of(standing))


def _line_of(standing: "Standing") -> str:
    doing = "; ".join(f"{name} ({text})" for name, text, _ in standing.running)
    return f"{summary_of(standing)}{doing and ': '}{doing}"


def _standing_table(title: str, standing: "Standing") -> Group:
    table, more = _at_work(standing.running[:_MOST_ROWS]), len(standing.running) - _MOST_ROWS
    return Group(
        Text(f"{title}: {summary_of(standing)}"), table, Text(f"and {more} more" if more > 0 else "")
    )


def _at_work(running: Sequence[tuple[str, str, float]]) -> Table:
    table = table_of("at work", "", "for")
    for name, text, seconds in running:
        table.add_row(plain(name), plain(text), str(timedelta(seconds=round(seconds))))
    return table


def summary_of(standing: "Standing") -> str:
    """Say how far a campaign is in one line."""
    from hopkin.analysis.comparison import count_failures

    parts = [f"{standing.ended} of {standing.total} done"]
    if standing.failures:
        parts.append(f"failed: {count_failures(Counter(standing.failures).elements())}")
    if standing.left_s is not None and standing.ended < standing.total:
        parts.append(f"about {timedelta(seconds=round(standing.left_s))} left")
    return "; ".join(parts)


def show_standing(standing: "Standing", errors: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    """Show how far a campaign is, what is at work, and why some have no result."""
    if as_json:
        print_json({**asdict(standing), "errors": errors})
        return
    console.print(summary_of(standing), markup=False, highlight=False)
    if standing.running:
        show_table(_at_work(standing.running))
    for error in errors:
        text = f"{error['job']}: {error['message']} ({error['log']})"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_jobs(
    jobs: "Sequence[Job]", ended: "Mapping[int, Outcome]", costs: "Mapping[str, Cost]", *, as_json: bool
) -> None:
    """Show what a campaign would do, what of it is done, and what the rest takes.

    Parameters
    ----------
    ended
        what is there already, by the number of the job
    costs
        of the models, as far as they were measured on this machine
    """
    from hopkin.analysis.comparison import Reference
    from hopkin.drivers.campaigns import hours_of, memory_of

    left = [job for number, job in enumerate(jobs) if number not in ended]
    hours, memory_GB = hours_of(left, costs, len(os.sched_getaffinity(0))), memory_of(left, costs)
    evaluations = sum(job.n_evaluations for job in left)
    if as_json:
        rows = [
            {
                "title": job.title,
                "kind": job.kind,
                "done": number in ended,
                "n_atoms": job.n_atoms,
                "evaluations": job.n_evaluations,
                **job.specification.model_dump(mode="json"),
            }
            for number, job in enumerate(jobs)
        ]
        print_json(
            {"evaluations_left": evaluations, "hours_left": hours, "memory_GB": memory_GB, "jobs": rows}
        )
        return
    table = table_of("job", "kind", "length [A]", "known [eV]", "atoms", "evaluations", "state")
    for number, job in enumerate(jobs):
        known = job.reference.known[1] if isinstance(job.reference, Reference) else None
        state = "" if number not in ended else ended[number].failure or "done"
        table.add_row(
            *(plain(job.title), job.kind, shown(job.path_length_A, 2), shown(known)),
            *(shown(job.n_atoms or None), shown(job.n_evaluations or None), plain(state)),
        )
    show_table(table)
    console.print(f"{len(jobs)} jobs, {len(ended)} of them done; about {evaluations} evaluations left")
    unknown = {job.specification.model for job in left if job.n_evaluations} - set(costs)
    if hours is not None:
        console.print(f"about {shown(hours, 2)} hours on the cores of this machine")
        if memory_GB is not None:
            console.print(f"up to {memory_GB:.1f} GB for each evaluation of 112 atoms at a time")
    elif unknown:
        names = ", ".join(sorted(unknown))
        console.print(f"what they take is not known: --calibrate measures {plain(names)}", soft_wrap=True)


def show_changes(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Show what changed between two campaigns."""
    if as_json:
        print_json(rows)
        return
    table = table_of("model", "quantity", "cases", "mean change", "from", "to", "largest", "", "failed")
    for row in rows:
        mark = {True: "changed", False: "as before", None: "too few cases"}[row["significant"]]
        numbers = ("mean_change", "mean_change_low", "mean_change_high", "largest_change")
        failed = f"{row['failed_before']} to {row['failed_after']}"
        table.add_row(
            plain(row["model"]),
            row["quantity"],
            str(row["n"]),
            *(shown(row[name], 4) for name in numbers),
            mark,
            failed,
        )
    show_table(table)


def show_tables(tables: Mapping[str, Sequence[Mapping[str, Any]]], root: Path, *, as_json: bool) -> None:
    """Show the tables of a campaign, without the columns that are empty, and where they are."""
    if as_json:
        print_json(tables)
        return
    for name, wanted in _SHOWN.items():
        if not (rows := tables.get(name)):
            continue
        columns = {h: c for h, c in wanted.items() if any(row[c] is not None for row in rows)}
        table = table_of(*columns)
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(plain(shown(row[column])) for column in columns.values()))
        show_table(table)
    for row in (row for rows in tables.values() for row in rows if row.get("message")):
        title = f"{row['material']}, {row['model']}"
        console.print(f"{title}: {row['message']}", markup=False, highlight=False, soft_wrap=True)
    for name in tables:
        console.print(str(root / f"{name}.csv"), markup=False, highlight=False, soft_wrap=True)
