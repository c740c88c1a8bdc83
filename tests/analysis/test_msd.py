"""Laws of mean squared displacements."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.trajectories.frames import unwrap
from hopkin.analysis.trajectories.trajectory import Trajectory, to_universe
from hopkin.analysis.transport.msd import (
    collective_positions,
    drift,
    single_origin_msd,
    windowed_msd,
    windowed_msd_tensor,
)

Walk = Callable[..., FloatArray]
Kernel = Callable[[FloatArray], FloatArray]
EXACT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
AGAINST_OTHERS: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-6}


def naive_windowed_msd(positions: FloatArray) -> FloatArray:
    n_frames = len(positions)
    msd = np.zeros(positions.shape[:2])
    for lag in range(1, n_frames):
        for origin in range(n_frames - lag):
            msd[lag] += ((positions[origin + lag] - positions[origin]) ** 2).sum(axis=-1)
        msd[lag] /= n_frames - lag
    return msd


def test_windowed_msd_equals_the_sum_over_origins_after_wrapping_and_unwrapping(
    cell: FloatArray, random_walk: Walk
) -> None:
    walk = random_walk(0, n_frames=60, n_atoms=5, diffusivity=0.5, interval=0.5)
    wrapped = frozen((walk @ np.linalg.inv(cell) % 1.0) @ cell)
    assert not np.allclose(wrapped, walk)  # the walk leaves the cell
    unwrapped = unwrap(wrapped, np.repeat(cell[None], len(walk), axis=0))
    assert_allclose(windowed_msd(unwrapped), naive_windowed_msd(walk), **EXACT)


def in_single_precision(positions: FloatArray) -> FloatArray:
    """Round to what MDAnalysis can hold, so that both see the same numbers."""
    return frozen(np.round(positions * 1024.0) / 1024.0)


def test_windowed_msd_equals_mdanalysis(random_walk: Walk) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from MDAnalysis.analysis.msd import EinsteinMSD  # type: ignore[import-untyped]

        walk = in_single_precision(random_walk(1, n_frames=50, n_atoms=4, diffusivity=0.2, interval=0.1))
        trajectory = Trajectory(
            times_ps=np.linspace(0.0, 4.9, 50),
            positions=walk,
            cells=np.repeat(np.diag([8.0, 9.0, 10.0])[None], 50, axis=0),
            species=np.array(["Li"] * 4),
        )
        reference = EinsteinMSD(to_universe(trajectory), fft=False).run()
    assert_allclose(windowed_msd(walk), reference.results.msds_by_particle, **AGAINST_OTHERS)
    assert_allclose(windowed_msd(walk).mean(axis=1), reference.results.timeseries, **AGAINST_OTHERS)


def test_the_tensor_holds_all_products_of_displacements(random_walk: Walk) -> None:
    walk = random_walk(8, n_frames=40, n_atoms=70, diffusivity=0.3, interval=0.1)
    walk = frozen(walk @ np.array([[1.0, 0.4, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 2.0]]) + 50.0)
    tensor = windowed_msd_tensor(walk)
    assert_allclose(np.trace(tensor, axis1=1, axis2=2), windowed_msd(walk).mean(axis=1), **EXACT)
    for lag in (1, 7, 39):
        moves = walk[lag:] - walk[:-lag]
        expected = np.einsum("kia,kib->ab", moves, moves) / (len(moves) * 70)
        assert_allclose(tensor[lag], expected, **EXACT)


def test_ions_that_move_as_one_have_n_times_the_collective_msd(random_walk: Walk) -> None:
    one = random_walk(9, n_frames=40, n_atoms=1, diffusivity=0.3, interval=0.1)
    together = frozen(np.repeat(one, 5, axis=1))
    assert_allclose(
        windowed_msd_tensor(collective_positions(together)), 5.0 * windowed_msd_tensor(together), **EXACT
    )


def test_ions_that_exchange_places_carry_no_current(random_walk: Walk) -> None:
    one = random_walk(10, n_frames=40, n_atoms=1, diffusivity=0.3, interval=0.1)
    opposite = frozen(np.concatenate([one, -one], axis=1))
    assert_allclose(collective_positions(opposite), 0.0, atol=1e-12)


@pytest.mark.parametrize("msd", [single_origin_msd, windowed_msd])
def test_ballistic_motion(msd: Kernel) -> None:
    times = np.linspace(0.0, 5.0, 200)
    velocities = np.random.default_rng(2).normal(size=(3, 3))
    positions = frozen(times[:, None, None] * velocities + 1.0e4)
    expected = times[:, None] ** 2 * (velocities**2).sum(axis=1)
    assert_allclose(msd(positions), expected, **EXACT)


@pytest.mark.parametrize("msd", [single_origin_msd, windowed_msd])
def test_invariant_under_translation_rotation_and_permutation(msd: Kernel, random_walk: Walk) -> None:
    walk = random_walk(3, n_frames=40, n_atoms=6, diffusivity=0.3, interval=0.1)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    order = np.random.default_rng(4).permutation(6)
    assert_allclose(msd(walk @ rotation + [3.0, -7.0, 50.0]), msd(walk), **EXACT)
    assert_allclose(msd(walk[:, order]), msd(walk)[:, order], **EXACT)


def test_results_are_read_only(random_walk: Walk) -> None:
    walk = random_walk(5, n_frames=4, n_atoms=2, diffusivity=0.3, interval=0.1)
    for result in (single_origin_msd(walk), windowed_msd(walk)):
        with pytest.raises(ValueError, match="read-only"):
            result[0] = 1.0


def test_a_sliding_crystal_does_not_diffuse() -> None:
    rng = np.random.default_rng(6)
    slide = np.cumsum(rng.normal(size=(30, 1, 3)), axis=0)
    positions = frozen(np.broadcast_to(rng.uniform(0, 8, (5, 3)), (30, 5, 3)) + slide)
    framework = np.array([False, True, True, True, True])
    found = drift(positions, np.array([7.0, 31.0, 32.0, 32.0, 32.0]), framework)
    assert_allclose(single_origin_msd(positions - found[:, None]), 0.0, atol=1e-20)


def test_drift_is_weighted_by_mass_and_leaves_relative_motion() -> None:
    """Nothing is removed where the framework's centre of mass rests."""
    positions = np.zeros((2, 3, 3))
    positions[1, 1, 0], positions[1, 2, 0] = 3.0, -1.0  # heavy and light framework atoms
    framework = np.array([False, True, True])
    assert_allclose(drift(frozen(positions), np.array([7.0, 10.0, 30.0]), framework), 0.0, atol=1e-15)


def test_without_framework_there_is_no_drift_to_remove(random_walk: Walk) -> None:
    walk = random_walk(7, n_frames=5, n_atoms=2, diffusivity=1.0, interval=1.0)
    assert_allclose(drift(walk, np.ones(2), np.zeros(2, dtype=bool)), 0.0)
