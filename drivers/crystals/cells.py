"""Cells that can be that of a crystal: tested before anything is computed with them."""

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.errors import StructureError

LONGEST_EDGE_A = 1000.0
"""A longer vector is a misplaced number: no cell that a model can take on one device has one [A]."""

FLAT_CELL_FRACTION = 1e-3
"""A cell whose volume is a smaller fraction of a b c is taken to have none."""

LEAST_VOLUME_A3 = 0.1
"""Less than any atom takes, each of those that share a split site too [A^3]."""

FARTHEST_A = 1e6
"""An atom farther from the origin is a misplaced number [A]."""


def check_cell(cell: NDArray[np.float64], *, source: str) -> None:
    """Refuse a (3, 3) cell [A] that no crystal has.

    Raises
    ------
    StructureError
        Numbers that are not finite, a vector longer than `LONGEST_EDGE_A`, or no volume; the message names
        the `source`.
    """
    if not np.all(np.isfinite(cell)):
        raise StructureError(f"{source} has a cell whose vectors are not finite numbers: {_numbers(cell)}")
    if np.abs(cell).max() > LONGEST_EDGE_A or np.linalg.norm(cell, axis=1).max() > LONGEST_EDGE_A:
        longest = cell[np.argmax(np.abs(cell).max(axis=1))]
        raise StructureError(
            f"{source} has a cell vector of {_numbers(longest)} A; accepted: at most"
            f" {LONGEST_EDGE_A:g} A long"
        )
    lengths, volume = np.linalg.norm(cell, axis=1), abs(float(np.linalg.det(cell)))
    if not volume > FLAT_CELL_FRACTION * float(np.prod(lengths)):
        raise StructureError(
            f"{source} has a cell without volume: vectors of {_numbers(lengths)} A span {volume:.3g} A^3"
        )


def check_room(atoms: ase.Atoms, *, source: str) -> None:
    """Refuse positions that are no numbers or far off, and a cell that is too small for its atoms.

    Raises
    ------
    StructureError
        The message names the `source`.
    """
    if not np.all(np.isfinite(atoms.positions)):
        raise StructureError(f"{source} has positions that are not finite numbers")
    farthest = atoms.positions[np.argmax(np.abs(atoms.positions).max(axis=1))]
    if np.abs(farthest).max() > FARTHEST_A:
        raise StructureError(
            f"{source} has an atom at {_numbers(farthest)} A; accepted: at most {FARTHEST_A:g} A"
            " from the origin"
        )
    if atoms.cell.volume < LEAST_VOLUME_A3 * len(atoms):
        raise StructureError(
            f"{source} has {len(atoms)} atoms in a cell of {atoms.cell.volume:.3g} A^3; accepted: at least"
            f" {LEAST_VOLUME_A3:g} A^3 for each"
        )


def _numbers(values: ArrayLike) -> str:
    return ", ".join(f"{value:.4g}" for value in np.ravel(values))
