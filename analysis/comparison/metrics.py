"""How far computed numbers are from known ones: errors with bootstrap intervals, forces across a path."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from hopkin.analysis.errors import MetricsError
from hopkin.analysis.trajectories import FloatArray

N_RESAMPLES = 5000
LEVEL = 0.95
LEAST_PAIRS = 4  # three give intervals of R2 and slope that hold the truth in 65 of 100 cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors ``computed - reference`` of n pairs, in their unit.

    What the pairs do not determine is NaN: r2 and slope of one pair, or of references that are all the same.

    Attributes
    ----------
    n
        Pairs.
    mae
        Mean of the absolute errors.
    rmse
        Root of the mean squared error.
    median_ae
        Median of the absolute errors; outliers do not move it.
    max_ae
        Largest absolute error.
    bias
        Mean error; negative where computed numbers are too small.
    r2
        Coefficient of determination, ``1 - sum (c - r)^2 / sum (r - mean r)^2``: of computed numbers as they
        are, no line fitted; negative where the mean of the references predicts better.
    slope
        Slope of the least-squares line ``c = slope r + constant``; below 1 where the spread is too small.
    intervals
        Percentile bootstrap interval of each of the above but n and max_ae.
    """

    n: int
    mae: float
    rmse: float
    median_ae: float
    max_ae: float
    bias: float
    r2: float
    slope: float
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def errors(
    reference: ArrayLike,
    computed: ArrayLike,
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> Errors:
    """Compare computed numbers with known ones.

    The intervals are percentiles over pairs drawn anew, with replacement: Efron, Ann. Statist. 7, 1 (1979).
    R2 and slope have none below `LEAST_PAIRS` pairs.

    Parameters
    ----------
    reference, computed
        (n,) numbers, pair by pair, in one unit.
    seed
        Seed of the resampling.
    n_resamples
        How often the pairs are drawn; 0: no intervals.
    level
        Part of the resamples within an interval.

    Raises
    ------
    MetricsError
        If there is no pair, the lengths differ, or a number is not finite.
    """
    known, found = _pairs(reference, computed)
    values = _statistics(known[None, :], found[None, :])
    intervals: dict[str, tuple[float, float]] = {}
    if n_resamples > 0 and len(known) > 1:
        drawn = np.random.default_rng(seed).integers(len(known), size=(n_resamples, len(known)))
        for name, resampled in _statistics(known[drawn], found[drawn]).items():
            if name in ("r2", "slope") and len(known) < LEAST_PAIRS:
                continue
            finite = resampled[np.isfinite(resampled)]  # of a draw whose references are all the same
            if len(finite):
                low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
                intervals[name] = (float(low), float(high))
    return Errors(
        n=len(known),
        max_ae=float(np.abs(found - known).max()),
        intervals=intervals,
        **{name: float(value[0]) for name, value in values.items()},
    )


def statistic(found: Errors | None, name: str) -> tuple[float | None, float | None, float | None]:
    """Return one of the errors and the ends of its interval; None where they are not determined."""
    if found is None:
        return None, None, None
    value = float(getattr(found, name))
    low, high = found.intervals.get(name, (None, None))
    return value if math.isfinite(value) else None, low, high


def log10_mae(reference: ArrayLike, computed: ArrayLike) -> float:
    """Mean of ``|log10 computed - log10 reference|``: how many orders of magnitude numbers are off.

    Raises
    ------
    MetricsError
        If there is no pair, the lengths differ, or a number is not positive.
    """
    known, found = _pairs(reference, computed)
    if known.min() <= 0 or found.min() <= 0:
        raise MetricsError("a logarithm needs positive numbers; leave the others out, and say how many")
    return float(np.abs(np.log10(found / known)).mean())


def _pairs(reference: ArrayLike, computed: ArrayLike) -> tuple[FloatArray, FloatArray]:
    known, found = np.asarray(reference, dtype=np.float64), np.asarray(computed, dtype=np.float64)
    if known.ndim != 1 or known.shape != found.shape or len(known) == 0:
        raise MetricsError(
            f"references of shape {known.shape} and computed numbers of shape {found.shape}: as many of each,"
            " at least one"
        )
    if not (np.isfinite(known).all() and np.isfinite(found).all()):
        raise MetricsError("a reference or a computed number is not finite: leave it out, and count it")
    return known, found


def _statistics(known: FloatArray, found: FloatArray) -> dict[str, FloatArray]:
    """Statistics of each row of (n_rows, n) numbers."""
    error = found - known
    spread = known - known.mean(axis=1, keepdims=True)
    variance = (spread**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # references that are all the same leave rounding behind
        determined = np.where(variance > 1e-24 * (known**2).sum(axis=1), variance, np.nan)
        return {
            "mae": np.abs(error).mean(axis=1),
            "rmse": np.sqrt((error**2).mean(axis=1)),
            "median_ae": np.median(np.abs(error), axis=1),
            "bias": error.mean(axis=1),
            "r2": 1 - (error**2).sum(axis=1) / determined,
            "slope": (spread * found).sum(axis=1) / determined,
        }


def improved_tangent(steps: ArrayLike, energies: ArrayLike) -> FloatArray:
    """Tangent of a path at an image between two others.

    Towards the higher neighbour; at an extremum of the energy, both ways weighted by the differences of
    energy: Henkelman, Jonsson, J. Chem. Phys. 113, 9978 (2000), equations 8 to 11.

    Parameters
    ----------
    steps
        (2, n_atoms, 3) displacements from the image before, and to the image after [A].
    energies
        (3,) energies of the image before, of this one, and of the one after [eV].

    Returns
    -------
    (n_atoms, 3) float array
        Of norm 1.
    """
    back, forth = np.asarray(steps, dtype=np.float64)
    before, here, after = np.asarray(energies, dtype=np.float64)
    if before < here < after:
        tangent = forth
    elif before > here > after:
        tangent = back
    else:
        small, large = sorted((abs(after - here), abs(before - here)))
        forward, backward = (large, small) if after > before else (small, large)
        tangent = forth * forward + back * backward
        if large == 0:  # a flat path
            tangent = forth + back
    norm = float(np.linalg.norm(tangent))
    if norm == 0:
        raise MetricsError("a path that does not move, or turns back on itself, has no tangent")
    unit: FloatArray = tangent / norm
    return unit


def normal_forces(forces: ArrayLike, tangent: ArrayLike) -> FloatArray:
    """Part of the forces across a path, ``F - (F . t) t`` in all 3 n_atoms coordinates.

    It is zero all along a minimum-energy path; what a model has of it where the reference has none is by how
    much its own path lies elsewhere.

    Parameters
    ----------
    forces
        (n_atoms, 3) forces [eV/A].
    tangent
        (n_atoms, 3) tangent of the path, of any norm but zero.
    """
    force, along = np.asarray(forces, dtype=np.float64), np.asarray(tangent, dtype=np.float64)
    unit = along / np.linalg.norm(along)
    across: FloatArray = force - np.vdot(force, unit) * unit
    return across
