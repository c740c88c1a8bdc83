r"""Self-diffusion coefficients from mean squared displacements.

The Einstein relation, :math:`\mathrm{MSD}(t) = 2 d D t + c` with *d* = 3, read off in two ways: as
the benchmark of Guo, Gui and Wang does it (one time origin, the end of the run), and as He, Zhu
and Mo recommend (all origins, the part of the curve that is diffusive and still well sampled,
with an error estimated from the number of hops): npj Comput. Mater. 4, 18 (2018),
doi:10.1038/s41524-018-0074-y.
"""

from dataclasses import dataclass

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories import FloatArray

DIMENSIONS = 3
CM2_PER_S_IN_A2_PER_PS = 1.0e-4  # 1 A^2/ps = 1e-16 cm^2 / 1e-12 s
PAPER_WINDOW_PS = 20.0
PAPER_WINDOW_FRACTION = 0.4  # 20 ps of the 50 ps run of the protocol
PAPER_TOLERANCE = 1.0e-3  # 50 ps may lack their last frame
HOP_LENGTH_A = 3.0
MIN_FIT_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperFit:
    """Diffusivity by the paper protocol.

    Attributes
    ----------
    diffusivity
        Diffusivity [cm^2/s]; negative where the MSD falls, never clamped.
    window
        First and last time of the fit [ps].
    rule
        How the window was chosen: "last 20 ps", or "last 40 % of the run" for runs under 50 ps.
    """

    diffusivity: float
    window: tuple[float, float]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowedFit:
    """Diffusivity by the rule of He, Zhu and Mo.

    Attributes
    ----------
    diffusivity
        Diffusivity [cm^2/s], None where the gate fails.
    standard_deviation
        Its standard deviation [cm^2/s], None where the gate fails.
    n_hops
        Effective number of hops of all ions together.
    window
        First and last lag of the fit [ps], None where the gate fails.
    reason
        Why there is no number, None where there is one.
    """

    diffusivity: float | None
    standard_deviation: float | None
    n_hops: float
    window: tuple[float, float] | None
    reason: str | None


def fit_paper_protocol(times: FloatArray, msd: FloatArray) -> PaperFit:
    """Fit the single-origin MSD over the last 20 ps (the last 40 % of a run under 50 ps).

    Parameters
    ----------
    times
        (n_frames,) times [ps].
    msd
        (n_frames,) single-origin MSD, averaged over the ions [A^2].

    Raises
    ------
    TrajectoryError
        If fewer than two frames lie in the window.
    """
    run_length = times[-1] - times[0]
    if PAPER_WINDOW_FRACTION * run_length >= PAPER_WINDOW_PS * (1 - PAPER_TOLERANCE):
        length, rule = PAPER_WINDOW_PS, f"last {PAPER_WINDOW_PS:g} ps"
    else:
        length = PAPER_WINDOW_FRACTION * run_length
        rule = f"last {100 * PAPER_WINDOW_FRACTION:g} % of the run"
    inside = times >= times[-1] - length - 1e-9 * run_length
    if np.count_nonzero(inside) < 2:
        raise TrajectoryError(
            f"only one of {len(times)} frames lies in the {rule}, where the slope of the MSD is "
            "taken; at least two must"
        )
    start = float(times[inside][0])
    return PaperFit(
        diffusivity=fit_diffusivity(times[inside], msd[inside]),
        window=(start, float(times[-1])),
        rule=rule,
    )


def fit_windowed(
    lag_times: FloatArray, msd: FloatArray, n_ions: int, *, hop_length: float = HOP_LENGTH_A
) -> WindowedFit:
    """Fit the windowed MSD by the rule of He, Zhu and Mo, or say why it cannot be fitted.

    The fit runs from the first lag with MSD >= a^2/2 (4.5 A^2 for hops of a = 3 A) to half the
    run, where the MSD must have grown by another a^2/2. The error follows from the effective
    number of hops, N = n_ions max(MSD) / a^2, as std(D)/D = 3.43/sqrt(N) + 0.04.

    Parameters
    ----------
    lag_times
        (n_frames,) lags, from 0 [ps].
    msd
        (n_frames,) windowed MSD, averaged over the ions [A^2].
    n_ions
        Number of diffusing ions.
    hop_length
        Distance a between neighbouring sites [A].
    """
    n_hops = float(n_ions * msd.max() / hop_length**2)
    gate = 0.5 * hop_length**2
    last = int(np.searchsorted(lag_times, 0.5 * lag_times[-1] * (1 + 1e-9), side="right")) - 1
    reached = np.flatnonzero(msd[: last + 1] >= gate)
    reason = None
    if reached.size == 0:
        reason = (
            f"the MSD reaches {msd[: last + 1].max():.2f} A^2 by half the run "
            f"({lag_times[last]:.3g} ps); {gate:.3g} A^2 are needed"
        )
    elif last + 1 - reached[0] < MIN_FIT_POINTS:
        reason = (
            f"the MSD passes {gate:.3g} A^2 at {lag_times[reached[0]]:.3g} ps, which leaves fewer "
            f"than {MIN_FIT_POINTS} points before half the run ({lag_times[last]:.3g} ps)"
        )
    elif msd[last] - msd[reached[0]] < gate:
        reason = (
            f"the MSD changes by {msd[last] - msd[reached[0]]:.2f} A^2 between "
            f"{lag_times[reached[0]]:.3g} ps and half the run ({lag_times[last]:.3g} ps); "
            f"{gate:.3g} A^2 are needed"
        )
    if reason is not None:
        return WindowedFit(
            diffusivity=None, standard_deviation=None, n_hops=n_hops, window=None, reason=reason
        )
    window = slice(int(reached[0]), last + 1)
    diffusivity = fit_diffusivity(lag_times[window], msd[window])
    return WindowedFit(
        diffusivity=diffusivity,
        standard_deviation=diffusivity * relative_standard_deviation(n_hops),
        n_hops=n_hops,
        window=(float(lag_times[window][0]), float(lag_times[last])),
        reason=None,
    )


def relative_standard_deviation(n_hops: float) -> float:
    """Relative standard deviation of a diffusivity from its effective number of hops.

    3.43/sqrt(N) + 0.04: He, Zhu and Mo (2018), their empirical fit over many AIMD runs.
    """
    return float(3.43 / np.sqrt(n_hops) + 0.04)


def log_log_slope(lag_times: FloatArray, msd: FloatArray) -> float | None:
    """Slope of ln MSD against ln t between a tenth and half of the run.

    1 for diffusion, 2 for ballistic motion, 0 for vibration about fixed sites. None where the
    MSD is zero somewhere, or where fewer than two lags lie between.

    Parameters
    ----------
    lag_times
        (n_frames,) lags, from 0 [ps].
    msd
        (n_frames,) windowed MSD, averaged over the ions [A^2].
    """
    fraction = lag_times / lag_times[-1]
    inside = (fraction >= 0.1 - 1e-9) & (fraction <= 0.5 + 1e-9)
    if np.count_nonzero(inside) < 2 or not (msd[inside] > 0).all():
        return None
    return _slope(np.log(lag_times[inside]), np.log(msd[inside]))


def fit_diffusivity(times: FloatArray, msd: FloatArray, *, dimensions: int = DIMENSIONS) -> float:
    """Diffusivity [cm^2/s] from the slope of an MSD [A^2] over times [ps]."""
    return _slope(times, msd) / (2 * dimensions) * CM2_PER_S_IN_A2_PER_PS


def _slope(x: FloatArray, y: FloatArray) -> float:
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred))
