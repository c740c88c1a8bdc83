"""Laws of radial distribution functions."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.trajectories.trajectory import Trajectory, to_universe
from hopkin.analysis.transport.rdf import mae_rdf, radial_distribution, wasserstein_distance

CUBE = np.diag([8.0, 8.0, 8.0])
SKEWED = np.array([[8.0, 0.0, 0.0], [3.0, 7.5, 0.0], [-2.0, 2.5, 7.0]])


@pytest.mark.parametrize("cell", [CUBE, SKEWED], ids=["cube", "triclinic"])
def test_the_ideal_gas_is_1_at_all_distances(cell: FloatArray) -> None:
    """Every bin of every pair within five of its own standard errors (Poisson) of 1."""
    n_frames, n_atoms = 300, 20
    rng = np.random.default_rng(21)
    positions = frozen(rng.uniform(size=(n_frames, n_atoms, 3)) @ cell)
    species = ["Li"] * 12 + ["S"] * 8
    rdf = radial_distribution(
        positions, np.repeat(cell[None], n_frames, axis=0), species, r_max=10.0, bin_width=0.5
    )
    assert rdf.pairs == ("Li-Li", "Li-S", "S-S")
    shells = 4 / 3 * np.pi * np.diff(np.linspace(0.0, 10.0, 21) ** 3)
    n_pairs = np.array([12 * 11 / 2, 12 * 8, 8 * 7 / 2])[:, None]
    expected_counts = n_frames * n_pairs * shells / np.linalg.det(cell)
    deviation = (rdf.g - 1.0) * np.sqrt(expected_counts)
    assert np.abs(deviation).max() < 5.0
    assert rdf.g[:, rdf.r > 5.0] == pytest.approx(1.0, abs=0.06)


def test_shells_of_rock_salt() -> None:
    """NaCl, a = 5.64 A: 6 at a/2, 12 at a/sqrt(2), 8 at a sqrt(3)/2, 6 at a, per atom."""
    a = 5.64
    grid = np.array([[x, y, z] for x in range(4) for y in range(4) for z in range(4)])
    species = ["Na" if s % 2 == 0 else "Cl" for s in grid.sum(axis=1)]
    rdf = radial_distribution(
        frozen(grid[None] * a / 2), 2 * a * np.eye(3)[None], species, r_max=6.0, bin_width=0.02
    )
    volumes = 4 / 3 * np.pi * np.diff(np.linspace(0.0, 6.0, 301) ** 3)
    volume = (2 * a) ** 3
    unlike = rdf.g[rdf.pairs.index("Cl-Na")] * volumes * 32 / volume
    like = rdf.g[rdf.pairs.index("Na-Na")] * volumes * 31 / volume

    def neighbours(counts: FloatArray, distance: float) -> float:
        return float(counts[np.abs(rdf.r - distance) < 0.05].sum())

    assert neighbours(unlike, a / 2) == pytest.approx(6.0)
    assert neighbours(unlike, a * np.sqrt(3) / 2) == pytest.approx(8.0)
    assert neighbours(like, a / np.sqrt(2)) == pytest.approx(12.0)
    assert neighbours(like, a) == pytest.approx(6.0)
    assert unlike.sum() == pytest.approx(14.0)
    assert like.sum() == pytest.approx(18.0)


def test_images_beyond_half_the_cell_are_counted_and_own_images_are_not() -> None:
    """CsCl in its two-atom cell, a = 4 A: 8 unlike neighbours, 24 more at a sqrt(11)/2."""
    positions = np.array([[[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]]])
    rdf = radial_distribution(positions, 4.0 * np.eye(3)[None], ["Cs", "Cl"], r_max=7.0, bin_width=0.01)
    counts = rdf.g[0] * 4 / 3 * np.pi * np.diff(np.linspace(0.0, 7.0, 701) ** 3) / 64.0
    assert rdf.pairs == ("Cl-Cs",)  # one atom of a species has no pair with itself
    assert counts[rdf.r < 4.0].sum() == pytest.approx(8.0)
    assert counts.sum() == pytest.approx(8.0 + 24.0)


def test_invariant_under_wrapping_translation_permutation_and_rotation() -> None:
    rng = np.random.default_rng(22)
    scaled = rng.uniform(size=(3, 10, 3))
    species = np.array(["Li"] * 4 + ["O"] * 6)
    cells = SKEWED * np.array([1.0, 1.02, 0.97])[:, None, None]
    reference = radial_distribution(scaled @ cells, cells, species.tolist())

    shifted = (scaled + rng.integers(-3, 4, size=scaled.shape) + 0.3) @ cells
    order = rng.permutation(10)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    other = radial_distribution(shifted[:, order] @ rotation, cells @ rotation, species[order].tolist())
    assert other.pairs == reference.pairs
    assert_allclose(other.g, reference.g, rtol=1e-9, atol=1e-9)


def test_equals_mdanalysis_below_half_the_cell() -> None:
    """Positions that single precision holds exactly, in an orthogonal cell."""
    rng = np.random.default_rng(23)
    cell = np.diag([12.0, 13.0, 14.0])
    positions = frozen(np.round(rng.uniform(size=(5, 40, 3)) @ cell * 1024.0) / 1024.0)
    species = np.array(["Li"] * 25 + ["S"] * 15)
    cells = np.repeat(cell[None], 5, axis=0)
    ours = radial_distribution(positions, cells, species.tolist(), r_max=6.0, bin_width=0.06)
    trajectory = Trajectory(times_ps=np.arange(5.0), positions=positions, cells=cells, species=species)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from MDAnalysis.analysis.rdf import InterRDF  # type: ignore[import-untyped]

        universe = to_universe(trajectory)
        for pair, g in zip(ours.pairs, ours.g, strict=True):
            first, second = (universe.select_atoms(f"element {name}") for name in pair.split("-"))
            exclusion = (1, 1) if first == second else None
            theirs = InterRDF(first, second, nbins=100, range=(0.0, 6.0), exclusion_block=exclusion).run()
            assert_allclose(g, theirs.results.rdf, rtol=1e-6, atol=1e-6)


def test_coordination_numbers_of_rock_salt() -> None:
    a = 5.64
    grid = np.array([[x, y, z] for x in range(4) for y in range(4) for z in range(4)])
    species = ["Na" if s % 2 == 0 else "Cl" for s in grid.sum(axis=1)]
    rng = np.random.default_rng(24)
    positions = grid[None] * a / 2 + rng.normal(scale=0.15, size=(20, 64, 3))
    rdf = radial_distribution(positions, np.repeat(2 * a * np.eye(3)[None], 20, axis=0), species, r_max=7.0)
    numbers = rdf.coordination_numbers("Na", "Cl")
    assert numbers[np.searchsorted(rdf.edges[1:], 0.68 * a)] == pytest.approx(6.0)
    assert rdf.first_shell("Na", "Cl") == pytest.approx(6.0, abs=0.05)
    assert rdf.first_shell("Na", "Na") == pytest.approx(12.0, abs=0.3)
    with pytest.raises(
        AnalysisError, match="no pair Li-Na of different atoms; there are Cl-Cl, Cl-Na, Na-Na"
    ):
        rdf.coordination_numbers("Na", "Li")


def test_coordination_numbers_count_each_species_by_its_own_number() -> None:
    rng = np.random.default_rng(25)
    positions = rng.uniform(size=(3, 12, 3)) @ CUBE
    rdf = radial_distribution(positions, np.repeat(CUBE[None], 3, axis=0), ["Li"] * 8 + ["S"] * 4, r_max=5.0)
    around_li = rdf.coordination_numbers("Li", "S")
    assert_allclose(rdf.coordination_numbers("S", "Li"), 2.0 * around_li)
    distances = np.linalg.norm(
        (positions[:, :8, None] - positions[:, None, 8:] + 4.0) % 8.0 - 4.0, axis=-1
    )  # nearest images: enough up to half the cell
    expected = [(distances < edge).sum() / (3 * 8) for edge in rdf.edges[1:81]]
    assert_allclose(around_li[:80], expected, atol=1e-9)


def test_two_peaks_that_are_apart_differ_by_their_areas_and_by_their_distance() -> None:
    r = np.linspace(0.005, 9.995, 1000)

    def peak(centre: float) -> FloatArray:
        return np.exp(-0.5 * ((r - centre) / 0.1) ** 2)

    area = 0.1 * np.sqrt(2 * np.pi)
    assert mae_rdf(r, peak(3.0), peak(5.0)) == pytest.approx(2 * area, rel=1e-6)
    assert mae_rdf(r, peak(3.0), peak(7.0)) == pytest.approx(2 * area, rel=1e-6)
    assert wasserstein_distance(r, peak(3.0), peak(5.0)) == pytest.approx(2.0, rel=1e-6)
    assert wasserstein_distance(r, peak(3.0), peak(7.0)) == pytest.approx(4.0, rel=1e-6)
    assert wasserstein_distance(r, peak(3.0), peak(3.0)) == 0.0
