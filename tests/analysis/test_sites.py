"""Hops between sites, counted; densities and the sites found in them."""

from pathlib import Path

import ase.io.cube
import numpy as np
import pytest
from numpy.testing import assert_allclose

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.transport.conductivity import conductivity
from hopkin.analysis.transport.density import find_sites, ion_density, write_cube
from hopkin.analysis.transport.sites import hop_statistics, repeat_sites, site_of_ions

CELL = np.array([[9.0, 0.0, 0.0], [2.5, 8.5, 0.0], [-1.5, 2.0, 9.0]])
SITES = np.array(list(np.ndindex(3, 3, 3))) / 3.0
INTERVAL = 0.1


def wandering(seed: int, *, n_frames: int = 400, n_ions: int = 6) -> tuple[FloatArray, np.ndarray]:
    """Ions that hop at random to a neighbouring site and vibrate there: positions, and their sites."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 3, size=(n_ions, 3))
    places = np.empty((n_frames, n_ions, 3), dtype=int)
    for k in range(n_frames):
        for ion in np.flatnonzero(rng.random(n_ions) < 0.02):
            place[ion, rng.integers(3)] += rng.choice((-1, 1))
        places[k] = place
    vibration = rng.normal(scale=0.15, size=(n_frames, n_ions, 3))
    sites = np.ravel_multi_index(tuple((places % 3).reshape(-1, 3).T), (3, 3, 3))
    return frozen(places / 3.0 @ CELL + vibration), sites.reshape(n_frames, n_ions)


def cells(n: int) -> FloatArray:
    return np.repeat(CELL[None], n, axis=0)


def test_every_planted_hop_is_counted() -> None:
    positions, sites = wandering(61)
    assert_allclose(site_of_ions(positions, cells(400), SITES), sites)
    planted = int((sites[1:] != sites[:-1]).sum())
    statistics = hop_statistics(positions, cells(400), SITES, INTERVAL)
    assert planted > 30
    assert statistics.n_hops == planted
    assert statistics.rate == pytest.approx(planted / (6 * 39.9))
    assert statistics.counts.sum() == planted
    assert statistics.counts[sites[:-1], sites[1:]][sites[1:] != sites[:-1]].min() > 0
    assert statistics.occupancy.sum() == pytest.approx(6.0)
    moves = np.linalg.norm(np.diff(np.rint(positions @ np.linalg.inv(CELL) * 3), axis=0) / 3 @ CELL, axis=-1)
    assert statistics.mean_length == pytest.approx(moves[moves > 0].mean())
    assert statistics.jump_diffusivity == pytest.approx((moves**2).sum() / (6 * 6 * 39.9) * 1e-4)


def test_the_nearest_image_of_a_site_wins_as_in_a_search_over_all() -> None:
    rng = np.random.default_rng(62)
    sites = rng.uniform(size=(20, 3))
    positions = rng.uniform(-2.0, 2.0, size=(30, 7, 3)) @ CELL
    images = np.array([(i, j, k) for i in range(-4, 5) for j in range(-4, 5) for k in range(-4, 5)])
    everywhere = (sites[:, None] + images) @ CELL
    distances = np.linalg.norm(positions[:, :, None, None] - everywhere, axis=-1).min(axis=-1)
    expected = np.where(distances.min(axis=-1) < 1.7, distances.argmin(axis=-1), -1)
    assert_allclose(site_of_ions(positions, cells(30), sites, radius=1.7), expected)


def test_an_ion_that_leaves_and_comes_back_has_not_hopped() -> None:
    path = np.array([0.0, 0.4, 0.5, 0.6, 0.3, 0.0, 0.5, 0.9, 1.0])  # between sites at 0 and 1
    positions = (path[:, None, None] / 3.0) * np.array([1.0, 0.0, 0.0]) @ CELL
    statistics = hop_statistics(positions, cells(9), SITES, INTERVAL)
    assert statistics.n_hops == 1
    assert statistics.counts[0, 9] == 1  # from the first to the next along a
    assert statistics.fraction_between == pytest.approx(4 / 9)


def test_wrapping_and_translation_by_cells_change_nothing() -> None:
    positions, _ = wandering(63)
    wrapped = (positions @ np.linalg.inv(CELL) % 1.0) @ CELL
    first = hop_statistics(positions, cells(400), SITES, INTERVAL)
    second = hop_statistics(wrapped, cells(400), SITES, INTERVAL)
    assert_allclose(first.counts, second.counts)


def test_sites_of_another_cell_are_refused() -> None:
    positions, _ = wandering(64, n_frames=5)
    with pytest.raises(AnalysisError, match=r"no ion comes within 0\.1 A of any of the 1 sites"):
        hop_statistics(positions, cells(5), np.array([[0.5, 0.5, 0.5]]), INTERVAL, radius=0.1)
    with pytest.raises(AnalysisError, match="is no multiple of that of the sites"):
        repeat_sites(SITES, CELL, 1.4 * CELL)


def test_sites_are_repeated_into_a_supercell_of_any_orientation() -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(65).normal(size=(3, 3)))
    supercell = CELL * np.array([[2.0], [1.0], [3.0]]) @ rotation
    sites = repeat_sites(SITES, CELL, supercell)
    assert len(sites) == 27 * 6
    inside = (sites @ supercell) @ rotation.T @ np.linalg.inv(CELL) * 3.0
    assert_allclose(inside, np.rint(inside), atol=1e-9)
    assert len(np.unique(np.round(sites, 6), axis=0)) == len(sites)


def test_the_density_holds_every_ion_and_follows_it() -> None:
    positions, _ = wandering(66)
    density = ion_density(positions, cells(400))
    voxel = abs(np.linalg.det(CELL)) / density.size
    assert density.sum() * voxel == pytest.approx(6.0)
    assert density.shape == (36, 36, 38)
    moved = ion_density(positions + np.array([0.25, 0.5, 0.5]) @ CELL, cells(400))
    assert_allclose(np.roll(density, (9, 18, 19), axis=(0, 1, 2)), moved)


def test_sites_are_found_where_ions_were_put() -> None:
    rng = np.random.default_rng(67)
    sites = np.array([[0.1, 0.2, 0.3], [0.6, 0.2, 0.9], [0.3, 0.7, 0.6]])
    positions = sites @ CELL + rng.normal(scale=0.2, size=(2000, 3, 3))
    found = find_sites(ion_density(positions, cells(2000)), CELL)
    assert len(found) == 3
    difference = found[:, None] - sites
    distances = np.linalg.norm((difference - np.rint(difference)) @ CELL, axis=-1)
    assert distances.min(axis=0).max() < 0.3
    with pytest.raises(AnalysisError, match="the density of the ions has no peak"):
        find_sites(ion_density(positions[:1], cells(1)), CELL, least_occupancy=5.0)


def test_the_cube_file_is_read_back(tmp_path: Path) -> None:
    positions, _ = wandering(68)
    density = ion_density(positions, cells(400), spacing=1.0)
    write_cube(tmp_path / "density.cube", density, CELL, positions[0], [3] * 6)
    with (tmp_path / "density.cube").open() as file:
        content = ase.io.cube.read_cube(file)
    assert_allclose(content["data"], density, rtol=1e-4, atol=1e-6)
    assert_allclose(content["atoms"].positions, positions[0], atol=1e-4)
    assert_allclose(content["atoms"].cell.array, CELL, atol=1e-3)


def test_the_nernst_einstein_conductivity_in_si_units() -> None:
    """20 ions in 1 nm^3, D 1e-10 m^2/s, 300 K: n q^2 D / kT in S/m."""
    expected = 20e27 * 1.602176634e-19**2 * 1e-10 / (1.380649e-23 * 300.0)
    found = conductivity(1e-6, n_ions=20, charge=1, volume=1000.0, temperature=300.0)
    assert found == pytest.approx(expected / 100.0)
    assert conductivity(1e-6, n_ions=20, charge=2, volume=1000.0, temperature=300.0) == pytest.approx(
        4 * found
    )
