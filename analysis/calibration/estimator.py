"""Known barriers from computed ones: corrected, joined, and with an interval.

Each model is corrected by a straight line (Theil and Sen: the median of all slopes, which a few wrong
references do not move) where its slope differs from 1 significantly, else by its median error alone. Several
models are joined with weights that add up to 1, of the least absolute error of their sum: stacking (Breiman,
Mach. Learn. 24, 49 (1996)). Models that err alike share a weight, so that more of a kind say no more.

The interval is conformal: jackknife+ (Barber et al., Ann. Statist. 49, 486 (2021)), leaving out whole
materials, each of which counts once however many hops of it are known (Lee, Barber, Willett,
arXiv:2306.06342). It assumes that the next material is drawn as those were, and nothing of how errors are
distributed. What is proved is that 90 % intervals hold 80 %; they hold about 90 in practice, and
`quality` measures it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hopkin.analysis.trajectories import FloatArray

LEVEL = 0.9
LEAST_MATERIALS = 10
"""Nine give a finite interval of 90 %; up to 18 it is as wide as the largest error, whatever that is."""
_LEAST_FOR_SLOPE = 12
_FLOOR_EV = 0.2
"""Errors grow with the barrier, beyond about this [eV]."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Lines `intercept + slope * barrier` of several models, and the weights of their mean: (..., models)."""

    intercepts: FloatArray
    slopes: FloatArray
    weights: FloatArray

    def __call__(self, barriers: FloatArray) -> FloatArray:
        """Estimate what is known [eV] of (..., models) barriers."""
        joined: FloatArray = ((self.intercepts + self.slopes * barriers) * self.weights).sum(axis=-1)
        return np.maximum(0.0, joined)


def corrected(barriers: FloatArray, known: FloatArray) -> Correction:
    """Fit the correction of (n, models) barriers [eV] to (n,) known ones."""
    intercepts, slopes = np.transpose([_line(column, known) for column in barriers.T])
    return Correction(intercepts, slopes, _weights(intercepts + slopes * barriers, known))


def _line(computed: FloatArray, known: FloatArray) -> tuple[float, float]:
    """Intercept and slope; slope 1 where the data do not tell it from that."""
    from scipy.stats import theilslopes

    if len(known) >= _LEAST_FOR_SLOPE and np.ptp(computed) > 0:
        fit = theilslopes(known, computed, alpha=0.95)
        if not fit.low_slope <= 1 <= fit.high_slope:
            return float(np.median(known - fit.slope * computed)), float(fit.slope)
    return float(np.median(known - computed)), 1.0


def _weights(estimates: FloatArray, known: FloatArray) -> FloatArray:
    """Weights of models, none negative, 1 together, that make the absolute errors of their mean least."""
    from scipy.optimize import linprog

    n, models = estimates.shape
    if models == 1:
        return np.ones(1)
    # of w and the bounds t of the errors: least sum of t, with -t <= estimates w - known <= t
    bounds = np.eye(n)
    return np.asarray(
        linprog(
            np.r_[np.zeros(models), np.ones(n)],
            A_ub=np.block([[estimates, -bounds], [-estimates, -bounds]]),
            b_ub=np.r_[known, -known],
            A_eq=np.r_[np.ones(models), np.zeros(n)][None],
            b_eq=[1.0],
        ).x[:models]
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and its interval [eV]; `high_eV` is infinite with too few materials."""

    barrier_eV: float
    low_eV: float
    high_eV: float


class Estimator:
    """Estimates with intervals from cases of several materials.

    Parameters
    ----------
    barriers
        (n, models) computed [eV]
    known
        (n,) [eV]
    materials
        (n,) what each is of; errors of one material are alike, and are left out together
    level
        part of the materials whose barrier lies in its interval
    """

    def __init__(
        self, barriers: FloatArray, known: FloatArray, materials: Sequence[object], level: float = LEVEL
    ) -> None:
        self._correction = corrected(barriers, known)
        self._level = level
        names = np.array([str(material) for material in materials])
        groups, self._group, sizes = np.unique(names, return_inverse=True, return_counts=True)
        self._share = 1 / ((len(groups) + 1) * sizes[self._group])
        apart = [
            corrected(barriers[self._group != group], known[self._group != group])
            for group in range(len(groups))
        ]
        self._without = Correction(  # of each case: that of the other materials
            np.array([fit.intercepts for fit in apart])[self._group],
            np.array([fit.slopes for fit in apart])[self._group],
            np.array([fit.weights for fit in apart])[self._group],
        )
        estimates = self._without(barriers)
        self._scores = np.abs(known - estimates) / _scale(estimates)

    def __call__(self, barriers: FloatArray) -> Estimate:
        """Estimate the known barrier of a hop of another material, from (models,) barriers."""
        others = self._without(barriers)
        spread = self._scores * _scale(others)
        high = _quantile(others + spread, self._share, self._level)
        low = -_quantile(spread - others, self._share, self._level)
        return Estimate(float(self._correction(barriers)), max(0.0, low), high)


def _scale(estimates: FloatArray) -> FloatArray:
    return _FLOOR_EV + estimates


def _quantile(values: FloatArray, weights: FloatArray, level: float) -> float:
    """Return the least value with so much of the weights at or below it; what they lack of 1 is infinite."""
    order = np.argsort(values)
    place = int(np.searchsorted(np.cumsum(weights[order]), level * (1 - 1e-12)))
    return float(values[order][place]) if place < len(values) else math.inf
