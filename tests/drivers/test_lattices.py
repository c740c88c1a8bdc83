"""Laws of superlattices: normal forms, counting, the smallest supercell against a search of all matrices."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopkin.drivers.crystals.lattices import (
    cell_index,
    cells_in,
    cells_of,
    choose_supercell,
    hermite_normal_form,
    image_distance,
    neighbours,
    supercell_matrix,
)
from hopkin.drivers.crystals.structures import lammps_orientation, load_structure, supercell
from hopkin.drivers.errors import SpecificationError


def random_cell(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 2.0, (3, 3)) + 4.0 * np.eye(3)


def random_matrix(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    while True:
        matrix = rng.integers(-3, 4, (3, 3))
        if cells_in(matrix) > 0:
            return matrix


def naive_image_distance(cell: np.ndarray) -> float:
    shifts = np.array([s for s in product(range(-6, 7), repeat=3) if any(s)])
    return float(np.linalg.norm(shifts @ cell, axis=1).min())


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_hermite_normal_form_spans_the_same_lattice(seed: int) -> None:
    matrix = random_matrix(seed)
    hermite = hermite_normal_form(matrix)
    change = hermite @ np.linalg.inv(matrix)
    assert change == pytest.approx(np.rint(change), abs=1e-9)
    assert cells_in(hermite) == cells_in(matrix)
    assert np.all(np.triu(hermite, 1) == 0)
    assert np.all((np.tril(hermite, -1) >= 0) & (np.tril(hermite, -1) <= hermite.diagonal()))


@given(seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_cells_of_a_supercell_are_all_different_and_found_again(seed: int) -> None:
    matrix = random_matrix(seed)
    cells = cells_of(matrix)
    assert [cell_index(matrix, cell) for cell in cells] == list(range(cells_in(matrix)))
    rng = np.random.default_rng(seed)
    for index, cell in enumerate(cells):
        assert cell_index(matrix, cell + rng.integers(-3, 4, 3) @ matrix) == index


def test_cells_of_repeats_are_in_the_order_of_nested_loops() -> None:
    assert cells_of(np.diag([2, 1, 3])).tolist() == [
        list(cell) for cell in product(range(2), range(1), range(3))
    ]


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_atoms_of_a_supercell_are_where_the_lattice_puts_them(seed: int) -> None:
    atoms = load_structure("Li7P3S11").atoms
    matrix = random_matrix(seed)
    crystal = supercell(atoms, matrix)
    lattice = matrix @ atoms.cell.array
    assert len(crystal) == cells_in(matrix) * len(atoms)
    assert crystal.cell.cellpar() == pytest.approx(np.array(lammps_orientation(crystal).cell.cellpar()))
    assert np.all(np.abs(np.triu(crystal.cell.array, 1)) < 1e-9)
    rng = np.random.default_rng(seed)
    site, cell = int(rng.integers(len(atoms))), rng.integers(-4, 5, 3)
    index = cell_index(matrix, cell) * len(atoms) + site
    expected = np.linalg.solve(lattice.T, atoms.positions[site] + cell @ atoms.cell.array)
    difference = crystal.cell.scaled_positions(crystal.positions[index]) - expected
    assert difference == pytest.approx(np.rint(difference), abs=1e-9)
    assert crystal.numbers[index] == atoms.numbers[site]


@pytest.mark.parametrize(
    "repeats", [(0, 1, 1), (1, 1), (1.5, 1, 1), np.zeros((3, 3)), -np.eye(3), 0.5 * np.eye(3)]
)
def test_bad_repeats_are_refused(repeats: object) -> None:
    with pytest.raises(SpecificationError, match="three integers >= 1, or a 3x3 matrix"):
        supercell_matrix(repeats)  # type: ignore[arg-type]


@given(seed=st.integers(0, 10_000), radius=st.floats(0.5, 12.0))
@settings(deadline=None, max_examples=30)
def test_neighbours_are_those_of_a_naive_search(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    cell = lammps_cell(seed)
    points, centers = rng.uniform(-8.0, 8.0, (3, 3)), rng.uniform(-8.0, 8.0, (2, 3))
    shifts = np.array(list(product(range(-16, 17), repeat=3)))
    expected = set()
    for k, n in product(range(2), range(3)):
        near = np.linalg.norm(points[n] + shifts @ cell - centers[k], axis=1) <= radius
        expected |= {(k, n, *map(int, shift)) for shift in shifts[near]}
    center, point, cells, vectors = neighbours(cell, centers, points, radius)
    found = [tuple(row) for row in np.column_stack([center, point, cells]).tolist()]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert vectors == pytest.approx(points[point] + cells @ cell - centers[center])


def lammps_cell(seed: int) -> np.ndarray:
    tilt = np.random.default_rng(seed).uniform(-1.5, 1.5, (3, 3))
    return np.diag([3.0, 4.0, 5.0]) + np.tril(tilt, -1)


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
def test_chosen_supercell_is_the_smallest_of_all(seed: int) -> None:
    """No matrix of fewer cells keeps images apart: every lower triangular one is tried."""
    cell = lammps_cell(seed)
    distance = 7.0
    matrix = choose_supercell(cell, distance)
    assert naive_image_distance(matrix @ cell) >= distance - 1e-6
    for n in range(1, cells_in(matrix)):
        for a, c, f in product(range(1, n + 1), repeat=3):
            if a * c * f == n:
                for b, d, e in product(range(a), range(a), range(c)):
                    superlattice = np.array([[a, 0, 0], [b, c, 0], [d, e, f]]) @ cell
                    assert image_distance(superlattice) < distance


@given(seed=st.integers(0, 10_000), distance=st.floats(1.0, 16.0))
@settings(deadline=None, max_examples=40)
def test_chosen_supercell_keeps_images_apart_and_is_reduced(seed: int, distance: float) -> None:
    cell = random_cell(seed)
    if np.linalg.det(cell) < 20.0:
        return
    matrix = choose_supercell(cell, distance)
    assert cells_in(matrix) > 0
    vectors = matrix @ cell
    assert image_distance(vectors) >= distance - 1e-5
    (lx, _, _), (xy, ly, _), (xz, yz, _) = np.linalg.qr(vectors.T)[1].T
    assert abs(xy / lx) < 0.5 + 1e-5
    assert abs(xz / lx) < 0.5 + 1e-5
    assert abs(yz / ly) < 0.5 + 1e-5


def test_simple_cells_are_repeated_along_their_vectors() -> None:
    assert choose_supercell(np.diag([4.0, 5.0, 12.0]), 4.0).tolist() == np.eye(3).tolist()
    assert choose_supercell(np.diag([9.0, 9.0, 11.0]), 9.0).tolist() == np.eye(3).tolist()


def test_a_cube_is_repeated_to_a_face_centred_cubic_lattice() -> None:
    """Shortest vectors of 2 a sqrt(2) with 16 cells; 27 would be needed along the vectors of the cell."""
    matrix = choose_supercell(4.0 * np.eye(3), 11.3)
    assert cells_in(matrix) == 16
    assert naive_image_distance(4.0 * matrix) == pytest.approx(4.0 * np.sqrt(8.0))


def test_many_cells_are_still_chosen_fast_and_well() -> None:
    distance = 20.0
    matrix = choose_supercell(2.5 * np.eye(3), distance)
    assert image_distance(2.5 * matrix) >= distance
    fewest = distance**3 / np.sqrt(2.0) / 2.5**3
    assert cells_in(matrix) < 1.25 * fewest


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_distances_are_refused(length: float) -> None:
    with pytest.raises(SpecificationError, match=r"least image distance is .* accepted: > 0"):
        choose_supercell(np.eye(3), length)
