"""Symmetry-distinct vacancy hops of an ion sublattice."""

import math
import warnings
from dataclasses import dataclass, replace

import ase
import numpy as np
import spglib
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from hopkin.drivers.errors import SpecificationError, StructureError
from hopkin.drivers.structures import require_ion

COLLINEAR_TOLERANCE_A = 0.1
"""An ion site nearer than this to the straight path between two others cuts the hop in two [A]."""

Pair = tuple[int, ...]
"""A directed pair ``(i, j, n1, n2, n3)``: site i of a cell, and site j displaced by n cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A representative of one orbit of symmetry-equivalent vacancy hops.

    The ion at `initial_site` moves by `vector` into the vacant `final_site` of the cell `image`.
    """

    index: int
    """Place in the tuple that :func:`find_hops` returns, from 0."""
    ion: str
    initial_site: int
    """Index of the atom in the cell, from 0."""
    final_site: int
    """Index of the atom in the cell, from 0."""
    image: tuple[int, int, int]
    """Cell of the final site, in units of the cell vectors."""
    vector: tuple[float, float, float]
    """From the initial to the final site [A]."""
    length_A: float
    multiplicity: int
    """Equivalent hops in the cell, there and back counted once."""
    symmetric: bool
    """Whether an operation of the space group exchanges the ends, so that the energy along the path
    is the same seen from both ends. (Where it is False but both ends are equivalent sites, only
    the heights of the barrier are the same.)"""
    wyckoff: tuple[str, str]
    """Wyckoff letters of the initial and the final site."""

    @property
    def label(self) -> str:
        """The hop in one line: ``Li0(a) -> Li3(a)+[0 1 0]  3.005 A x4``."""
        start, end = (
            f"{self.ion}{site}({letter})"
            for site, letter in zip((self.initial_site, self.final_site), self.wyckoff, strict=True)
        )
        cell = f"+[{' '.join(str(n) for n in self.image)}]" if any(self.image) else ""
        return f"{start} -> {end}{cell}  {self.length_A:.3f} A x{self.multiplicity}"

    def on(self, atoms: ase.Atoms) -> "Hop":
        """Return the same hop after the crystal was relaxed: the same sites, where they are in `atoms`."""
        start, end = atoms.positions[[self.initial_site, self.final_site]]
        x, y, z = (end + np.array(self.image) @ atoms.cell.array - start).tolist()
        return replace(self, vector=(x, y, z), length_A=math.hypot(x, y, z))


def find_hops(
    atoms: ase.Atoms, ion: str = "Li", max_length: float = 5.0, symprec: float = 0.01
) -> tuple[Hop, ...]:
    """Find the symmetry-distinct vacancy hops between the sites of an ion.

    Pairs of ion sites, periodic images included, are made distinct under the operations of the
    space group and under reversal. A pair with a third ion site on the straight line between its
    ends (within `COLLINEAR_TOLERANCE_A`) is left out: that jump is two shorter hops in a row, with
    an ion in the way.

    Parameters
    ----------
    atoms
        A crystal; its cell may be smaller than `max_length`, and need not be primitive.
    ion
        Element symbol of the migrating ion.
    max_length
        Longest hop [A].
    symprec
        Tolerance of the symmetry search [A].

    Returns
    -------
    tuple of Hop
        Sorted by length, then by the sites of the representative.

    Raises
    ------
    StructureError
        The structure does not hold the ion, or its symmetry cannot be determined.
    SpecificationError
        `max_length` or `symprec` is not a positive, finite length.
    """
    for name, value in (("max_length", max_length), ("symprec", symprec)):
        if not 0.0 < value < float("inf"):
            raise SpecificationError(f"{name} is {value} A; accepted: a length > 0")
    require_ion(atoms, ion)
    sites = np.flatnonzero(atoms.symbols == ion)
    symmetry = _site_symmetry(atoms, sites, symprec)
    hops = _distinct_hops(atoms, sites, symmetry, max_length, symprec)
    hops.sort(key=lambda hop: (round(hop.length_A, 4), hop.initial_site, hop.final_site, hop.image))
    return tuple(replace(hop, index=index) for index, hop in enumerate(hops))


@dataclass(frozen=True, slots=True, kw_only=True)
class _SiteSymmetry:
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

    def primitive_pairs(
        self, i: NDArray[np.int64], j: NDArray[np.int64], vectors: NDArray[np.float64]
    ) -> list[Pair]:
        """Express pairs of ions of the structure, `vectors` [A] apart, in the primitive cell."""
        a, b = self.primitive_site[i], self.primitive_site[j]
        between = vectors - self.positions[b] + self.positions[a]
        cells = np.rint(np.linalg.solve(self.cell.T, between.T).T).astype(int)
        return [tuple(row) for row in np.column_stack([a, b, cells]).tolist()]

    def equivalent_pairs(self, pair: Pair) -> set[Pair]:
        """Return the directed pairs that the operations make of one of them."""
        i, j, *image = pair
        cells = self.rotations @ np.array(image) + self.shifts[:, j] - self.shifts[:, i]
        rows = np.column_stack([self.targets[:, i], self.targets[:, j], cells])
        return {tuple(row) for row in rows.tolist()}


def _site_symmetry(atoms: ase.Atoms, sites: NDArray[np.int64], symprec: float) -> _SiteSymmetry:
    mapping = _symmetry(atoms.cell.array, atoms.positions, atoms.numbers, symprec)
    cell = np.asarray(mapping.primitive_lattice)
    _, first = np.unique(mapping.mapping_to_primitive, return_index=True)
    primitive = _symmetry(cell, atoms.positions[first], atoms.numbers[first], symprec)
    kinds, first_ion, primitive_site = np.unique(
        mapping.mapping_to_primitive[sites], return_index=True, return_inverse=True
    )
    positions = atoms.positions[sites[first_ion]]
    scaled = np.linalg.solve(cell.T, positions.T).T
    rotations = primitive.rotations.astype(np.int64)
    moved = np.einsum("nab,sb->nsa", rotations, scaled) + primitive.translations[:, None, :]
    difference = moved[:, :, None, :] - scaled
    whole = np.rint(difference)
    targets = np.argmin(np.linalg.norm((difference - whole) @ cell, axis=-1), axis=2)
    shifts = np.take_along_axis(whole, targets[:, :, None, None], axis=2)[:, :, 0, :]
    return _SiteSymmetry(
        cell=cell,
        positions=positions,
        primitive_site=primitive_site,
        wyckoff=tuple(primitive.wyckoffs[kind] for kind in kinds),
        rotations=rotations,
        targets=targets,
        shifts=shifts.astype(np.int64),
    )


def _symmetry(
    cell: NDArray[np.float64],
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
    symprec: float,
) -> spglib.SpglibDataset:
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


def _distinct_hops(
    atoms: ase.Atoms,
    sites: NDArray[np.int64],
    symmetry: _SiteSymmetry,
    max_length: float,
    symprec: float,
) -> list[Hop]:
    """Take the simplest pair of each orbit, and drop the orbits that pass through a site."""
    # The members of an orbit differ in length by up to the tolerance of the symmetry.
    i, j, vectors, images = neighbor_list(
        "ijDS", atoms[sites], max_length + 2.0 * symprec, self_interaction=False
    )
    pairs = symmetry.primitive_pairs(i, j, vectors)
    cells_per_primitive = len(sites) // len(symmetry.positions)
    hops: list[Hop] = []
    seen: set[Pair] = set()
    simplest_first = np.lexsort([*-images.T[::-1], j, i, np.abs(images).sum(axis=1)])
    for n in simplest_first.tolist():
        pair, vector = pairs[n], vectors[n]
        if pair in seen:
            continue
        directed = symmetry.equivalent_pairs(pair)
        both_ways = directed | {_reverse(member) for member in directed}
        seen |= both_ways
        length = float(np.linalg.norm(vector))
        if length > max_length + 1e-6 or _is_cut(vector, vectors[i == i[n]]):
            continue
        hops.append(
            Hop(
                index=-1,
                ion=str(atoms.symbols[sites[0]]),
                initial_site=int(sites[i[n]]),
                final_site=int(sites[j[n]]),
                image=tuple(images[n].tolist()),
                vector=tuple(vector.tolist()),
                length_A=length,
                multiplicity=cells_per_primitive * len(both_ways) // 2,
                symmetric=_reverse(pair) in directed,
                wyckoff=(symmetry.wyckoff[pair[0]], symmetry.wyckoff[pair[1]]),
            )
        )
    return hops


def _reverse(pair: Pair) -> Pair:
    i, j, n1, n2, n3 = pair
    return (j, i, -n1, -n2, -n3)


def _is_cut(vector: NDArray[np.float64], neighbours: NDArray[np.float64]) -> bool:
    """Tell whether one of the (n, 3) `neighbours` [A] lies on the way along `vector` [A]."""
    length = np.linalg.norm(vector)
    along = neighbours @ vector / length
    aside = np.linalg.norm(neighbours - np.outer(along, vector / length), axis=1)
    between = (along > COLLINEAR_TOLERANCE_A) & (along < length - COLLINEAR_TOLERANCE_A)
    return bool(np.any(between & (aside < COLLINEAR_TOLERANCE_A)))
