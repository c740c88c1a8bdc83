"""Molecular dynamics in LAMMPS: relaxed, NVT, taken up again from restart files."""

import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hopkin.drivers import decks, engine
from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.structures import Structure, require_ion, supercell
from hopkin.drivers.workflows.calculation import (
    Run,
    Say,
    calculate,
    fingerprint,
    threads_per_replica,
)
from hopkin.drivers.workflows.relaxation import relax_bulk

_THERMOSTAT_DAMPING_STEPS = 50  # LAMMPS `fix nvt`: about 100 time steps; 0.1 ps at 2 fs
_HOT_FACTOR = 2.0  # thermal fluctuations of even a few atoms stay below it
_FRAMES_PER_RESTART = 10
_LEAST_INTERVALS = 3  # so that a slope can be taken over the last 40 % of the run
_THERMO_PER_FRAME = 2
_FRAME = b"ITEM: TIME\n"  # first line of each frame that md.in writes
_STEP_LINE, _N_ATOMS_LINE, _FRAME_HEADER_LINES = 2, 4, 10  # after that one
_RESTART_END = b"LammpS RestartT\0"  # of every whole restart file of LAMMPS

# Fields of a result whose trajectory diverged.
_NO_TRAJECTORY = (
    *("resumed_at_step", "ns_per_day", "temperature_mean_K", "energy_drift_eV_per_atom_per_ps"),
    *("n_ions", "time_ps", "msd_A2_final", "diffusivity_cm2_per_s", "diffusivity_windowed_cm2_per_s"),
    *("diffusivity_windowed_reason", "diffusivity_std", "n_hops", "log_log_slope", "framework_msd_A2"),
)

_logger = logging.getLogger(__name__)


def run_md(
    structure: Structure,
    model: Model,
    specification: MDSpecification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Molecular dynamics of a crystal at one temperature, with its transport analysis.

    A torn run goes on from its last restart file.
    """
    require_ion(structure.atoms, specification.ion)
    schedule = _schedule(specification)
    n_atoms = len(structure.atoms) * math.prod(specification.repeats)
    facts = {
        "material": structure.material,
        "temperature_K": specification.temperature_K,
        "seed": specification.seed,
        "ensemble": specification.ensemble,
        "timestep_fs": specification.timestep_fs,
        "n_atoms": n_atoms,
    }

    def work(directory: Path) -> dict[str, Any]:
        result: dict[str, Any] = facts | _simulate(
            structure, model, specification, schedule, directory, say=say
        )
        say("analysing the trajectory")
        result |= _transport(directory, specification)
        result |= _thermodynamics(read_thermo(directory), n_atoms)
        mean = result["temperature_mean_K"]
        if specification.ensemble == "nvt" and _is_hot(mean, specification.temperature_K):
            result["failure"] = "type_I_divergence"
        for restart in directory.glob("md.*.restart"):
            restart.unlink()
        return result

    return calculate(
        root,
        f"{structure.material}-{specification.temperature_K:g}K",
        "md",
        structure.atoms,
        model,
        specification,
        work,
        asked={
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(structure.atoms),
        },
        diverged=facts | dict.fromkeys(_NO_TRAJECTORY),
        verify=verify,
        say=say,
    )


def _simulate(
    structure: Structure,
    model: Model,
    specification: MDSpecification,
    schedule: dict[str, int],
    directory: Path,
    *,
    say: Say,
) -> dict[str, Any]:
    """Relax the crystal and run `md.in`, or go on with it where a killed run left it."""
    atoms = structure.atoms
    if specification.relax:
        relaxed = relax_bulk(atoms, model, directory, specification, say=say)
        atoms = relaxed.atoms
        if relaxed.evidence:
            _logger.warning("%s: %s", directory, relaxed.evidence)
    atoms = supercell(atoms, specification.repeats)
    elements = decks.elements_of(atoms)
    decks.write_structure(directory / "start.data", atoms, elements)
    deck = decks.write_deck(
        directory,
        "md",
        model,
        elements,
        title=f"{structure.material} at {specification.temperature_K:g} K with {model.name}",
        name="start",
        temperature_K=specification.temperature_K,
        seed=specification.seed,
        ensemble=specification.ensemble,
        timestep_ps=specification.timestep_fs / 1000,
        damping_ps=_THERMOSTAT_DAMPING_STEPS * specification.timestep_fs / 1000,
        **schedule,
    )

    say("molecular dynamics: starting")
    first_step = 0
    variables = {}
    if (restart := last_restart(directory, schedule["frame_every"])) is not None:
        first_step = _step_of(restart)
        truncate_trajectory(directory / "trajectory.dump", before_step=first_step)
        variables["restart"] = str(first_step)
    _set_log_aside(directory)
    wall_s = engine.run_deck(
        directory,
        deck,
        python=model.interpreter(),
        threads=threads_per_replica(1),
        variables=variables,
        on_poll=lambda: _say_progress(directory, specification, say),
    )
    simulated_ns = (schedule["n_steps"] - first_step) * specification.timestep_fs * 1e-6
    return {"resumed_at_step": first_step or None, "ns_per_day": simulated_ns / wall_s * 86400}


def _schedule(specification: MDSpecification) -> dict[str, int]:
    """Count the steps of the run, and between frames, thermo lines and restart files."""
    n_steps = round(specification.time_ps * 1000 / specification.timestep_fs)
    frame_every = max(1, round(specification.frame_interval_fs / specification.timestep_fs))
    if n_steps < _LEAST_INTERVALS * frame_every:
        raise SpecificationError(
            f"time_ps: {specification.time_ps:g} ps hold fewer than {_LEAST_INTERVALS} intervals of frames,"
            f" one each {specification.frame_interval_fs:g} fs: ask for a longer run"
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


def last_restart(directory: Path, frame_every: int) -> Path | None:
    """Return the newest whole restart file `md.STEP.restart` up to which the trajectory holds every frame."""
    trajectory = directory / "trajectory.dump"
    frames = _whole_frames(trajectory) if trajectory.is_file() else {}
    for file in sorted(directory.glob("md.*.restart"), key=_step_of, reverse=True):
        whole = file.read_bytes().endswith(_RESTART_END)
        if whole and frames.keys() >= set(range(0, _step_of(file), frame_every)):
            return file
    return None


def truncate_trajectory(path: Path, *, before_step: int) -> None:
    """Cut a LAMMPS dump before the first frame of `before_step` or later, which the next run writes anew."""
    kept = b"".join(frame for step, frame in _whole_frames(path).items() if step < before_step)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(kept)
    temporary.replace(path)


def _whole_frames(trajectory: Path) -> dict[int, bytes]:
    """Frames of a dump by step; without the last one where it is torn."""
    frames = {}
    for content in trajectory.read_bytes().split(_FRAME)[1:]:
        lines = content.splitlines(keepends=True)
        if len(lines) > _N_ATOMS_LINE:
            end = _FRAME_HEADER_LINES + int(lines[_N_ATOMS_LINE])
            if len(lines) >= end and lines[end - 1].endswith(b"\n"):
                frames[int(lines[_STEP_LINE])] = _FRAME + b"".join(lines[:end])
    return frames


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
    for log in [*sorted(directory.glob("log.lammps.before*"), key=_number_of), directory / "log.lammps"]:
        lines = log.read_text().splitlines() if log.is_file() else []
        for line in lines:  # by the line, because a killed run leaves the last YAML block open
            if line.startswith("keywords: [") and line.endswith("]"):
                keywords = yaml.safe_load(line)["keywords"]
            elif row := _row(line):
                rows[int(row[0])] = row
    table = np.array([rows[step] for step in sorted(rows)], dtype=np.float64)
    return {keyword: table[:, n] for n, keyword in enumerate(keywords)} if rows else {}


def _number_of(log: Path) -> int:
    return int(log.name.removeprefix("log.lammps.before"))


def _row(line: str) -> list[float]:
    """Numbers of a whole line of YAML thermo output; none of any other line."""
    found = re.fullmatch(r"  - \[(.*?),? *\]", line)
    return [float(word) for word in found[1].split(",")] if found else []


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


def _is_hot(mean_temperature: float | None, temperature: float) -> bool:
    """Whether a thermostat has lost its atoms: in a periodic box, one that explodes ends without an error."""
    return mean_temperature is not None and not mean_temperature < _HOT_FACTOR * temperature


def _say_progress(directory: Path, specification: MDSpecification, say: Say) -> None:
    log = directory / "log.lammps"
    rows = [row for line in log.read_text().splitlines() if (row := _row(line))] if log.is_file() else []
    if rows:
        _, time_ps, temperature, *_ = rows[-1]
        say(
            f"molecular dynamics: {time_ps:.2f} of {specification.time_ps:g} ps,"
            f" {temperature:.0f} K of {specification.temperature_K:g} K"
        )
