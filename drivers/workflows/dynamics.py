"""Molecular dynamics in LAMMPS: relaxed, NVT, taken up again from restart files."""

import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hopkin.drivers import decks, engine
from hopkin.drivers.errors import LammpsError, SpecificationError
from hopkin.drivers.models import Model
from hopkin.drivers.parity import ensure_parity
from hopkin.drivers.rundirectory import RunDirectory, open_run
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.structures import Structure, require_ion, supercell
from hopkin.drivers.workflows.relaxation import (
    DIVERGED,
    Say,
    fingerprint,
    relax,
    slug,
    threads_per_replica,
)

_THERMOSTAT_DAMPING_STEPS = 50  # LAMMPS `fix nvt`: about 100 time steps; 0.1 ps at 2 fs
_FRAMES_PER_RESTART = 10
_THERMO_PER_FRAME = 2
_FRAME = b"ITEM: TIME\n"  # first line of each frame that md.in writes


def run_md(
    structure: Structure, model: Model, specification: MDSpecification, root: Path, *, say: Say
) -> tuple[RunDirectory, dict[str, Any]]:
    """Molecular dynamics of a crystal at one temperature, with its transport analysis.

    A finished run directory is read; a torn one goes on from its last restart file.

    Returns
    -------
    tuple
        the run directory, and the content of its `result.json`
    """
    require_ion(structure.atoms, specification.ion)
    model.require_elements(structure.atoms.get_chemical_symbols())
    schedule = _schedule(specification)
    asked = {
        "kind": "md",
        "material": structure.material,
        "source": structure.source,
        "structure": fingerprint(structure.atoms),
        "model": model.name,
        "model_sha256": model.sha256,
        "specification": specification.model_dump(mode="json"),
    }
    name = f"{structure.material}-{specification.temperature_K:g}K-{slug(model.name)}"
    run = open_run(root, name, asked)
    if (result := run.result) is not None:
        return run, result
    parity = ensure_parity(model, structure.atoms, say=say)

    atoms = structure.atoms
    if specification.relax:
        (relaxed,) = relax(
            {"bulk": atoms},
            model,
            run.path / "bulk",
            relax_cell=True,
            force_tolerance=specification.force_tolerance_eV_per_A,
            max_iterations=specification.max_iterations,
            say=say,
        )
        atoms = relaxed.atoms
    atoms = supercell(atoms, specification.repeats)
    elements = decks.elements_of(atoms)
    decks.write_structure(run.path / "start.data", atoms, elements)
    deck = decks.render(
        "md",
        title=f"{structure.material} at {specification.temperature_K:g} K with {model.name}",
        name="start",
        elements=elements,
        pair_style=model.pair_style,
        pair_coeff=model.pair_coeff(),
        temperature_K=specification.temperature_K,
        seed=specification.seed,
        ensemble=specification.ensemble,
        timestep_ps=specification.timestep_fs / 1000,
        damping_ps=_THERMOSTAT_DAMPING_STEPS * specification.timestep_fs / 1000,
        **schedule,
    )
    (run.path / "md.in").write_text(deck)

    say("molecular dynamics: starting")
    start = time.monotonic()
    first_step = 0
    failure = None
    try:
        restart = last_restart(run.path)
        variables = {}
        if restart is not None:
            first_step = _step_of(restart)
            truncate_trajectory(run.path / "trajectory.dump", before_step=first_step)
            variables["restart"] = restart.name
        _set_log_aside(run.path)
        engine.run_deck(
            run.path,
            "md.in",
            threads=threads_per_replica(1),
            variables=variables,
            on_poll=lambda: _say_progress(run.path, specification, say),
        )
    except LammpsError as error:
        if not DIVERGED.search(str(error)):
            raise
        failure = "type_I_divergence"
    wall_s = time.monotonic() - start

    thermo = read_thermo(run.path)
    simulated_ns = (schedule["n_steps"] - first_step) * specification.timestep_fs * 1e-6
    result = {
        "material": structure.material,
        "model": model.name,
        "model_sha256": model.sha256,
        "route": model.route,
        "temperature_K": specification.temperature_K,
        "seed": specification.seed,
        "ensemble": specification.ensemble,
        "timestep_fs": specification.timestep_fs,
        "ion": specification.ion,
        "n_atoms": len(atoms),
        "lammps_version": engine.lammps_version(),
        "parity": parity,
        "wall_s": wall_s,
        "ns_per_day": simulated_ns / wall_s * 86400 if failure is None else None,
        "resumed_at_step": first_step or None,
        "failure": failure,
        **_thermodynamics(thermo, len(atoms)),
    }
    if failure is None:
        say("analysing the trajectory")
        result |= _transport(run.path, specification)
    return run, run.finish(result)


def _schedule(specification: MDSpecification) -> dict[str, int]:
    """Count the steps of the run, and between frames, thermo lines and restart files."""
    n_steps = round(specification.time_ps * 1000 / specification.timestep_fs)
    frame_every = max(1, round(specification.frame_interval_fs / specification.timestep_fs))
    if n_steps < 2 * frame_every:
        raise SpecificationError(
            f"time_ps: {specification.time_ps:g} ps hold fewer than 2 frames, one each"
            f" {specification.frame_interval_fs:g} fs: ask for a longer run"
        )
    return {
        "n_steps": n_steps,
        "frame_every": frame_every,
        "thermo_every": max(1, frame_every // _THERMO_PER_FRAME),
        "restart_every": _FRAMES_PER_RESTART * frame_every,
    }


def _transport(directory: Path, specification: MDSpecification) -> dict[str, Any]:
    from hopkin.analysis.trajectory import read_trajectory
    from hopkin.analysis.transport import analyze, write_tables

    trajectory = read_trajectory(directory / "trajectory.dump", timestep_fs=specification.timestep_fs)
    transport = analyze(trajectory, specification.ion)
    write_tables(transport, directory)
    return transport.as_dict()


# Restart files


def _step_of(restart: Path) -> int:
    return int(restart.name.split(".")[1])


def last_restart(directory: Path) -> Path | None:
    """Return the newest whole restart file `md.STEP.restart`; one shorter than its predecessor is torn."""
    files = sorted(directory.glob("md.*.restart"), key=_step_of)
    if len(files) > 1 and files[-1].stat().st_size < files[-2].stat().st_size:
        return files[-2]
    return files[-1] if files and files[-1].stat().st_size > 0 else None


def truncate_trajectory(path: Path, *, before_step: int) -> None:
    """Cut a LAMMPS dump before the first frame of `before_step` or later, which the next run writes anew."""
    first, *frames = path.read_bytes().split(_FRAME)
    kept = [frame for frame in frames if _frame_step(frame) < before_step]
    path.write_bytes(_FRAME.join([first, *kept]))


def _frame_step(frame: bytes) -> float:
    """Step of a frame of a dump; infinite for one that is torn before its step."""
    words = frame.split(maxsplit=4)  # TIME, "ITEM:", "TIMESTEP", STEP, the rest
    return int(words[3]) if len(words) > 4 else math.inf


# Thermodynamic output


def _set_log_aside(directory: Path) -> None:
    """Keep the log of an earlier, torn run under a number of its own."""
    log = directory / "log.lammps"
    if log.is_file():
        number = 1 + len(list(directory.glob("log.lammps.before*")))
        log.rename(directory / f"log.lammps.before{number}")


def read_thermo(directory: Path) -> dict[str, np.ndarray]:
    """Thermo columns of a run by keyword, one row per step, over all logs of a resumed run."""
    rows: dict[int, list[float]] = {}
    keywords: list[str] = []
    logs = [*sorted(directory.glob("log.lammps.before*")), directory / "log.lammps"]
    for log in logs:
        for block in re.findall(r"^---\n(keywords:.*?)^\.\.\.", _closed(log), re.M | re.S):
            content = yaml.safe_load(block)
            keywords = content["keywords"]
            rows |= {int(row[0]): row for row in content["data"]}
    table = np.array([rows[step] for step in sorted(rows)], dtype=np.float64)
    return {keyword: table[:, n] for n, keyword in enumerate(keywords)}


def _closed(log: Path) -> str:
    """Text of a log whose last YAML block is closed, as it is not when the run was killed."""
    lines = log.read_text().splitlines() if log.is_file() else []
    while lines and lines[-1].startswith("  - [") and not lines[-1].endswith("]"):
        lines.pop()
    return "\n".join([*lines, "...", ""])


def _thermodynamics(thermo: dict[str, np.ndarray], n_atoms: int) -> dict[str, float | None]:
    """Mean temperature of the second half, and drift of the conserved quantity, from thermo columns."""
    if not thermo or len(thermo["Step"]) < 4:
        return {"temperature_mean_K": None, "energy_drift_eV_per_atom_per_ps": None}
    half = len(thermo["Temp"]) // 2
    drift = np.polyfit(thermo["Time"], thermo["Econserve"], 1)[0] / n_atoms
    return {
        "temperature_mean_K": float(thermo["Temp"][half:].mean()),
        "energy_drift_eV_per_atom_per_ps": float(drift),
    }


def _say_progress(directory: Path, specification: MDSpecification, say: Say) -> None:
    log = directory / "log.lammps"
    lines = log.read_text().splitlines() if log.is_file() else []
    rows = [line for line in lines if line.startswith("  - [") and line.endswith("]")]
    if rows:
        _, time_ps, temperature, *_ = yaml.safe_load(rows[-1])[0]
        say(
            f"molecular dynamics: {time_ps:.2f} of {specification.time_ps:g} ps,"
            f" {temperature:.0f} K of {specification.temperature_K:g} K"
        )
