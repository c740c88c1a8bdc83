"""Edges of a periodic crystal, from candidates that are searched once per skin.

They are filtered by the true distance at each step: models without a smooth envelope would change with
edges beyond their cutoff. It is done where it gains: CHGNet's graph, made from arrays, takes 0.4 % of a
step of 112 atoms in the place of 13 %, MatterSim's 0.3 % in the place of 3 %. M3GNet (search 0.1 %, graph
0.3 to 0.5 %) and Orb (0.5 to 1 %; it keeps the nearest 20 of a k-d tree in single precision) are left to
their packages, and any ASE calculator to itself (`benchmarks/adapter_cost.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from hopkin.drivers.models.adapters.interface import FloatArray

IntArray = NDArray[np.int64]

_PERIODIC = np.ones(3, dtype=np.int64)
_MOST_EDGES = 2_000_000  # kept: 110 MB
_TOLERANCE = 1e-8  # [A2] what pymatgen, and the models that use it, take for the cutoff itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Directed edges, each beside its reverse somewhere in the same list.

    Attributes
    ----------
    centers, neighbours
        (n_edges,) atoms i and j; `centers` ascends
    images
        (n_edges, 3) cell S of the neighbour: r_ij = r_j + S @ cell - r_i
    distances
        (n_edges,) |r_ij| [A], the same number for an edge and its reverse
    reverse
        (n_edges,) index of the edge j -> i, -S
    """

    centers: IntArray
    neighbours: IntArray
    images: IntArray
    distances: FloatArray
    reverse: IntArray


class NeighbourList:
    """Edges within a cutoff, exactly those of a list built anew.

    Candidates, up to a skin beyond the cutoff, are kept as long as no other pair can have come within it,
    those of several configurations side by side: images of a band are evaluated in turn.
    """

    def __init__(self, cutoff: float, *, skin: float = 1.0) -> None:
        self._cutoff = cutoff
        self._skin = skin
        self._searched: list[
            tuple[FloatArray, FloatArray, Edges]
        ] = []  # positions, cell, candidates; last used
        self.builds = 0
        """How often candidates have been searched."""

    def edges(self, positions: FloatArray, cell: FloatArray) -> Edges:
        """Find the edges of a configuration; see `find_edges`."""
        among = self._candidates(positions, cell)
        vectors = positions[among.neighbours] + among.images @ cell - positions[among.centers]
        squares = np.einsum("ij,ij->i", vectors, vectors)
        # those of an edge and of its reverse differ in the last digit: the smaller one speaks for both
        squares = np.minimum(squares, squares[among.reverse])
        kept = squares < self._cutoff**2 + _TOLERANCE
        return Edges(
            centers=among.centers[kept],
            neighbours=among.neighbours[kept],
            images=among.images[kept],
            distances=np.sqrt(squares[kept]),
            reverse=(np.cumsum(kept) - 1)[among.reverse[kept]],
        )

    def _candidates(self, positions: FloatArray, cell: FloatArray) -> Edges:
        for n, (positions_then, cell_then, found) in enumerate(self._searched):
            if self._hold(positions_then, cell_then, positions, cell):
                self._searched.insert(0, self._searched.pop(n))
                return found
        found = find_edges(positions, cell, self._cutoff + self._skin)
        self._searched.insert(0, (positions.copy(), cell.copy(), found))
        self.builds += 1
        while len(self._searched) > 1 and sum(len(kept.centers) for *_, kept in self._searched) > _MOST_EDGES:
            self._searched.pop()
        return found

    def _hold(
        self, positions_then: FloatArray, cell_then: FloatArray, positions: FloatArray, cell: FloatArray
    ) -> bool:
        """Whether the candidates of then hold every pair that is within the cutoff now.

        With the deformation F of the cell and displacements u beyond it, r_ij = r_ij(then) F + u_j - u_i: no
        pair comes nearer than its distance then times the least singular value of F, less 2 max |u|.
        """
        if positions.shape != positions_then.shape:
            return False
        if np.array_equal(cell, cell_then):
            displacements, least = positions - positions_then, 1.0
        else:
            deformation = np.linalg.solve(cell_then, cell)
            displacements = positions - positions_then @ deformation
            least = np.linalg.svd(deformation, compute_uv=False)[-1]
        moved = np.linalg.norm(displacements, axis=1).max()
        return bool((self._cutoff + self._skin) * least - 2 * moved > self._cutoff)


def find_edges(positions: FloatArray, cell: FloatArray, cutoff: float) -> Edges:
    """Find the edges of a configuration that is periodic in three dimensions.

    Parameters
    ----------
    positions
        (n_atoms, 3) [A]
    cell
        (3, 3) rows are the cell vectors [A]
    cutoff
        longest edge [A]
    """
    centers, neighbours, images, distances = find_points_in_spheres(
        *(positions, positions), r=cutoff, pbc=_PERIODIC, lattice=cell, tol=_TOLERANCE
    )
    # one edge of two; the other one is made from it
    along = images @ [1e8, 1e4, 1.0]
    half = (along > 0) | ((along == 0) & (centers < neighbours))
    centers, neighbours, images = centers[half], neighbours[half], images[half]
    from_all, to_all = np.concatenate([centers, neighbours]), np.concatenate([neighbours, centers])
    both = np.concatenate([images, -images])
    # not as they were found: sums are the same to the last bit whenever the candidates were searched
    order = np.lexsort((*both.T, to_all, from_all))
    place = np.argsort(order)
    return Edges(
        centers=from_all[order].astype(np.int64),
        neighbours=to_all[order].astype(np.int64),
        images=both[order].astype(np.int64),
        distances=np.tile(distances[half], 2)[order],
        reverse=np.roll(place, len(centers))[order],
    )


def angles(centers: IntArray) -> tuple[IntArray, IntArray]:
    """Ordered pairs of different edges of one centre, by the first edge, then the second.

    Parameters
    ----------
    centers
        (n_edges,) centre of each edge, ascending

    Returns
    -------
    tuple
        (n_angles,) index of the first edge, and of the second
    """
    _, start, count = np.unique(centers, return_index=True, return_counts=True)
    n_others, begin = np.repeat(count, count), np.repeat(start, count)
    first = np.repeat(np.arange(len(centers)), n_others)
    offsets = np.arange(len(first)) - np.repeat(np.cumsum(n_others) - n_others, n_others)
    second = np.repeat(begin, n_others) + offsets
    different = first != second
    return first[different], second[different]
