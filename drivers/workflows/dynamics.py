"""Molecular dynamics in LAMMPS: relaxed, equilibrated, run, watched, taken up again from restart files."""

import logging
import math
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from hopkin.analysis.transport import find_damage, find_framework
from hopkin.drivers import engine
from hopkin.drivers.crystals import Structure, choose_repeats, require_few_atoms, require_ion, supercell
from hopkin.drivers.errors import Failure, ModelError, SpecificationError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import MDSpecification, Repeats
from hopkin.drivers.workflows.calculation import (
    Run,
    Say,
    calculate,
    fingerprint,
    run_deck,
    threads_per_replica,
)
from hopkin.drivers.workflows.continuation import (
    TRAJECTORY,
    last_restart,
    read_thermo,
    rewrite_trajectory,
    set_log_aside,
    step_of,
)
from hopkin.drivers.workflows.monitor import Monitor, judge_temperature
from hopkin.drivers.workflows.relaxation import relax_bulk

if TYPE_CHECKING:
    from hopkin.analysis.trajectories import Trajectory

_DEFAULT_EQUILIBRATION = 0.1  # of the run that is analysed
_FRAMES_PER_RESTART = 10
_LEAST_INTERVALS = 3  # so that a slope can be taken over the last 40 % of the run
_THERMO_PER_FRAME = 2
_MOST_STEPS = 2**31 - 1  # of one run of LAMMPS
_SITE_RADIUS_A = 1.5  # half a hop: an ion that stays within it has not left its site
_LEAST_TIME_FROZEN_PS = 10.0  # before that, an ion that has not hopped says nothing

# Fields of a result, beside those of its transport, that are None where the run diverged or was given up.
_OF_A_WHOLE_RUN = (
    *("resumed_at_step", "ns_per_day", "temperature_mean_K", "energy_drift_eV_per_atom_per_ps"),
    *("pressure_mean_bar", "volume_mean_A3"),
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

    A torn run goes on from its last restart file, and ends as it would have ended undisturbed.
    """
    from hopkin.analysis.transport import TRANSPORT_FIELDS

    require_ion(structure.atoms, specification.ion)
    schedule = schedule_of(specification)
    repeats = supercell_of(structure.atoms, specification)
    n_atoms = len(structure.atoms) * math.prod(repeats)
    require_few_atoms(n_atoms)
    if n_atoms == 1:
        raise SpecificationError(
            f"{structure.material} is one atom in a periodic cell, which has no temperature; accepted: at"
            " least 2 atoms: ask for a supercell"
        )
    facts = {
        "material": structure.material,
        "temperature_K": specification.temperature_K,
        "seed": specification.seed,
        "ensemble": specification.ensemble,
        "thermostat_chain": specification.thermostat_chain,
        "thermostat_damping_fs": specification.thermostat_damping_fs,
        "timestep_fs": specification.timestep_fs,
        "equilibration_ps": schedule["equilibration_steps"] * specification.timestep_fs / 1000,
        "repeats": repeats,
        "n_atoms": n_atoms,
    }

    def work(directory: Path) -> dict[str, Any]:
        relaxed, relaxation = _relaxed(structure, model, specification, root, say=say)
        facts.update(relaxation)
        start = supercell(relaxed, repeats)
        result = facts | _simulate(structure, start, model, specification, schedule, directory, say=say)
        say("analysing the trajectory")
        result |= _outcome(directory, start, specification)
        for file in _states(directory):
            file.unlink()
        return result

    return calculate(
        root,
        f"{engine.slug(structure.material, hyphens=True)}-{specification.temperature_K:g}K",
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
        diverged=ChainMap(facts, dict.fromkeys(_OF_A_WHOLE_RUN + TRANSPORT_FIELDS)),  # facts grow by `work`
        verify=verify,
        say=say,
    )


def schedule_of(specification: MDSpecification) -> dict[str, int]:
    """Count the steps of the run, and between frames, thermo lines and restart files.

    Raises
    ------
    SpecificationError
        when it is too short for its frames, or too long
    """
    n_steps = round(specification.time_ps * 1000 / specification.timestep_fs)
    frame_every = max(1, round(specification.frame_interval_fs / specification.timestep_fs))
    if n_steps < _LEAST_INTERVALS * frame_every:
        raise SpecificationError(
            f"a run of {specification.time_ps:g} ps holds fewer than {_LEAST_INTERVALS} intervals of frames,"
            f" one each {specification.frame_interval_fs:g} fs: ask for a longer run"
        )
    restart_every = _FRAMES_PER_RESTART * frame_every
    equilibration_ps = specification.equilibration_ps
    if equilibration_ps is None:
        equilibration_ps = _DEFAULT_EQUILIBRATION * specification.time_ps
    # whole intervals of frames; where the ensemble changes, of restart files
    unit = restart_every if specification.ensemble == "nve" else frame_every
    equilibration_steps = unit * math.ceil(
        round(equilibration_ps * 1000 / specification.timestep_fs / unit, ndigits=6)
    )
    if n_steps + equilibration_steps > _MOST_STEPS:
        raise SpecificationError(
            f"run and equilibration have {n_steps + equilibration_steps} steps of"
            f" {specification.timestep_fs:g} fs; accepted: at most {_MOST_STEPS}: ask for a shorter run"
        )
    return {
        "n_steps": n_steps,
        "equilibration_steps": equilibration_steps,
        "frame_every": frame_every,
        "thermo_every": max(1, frame_every // _THERMO_PER_FRAME),
        "restart_every": restart_every,
    }


def supercell_of(atoms: Atoms, specification: MDSpecification) -> Repeats:
    """Repeats of the crystal that a run of molecular dynamics has."""
    if specification.min_edge_A is not None:
        return choose_repeats(atoms.cell.array, specification.min_edge_A)
    return specification.repeats or (1, 1, 1)


def _relaxed(
    structure: Structure, model: Model, specification: MDSpecification, root: Path, *, say: Say
) -> tuple[Atoms, dict[str, Any]]:
    """Return the crystal to start from, and what its result says of the relaxation."""
    if not specification.relax:
        return structure.atoms, {}
    relaxed = relax_bulk(structure, model, root, specification, say=say)
    if relaxed.evidence:
        _logger.warning("%s: %s", relaxed.directory, relaxed.evidence)
    return relaxed.atoms, {**relaxed.facts, "bulk_evidence": relaxed.evidence}


def _simulate(
    structure: Structure,
    start: Atoms,
    model: Model,
    specification: MDSpecification,
    schedule: dict[str, int],
    directory: Path,
    *,
    say: Say,
) -> dict[str, Any]:
    """Run `md.in` from the start, or go on with it where a killed run left it."""
    elements = engine.elements_of(start)
    engine.write_structure(directory / "start.data", start, elements)
    deck = engine.write_deck(
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
        chain=specification.thermostat_chain,
        damping_ps=specification.thermostat_damping_fs / 1000,
        triclinic=engine.is_triclinic(start),
        pressure_bar=specification.pressure_bar,
        barostat_damping_ps=specification.barostat_damping_fs / 1000,
        **schedule,
    )

    say("molecular dynamics: starting")
    first_step, n_steps = 0, schedule["equilibration_steps"] + schedule["n_steps"]
    variables = {}
    restart = last_restart(
        directory, first_frame=schedule["equilibration_steps"], frame_every=schedule["frame_every"]
    )
    if restart is not None:
        first_step = step_of(restart)
        rewrite_trajectory(directory / TRAJECTORY, before_step=first_step)
        variables["restart"] = str(first_step)
    set_log_aside(directory)
    monitor = Monitor(directory, start, specification, first_step=first_step, n_steps=n_steps, say=say)
    try:
        wall_s = run_deck(
            directory,
            deck,
            model,
            replicas=1,
            threads=_threads(directory),
            variables=variables,
            quiet_evaluations=schedule["thermo_every"] * len(start),
            on_poll=monitor,
        )
    except ModelError:
        for file in _states(directory):
            if step_of(file) > first_step:  # of other weights
                file.unlink()
        raise
    if restart is not None:
        rewrite_trajectory(directory / TRAJECTORY)
    simulated_ns = (n_steps - first_step) * specification.timestep_fs * 1e-6
    return {"resumed_at_step": first_step or None, "ns_per_day": simulated_ns / wall_s * 86400}


def _threads(directory: Path) -> int:
    """Threads of a run: those that it began with, or sums would be taken in another order when it goes on."""
    file = directory / "launch.json"
    known = engine.read_json(file, "threads") or {"threads": threads_per_replica(1)}
    engine.write_json(file, known)
    return int(known["threads"])


def _states(directory: Path) -> list[Path]:
    """Files of single steps: to go on from, and for the monitor to look at."""
    return [*directory.glob("md.*.restart"), *directory.glob("state.*.dump")]


# What came out


def _outcome(directory: Path, start: Atoms, specification: MDSpecification) -> dict[str, Any]:
    """Transport, thermodynamics, and what went wrong."""
    from hopkin.analysis.trajectories import read_trajectory
    from hopkin.analysis.transport import analyze, write_tables

    trajectory = read_trajectory(directory / TRAJECTORY, timestep_fs=specification.timestep_fs)
    transport = analyze(trajectory, specification.ion, temperature_K=specification.temperature_K)
    write_tables(transport, directory)
    thermo = read_thermo(directory)
    produced = thermo["Time"] >= trajectory.times_ps[0]
    failure, evidence = _failure(start, trajectory, thermo["Temp"][produced], specification)
    return {
        **transport.as_dict(),
        **_thermodynamics({name: column[produced] for name, column in thermo.items()}, len(start)),
        "failure": failure,
        "evidence": evidence,
    }


def _thermodynamics(thermo: dict[str, np.ndarray], n_atoms: int) -> dict[str, float]:
    """Means over the run, and drift of the conserved quantity, from thermo columns."""
    drift = np.polyfit(thermo["Time"], thermo["Econserve"], 1)[0] / n_atoms
    return {
        "temperature_mean_K": float(thermo["Temp"].mean()),
        "pressure_mean_bar": float(thermo["Press"].mean()),
        "volume_mean_A3": float(thermo["Volume"].mean()),
        "energy_drift_eV_per_atom_per_ps": float(drift),
    }


def _failure(
    start: Atoms, trajectory: "Trajectory", temperatures: np.ndarray, specification: MDSpecification
) -> tuple[Failure, str] | tuple[None, None]:
    """Class of what went wrong, and a sentence that says how it shows."""
    symbols = start.get_chemical_symbols()
    time_ps = specification.time_ps
    wrong_temperature = judge_temperature(
        temperatures,
        specification,
        n_atoms=len(start),
        time_ps=time_ps,
        n_independent=max(1.0, time_ps * 1000 / specification.thermostat_damping_fs),
    )
    if wrong_temperature and wrong_temperature[0] == "type_I_divergence":
        return wrong_temperature
    framework = find_framework(start.positions, start.cell.array, symbols, specification.ion)
    if damage := find_damage(framework, trajectory.positions[-1], trajectory.cells[-1]):
        return damage.kind, f"at the end, {damage.evidence}"
    if wrong_temperature:
        return wrong_temperature
    is_ion = trajectory.species == specification.ion
    moves = trajectory.positions - trajectory.positions[0]
    moves = moves[:, is_ion] - moves[:, ~is_ion].sum(axis=1, keepdims=True) / max(1, np.sum(~is_ion))
    farthest = float(np.linalg.norm(moves, axis=2).max())
    if farthest < _SITE_RADIUS_A and time_ps >= _LEAST_TIME_FROZEN_PS:
        return "frozen", f"no {specification.ion} moved farther than {farthest:.2f} A in {time_ps:g} ps"
    return None, None
