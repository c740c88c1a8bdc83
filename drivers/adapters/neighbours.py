"""Edges of a periodic crystal, from a list of candidates that is built once per skin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from hopkin.drivers.adapters.interface import FloatArray

IntArray = NDArray[np.int64]

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
    """Edges shorter than a cutoff, exactly those of a list built anew.

    Candidates, up to a skin beyond the cutoff, are kept as long as none that is not among them can have come
    within the cutoff.
    """

    def __init__(self, cutoff: float, *, skin: float = 1.0) -> None:
        self._cutoff = cutoff
        self._skin = skin
        self._positions = np.empty((0, 3))
        self._cell = np.eye(3)
        self.builds = 0
        """How often candidates have been searched."""

    def edges(self, positions: FloatArray, cell: FloatArray) -> Edges:
        """Find the edges of a configuration that is periodic in three dimensions.

        Parameters
        ----------
        positions
            (n_atoms, 3) [A]
        cell
            (3, 3) rows are the cell vectors [A]
        """
        if not self._holds(positions, cell):
            self._build(positions, cell)
        centers, neighbours, images = self._centers, self._neighbours, self._images
        vectors = positions[neighbours] + images @ cell - positions[centers]
        squares = np.einsum("ij,ij->i", vectors, vectors)
        # an edge and its reverse differ in the last digit: the first of the two speaks for both
        squares = squares[self._first]
        kept = squares < self._cutoff**2 + _TOLERANCE
        renumbered = np.cumsum(kept) - 1
        return Edges(
            centers=centers[kept],
            neighbours=neighbours[kept],
            images=images[kept],
            distances=np.sqrt(squares[kept]),
            reverse=renumbered[self._reverse[kept]],
        )

    def _holds(self, positions: FloatArray, cell: FloatArray) -> bool:
        """Whether every pair within the cutoff is among the candidates.

        With the deformation F of the cell and displacements u beyond it, r_ij = r_ij(then) F + u_j - u_i: no
        pair comes nearer than its distance then times the least singular value of F, less 2 max |u|.
        """
        if positions.shape != self._positions.shape:
            return False
        deformation = np.linalg.solve(self._cell, cell)
        displacements = positions - self._positions @ deformation
        least = np.linalg.svd(deformation, compute_uv=False)[-1]
        moved = np.sqrt(np.einsum("ij,ij->i", displacements, displacements).max())
        return bool((self._cutoff + self._skin) * least - 2 * moved > self._cutoff)

    def _build(self, positions: FloatArray, cell: FloatArray) -> None:
        found = find_points_in_spheres(
            *(positions, positions),
            r=self._cutoff + self._skin,
            pbc=np.ones(3, dtype=np.int64),
            lattice=cell,
            tol=_TOLERANCE,
        )
        centers, neighbours, images = (array.astype(np.int64) for array in found[:3])
        others = (centers != neighbours) | images.any(axis=1)
        centers, neighbours, images = centers[others], neighbours[others], images[others]
        there = np.lexsort((*images.T, neighbours, centers))
        back = np.lexsort((*-images.T, centers, neighbours))
        self._reverse = np.empty_like(there)
        self._reverse[there] = back
        self._first = np.minimum(self._reverse, np.arange(len(centers)))
        self._centers, self._neighbours, self._images = centers, neighbours, images
        self._positions, self._cell = positions.copy(), cell.copy()
        self.builds += 1


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
