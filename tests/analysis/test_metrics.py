"""Errors and their intervals against scikit-learn, scipy and hand-made numbers; forces across a path."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from ase import Atoms
from ase.mep.neb import NEB, NEBState
from hypothesis import given
from hypothesis import strategies as st

from hopkin.analysis.comparison.metrics import errors, improved_tangent, log10_mae, normal_forces
from hopkin.analysis.errors import MetricsError

RNG = np.random.default_rng(7)
KNOWN = RNG.uniform(0.1, 1.2, size=40)
FOUND = 0.8 * KNOWN + 0.05 + RNG.normal(scale=0.08, size=40)


def test_hand_made_numbers() -> None:
    """Errors 0.1, -0.1, 0.4 on 0, 1, 2: mean, and a line through three points by hand."""
    found = errors([0.0, 1.0, 2.0], [0.1, 0.9, 2.4], seed=1)
    assert found.n == 3
    assert found.mae == pytest.approx(0.2)
    assert found.median_ae == pytest.approx(0.1)
    assert found.max_ae == pytest.approx(0.4)
    assert found.bias == pytest.approx(0.4 / 3)
    assert found.rmse == pytest.approx(np.sqrt(0.18 / 3))
    assert found.r2 == pytest.approx(1 - 0.18 / 2)
    assert found.slope == pytest.approx(1.15)


def test_against_scikit_learn_and_scipy() -> None:
    found = errors(KNOWN, FOUND, seed=1)
    assert found.mae == pytest.approx(sklearn.metrics.mean_absolute_error(KNOWN, FOUND))
    assert found.rmse == pytest.approx(sklearn.metrics.root_mean_squared_error(KNOWN, FOUND))
    assert found.median_ae == pytest.approx(sklearn.metrics.median_absolute_error(KNOWN, FOUND))
    assert found.r2 == pytest.approx(sklearn.metrics.r2_score(KNOWN, FOUND))
    assert found.slope == pytest.approx(scipy.stats.linregress(KNOWN, FOUND).slope)


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("mae", lambda r, c: np.abs(c - r).mean()),
        ("bias", lambda r, c: (c - r).mean()),
        ("slope", lambda r, c: scipy.stats.linregress(r, c).slope),
        ("r2", sklearn.metrics.r2_score),
    ],
)
def test_intervals_are_those_of_scipy(name: str, statistic: object) -> None:
    """Other random numbers, the same percentiles: within the scatter of 1500 draws."""
    theirs = scipy.stats.bootstrap(
        (KNOWN, FOUND), statistic, paired=True, vectorized=False, n_resamples=1500, method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    low, high = errors(KNOWN, FOUND, seed=1).intervals[name]
    width = theirs.high - theirs.low
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Bias 0.1 of 30 normal errors: 95 of 100 intervals, a few less as percentile intervals are narrow."""
    rng = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        known = rng.uniform(size=30)
        low, high = errors(
            known, known + rng.normal(0.1, 0.2, size=30), seed=seed, n_resamples=500
        ).intervals["bias"]
        held += low <= 0.1 <= high
    assert 0.90 < held / 400 < 0.97


def test_the_seed_decides_the_intervals_alone() -> None:
    first, same, other = (errors(KNOWN, FOUND, seed=seed) for seed in (1, 1, 2))
    assert first == same
    assert first.intervals != other.intervals
    assert first.mae == other.mae


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_shifts_and_scales(shift: float, scale: float) -> None:
    """A shift of both changes nothing, a unit scales what is in it, R2 and slope have none."""
    plain = errors(KNOWN, FOUND, seed=1, n_resamples=0)
    moved = errors(scale * (KNOWN + shift), scale * (FOUND + shift), seed=1, n_resamples=0)
    for name in ("mae", "rmse", "median_ae", "bias"):
        assert getattr(moved, name) == pytest.approx(scale * getattr(plain, name), abs=1e-10)
    assert (moved.r2, moved.slope) == pytest.approx((plain.r2, plain.slope), abs=1e-8)


def test_what_few_pairs_do_not_determine() -> None:
    one = errors([0.3], [0.4], seed=1)
    assert (one.mae, one.bias, one.intervals) == (pytest.approx(0.1), pytest.approx(0.1), {})
    same = errors([0.3, 0.3, 0.3], [0.4, 0.2, 0.3], seed=1)
    assert np.isnan([one.r2, one.slope, same.r2, same.slope]).all()
    assert set(same.intervals) == {"mae", "rmse", "median_ae", "bias"}
    two = errors([0.3, 0.6], [0.4, 0.5], seed=1)
    assert np.isfinite([two.r2, two.slope]).all()
    assert set(two.intervals) == {"mae", "rmse", "median_ae", "bias"}


def test_orders_of_magnitude() -> None:
    assert log10_mae([1.0, 10.0, 100.0], [10.0, 10.0, 1.0]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("known", "found", "sentence"),
    [
        ([], [], r"shape \(0,\).*at least one"),
        ([1.0, 2.0], [1.0], r"shape \(2,\) and .* shape \(1,\)"),
        ([1.0, np.nan], [1.0, 1.0], r"not finite: leave it out"),
    ],
)
def test_pairs_that_cannot_be_compared(known: list[float], found: list[float], sentence: str) -> None:
    with pytest.raises(MetricsError, match=sentence):
        errors(known, found, seed=1)
    with pytest.raises(MetricsError, match=sentence):
        log10_mae(known, found)


def test_no_logarithm_of_what_is_not_positive() -> None:
    with pytest.raises(MetricsError, match=r"a logarithm needs positive numbers"):
        log10_mae([1.0, 1.0], [1.0, -1.0])


# Across a path


@pytest.mark.parametrize(
    "energies", [(0, 1, 2), (2, 1, 0), (0, 1, 0.3), (0.3, 1, 0), (1, 0, 0.5), (0.5, 0, 1), (0, 1, 0)]
)
def test_tangents_are_those_of_ase(energies: tuple[float, float, float]) -> None:
    """Uphill, downhill, maxima and minima of either tilt, and a symmetric maximum."""
    images = [Atoms("H4", positions=p) for p in np.random.default_rng(2).normal(size=(3, 4, 3))]
    band = NEB(images, method="improvedtangent")
    state = NEBState(band, images, np.array(energies))
    theirs = band.neb_method.get_tangent(state, state.spring(0), state.spring(1), 1)
    steps = np.diff([image.positions for image in images], axis=0)
    ours = improved_tangent(steps, energies)
    assert np.linalg.norm(ours) == pytest.approx(1.0)
    assert ours == pytest.approx(theirs)


def test_a_turning_path_has_no_tangent() -> None:
    step = np.ones((2, 3))
    with pytest.raises(MetricsError, match=r"has no tangent"):
        improved_tangent([step, -step], [0.0, 1.0, 0.0])


def test_forces_across_a_path_have_no_part_along_it() -> None:
    """Pythagoras in 3N coordinates; what lies along the tangent vanishes, what lies across stays."""
    rng = np.random.default_rng(4)
    forces, tangent = rng.normal(size=(2, 5, 3))
    across = normal_forces(forces, tangent)
    assert np.vdot(across, tangent) == pytest.approx(0.0, abs=1e-12)
    along = forces - across
    assert (across**2).sum() + (along**2).sum() == pytest.approx((forces**2).sum())
    assert normal_forces(3.0 * tangent, tangent) == pytest.approx(np.zeros((5, 3)), abs=1e-12)
    assert normal_forces(across, tangent) == pytest.approx(across)
