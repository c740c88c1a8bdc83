"""Relaxation of one or several structures in LAMMPS.

It ends by the norm of all 3N forces of a structure (`min_modify norm two`), which is stricter than the
largest force on an atom: by that alone, ends in soft crystals stopped 17 meV too high.

Damped dynamics takes the more steps, the further the fastest and the slowest swings are apart. Phosphorus is
held forty times as strongly as sodium, and weighs little more. With the force constants of the elements for
masses, all swing alike, and bands of M3GNet take half the steps (`benchmarks/results/cathodes.md`). One small
random displacement of all atoms measures them: what the others add to the force on an atom averages out
(Hutchinson's estimate of a diagonal).

Cells relax by pressure over stiffness, not by `fix box/relax`: its line search needs energies, and stops at
once where forces are not their gradient (a direct Orb was left at -2.2 GPa, and called relaxed). Barzilai
and Borwein's stiffness takes 2 to 6 changes of the cell. Force and pressure are both tested, and what
breaks the space group is averaged out.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from hopkin.drivers import crystals, engine
from hopkin.drivers.errors import DivergenceError, ModelError, RunError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BarrierSpecification, MDSpecification
from hopkin.drivers.workflows.calculation import (
    Say,
    fingerprint,
    is_converged,
    model_slug,
    run_deck,
    threads_per_replica,
)

_logger = logging.getLogger(__name__)

BAR_PER_GPA = 1e4

# Time step [ps] and longest step of an atom [A]; the second pair where the first diverged. Masses are force
# constants, so that an atom swings at 98 rad/ps.
_STEPS = ((0.004, 0.1), (0.0005, 0.02))

# Force constants are taken from random displacements this large [A], and none is below the least [eV/A^2].
_DISPLACEMENT_A = 0.02
_LEAST_STIFFNESS_EV_PER_A2 = 1.0

_CELL_ROUNDS = 40

_REPORT_EVERY = 10  # steps; as relax.in has it

BULK_SETTINGS = {"force_tolerance_eV_per_A", "max_iterations", "pressure_tolerance_GPa", "keep_symmetry"}
"""What the relaxed crystal depends on, beside the structure and the model."""

# No crystal at rest comes near such a force [eV/A]: what has it has exploded.
_LOST_FORCE_EV_PER_A = 1e6

# A relaxed crystal further than this from its space group has left it [A]: noise is far below.
_SYMMETRY_LOST_A = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """A structure as LAMMPS left it.

    Attributes
    ----------
    atoms
        structure, in the order it was given; `atoms.arrays["forces"]` holds forces [eV/A]
    energy_eV
        its energy
    max_force_eV_per_A
        largest force on an atom
    max_pressure_GPa
        largest component of the pressure tensor, without its sign
    cell_changes
        how often its cell was changed
    stiffness_eV_per_A2
        force constants of its elements, in the order of :func:`hopkin.drivers.engine.elements_of`, where it
        started; those of a band are of its ends
    """

    atoms: Atoms
    energy_eV: float
    max_force_eV_per_A: float
    max_pressure_GPa: float
    cell_changes: int
    stiffness_eV_per_A2: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A crystal whose cell and atoms were relaxed.

    Attributes
    ----------
    directory
        its run directory
    atoms
        the crystal, in LAMMPS orientation
    facts
        fields of a result: residual force and pressure, space group, cell
    evidence
        why it does not count as relaxed, in one sentence; None where it does
    """

    directory: Path
    atoms: Atoms
    facts: dict[str, Any]
    evidence: str | None


def relax(
    structures: dict[str, Atoms],
    model: Model,
    directory: Path,
    *,
    relax_cell: bool,
    force_tolerance: float,
    max_iterations: int,
    pressure_tolerance_GPa: float = 0.1,
    say: Say,
) -> list[Relaxed]:
    """Relax structures side by side, one LAMMPS replica each; by smaller steps where that diverges.

    A directory in which this has ended already is read, not run again.

    Parameters
    ----------
    structures
        structures by name, all of the same elements; the names are those of the files
    directory
        where the deck `relax.in` is written and run
    relax_cell
        relax the cell too
    force_tolerance
        norm of all forces of a structure [eV/A]; a cell has settled when the largest on an atom is below it
    pressure_tolerance_GPa
        largest component of the pressure tensor, where the cell is relaxed

    Raises
    ------
    DivergenceError
        when it diverges numerically by small steps, too
    """
    if (ended := _ended(directory, list(structures))) is not None:
        return ended
    directory.mkdir(exist_ok=True)
    elements = engine.elements_of(next(iter(structures.values())))
    for name, atoms in structures.items():
        engine.write_structure(directory / f"{name}.data", atoms, elements)
    for timestep_ps, largest_step in _STEPS:
        deck = engine.write_deck(
            directory,
            "relax",
            model,
            elements,
            masses=[float(atomic_masses[atomic_numbers[element]]) for element in elements],
            displacement=_DISPLACEMENT_A,
            least_stiffness=_LEAST_STIFFNESS_EV_PER_A2,
            title=f"Relax {', '.join(structures)} with {model.name}",
            names=list(structures),
            relax_cell=relax_cell,
            force_tolerance=force_tolerance,
            pressure_tolerance=pressure_tolerance_GPa * BAR_PER_GPA,
            max_iterations=max_iterations,
            cell_rounds=_CELL_ROUNDS,
            lost_force=_LOST_FORCE_EV_PER_A,
            timestep_ps=timestep_ps,
            largest_step=largest_step,
        )
        say(f"relaxing {' and '.join(structures)}")
        for name in structures:  # of a try that diverged, or of a run that was killed
            for state in (f"{name}.dump", f"{name}.yaml"):
                (directory / state).unlink(missing_ok=True)
        try:
            run_deck(
                directory,
                deck,
                model,
                replicas=len(structures),
                threads=threads_per_replica(len(structures)),
                quiet_evaluations=_REPORT_EVERY * sum(map(len, structures.values())),
                on_poll=lambda: say(f"relaxing {' and '.join(structures)}"),
            )
            return [read_relaxed(directory, name) for name in structures]
        except ModelError:
            for name in structures:  # of other weights
                (directory / f"{name}.yaml").unlink(missing_ok=True)
            raise
        except DivergenceError as error:
            if timestep_ps == _STEPS[-1][0]:
                raise
            _logger.warning("%s: again by smaller steps", error)
    raise AssertionError("unreachable: the smallest steps end or raise")


def _ended(directory: Path, names: Sequence[str]) -> list[Relaxed] | None:
    """Read what an earlier run has relaxed; None where it has not, or left torn files."""
    if not all((directory / f"{name}.yaml").is_file() for name in names):
        return None
    try:
        return [read_relaxed(directory, name) for name in names]
    except RunError as error:
        engine.say_absent(str(error))
        return None


def relax_bulk(
    structure: crystals.Structure,
    model: Model,
    root: Path,
    specification: BarrierSpecification | MDSpecification,
    *,
    say: Say,
) -> Bulk:
    """Relax cell and atoms of a crystal, in a run of its own that all its hops and dynamics share.

    Its space group is kept, on request: noise is averaged away, and a crystal that has left it says so.

    Parameters
    ----------
    root
        folder that holds the run directories

    Raises
    ------
    DivergenceError
        when it diverges, or has diverged in an earlier run
    """
    atoms = structure.atoms
    run = engine.find_run(
        root,
        f"{engine.slug(structure.material, hyphens=True)}-bulk-{model_slug(model.name)}",
        {
            "kind": "bulk",
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(atoms),
            "model": model.name,
            "model_sha256": model.sha256 or model.checkpoint_sha256(),
            "settings": specification.model_dump(mode="json", include=BULK_SETTINGS),
        },
        "evidence",
    )
    with run.begun(waiting=lambda: say("waiting for another hopkin, which relaxes the crystal")):
        known = run.result
        if known is not None and known["failure"]:
            raise DivergenceError(known["evidence"])
        try:
            (relaxed,) = relax(
                {"bulk": atoms},
                model,
                run.path,
                relax_cell=True,
                force_tolerance=specification.force_tolerance_eV_per_A,
                max_iterations=specification.max_iterations,
                pressure_tolerance_GPa=specification.pressure_tolerance_GPa,
                say=say,
            )
        except DivergenceError as error:
            run.finish({"model": model.name, "failure": error.failure, "evidence": str(error)})
            raise
        bulk = _bulk(run.path, atoms, relaxed, specification)
        if known is None:
            run.finish({"model": model.name, "failure": None, "evidence": bulk.evidence, **bulk.facts})
        return bulk


def _bulk(
    directory: Path, atoms: Atoms, relaxed: Relaxed, specification: BarrierSpecification | MDSpecification
) -> Bulk:
    """Judge a relaxed crystal, and give it back its space group."""
    force, pressure = relaxed.max_force_eV_per_A, relaxed.max_pressure_GPa
    settled = is_converged(force, specification) and pressure <= specification.pressure_tolerance_GPa
    group = crystals.space_group(atoms)
    symmetric = crystals.symmetrised(relaxed.atoms, atoms, group)
    lost = crystals.deviation(relaxed.atoms, symmetric)
    kept = specification.keep_symmetry and lost <= _SYMMETRY_LOST_A
    if specification.keep_symmetry and not kept:
        _logger.warning("%s: relaxed %.2g A away from space group %s", directory, lost, group.symbol)
    chosen = symmetric if kept else relaxed.atoms
    return Bulk(
        directory=directory,
        atoms=chosen,
        facts={
            "bulk_run": directory.name,
            "bulk_max_atom_force_eV_per_A": force,
            "bulk_max_pressure_GPa": pressure,
            "bulk_space_group": group.symbol if kept else None,
            "bulk_symmetry_deviation_A": lost,
            "bulk_cell_A_deg": chosen.cell.cellpar().tolist(),
        },
        evidence=(
            None
            if settled
            else f"the crystal did not relax: after {relaxed.cell_changes} changes of its cell the largest"
            f" force is {force:.3g} eV/A and the largest pressure component {pressure:.3g} GPa (accepted:"
            f" {specification.force_tolerance_eV_per_A:g} eV/A, {specification.pressure_tolerance_GPa:g} GPa)"
        ),
    )


def read_relaxed(directory: Path, name: str) -> Relaxed:
    """Read `NAME.dump` and `NAME.yaml` that the fragment write_state.in.j2 writes.

    Raises
    ------
    DivergenceError
        when the energy or a force is not a number, or a force is beyond all reason
    """
    state = read_state(directory, name)
    if not (math.isfinite(state.energy_eV) and state.max_force_eV_per_A <= _LOST_FORCE_EV_PER_A):
        raise DivergenceError(
            f"relaxing {name} ended at an energy of {state.energy_eV:g} eV and a largest force of"
            f" {state.max_force_eV_per_A:g} eV/A"
        )
    return state


def read_state(directory: Path, name: str) -> Relaxed:
    """Read the same, whatever the numbers are; RunError where a file is torn."""
    atoms = engine.read_state(directory / f"{name}.dump")
    file = directory / f"{name}.yaml"
    state = engine.read_fields(file, "energy_eV", "pressure_bar")
    try:
        energy = float(state["energy_eV"])
        pressure = np.abs(np.array(state["pressure_bar"], dtype=np.float64))
        stiffness = tuple(float(constant) for constant in state.get("stiffness_eV_per_A2", ()))
    except (TypeError, ValueError) as error:
        raise RunError(f"{file} is torn: {error}") from error
    return Relaxed(
        atoms=atoms,
        energy_eV=energy,
        max_force_eV_per_A=max_force([atoms]),
        max_pressure_GPa=float(pressure.max() / BAR_PER_GPA),
        cell_changes=state.get("cell_changes", 0),
        stiffness_eV_per_A2=stiffness,
    )


def max_force(structures: Sequence[Atoms]) -> float:
    """Largest force on an atom [eV/A]; NaN if one is not a number."""
    return float(np.max([np.linalg.norm(atoms.arrays["forces"], axis=1).max() for atoms in structures]))
