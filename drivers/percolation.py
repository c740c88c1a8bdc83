"""In how many dimensions hops join the sites of a crystal, and up to which barrier they have to be crossed.

The sites of a cell and the hops between them, each with the cell that it leads to, are a graph on a torus.
Going round a cycle of it ends at an image of the start. All such images are a lattice, and its rank is the
dimension (Delgado-Friedrichs, O'Keeffe, J. Solid State Chem. 178, 2480 (2005)).
"""

import math
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
    def bonds(self) -> Sequence[Bond]:
        """Pairs of sites that are joined."""
        ...


class Network:
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


def dimension_of(bonds: Iterable[Bond]) -> int:
    """Return the dimension, 0 to 3, of the network that bonds make."""
    return Network(bonds).dimension


def percolating_barriers(
    hops: Sequence[Bonded], barriers: Sequence[float | None]
) -> Mapping[int, float | None]:
    """Return the lowest barrier up to which hops have to be crossed to get on in 1, 2, and 3 dimensions.

    Parameters
    ----------
    hops
        Distinct hops of one crystal.
    barriers
        Barrier of each [eV], seen from its lower end; None where there is none, and the hop is not used.

    Returns
    -------
    mapping
        By dimension; None where no barrier is enough.
    """
    known = sorted(
        (
            (barrier, n)
            for n, barrier in enumerate(barriers)
            if barrier is not None and math.isfinite(barrier)
        ),
    )
    network = Network()
    thresholds: dict[int, float | None] = {1: None, 2: None, 3: None}
    for barrier, n in known:
        for bond in hops[n].bonds:
            network.join(bond)
        for dimension in range(1, network.dimension + 1):
            if thresholds[dimension] is None:
                thresholds[dimension] = barrier
    return thresholds
