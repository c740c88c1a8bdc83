"""Pairs of atoms within a distance, over all periodic images."""

import numpy as np
from numpy.typing import NDArray
from pymatgen.optimization.neighbors import find_points_in_spheres

from hopkin.analysis.trajectories import FloatArray

_PERIODIC = np.ones(3, dtype=np.int64)
_SAME_IMAGE_A = 1.0e-8  # below this, pymatgen takes two points for one


def pairs_within(
    positions: FloatArray, cell: FloatArray, distance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Find the pairs of atoms, each from both ends, that are closer than a distance.

    Parameters
    ----------
    positions
        (n_atoms, 3) positions, wrapped or not [A].
    cell
        (3, 3) cell, rows are vectors [A].
    distance
        The largest distance [A]; more than half the cell is allowed.

    Returns
    -------
    tuple
        (n_pairs,) first atoms, second atoms, and distances [A]. An atom and an image of its own are a
        pair; an atom and itself are not.
    """
    lattice = np.array(cell, dtype=np.float64, order="C")  # pymatgen writes on neither, but asks for both
    fractional = np.asarray(positions, dtype=np.float64) @ np.linalg.inv(lattice)
    # wrapped: pymatgen would search all images on the way to an atom that has gone far
    points = np.ascontiguousarray((fractional - np.floor(fractional)) @ lattice)
    i, j, images, distances = find_points_in_spheres(
        points, points, distance, _PERIODIC, lattice, _SAME_IMAGE_A
    )
    is_pair = (distances < distance) & ((i != j) | images.any(axis=1))
    return i[is_pair], j[is_pair], distances[is_pair]
