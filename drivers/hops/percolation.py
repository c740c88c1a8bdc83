"""In how many dimensions hops join the sites of a crystal, and up to which barrier they have to be crossed.

The sites of a cell and the hops between them, each with the cell that it leads to, are a graph on a torus.
Going round a cycle of it ends at an image of the start. All such images are a lattice, and its rank is the
dimension (Delgado-Friedrichs, O'Keeffe, J. Solid State Chem. 178, 2480 (2005)).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

Bond = tuple[int, ...]
"""``(i, j, n1, n2, n3)``: site i of a cell is joined to site j of the cell n away."""


class Bonded(Protocol):
    """Anything that joins sites, such as a hop with all its equivalents."""

    @property
    def symmetric(self) -> bool:
        """Whether symmetry exchanges the ends, which then are at the same energy."""
        ...

    @property
    def bonds(self) -> Sequence[Bond]:
        """Pairs of sites that are joined."""
        ...


class Joined:
    """Sites that are joined step by step: union-find, with the cell of each site beside its root."""

    def __init__(self, bonds: Iterable[Bond] = ()) -> None:
        self.dimension = 0
        """Largest dimension in which a connected part extends."""
        self._root: dict[int, int] = {}
        self._cell: dict[int, Integers] = {}
        self._members: dict[int, list[int]] = {}
        self._lattice: dict[int, Integers] = {}
        for bond in bonds:
            self.join(bond)

    def join(self, bond: Bond) -> None:
        """Join two sites."""
        i, j, *cell = bond
        a, b = self._find(i), self._find(j)
        between = self._cell[i] + np.array(cell) - self._cell[j]
        if a == b:
            self._extend(a, between[None])
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b, between = b, a, -between
        for site in self._members.pop(b):
            self._root[site] = a
            self._cell[site] = self._cell[site] + between
            self._members[a].append(site)
        self._extend(a, self._lattice.pop(b))

    def directions(self) -> int:
        """Return in how many directions its parts extend, together."""
        vectors = np.vstack([np.zeros((0, 3), dtype=int), *self._lattice.values()])
        return int(np.linalg.matrix_rank(vectors)) if len(vectors) else 0

    def parts(self) -> list[list[int]]:
        """Return the sites of each connected part."""
        return list(self._members.values())

    def _find(self, site: int) -> int:
        if site not in self._root:
            self._root[site] = site
            self._cell[site] = np.zeros(3, dtype=int)
            self._members[site] = [site]
            self._lattice[site] = np.zeros((0, 3), dtype=int)
        return self._root[site]

    def _extend(self, root: int, vectors: Integers) -> None:
        """Add lattice vectors that are independent of those that a connected part has."""
        for vector in vectors:
            lattice = self._lattice[root]
            if len(lattice) == 3 or not vector.any():
                continue
            extended = np.vstack([lattice, vector])
            if np.linalg.matrix_rank(extended) == len(extended):
                self._lattice[root] = extended
                self.dimension = max(self.dimension, len(extended))


def components_of(n_sites: int, start: Integers, end: Integers) -> Integers:
    """Return (n_sites,) the number of the connected part that each site is of, joined pair by pair."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    joined = coo_matrix((np.ones(len(start)), (start, end)), (n_sites, n_sites))
    return np.asarray(connected_components(joined, directed=False)[1], dtype=int)


def dimension_of(bonds: Iterable[Bond]) -> int:
    """Return the dimension, 0 to 3, of the network that bonds make."""
    return Joined(bonds).dimension


def percolating_barriers(
    hops: Sequence[Bonded], barriers: Sequence[tuple[float, float] | None]
) -> tuple[Mapping[int, float | None], float]:
    """Return how high above the lowest vacancy the saddles are that lead on in 1, 2, and 3 dimensions.

    A vacancy moves against the ion: where that starts, at the initial site, the final one is vacant. Energies
    of a vacancy at each site, relative to the lowest of those that are joined, are a least-squares fit to
    the differences between the ends of the hops.

    Parameters
    ----------
    hops
        Distinct hops of one crystal; their bonds lead from the initial to the final site of the ion.
    barriers
        Barriers of each [eV], for the ion on its way from the initial and from the final site; None where
        there are none, and the hop is not used.

    Returns
    -------
    mapping
        By dimension [eV]; None where no barrier is enough.
    float
        Most by which the barriers of a hop disagree with the energies of vacancies at its sites [eV].
    """
    steps = [
        (bond, pair, 0.0 if hop.symmetric else pair[0] - pair[1])
        for hop, pair in zip(hops, barriers, strict=True)
        if pair is not None and np.isfinite(pair).all()
        for bond in hop.bonds
    ]
    if not steps:
        return {1: None, 2: None, 3: None}, 0.0
    ends = np.array([bond[1::-1] for bond, _, _ in steps])  # where the vacancy is at first, and at last
    over = np.array([pair for _, pair, _ in steps], dtype=float)
    rise = np.array([rise for _, _, rise in steps])
    site = np.eye(ends.max() + 1)
    energies = np.linalg.lstsq(site[ends[:, 1]] - site[ends[:, 0]], rise)[0]
    whole = Joined(bond for bond, _, _ in steps)
    for part in whole.parts():
        energies[part] -= energies[part].min()
    saddles = energies[ends] + over
    network = Joined()
    thresholds: dict[int, float | None] = {1: None, 2: None, 3: None}
    for n in np.argsort(saddles.max(axis=1), kind="stable").tolist():
        network.join(steps[n][0])
        for dimension in range(1, network.dimension + 1):
            if thresholds[dimension] is None:
                thresholds[dimension] = float(saddles[n].max())
    return thresholds, float(np.abs(saddles[:, 0] - saddles[:, 1]).max())
