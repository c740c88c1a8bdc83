"""Results of a campaign beside what is known: one row for each hop and model."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hopkin.analysis.references import Reference, find_reference, read_references
from hopkin.analysis.results import Run, find_runs, read_object

Row = dict[str, Any]

BARRIER_COLUMNS = (
    *("material", "ion", "family", "mechanism", "hop_index", "path_length_A", "n_atoms", "model", "images"),
    *("barrier_eV", "forward_barrier_eV", "reverse_barrier_eV", "converged", "failure"),
    *("max_atom_force_eV_per_A", "force_evaluations", "wall_s", "verified"),
    *("reference_eV", "reference_kind", "error_eV", "functional", "source", "directory", "message"),
)
DYNAMICS_COLUMNS = (
    *("material", "ion", "model", "temperature_K", "temperature_mean_K", "seed", "ensemble", "timestep_fs"),
    *("time_ps", "n_ions", "msd_A2_final", "framework_msd_A2", "diffusivity_cm2_per_s"),
    *("diffusivity_windowed_cm2_per_s", "diffusivity_std", "n_hops", "log_log_slope", "failure"),
    *("ns_per_day", "wall_s", "verified", "directory", "message"),
)


def collect(results: Path) -> dict[str, list[Row]]:
    """Gather the tables of a results folder: `barriers` and `dynamics`, where it has any.

    A campaign (`campaign.json`) has a row for each of its jobs, those too that ended with an error or have
    not begun; a folder without one, for each of its runs. Known barriers are those of `references.json`.
    """
    known = read_references(file) if (file := results / "references.json").is_file() else []
    rows = [_row(job, run) for job, run in _jobs(results)]
    barriers = [_compared(row, known) for row in rows if row["kind"] in ("barrier", "neb")]
    dynamics = [_only(row, DYNAMICS_COLUMNS) for row in rows if row["kind"] == "md"]
    return {name: table for name, table in (("barriers", barriers), ("dynamics", dynamics)) if table}


def _jobs(results: Path) -> list[tuple[Mapping[str, Any], Run | None]]:
    campaign = results / "campaign.json"
    if not campaign.is_file():
        return [({}, run) for run in find_runs(results)]
    jobs = read_object(campaign)["jobs"]
    runs = (
        {run.directory.name: run for run in find_runs(results)} if any(j["directory"] for j in jobs) else {}
    )
    return [(job, runs.get(job["directory"])) for job in jobs]


def _row(job: Mapping[str, Any], run: Run | None) -> Row:
    """Join a job and its run; what the run says counts where both do, but for the family."""
    if run is None:
        return dict(job)
    said = {**run.asked, **run.result, "kind": run.kind, "directory": run.directory.name}
    return {**job, **{name: value for name, value in said.items() if value is not None}}


def _compared(row: Row, known: Sequence[Reference]) -> Row:
    """Set the known barrier beside the computed one: forward with forward where only that is known."""
    reference = find_reference(known, row["material"], row.get("hop_index"), row.get("mechanism"))
    if reference is not None:
        kind, value = reference.known
        row = {
            **row,
            "family": row.get("family") or reference.family,
            "reference_eV": value,
            "reference_kind": kind,
            "error_eV": None if row.get(kind) is None else row[kind] - value,
            "functional": reference.functional,
            "source": reference.source,
        }
    else:
        row = {name: value for name, value in row.items() if name != "source"}
    return _only(row, BARRIER_COLUMNS)


def _only(row: Row, columns: Sequence[str]) -> Row:
    return {name: row.get(name) for name in columns}


def table_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV; what is missing stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
