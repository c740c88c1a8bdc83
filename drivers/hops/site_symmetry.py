"""How the space group moves the sites of an ion."""

import math
from dataclasses import dataclass

import ase
import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.crystals import neighbours, symmetry_dataset
from hopkin.drivers.errors import StructureError
from hopkin.drivers.hops.percolation import Bond


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSymmetry:
    """The ion sites of the primitive cell, and how each operation moves them.

    The primitive cell makes supercells simple: the operations that a supercell's shape forbids
    still make hops equivalent. Operation n brings site s to site ``targets[n, s]``, displaced by
    ``shifts[n, s]`` primitive cells.
    """

    cell: NDArray[np.float64]
    """(3, 3) primitive vectors as rows [A]."""
    positions: NDArray[np.float64]
    """(n_primitive_sites, 3) [A]."""
    primitive_site: NDArray[np.int64]
    """(n_sites,) which of them each ion of the structure is, but for a lattice vector."""
    wyckoff: tuple[str, ...]
    """Letter of each primitive site."""
    rotations: NDArray[np.int64]
    """(n_operations, 3, 3) in fractional coordinates of the primitive cell."""
    targets: NDArray[np.int64]
    """(n_operations, n_primitive_sites)."""
    shifts: NDArray[np.int64]
    """(n_operations, n_primitive_sites, 3)."""

    def wyckoff_of(self, site: int) -> str:
        """Return the Wyckoff letter of an ion of the structure."""
        return self.wyckoff[int(self.primitive_site[site])]

    def primitive_pairs(
        self, i: NDArray[np.int64], j: NDArray[np.int64], vectors: NDArray[np.float64]
    ) -> list[Bond]:
        """Express pairs of ions of the structure, `vectors` [A] apart, in the primitive cell."""
        a, b = self.primitive_site[i], self.primitive_site[j]
        between = vectors - self.positions[b] + self.positions[a]
        cells = np.rint(np.linalg.solve(self.cell.T, between.T).T).astype(int)
        return [tuple(row) for row in np.column_stack([a, b, cells]).tolist()]

    def equivalent_pairs(self, pair: Bond) -> set[Bond]:
        """Return the directed pairs that the operations make of one of them."""
        i, j, *image = pair
        cells = self.rotations @ np.array(image) + self.shifts[:, j] - self.shifts[:, i]
        rows = np.column_stack([self.targets[:, i], self.targets[:, j], cells])
        return {tuple(row) for row in rows.tolist()}


def site_symmetry(atoms: ase.Atoms, sites: NDArray[np.int64], symprec: float) -> SiteSymmetry:
    """Find the symmetry of the ion `sites` (indices of atoms).

    Raises
    ------
    StructureError
        spglib finds none, or one that does not hold for the ions.
    """
    mapping = symmetry_dataset(atoms.cell.array, atoms.positions, atoms.numbers, symprec)
    cell = np.asarray(mapping.primitive_lattice)
    _, first = np.unique(mapping.mapping_to_primitive, return_index=True)
    primitive = symmetry_dataset(cell, atoms.positions[first], atoms.numbers[first], symprec)
    kinds, first_ion, primitive_site = np.unique(
        mapping.mapping_to_primitive[sites], return_index=True, return_inverse=True
    )
    positions = atoms.positions[sites[first_ion]]
    scaled = np.linalg.solve(cell.T, positions.T).T
    rotations = primitive.rotations.astype(np.int64)
    moved = np.einsum("nab,sb->nsa", rotations, scaled) + primitive.translations[:, None, :]
    shape = moved.shape[:2]
    # Operations bring sites upon sites, within a few tolerances; ions are farther apart than that.
    center, target, cells, apart = neighbours(cell, moved.reshape(-1, 3) @ cell, positions, 5.0 * symprec)
    order = np.lexsort([np.linalg.norm(apart, axis=1), center])
    matched, nearest = np.unique(center[order], return_index=True)
    if len(matched) != math.prod(shape):
        raise StructureError(f"the symmetry that spglib finds within {symprec} A does not hold for the ions")
    targets, shifts = target[order[nearest]], cells[order[nearest]]
    return SiteSymmetry(
        cell=cell,
        positions=positions,
        primitive_site=primitive_site,
        wyckoff=tuple(primitive.wyckoffs[kind] for kind in kinds),
        rotations=rotations,
        targets=targets.reshape(shape),
        shifts=shifts.reshape(*shape, 3),
    )
