"""Laws of diffusivities, and the gates of the fits."""

from collections.abc import Callable

import numpy as np
import pytest

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.transport.diffusion import (
    fit_paper_protocol,
    fit_windowed,
    log_log_slope,
    relative_standard_deviation,
)
from hopkin.analysis.transport.msd import single_origin_msd, windowed_msd

A2_PER_PS = 1.0e-4  # cm^2/s

# Over 40 seeds the walk of 200 ions below has a relative standard deviation of 0.13 (single origin)
# and 0.045 (windowed); the tolerances are four of them.
SINGLE_ORIGIN_TOLERANCE = 0.52
WINDOWED_TOLERANCE = 0.18


@pytest.fixture(scope="module")
def walk(random_walk: Callable[..., FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Times [ps] and positions of a random walk with D = 0.25 A^2/ps = 2.5e-5 cm^2/s."""
    positions = random_walk(11, n_frames=1001, n_atoms=200, diffusivity=0.25, interval=0.05)
    return np.linspace(0.0, 50.0, 1001), positions


def test_paper_protocol_recovers_a_random_walk(walk: tuple[FloatArray, FloatArray]) -> None:
    times, positions = walk
    fit = fit_paper_protocol(times, single_origin_msd(positions).mean(axis=1))
    assert fit.diffusivity == pytest.approx(0.25 * A2_PER_PS, rel=SINGLE_ORIGIN_TOLERANCE)
    assert fit.window == pytest.approx((30.0, 50.0))
    assert fit.rule == "last 20 ps"


def test_windowed_fit_recovers_a_random_walk(walk: tuple[FloatArray, FloatArray]) -> None:
    times, positions = walk
    fit = fit_windowed(times, windowed_msd(positions).mean(axis=1), 200)
    assert fit.reason is None
    assert fit.diffusivity == pytest.approx(0.25 * A2_PER_PS, rel=WINDOWED_TOLERANCE)
    assert fit.window is not None
    assert fit.window[0] == pytest.approx(4.5 / (6 * 0.25), abs=0.3)
    assert fit.window[1] == pytest.approx(25.0)


def test_the_slope_of_a_line_is_exact_and_its_offset_does_not_matter() -> None:
    times = np.linspace(0.0, 100.0, 501)
    msd = 0.6 * times + 3.0
    fit = fit_windowed(times, msd, 10)
    assert fit_paper_protocol(times, msd).diffusivity == pytest.approx(0.1 * A2_PER_PS, rel=1e-12)
    assert fit.diffusivity == pytest.approx(0.1 * A2_PER_PS, rel=1e-12)
    assert fit.window == pytest.approx((2.6, 50.0))
    assert fit.n_hops == pytest.approx(10 * 63.0 / 9.0)
    assert fit.standard_deviation == pytest.approx(0.1 * A2_PER_PS * (3.43 / np.sqrt(70.0) + 0.04), rel=1e-12)


def test_a_falling_msd_gives_a_negative_diffusivity() -> None:
    times = np.linspace(0.0, 50.0, 101)
    fit = fit_paper_protocol(times, 20.0 - 0.06 * times)
    assert fit.diffusivity == pytest.approx(-0.01 * A2_PER_PS, rel=1e-12)


def test_a_run_under_50_ps_is_fitted_over_its_last_40_percent() -> None:
    times = np.linspace(0.0, 10.0, 101)
    fit = fit_paper_protocol(times, times)
    assert fit.window == pytest.approx((6.0, 10.0))
    assert fit.rule == "last 40 % of the run"


def test_one_frame_has_no_slope() -> None:
    times = np.array([0.0, 1.0])
    with pytest.raises(TrajectoryError, match="only one of 2 frames lies in the last 40 %"):
        fit_paper_protocol(times, times)


@pytest.mark.parametrize(
    ("slope", "reason"),
    [
        (0.05, r"the MSD reaches 2\.50 A\^2 by half the run \(50 ps\); 4\.5 A\^2 are needed"),
        (0.0901, r"passes 4\.5 A\^2 at 50 ps, which leaves fewer than 3 points"),
        (0.12, r"the MSD changes by 1\.44 A\^2 between 38 ps and half the run"),
    ],
)
def test_the_gate_refuses_a_number_and_says_why(slope: float, reason: str) -> None:
    times = np.linspace(0.0, 100.0, 101)
    fit = fit_windowed(times, slope * times, 10)
    assert fit.diffusivity is None
    assert fit.standard_deviation is None
    assert fit.window is None
    assert fit.n_hops == pytest.approx(10 * 100 * slope / 9)
    with pytest.raises(ValueError, match=reason):
        raise ValueError(fit.reason)


def test_more_hops_mean_a_smaller_error_down_to_four_percent() -> None:
    assert relative_standard_deviation(100.0) == pytest.approx(0.383)
    assert relative_standard_deviation(1e12) == pytest.approx(0.04, abs=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_log_log_slope_of_a_power_law(power: float) -> None:
    times = np.linspace(0.0, 10.0, 101)
    assert log_log_slope(times, 3.0 * times**power) == pytest.approx(power, abs=1e-12)


def test_log_log_slope_of_atoms_at_rest_is_undefined() -> None:
    times = np.linspace(0.0, 10.0, 101)
    assert log_log_slope(times, np.zeros(101)) is None
