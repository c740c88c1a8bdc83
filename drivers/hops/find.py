"""Symmetry-distinct vacancy hops of an ion sublattice."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import ase
import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.crystals import neighbours, require_ion
from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.hops.bottlenecks import bottleneck_radii
from hopkin.drivers.hops.percolation import Bond, Joined, dimension_of
from hopkin.drivers.hops.site_symmetry import SiteSymmetry, site_symmetry

BLOCKING_DISTANCE_A = 0.5
"""A hop whose straight path comes nearer than this to a third ion site leads through that ion [A]."""

SAME_LENGTH_A = 1e-4
"""Hops that differ less in length are of the same length [A]."""


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
    bonds: tuple[Bond, ...]
    """All equivalent hops, between the sites of the primitive cell, each in the direction of this one."""
    symmetric: bool
    """Whether an operation of the space group exchanges the ends, so that the energy along the path
    is the same seen from both ends. (Where it is False but both ends are equivalent sites, only
    the heights of the barrier are the same.)"""
    wyckoff: tuple[str, str]
    """Wyckoff letters of the initial and the final site."""
    through_ion: bool
    """Whether the straight path leads through a third ion: that is two shorter hops in a row."""
    bottleneck_A: float | None
    """Radius of what gets along the straight path without touching the framework [A]: see
    :func:`bottleneck_radii`; None where there is no framework near it."""
    dimension: int
    """In how many dimensions this hop alone, with all its equivalents, leads through the crystal."""
    dimension_up_to: int
    """The same of all hops up to this length, without those that lead through an ion."""

    @property
    def label(self) -> str:
        """The hop in one line: ``Li0(a) -> Li3(a)+[0 1 0]  3.005 A x4``."""
        start, end = (
            f"{self.ion}{site}({letter})"
            for site, letter in zip((self.initial_site, self.final_site), self.wyckoff, strict=True)
        )
        cell = f"+[{' '.join(str(n) for n in self.image)}]" if any(self.image) else ""
        return f"{start} -> {end}{cell}  {self.length_A:.3f} A x{self.multiplicity}"

    def as_dict(self) -> dict[str, Any]:
        """Return what a user reads: everything but the bonds."""
        return {name: value for name, value in asdict(self).items() if name != "bonds"}

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
    space group and under reversal.

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
    symmetry = site_symmetry(atoms, sites, symprec)
    # The members of an orbit differ in length by up to the tolerance of the symmetry.
    positions = atoms.positions[sites]
    i, j, images, vectors = neighbours(atoms.cell.array, positions, positions, max_length + 2.0 * symprec)
    others = (i != j) | images.any(axis=1)
    i, j, images, vectors = i[others], j[others], images[others], vectors[others]
    lengths = np.linalg.norm(vectors, axis=1)
    orbits = [
        orbit
        for orbit in _orbits(symmetry, i, j, images, vectors)
        if lengths[orbit.representative] <= max_length + 1e-6
    ]
    keys = np.column_stack([np.round(lengths, 4), i, j, images])
    orbits.sort(key=lambda orbit: keys[orbit.representative].tolist())
    chosen = np.array([orbit.representative for orbit in orbits], dtype=int)
    blocked = _blocked(vectors[chosen], i[chosen], vectors, i).tolist()
    widest = bottleneck_radii(atoms, ion, positions[i[chosen]], vectors[chosen]).tolist()
    up_to = _dimensions_up_to(
        lengths[chosen], [() if b else o.bonds for o, b in zip(orbits, blocked, strict=True)]
    )
    return tuple(
        Hop(
            index=index,
            ion=ion,
            initial_site=int(sites[i[n]]),
            final_site=int(sites[j[n]]),
            image=tuple(images[n].tolist()),
            vector=tuple(vectors[n].tolist()),
            length_A=float(lengths[n]),
            multiplicity=len(sites) // len(symmetry.positions) * len(orbit.bonds),
            bonds=orbit.bonds,
            symmetric=orbit.reversible,
            wyckoff=(symmetry.wyckoff_of(i[n]), symmetry.wyckoff_of(j[n])),
            through_ion=blocked[index],
            bottleneck_A=widest[index] if math.isfinite(widest[index]) else None,
            dimension=dimension_of(orbit.bonds),
            dimension_up_to=up_to[index],
        )
        for index, (n, orbit) in enumerate(zip(chosen.tolist(), orbits, strict=True))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """The sites of an ion in the primitive cell: those that the bonds of hops are between."""

    cell: NDArray[np.float64]
    """(3, 3) primitive vectors as rows [A]."""
    positions: NDArray[np.float64]
    """(n, 3) [A]."""
    atoms: tuple[int, ...]
    """Index of each in the crystal."""
    wyckoff: tuple[str, ...]
    """Letter of each."""

    def on(self, before: ase.Atoms, after: ase.Atoms) -> "Sites":
        """Return the same sites after the crystal was relaxed."""
        strain = np.linalg.solve(before.cell.array, after.cell.array)
        return replace(self, cell=self.cell @ strain, positions=after.positions[list(self.atoms)])


def primitive_sites(atoms: ase.Atoms, ion: str = "Li", symprec: float = 0.01) -> Sites:
    """Find the sites between which the bonds of :func:`find_hops` are; see there."""
    sites = np.flatnonzero(atoms.symbols == ion)
    symmetry = site_symmetry(atoms, sites, symprec)
    _, first = np.unique(symmetry.primitive_site, return_index=True)
    return Sites(
        cell=symmetry.cell,
        positions=symmetry.positions,
        atoms=tuple(sites[first].tolist()),
        wyckoff=symmetry.wyckoff,
    )


class _Orbit(NamedTuple):
    """Pairs of sites that the operations make of one of them."""

    representative: int
    """The simplest: of sites early in the structure, in the same cell or near it."""
    bonds: tuple[Bond, ...]
    reversible: bool
    """Whether an operation exchanges the ends."""


def _orbits(
    symmetry: SiteSymmetry,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    images: NDArray[np.int64],
    vectors: NDArray[np.float64],
) -> Iterator[_Orbit]:
    pairs = symmetry.primitive_pairs(i, j, vectors)
    seen: set[Bond] = set()
    for n in np.lexsort([*-images.T[::-1], j, i, np.abs(images).sum(axis=1)]).tolist():
        if pairs[n] in seen:
            continue
        directed = symmetry.equivalent_pairs(pairs[n])
        reverse = {(b, a, -n1, -n2, -n3) for a, b, n1, n2, n3 in directed}
        seen |= directed | reverse
        reversible = pairs[n] in reverse
        bonds = sorted(
            pair
            for pair in directed
            if not reversible or pair < (pair[1], pair[0], -pair[2], -pair[3], -pair[4])
        )
        yield _Orbit(n, tuple(bonds), reversible)


def _dimensions_up_to(lengths: NDArray[np.float64], bonds: Sequence[Sequence[Bond]]) -> list[int]:
    """Dimensions of the network of all bonds up to each length; `lengths` are sorted."""
    network, joined = Joined(), 0
    dimensions = []
    for length in lengths:
        while joined < len(lengths) and lengths[joined] <= length + SAME_LENGTH_A:
            for bond in bonds[joined]:
                network.join(bond)
            joined += 1
        dimensions.append(network.dimension)
    return dimensions


def _blocked(
    paths: NDArray[np.float64],
    starts: NDArray[np.int64],
    vectors: NDArray[np.float64],
    sites: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Tell which of the `paths` [A] from the sites `starts` lead through one of the neighbours of these.

    The neighbours of site s are ``vectors[sites == s]`` away [A]; `sites` are in order.
    """
    first, last = np.searchsorted(sites, starts), np.searchsorted(sites, starts, side="right")
    path = np.repeat(np.arange(len(paths)), last - first)
    neighbour = np.arange(len(path)) + np.repeat(first - np.cumsum(last - first) + last - first, last - first)
    lengths = np.linalg.norm(paths, axis=1)
    directions = (paths / lengths[:, None])[path]
    along = np.einsum("ij,ij->i", vectors[neighbour], directions)
    aside = np.linalg.norm(vectors[neighbour] - along[:, None] * directions, axis=1)
    between = (along > BLOCKING_DISTANCE_A) & (along < lengths[path] - BLOCKING_DISTANCE_A)
    blocked = np.zeros(len(paths), dtype=bool)
    blocked[path[between & (aside < BLOCKING_DISTANCE_A)]] = True
    return blocked
