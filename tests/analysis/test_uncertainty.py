"""Error bars hold the truth as often as they say, whatever moves the ions."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hopkin.analysis.errors import MissingPackageError
from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.transport.msd import windowed_msd_tensor
from hopkin.analysis.transport.uncertainty import Blocks, choose_blocks, estimate_by_blocks, kinisi_posterior

A2_PER_PS = 1.0e-4  # cm^2/s
TRUTH = 0.25 * A2_PER_PS
INTERVAL = 0.1

Walk = Callable[..., FloatArray]


def msd_of(positions: FloatArray) -> FloatArray:
    return np.einsum("tii->t", windowed_msd_tensor(positions))


@pytest.mark.parametrize("together", [1, 4], ids=["independent", "four at a time"])
def test_a_random_walk_lies_in_its_interval_in_at_least_90_of_100_seeds(
    random_walk: Walk, together: int
) -> None:
    """Also where ions move together, which the number of ions hides. 95 are expected; see benchmarks."""
    inside = 0
    for seed in range(100):
        walk = random_walk(seed, n_frames=501, n_atoms=60 // together, diffusivity=0.25, interval=INTERVAL)
        positions = np.repeat(walk, together, axis=1)
        estimate = estimate_by_blocks(positions, INTERVAL, choose_blocks(msd_of(positions)))
        assert estimate.interval is not None
        inside += estimate.interval[0] <= TRUTH <= estimate.interval[1]
    assert inside >= 90


def test_blocks_are_fitted_one_by_one() -> None:
    """Uniform motion of one speed in each block: their slopes are known."""
    speeds = np.array([1.0, 2.0, 3.0])
    path = np.concatenate([[0.0], np.cumsum(np.repeat(speeds, 10))])[:30]
    positions = np.zeros((30, 1, 3))
    positions[:, 0, 0] = path
    estimate = estimate_by_blocks(frozen(positions), 1.0, Blocks(n=3, n_frames=10, window=slice(1, 3)))
    expected = 3.0 * speeds**2 / 6.0 * A2_PER_PS  # slope of v^2 t^2 between 1 and 2 ps
    assert estimate.diffusivity == pytest.approx(expected.mean(), rel=1e-9)
    assert estimate.standard_error == pytest.approx(expected.std(ddof=1) / np.sqrt(3), rel=1e-9)
    assert estimate.interval is not None
    half = 4.3027 * expected.std(ddof=1) / np.sqrt(3)  # Student's t, 97.5 %, 2 degrees of freedom
    assert_allclose(estimate.interval, [expected.mean() - half, expected.mean() + half], rtol=1e-4)


def test_a_negative_diffusivity_is_no_less_than_it_is() -> None:
    """Back and forth: at the lags of the fit, the MSD falls."""
    positions = np.zeros((40, 1, 3))
    positions[:, 0, 0] = np.tile([0.0, 1.0], 20)
    estimate = estimate_by_blocks(frozen(positions), 1.0, Blocks(n=4, n_frames=10, window=slice(1, 3)))
    assert estimate.diffusivity == pytest.approx(-1.0 / 6.0 * A2_PER_PS)


@pytest.mark.parametrize(
    ("slope", "reason"),
    [(0.02, r"does not reach 9 A\^2"), (0.3, r"takes 30 frames to reach 9 A\^2: .* hold 1 blocks of twice")],
)
def test_a_run_too_short_for_blocks_says_so(slope: float, reason: str) -> None:
    blocks = choose_blocks(slope * np.arange(101.0))
    assert isinstance(blocks, str)
    estimate = estimate_by_blocks(np.zeros((101, 1, 3)), 1.0, blocks)
    assert estimate.diffusivity is None
    with pytest.raises(ValueError, match=reason):
        raise ValueError(estimate.reason)


@pytest.mark.parametrize("n_frames", [63, 101, 181, 200])
def test_the_window_of_a_block_holds_the_growth_it_is_chosen_for(n_frames: int) -> None:
    """By half a block the MSD has passed a^2/2 = 4.5 A^2 and grown by as much."""
    msd = np.arange(n_frames, dtype=np.float64)
    blocks = choose_blocks(msd)
    assert isinstance(blocks, Blocks)
    fitted = msd[: blocks.n_frames][blocks.window]
    assert fitted[0] >= 4.5
    assert fitted[-1] - fitted[0] >= 4.5
    assert blocks.n * blocks.n_frames <= n_frames


def test_the_posterior_of_kinisi_is_the_generalised_least_squares_line(random_walk: Walk) -> None:
    """An oracle without sampling: for independent walkers, the covariance of an MSD is known.

    McCluskey et al. (2025), equation 9: cov(m, n) = var(n) n_n / n_m, of lags m < n, with n_m the number
    of squared displacements that do not overlap.
    """
    pytest.importorskip("kinisi")
    from statsmodels.stats.correlation_tools import cov_nearest  # type: ignore[import-untyped]

    walk = random_walk(3, n_frames=300, n_atoms=40, diffusivity=0.25, interval=INTERVAL)
    posterior = kinisi_posterior(walk, INTERVAL, 2.0, seed=1)
    lags = np.unique(np.linspace(20, 299, 50).round().astype(int))
    squares = [((walk[lag:] - walk[:-lag]) ** 2).sum(axis=-1) for lag in lags]
    independent = 40 * lags[-1] / lags
    msd = np.array([values.mean() for values in squares])
    variance = np.array([values.var(ddof=1) for values in squares]) / independent
    earlier = np.minimum.outer(np.arange(len(lags)), np.arange(len(lags)))
    later = np.maximum.outer(np.arange(len(lags)), np.arange(len(lags)))
    covariance = variance[earlier] * independent[earlier] / independent[later]
    design = np.column_stack([lags * INTERVAL, np.ones(len(lags))])
    inverse = np.linalg.pinv(cov_nearest(covariance), hermitian=True)  # noise makes it indefinite
    normal = np.linalg.inv(design.T @ inverse @ design)
    slope = (normal @ design.T @ inverse @ msd)[0]
    assert posterior.diffusivity is not None
    assert posterior.standard_error is not None
    assert posterior.diffusivity == pytest.approx(slope / 6 * A2_PER_PS, rel=0.05)
    assert posterior.standard_error == pytest.approx(np.sqrt(normal[0, 0]) / 6 * A2_PER_PS, rel=0.25)


def test_without_kinisi_the_posterior_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kinisi.diffusion", None)
    with pytest.raises(
        MissingPackageError, match=r"kinisi, which is not installed: pip install 'hopkin\[kinisi\]'"
    ):
        kinisi_posterior(np.zeros((10, 1, 3)), 1.0, 1.0)
