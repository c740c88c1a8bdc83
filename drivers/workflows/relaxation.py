"""Relaxation of one or several structures in LAMMPS."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms

from hopkin.drivers import decks, engine
from hopkin.drivers.errors import DivergenceError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BarrierSpecification, MDSpecification
from hopkin.drivers.workflows.calculation import Say, threads_per_replica


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
    """

    atoms: Atoms
    energy_eV: float
    max_force_eV_per_A: float


def relax(
    structures: dict[str, Atoms],
    model: Model,
    directory: Path,
    *,
    relax_cell: bool,
    force_tolerance: float,
    max_iterations: int,
    say: Say,
) -> list[Relaxed]:
    """Relax structures side by side, one LAMMPS replica each.

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
        largest force on an atom [eV/A]
    """
    elements = decks.elements_of(next(iter(structures.values())))
    if not all((directory / f"{name}.yaml").is_file() for name in structures):
        directory.mkdir(exist_ok=True)
        for name, atoms in structures.items():
            decks.write_structure(directory / f"{name}.data", atoms, elements)
        deck = decks.write_deck(
            directory,
            "relax",
            model,
            elements,
            title=f"Relax {', '.join(structures)} with {model.name}",
            names=list(structures),
            relax_cell=relax_cell,
            triclinic=any(decks.is_triclinic(atoms) for atoms in structures.values()),
            force_tolerance=force_tolerance,
            max_iterations=max_iterations,
        )
        say(f"relaxing {' and '.join(structures)}")
        engine.run_deck(
            directory,
            deck,
            python=model.interpreter(),
            replicas=len(structures),
            threads=threads_per_replica(len(structures)),
            on_poll=lambda: say(f"relaxing {' and '.join(structures)}"),
        )
    return [read_relaxed(directory, name) for name in structures]


def relax_bulk(
    atoms: Atoms,
    model: Model,
    directory: Path,
    specification: BarrierSpecification | MDSpecification,
    *,
    say: Say,
) -> Relaxed:
    """Relax cell and atoms of a crystal, in the folder `bulk` of a run directory."""
    (relaxed,) = relax(
        {"bulk": atoms},
        model,
        directory / "bulk",
        relax_cell=True,
        force_tolerance=specification.force_tolerance_eV_per_A,
        max_iterations=specification.max_iterations,
        say=say,
    )
    return relaxed


def read_relaxed(directory: Path, name: str) -> Relaxed:
    """Read `NAME.dump` and `NAME.yaml` that the fragment write_state.in.j2 writes.

    Raises
    ------
    DivergenceError
        when the energy or a force is not a number
    """
    atoms = decks.read_state(directory / f"{name}.dump")
    state = read_yaml(directory / f"{name}.yaml")
    energy, force = float(state["energy_eV"]), max_force([atoms])
    if not (math.isfinite(energy) and math.isfinite(force)):
        raise DivergenceError(f"{directory / name}.yaml: energy {energy} eV, force {force} eV/A")
    return Relaxed(atoms=atoms, energy_eV=energy, max_force_eV_per_A=force)


def read_yaml(path: Path) -> dict[str, float]:
    """Read the small file that a deck prints its result to."""
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


def max_force(structures: Sequence[Atoms]) -> float:
    """Largest force on an atom [eV/A]; NaN if one is not a number."""
    return float(np.max([np.linalg.norm(atoms.arrays["forces"], axis=1).max() for atoms in structures]))
