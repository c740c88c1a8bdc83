r"""Uncertainty of a diffusivity from the trajectory itself.

*Blocks*. The run is cut into *K* blocks of equal length, each gives a diffusivity :math:`D_k` of its
own, and the mean has the standard error :math:`s/\sqrt K`; its interval is that of Student's *t* with
*K* - 1 degrees of freedom. Nothing is assumed about how the ions move, together or not, but that a
block forgets the one before: Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989),
doi:10.1063/1.457480; Grossfield et al., Living J. Comput. Mol. Sci. 1, 5067 (2018).

*kinisi*. The posterior of a line through the windowed MSD under the covariance that independent
random walkers would have: McCluskey, Coles, Morgan, J. Chem. Theory Comput. 21, 79 (2025),
doi:10.1021/acs.jctc.4c01249. It uses the data best, but takes the ions for independent, and allows no
negative diffusivity.

The interval to quote is that of the blocks, independent parts of the run. The number of hops (He, Zhu, Mo)
is twice too wide where ions move alone, kinisi's posterior too narrow where they move together, the
least-squares error of an MSD forty times too small: `benchmarks/results/error_coverage.md`.
"""

from dataclasses import dataclass

import numpy as np

from hopkin.analysis.errors import MissingPackageError
from hopkin.analysis.trajectories import FloatArray
from hopkin.analysis.transport.diffusion import HOP_LENGTH_A, MIN_FIT_POINTS, fit_diffusivity
from hopkin.analysis.transport.msd import windowed_msd_tensor

LEAST_BLOCKS = 3
MOST_BLOCKS = 10
CONFIDENCE = 0.95
KINISI_FRAMES = 1000
KINISI_LAGS = 50  # the noise of many more, alike as they are, makes the posterior narrow and low
BOX_A = 1.0e5  # kinisi wraps and unwraps: in a box so large it does nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A diffusivity with its uncertainty, or the reason why there is none.

    Attributes
    ----------
    diffusivity
        Diffusivity [cm^2/s].
    standard_error
        Its standard error [cm^2/s].
    interval
        Its 95 % interval [cm^2/s].
    n_blocks
        Number of blocks, None for a posterior.
    reason
        Why there is no number, None where there is one.
    """

    diffusivity: float | None = None
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    n_blocks: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """How a run is cut into blocks.

    Attributes
    ----------
    n
        Number of blocks.
    n_frames
        Frames in each.
    window
        Lags, in frames, between which the MSD of a block is fitted.
    """

    n: int
    n_frames: int
    window: slice


def choose_blocks(msd: FloatArray, *, hop_length: float = HOP_LENGTH_A) -> Blocks | str:
    """Cut a run into as many blocks, up to ten, as its diffusion allows, or say why it cannot be cut.

    As in the rule of He, Zhu and Mo for a whole run, the MSD must pass a^2/2 and grow by another a^2/2
    by half a block; the lags between are fitted.

    Parameters
    ----------
    msd
        (n_frames,) windowed MSD of the whole run [A^2].
    hop_length
        Distance a between neighbouring sites [A].
    """
    gate = 0.5 * hop_length**2
    first = int(np.argmax(msd >= gate))
    last = int(np.argmax(msd >= msd[first] + gate))
    if msd[first] < gate or last == 0:
        return f"the MSD does not reach {2 * gate:.3g} A^2"
    last = min(max(last, first + MIN_FIT_POINTS - 1), len(msd) - 1)
    n = min(MOST_BLOCKS, len(msd) // (2 * last + 1))  # so that half a block holds the lag `last`
    if n < LEAST_BLOCKS:
        return (
            f"the MSD takes {last} frames to reach {msd[last]:.3g} A^2: the {len(msd)} frames of the run "
            f"hold {n} blocks of twice that; {LEAST_BLOCKS} are needed"
        )
    length = len(msd) // n
    return Blocks(n=n, n_frames=length, window=slice(first, (length - 1) // 2 + 1))


def estimate_by_blocks(positions: FloatArray, interval: float, blocks: Blocks | str) -> Estimate:
    """Diffusivity with its error from the windowed MSD of each block.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions without drift [A]; for the collective diffusivity of
        one atom, the sum of all over the square root of their number.
    interval
        Time between frames [ps].
    blocks
        How to cut the run, or why it cannot be cut.
    """
    from scipy.special import stdtrit  # quantiles of Student's t

    if isinstance(blocks, str):
        return Estimate(reason=blocks)
    lag_times = interval * np.arange(blocks.n_frames, dtype=np.float64)
    fits = []
    for k in range(blocks.n):
        part = positions[k * blocks.n_frames : (k + 1) * blocks.n_frames]
        msd = np.einsum("tii->t", windowed_msd_tensor(part))[blocks.window]
        fits.append(fit_diffusivity(lag_times[blocks.window], msd))
    values = np.array(fits)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(blocks.n))
    half_width = error * float(stdtrit(blocks.n - 1, 0.5 + 0.5 * CONFIDENCE))
    return Estimate(
        diffusivity=mean,
        standard_error=error,
        interval=(mean - half_width, mean + half_width),
        n_blocks=blocks.n,
    )


def kinisi_posterior(positions: FloatArray, interval: float, start: float, *, seed: int = 0) -> Estimate:
    """Bayesian posterior of the diffusivity, by kinisi.

    Parameters
    ----------
    positions
        (n_frames, n_ions, 3) unwrapped positions without drift [A]. Of a long run, every n-th frame is
        used, a thousand in all.
    interval
        Time between frames [ps].
    start
        Lag from which the MSD is a line [ps].
    seed
        Seed of the sampler.

    Raises
    ------
    MissingPackageError
        If kinisi is not installed.
    """
    try:
        import scipp
        from kinisi.diffusion import Diffusion
        from kinisi.displacement import calculate_msd
        from kinisi.parser import Parser
    except ImportError as error:
        raise MissingPackageError(
            "the posterior needs the package kinisi, which is not installed: pip install 'hopkin[kinisi]'"
        ) from error
    stride = max(1, len(positions) // KINISI_FRAMES)
    frames = positions[::stride]
    step = interval * stride
    n_lags, first = len(frames) - 1, max(1, int(np.ceil(start / step - 1e-9)))
    if first > n_lags // 2:
        return Estimate(reason="the MSD is no line before half the run")
    lags = np.unique(np.linspace(first, n_lags, KINISI_LAGS).round().astype(int))
    scaled = (frames - frames[0]) / BOX_A + 0.5
    trajectory = Parser(
        scipp.array(dims=["time", "particle", "dimension"], values=scaled),
        scipp.array(
            dims=["time", "row", "column"],
            values=np.repeat(BOX_A * np.eye(3)[None], len(frames), axis=0),
            unit="angstrom",
        ),
        time_step=scipp.scalar(step, unit="ps"),
        step_skip=scipp.scalar(1),
        dt=scipp.array(dims=["time interval"], values=step * lags, unit="ps"),
        specie_indices=scipp.array(dims=["particle"], values=np.arange(frames.shape[1])),
        drift_indices=scipp.array(dims=["particle"], values=np.zeros(0, dtype=int)),
    )
    posterior = Diffusion(calculate_msd(trajectory, progress=False))
    posterior.bayesian_regression(
        scipp.scalar(step * lags[0] * (1 - 1e-9), unit="ps"),
        progress=False,
        random_state=np.random.RandomState(seed),
    )
    samples = posterior.gradient.values / 6.0 * 1.0e-4  # A^2/ps to cm^2/s
    low, high = np.quantile(samples, [0.5 - 0.5 * CONFIDENCE, 0.5 + 0.5 * CONFIDENCE])
    return Estimate(
        diffusivity=float(samples.mean()),
        standard_error=float(samples.std()),
        interval=(float(low), float(high)),
    )
