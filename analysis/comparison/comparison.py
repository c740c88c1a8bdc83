"""Results of a campaign beside what is known: one row for each hop, or run of dynamics, and model.

Failed runs are in the statistics: over the converged, and over all that have a number, both with their
counts.
"""

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.calibration import FIELDS as BELIEF
from hopkin.analysis.calibration import Belief, Calibration, believed, framework_of, hop_of
from hopkin.analysis.comparison.dynamics_tables import dynamics_tables
from hopkin.analysis.comparison.jobs import read_jobs
from hopkin.analysis.comparison.kinetics_table import kinetics_rows, kinetics_temperatures
from hopkin.analysis.comparison.metrics import errors, statistic
from hopkin.analysis.comparison.published import cathode_barriers
from hopkin.analysis.comparison.references import Reference, find_reference
from hopkin.analysis.comparison.results import Row, Run, count_failures, find_runs, nothing_in

TABLES = (
    *("barriers", "believed", "kinetics", "kinetics_temperatures", "statistics", "images", "labels"),
    *("dynamics", "dynamics_statistics", "rdf_differences", "activation_energies"),
)

BARRIER_FIELDS = (
    *("material", "ion", "framework", "family", "mechanism", "hop_index", "path_length_A", "n_atoms"),
    *("model", "images", "barrier_eV", "forward_barrier_eV", "reverse_barrier_eV", "converged", "failure"),
    *BELIEF,
    *("unresolved", "below_ends", "max_atom_force_eV_per_A", "force_evaluations", "wall_s", "verified"),
    *(
        "conservative",
        "reference_eV",
        "reference_kind",
        "error_eV",
        "functional",
        "source",
        "directory",
        "message",
    ),
)
HOP = ("material", "ion", "framework", "mechanism", "hop_index")
IMAGES_FIELDS = (
    *("material", "ion", "family", "model", "n_atoms", "images", "saddle_image", "saddle_energy_eV"),
    *("saddle_reference_energy_eV", "saddle_energy_error_eV", "saddle_force_mae_eV_per_A"),
    *("saddle_normal_force_eV_per_A", "saddle_reference_normal_force_eV_per_A"),
    *("saddle_normal_force_mae_eV_per_A", "saddle_stress_mae_GPa", "failure", "directory", "message"),
)
LABELS_FIELDS = (
    *("source", "group", "model", "n_structures", "energy_mae_eV_per_atom", "energy_shifted_mae_eV_per_atom"),
    *("force_mae_eV_per_A", "stress_mae_GPa", "directory"),
)


def collect(
    results: Path, runs: Sequence[Run] | None = None, calibration: Calibration | None = None
) -> dict[str, list[Row]]:
    """Gather the tables of a folder: `barriers`, `statistics` of them, `images`, `labels`, `dynamics`.

    `believed`: what several models together say of a hop, where at least two of them are calibrated.
    `kinetics`, `kinetics_temperatures`: diffusivities from hops.
    Where dynamics are known, too: `dynamics_statistics`, `rdf_differences` pair by pair, and
    `activation_energies` material by material.

    A campaign (`campaign.json`), the folder's own or one below it, has a row for each of its jobs, those too
    that ended with an error or have not begun, and its known barrier; of what is in no campaign, each run has
    a row, and the known barrier of the cathode that it is of.

    Parameters
    ----------
    runs
        of `find_runs`; None: they are read
    calibration
        what barriers are believed by; None: that of hopkin's own benchmark
    """
    calibration = calibration or Calibration.shipped()
    rows = [_row(job, run) for job, run in _jobs(results, find_runs(results) if runs is None else runs)]
    bands = [row for row in rows if row["kind"] in ("barrier", "neb")]
    barriers = [_compared(_believed(row, calibration)) for row in bands]
    images = [_only(row, IMAGES_FIELDS) for row in rows if row["kind"] == "images"]
    labels = [group for row in rows if row["kind"] == "evaluation" for group in _labels(row)]
    together = _believed_together(barriers, calibration)
    kinetics = (kinetics_rows(rows), kinetics_temperatures(rows))
    tables = (barriers, together, *kinetics, statistics(barriers), images, labels, *dynamics_tables(rows))
    return {name: table for name, table in zip(TABLES, tables, strict=True) if table}


def _jobs(results: Path, found: Sequence[Run]) -> Iterator[tuple[Row, Run | None]]:
    campaigns = {
        file.parent: jobs
        for file in sorted(results.rglob("campaign.json"))
        if (jobs := read_jobs(file)) is not None
    }
    if not found and not campaigns:  # what there is of one is torn
        raise nothing_in(results)
    runs = {run.directory: run for run in found}
    told: set[str] = set()  # what several campaigns have counts once: their jobs and runs have the same names
    for folder, jobs in campaigns.items():
        for job in jobs:
            if not job["id"] or job["id"] not in told:
                told |= {job["id"], job["directory"] or ""}
                yield job, runs.get(folder / (job["directory"] or ""))
    for directory, run in runs.items():
        if directory.parent not in campaigns and directory.name not in told:
            told.add(directory.name)
            yield {}, run


def _labels(row: Row) -> list[Row]:
    """One row for each group of labelled structures, or one for all."""
    groups = row.get("groups") or {"": row}
    return [_only({**row, **errors, "group": group}, LABELS_FIELDS) for group, errors in groups.items()]


def _row(job: Row, run: Run | None) -> Row:
    """Join a job and its run; what the run says counts where both do, but for the family."""
    if run is None:
        return dict(job)
    said = {
        **run.asked,
        **run.result,
        "kind": run.kind,
        "directory": run.directory.name,
        "path": run.directory,
    }
    row = {**job, **{name: value for name, value in said.items() if value is not None}}
    if not job and row["kind"] == "barrier" and row.get("hop_index") is not None:
        known = find_reference(cathode_barriers(), row["material"], row["hop_index"], row.get("mechanism"))
        row["reference"] = known and known.model_dump(exclude_none=True)
    return row


def _believed(row: Row, calibration: Calibration) -> Row:
    """Set beside a barrier what it is likely to be; its run's own elements say what of."""
    symbols = (row.get("structure") or row.get("initial") or {}).get("symbols")
    if not symbols or not row.get("ion"):  # of a run that has not ended
        return row
    framework = framework_of(re.findall(r"[A-Z][a-z]?", symbols), row["ion"])
    return {**row, "framework": "-".join(framework), **believed(calibration, framework, row)}


def _believed_together(barriers: Sequence[Row], calibration: Calibration) -> list[Row]:
    """Join what all models say of each hop that at least two calibrated ones have converged for."""
    hops: dict[tuple[Any, ...], list[Row]] = {}
    for row in barriers:
        if row["framework"] and row["converged"] and not row["failure"]:
            hops.setdefault((row["ion"], row["framework"], *hop_of(row)), []).append(row)
    table = []
    for rows in hops.values():
        told = {row["model"]: row["barrier_eV"] for row in rows if row["believed_barrier_eV"] is not None}
        if len(told) < 2:
            continue
        first = rows[0]
        framework = first["framework"].split("-")
        belief = calibration.believe(first["ion"], framework, first["path_length_A"], told)
        if isinstance(belief, Belief):
            table.append(
                _only(first, HOP)
                | {"models": ", ".join(sorted(told)), "n_models": len(told)}
                | {"lowest_eV": min(told.values()), "highest_eV": max(told.values())}
                | belief.fields()
                | {"reference_eV": first["reference_eV"]}
            )
    return table


def _compared(row: Row) -> Row:
    """Set the known barrier beside the computed one: forward with forward where only that is known."""
    if row.get("reference"):
        reference = Reference.model_validate(row["reference"])
        kind, value = reference.known
        ends = (row.get("forward_barrier_eV"), row.get("reverse_barrier_eV"))
        highest = max((end for end in ends if end is not None), default=None)
        found = {**row, "highest_barrier_eV": highest}.get(kind)
        row = {
            **row,
            "family": row.get("family") or reference.family,
            "reference_eV": value,
            "reference_kind": kind,
            "error_eV": None if found is None else found - value,
            "functional": reference.functional,
            "source": reference.source,
        }
    else:
        row = {name: value for name, value in row.items() if name != "source"}
    return _only(row, BARRIER_FIELDS)


def _only(row: Row, columns: Sequence[str]) -> Row:
    return {name: row.get(name) for name in columns}


def statistics(barriers: Sequence[Row], *, seed: int = 1) -> list[Row]:
    """Failures and errors of barriers, of each model, and of each model and family of structures.

    `n_cases` counts all barriers that were asked for, `n_converged` those that ended without a failure,
    `failures` tells what the others were, and `n_references` counts the cases with a known barrier. The
    errors stand in two rows where there are any: `converged`: of the runs that ended without a failure;
    `all`: of every run that has a number, that of a failed run too, such as a saddle below an end (type II);
    a run that diverged (type I), had no band because an end left its site, or ended with an error has none.

    Parameters
    ----------
    barriers
        rows of `collect`
    seed
        of the bootstrap intervals, which are columns `..._low` and `..._high`
    """
    table = []
    for model in dict.fromkeys(row["model"] for row in barriers):
        ours = [row for row in barriers if row["model"] == model]
        families = sorted({row["family"] for row in ours if row["family"]})
        for family in ("", *(families if len(families) > 1 else ())):
            group = [row for row in ours if family in ("", row["family"])]
            known = sum(row["reference_eV"] is not None for row in group)
            cases = {
                "n_cases": len(group),
                "n_converged": sum(row["converged"] is True and not row["failure"] for row in group),
                "n_references": known,
            }
            for over in ("converged", "all") if known else ("all",):
                counted = [
                    row
                    for row in group
                    if row["error_eV"] is not None and (over == "all" or not row["failure"])
                ]
                table.append(
                    {"model": model, "family": family or "all", "over": over, **cases}
                    | _errors(counted, seed)
                    | {"failures": count_failures(row["failure"] for row in group)}
                )
    return table


def _errors(rows: Sequence[Row], seed: int) -> Row:
    """Fields of `metrics.Errors`, those in eV named so; None what is not determined."""
    fields: Row = {"n": len(rows)}
    found = None
    if rows:
        known = np.array([row["reference_eV"] for row in rows])
        found = errors(known, known + [row["error_eV"] for row in rows], seed=seed)
    for name in ("mae", "rmse", "median_ae", "max_ae", "bias", "r2", "slope"):
        unit = "" if name in ("r2", "slope") else "_eV"
        fields[f"{name}{unit}"], low, high = statistic(found, name)
        if name != "max_ae":
            fields |= {f"{name}{unit}_low": low, f"{name}{unit}_high": high}
    return fields


def write_tables(results: Path, tables: Mapping[str, Sequence[Row]] | None = None) -> None:
    """Write the tables of a results folder there, as CSV and Parquet; remove those that are empty now.

    Parameters
    ----------
    tables
        of `collect`; None: they are made
    """
    import pyarrow as pa
    from pyarrow import parquet

    if tables is None:
        tables = collect(results)
    for name in TABLES:
        if name not in tables:
            for kind in ("csv", "parquet"):
                (results / f"{name}.{kind}").unlink(missing_ok=True)
    for name, rows in tables.items():
        with _replacing(results / f"{name}.csv") as new, new.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        with _replacing(results / f"{name}.parquet") as new:
            parquet.write_table(pa.Table.from_pylist(list(rows)), new)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a file to be written that takes the place of another one once it is whole."""
    new = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
