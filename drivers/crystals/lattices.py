"""Lattice arithmetic: superlattices, the cells in them, and the smallest one that keeps images apart."""

from itertools import count, permutations, product

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.errors import SpecificationError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_CELLS = 48
"""Superlattices of more cells than this are chosen among those of the doubled cell."""

LENGTH_TOLERANCE_A = 1e-6


def supercell_matrix(repeats: ArrayLike) -> Integers:
    """Return repeats as the (3, 3) integer matrix whose rows are the new vectors in units of the old.

    Parameters
    ----------
    repeats
        Three repeats of the cell along its vectors, or the matrix itself.

    Raises
    ------
    SpecificationError
        Neither three positive integers nor a (3, 3) matrix of integers with a determinant above 0.
    """
    given = np.asarray(repeats)
    n: Integers = np.rint(given).astype(int)
    if np.array_equal(n, given):
        if n.shape == (3,) and n.min() >= 1:
            return np.eye(3, dtype=int) * n
        if n.shape == (3, 3) and cells_in(n) > 0:
            return n
    raise SpecificationError(
        f"the supercell is {given.tolist()}; accepted: three integers >= 1, or a 3x3 matrix of integers"
        " whose determinant is above 0"
    )


def cells_in(matrix: Integers) -> int:
    """Count the cells in a supercell."""
    return round(float(np.linalg.det(matrix)))


def hermite_normal_form(matrix: Integers) -> Integers:
    """Return the lower triangular matrix whose rows span the same lattice as those of `matrix`.

    Its diagonal is positive, and what stands below a diagonal element is smaller than it and not negative,
    which makes it unique (Cohen, A Course in Computational Algebraic Number Theory, section 2.4).
    """
    h = np.array(matrix)
    for column in (2, 1, 0):
        while True:
            rows = np.flatnonzero(h[: column + 1, column])
            pivot = rows[np.argmin(np.abs(h[rows, column]))]
            others = rows[rows != pivot]
            if len(others) == 0:
                break
            h[others] -= np.outer(h[others, column] // h[pivot, column], h[pivot])
        h[[pivot, column]] = h[[column, pivot]]
        h[column] *= np.sign(h[column, column])
    for row, column in ((1, 0), (2, 1), (2, 0)):
        h[row] -= h[row, column] // h[column, column] * h[column]
    return h


def cells_of(matrix: Integers) -> Integers:
    """Return the (n_cells, 3) cells of a supercell, in the order of :func:`cell_index`."""
    n1, n2, n3 = hermite_normal_form(matrix).diagonal().tolist()
    return np.indices((n1, n2, n3)).reshape(3, -1).T


def cell_index(matrix: Integers, cell: ArrayLike) -> int:
    """Tell which cell of a supercell the `cell` (3,) is, but for a vector of the superlattice."""
    hermite, m = hermite_normal_form(matrix), np.array(cell)
    for axis in (2, 1, 0):
        m -= m[axis] // hermite[axis, axis] * hermite[axis]
    return int(np.ravel_multi_index(tuple(m), tuple(hermite.diagonal())))


def perpendicular_heights(cell: ArrayLike) -> Floats:
    """Return the (3,) distances [A] between opposite faces of a (3, 3) `cell` [A], rows vectors."""
    reciprocal = np.linalg.inv(np.asarray(cell, dtype=float))
    heights: Floats = 1.0 / np.linalg.norm(reciprocal, axis=0)
    return heights


def neighbours(
    cell: Floats, centers: Floats, points: Floats, radius: float
) -> tuple[Integers, Integers, Integers, Floats]:
    """Find all periodic images of `points` within `radius` [A] of each of the `centers`.

    Parameters
    ----------
    cell
        (3, 3) cell vectors as rows [A].
    centers, points
        (n_centers, 3) and (n_points, 3) positions [A].

    Returns
    -------
    tuple
        (n,) which center; (n,) which point; (n, 3) cell of its image; (n, 3) vector from center to image [A].
    """
    from scipy.spatial import KDTree

    inverse = np.linalg.inv(cell)
    center_cells, point_cells = (np.floor(x @ inverse).astype(int) for x in (centers, points))
    wrapped = centers - center_cells @ cell
    scaled = points @ inverse - point_cells
    # A center lies in the cell: its neighbours lie in the cell or in a margin around it.
    margin = radius / perpendicular_heights(cell) + 1e-9
    shifts = np.array(list(product(*(range(-n, n + 1) for n in np.ceil(margin).astype(int).tolist()))))
    images = scaled[:, None] + shifts
    point, shift = np.nonzero(np.all((images > -margin) & (images < 1.0 + margin), axis=-1))
    positions = images[point, shift] @ cell
    found = KDTree(positions).query_ball_point(wrapped, radius, return_sorted=True)
    center = np.repeat(np.arange(len(centers)), [len(near) for near in found])
    near = np.concatenate([np.empty(0, dtype=int), *(np.asarray(near, dtype=int) for near in found)])
    cells = shifts[shift[near]] - point_cells[point[near]] + center_cells[center]
    return center, point[near], cells, positions[near] - wrapped[center]


def image_distance(cell: ArrayLike) -> float:
    """Return the distance [A] between nearest images: the shortest vector of the lattice of `cell`."""
    reduced, _ = minkowski_reduce(np.asarray(cell, dtype=float))
    return float(np.linalg.norm(reduced, axis=1).min())


def choose_supercell(cell: ArrayLike, min_image_distance_A: float) -> Integers:
    """Choose the smallest supercell in which an atom and its periodic images are far enough apart.

    All superlattices are searched, not only repeats along the vectors of the cell: the best are like
    face-centred cubic and need 1/sqrt(2) of the cells of a cube. Among those of the fewest cells, the one
    with the farthest images is taken, then the one of the shortest vectors. These are reduced (Minkowski;
    tilt factors at most half a box length) and as near to those of the cell as they can be.

    Parameters
    ----------
    cell
        (3, 3) cell vectors as rows [A].
    min_image_distance_A
        Least length of a vector of the superlattice [A].

    Returns
    -------
    (3, 3) int array
        Vectors of the supercell as rows, in units of those of the cell; its determinant is above 0.

    Raises
    ------
    SpecificationError
        `min_image_distance_A` is not a positive, finite length.
    """
    if not 0.0 < min_image_distance_A < float("inf"):
        raise SpecificationError(f"the least image distance is {min_image_distance_A} A; accepted: > 0")
    vectors = np.asarray(cell, dtype=float)
    distance = min_image_distance_A - LENGTH_TOLERANCE_A
    # No lattice of volume V has a shortest vector above (sqrt(2) V)^(1/3).
    volume = abs(np.linalg.det(vectors))
    fewest = max(1, int(np.ceil(distance**3 / (np.sqrt(2.0) * volume) - 1e-9)))
    if fewest > MOST_CELLS:
        return 2 * choose_supercell(2.0 * vectors, min_image_distance_A)
    for n in count(fewest):
        hermites, shortest = _superlattices(vectors, n)
        farthest = shortest.max()
        if farthest >= distance:
            best = hermites[shortest > farthest - LENGTH_TOLERANCE_A]
            return min((_reduced(vectors, hermite) for hermite in best), key=lambda r: _roughness(vectors, r))
    raise AssertionError("unreachable: enough cells keep images apart")


def _superlattices(cell: Floats, n: int) -> tuple[Integers, Floats]:
    """All superlattices of `n` cells: Hermite normal forms (k, 3, 3), and their shortest vectors (k,) [A]."""
    longest = (np.sqrt(2.0) * n * abs(np.linalg.det(cell))) ** (1.0 / 3.0) + LENGTH_TOLERANCE_A
    _, _, m, vectors = neighbours(cell, np.zeros((1, 3)), np.zeros((1, 3)), longest)
    lengths = np.linalg.norm(vectors, axis=1)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0.0]
    m, lengths = m[order], lengths[order]
    hermites, shortest = [], []
    for a, c in product(_divisors(n), repeat=2):
        if n % (a * c):
            continue
        f = n // (a * c)
        b, d, e = np.indices((a, a, c)).reshape(3, -1, 1)
        # m = k H, row by row from below; a vector that leaves a remainder is not in the superlattice.
        candidates = m[:, 2] % f == 0
        m1, m2, m3 = m[candidates].T
        k3 = m3 // f
        k2, remainder = np.divmod(m2 - k3 * e, c)
        contained = (remainder == 0) & ((m1 - k2 * b - k3 * d) % a == 0)
        hermite = np.zeros((a * a * c, 3, 3), dtype=int)
        hermite[:, [0, 1, 2], [0, 1, 2]] = a, c, f
        hermite[:, [1, 2, 2], [0, 0, 1]] = np.column_stack([b, d, e])
        hermites.append(hermite)
        shortest.append(lengths[candidates][np.argmax(contained, axis=1)])
    return np.concatenate(hermites), np.concatenate(shortest)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _reduced(cell: Floats, matrix: Integers) -> Integers:
    """Reduce the vectors of a superlattice, and order them like those of the cell."""
    _, operation = minkowski_reduce(matrix @ cell)
    reduced = operation @ matrix
    variants = [
        np.array(signs)[:, None] * reduced[list(order)]
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    return min(
        (_untilted(cell, variant) for variant in variants if np.linalg.det(variant) > 0.0),
        key=lambda variant: _roughness(cell, variant),
    )


def _untilted(cell: Floats, matrix: Integers) -> Integers:
    """Bring the tilt of c along b below half of b; the other tilts of a reduced cell are small."""
    a, b, c = matrix @ cell
    across = b - (b @ a) / (a @ a) * a
    tilt = (c @ across) / (across @ across)
    if abs(tilt) < 0.5 + 1e-6:
        return matrix
    first = matrix[2] - round(tilt) * matrix[1]
    along = round(((first @ cell) @ a) / (a @ a))
    return np.array([matrix[0], matrix[1], first - along * matrix[0]])


def _roughness(cell: Floats, matrix: Integers) -> tuple[float, float, list[int]]:
    """Order of preference: short vectors, then vectors along those of the cell."""
    vectors = matrix @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    along = np.einsum("ij,ij->i", vectors, cell) / lengths / np.linalg.norm(cell, axis=1)
    return round(float((lengths**2).sum()), 4), round(-float(along.sum()), 4), (-matrix).ravel().tolist()
