"""Relaxation of one or several structures in LAMMPS."""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms

from hopkin.drivers import decks, engine
from hopkin.drivers.errors import DivergenceError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification, MDSpecification

Say = Callable[[str], None]
"""Receives what a calculation is doing, for the user to see."""


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
        deck = decks.render(
            "relax",
            title=f"Relax {', '.join(structures)} with {model.name}",
            names=list(structures),
            elements=elements,
            relax_cell=relax_cell,
            triclinic=any(decks.is_triclinic(atoms) for atoms in structures.values()),
            force_tolerance=force_tolerance,
            max_iterations=max_iterations,
            pair_style=model.pair_style,
            pair_coeff=model.pair_coeff(),
        )
        (directory / "relax.in").write_text(deck)
        say(f"relaxing {' and '.join(structures)}")
        engine.run_deck(
            directory, "relax.in", replicas=len(structures), threads=threads_per_replica(len(structures))
        )
    return [read_relaxed(directory, name) for name in structures]


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


def is_converged(max_force: float, specification: BandSpecification | MDSpecification) -> bool:
    """Whether the largest force on an atom [eV/A] is within the tolerance; LAMMPS compares squares."""
    return max_force <= specification.force_tolerance_eV_per_A * (1 + 1e-6)


def threads_per_replica(replicas: int) -> int:
    """OpenMP threads of each LAMMPS replica: OMP_NUM_THREADS, or the processors shared among the replicas."""
    if (wanted := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return max(1, int(wanted))
    return max(1, len(os.sched_getaffinity(0)) // replicas)


def fingerprint(atoms: Atoms) -> dict[str, Any]:
    """Return a structure as plain numbers, rounded to what a file may lose."""
    return {
        "symbols": str(atoms.symbols),
        "cell_A": np.round(atoms.cell.array, 6).tolist(),
        "positions_A": np.round(atoms.positions, 6).tolist(),
    }


def slug(name: str) -> str:
    """Turn a model's name into part of a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", Path(name).name)
