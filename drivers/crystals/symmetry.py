"""The space group of a crystal, and keeping it: what noise adds to a relaxed structure is averaged away."""

import warnings
from dataclasses import dataclass

import ase
import numpy as np
import spglib
from numpy.typing import NDArray

from hopkin.drivers.errors import StructureError

SYMPREC_A = 0.01
"""Tolerance of the symmetry search [A]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceGroup:
    """The operations of a crystal, x' = W x + w in fractional coordinates, and what they do to its atoms."""

    symbol: str
    """International symbol, such as ``Pnma``."""
    rotations: NDArray[np.float64]
    """(n_operations, 3, 3) W."""
    targets: NDArray[np.int64]
    """(n_operations, n_atoms) index of the atom that operation n brings each atom to."""


def space_group(atoms: ase.Atoms) -> SpaceGroup:
    """Find the operations of a crystal; where spglib finds none, the identity."""
    scaled = _scaled(atoms)
    identity = SpaceGroup(symbol="P1", rotations=np.eye(3)[None], targets=np.arange(len(atoms))[None])
    try:
        found = symmetry_dataset(atoms.cell.array, atoms.positions, atoms.numbers, SYMPREC_A)
    except StructureError:
        return identity
    targets = [
        _nearest(scaled @ rotation.T + translation, scaled, atoms.cell.array)
        for rotation, translation in zip(found.rotations, found.translations, strict=True)
    ]
    return SpaceGroup(
        symbol=found.international,
        rotations=np.asarray(found.rotations, dtype=np.float64),
        targets=np.array(targets),
    )


def symmetry_dataset(
    cell: NDArray[np.float64], positions: NDArray[np.float64], numbers: NDArray[np.int64], symprec: float
) -> spglib.SpglibDataset:
    """Return what spglib finds of a crystal: `cell` (3, 3) rows [A], `positions` (n_atoms, 3) [A].

    Raises
    ------
    StructureError
        spglib finds no symmetry within `symprec` [A].
    """
    scaled = np.linalg.solve(cell.T, positions.T).T
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            dataset = spglib.get_symmetry_dataset(
                (cell.tolist(), scaled.tolist(), numbers.tolist()), symprec=symprec
            )
    except spglib.SpglibError as error:
        raise StructureError(f"spglib cannot determine the symmetry: {error}") from error
    if dataset is None:
        raise StructureError(f"spglib cannot determine the symmetry within {symprec} A")
    return dataset


def symmetrised(relaxed: ase.Atoms, crystal: ase.Atoms, group: SpaceGroup) -> ase.Atoms:
    """Return `relaxed` with the space group that `crystal` had before, in LAMMPS orientation.

    The metric G = h h^T of the cell is averaged to W^T G W = G, and the displacements u of the atoms
    from their fractional coordinates in `crystal` to u[target of i] = W u[i]. The centre of the crystal
    stays where the operations put it.

    Parameters
    ----------
    relaxed
        The atoms of `crystal` after a relaxation of cell and positions.
    crystal
        The crystal before.
    group
        Its operations.
    """
    metric = relaxed.cell.array @ relaxed.cell.array.T
    averaged = np.mean(np.swapaxes(group.rotations, 1, 2) @ metric @ group.rotations, axis=0)
    before = _scaled(crystal)
    moved = _scaled(relaxed) - before
    moved -= np.rint(moved)
    sums = np.zeros_like(moved)
    for rotation, target in zip(group.rotations, group.targets, strict=True):
        sums[target] += moved @ rotation.T
    positions = before + sums / len(group.rotations)
    cell = np.linalg.cholesky(averaged)
    return ase.Atoms(numbers=relaxed.numbers, scaled_positions=positions, cell=cell, pbc=True)


def deviation(relaxed: ase.Atoms, symmetric: ase.Atoms) -> float:
    """Largest displacement of an atom between the two [A], of fractional coordinates in the same cell.

    A displacement of all atoms together is none.
    """
    difference = _scaled(relaxed) - _scaled(symmetric)
    difference -= np.rint(difference)
    difference -= difference.mean(axis=0)
    strain = np.linalg.solve(symmetric.cell.array, relaxed.cell.array) - np.eye(3)
    widest = float(np.abs(strain).max() * symmetric.cell.lengths().max())
    return max(widest, float(np.linalg.norm(difference @ symmetric.cell.array, axis=1).max()))


def _scaled(atoms: ase.Atoms) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T
    return scaled


def _nearest(
    images: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(n_atoms,) site that each image falls on, both in fractional coordinates."""
    difference = images[:, None, :] - sites
    difference -= np.rint(difference)
    nearest: NDArray[np.int64] = np.argmin(np.linalg.norm(difference @ cell, axis=2), axis=1)
    return nearest
