r"""Arrhenius fits.

.. math:: \ln D(T) = \ln D_0 - E_a / (k_B T)

by weighted least squares, the weights being the inverse variances :math:`(D/s)^2` of :math:`\ln D`.
Its band follows from the covariance of the two parameters. Standard errors from a few blocks are
themselves uncertain: intervals are those of Student's *t* with the effective degrees of freedom of
Welch and Satterthwaite, Biometrics Bull. 2, 110 (1946), doi:10.2307/3002019.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories import FloatArray
from hopkin.analysis.transport.conductivity import BOLTZMANN_EV_PER_K

LEAST_DIFFERENCE_K = 1.0
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A diffusivity at a temperature.

    Attributes
    ----------
    temperature
        Temperature [K].
    diffusivity
        Diffusivity [cm^2/s].
    standard_error
        Its standard error [cm^2/s]; None, at all points, for an unweighted fit.
    degrees_of_freedom
        Of the standard error; infinite where it is not itself estimated from a few values.
    """

    temperature: float
    diffusivity: float
    standard_error: float | None = None
    degrees_of_freedom: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """Diffusivity on the fitted line.

    Attributes
    ----------
    temperature
        Temperature [K].
    diffusivity
        Diffusivity [cm^2/s].
    interval
        Its 95 % interval [cm^2/s]; None where two points leave no error.
    extrapolated
        True outside the temperatures of the fit.
    """

    temperature: float
    diffusivity: float
    interval: tuple[float, float] | None
    extrapolated: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrheniusFit:
    """Line through ln D against 1/T.

    Attributes
    ----------
    activation_energy
        Activation energy [eV].
    standard_error
        Its standard error [eV]; None where two points without errors leave none.
    interval
        Its 95 % interval [eV].
    log_prefactor
        ln of D_0 [cm^2/s].
    reduced_chi_squared
        Of a weighted fit to three or more points: far above 1, it is no line, or errors are too small.
    points
        The points that were fitted.
    excluded
        Points that have no logarithm, which leaves the fit too high at their temperatures.
    """

    activation_energy: float
    standard_error: float | None
    interval: tuple[float, float] | None
    log_prefactor: float
    reduced_chi_squared: float | None
    points: tuple[Point, ...]
    excluded: tuple[Point, ...]
    _solution: FloatArray
    _variances: FloatArray
    _degrees_of_freedom: FloatArray | float

    @property
    def prefactor(self) -> float:
        """D_0 [cm^2/s]."""
        return float(np.exp(self.log_prefactor))

    def predict(self, temperature: float) -> Prediction:
        """Diffusivity on the line at a temperature [K], with its interval."""
        row = np.array([1.0, -1.0 / (BOLTZMANN_EV_PER_K * temperature)])
        value = float(row @ [self.log_prefactor, self.activation_energy])
        half = _half_width(row @ self._solution, self._variances, self._degrees_of_freedom)
        measured = [point.temperature for point in self.points]
        return Prediction(
            temperature=temperature,
            diffusivity=float(np.exp(value)),
            interval=None if half is None else (float(np.exp(value - half)), float(np.exp(value + half))),
            extrapolated=not min(measured) <= temperature <= max(measured),
        )


def fit_arrhenius(points: Sequence[Point]) -> ArrheniusFit:
    """Fit an Arrhenius line, weighted if the points have errors.

    Without errors, and with three points or more, their scatter about the line gives the error.

    Raises
    ------
    AnalysisError
        If fewer than two positive diffusivities lie at different temperatures, or if only some of them
        have errors.
    """
    used = tuple(point for point in points if point.diffusivity > 0)
    excluded = tuple(point for point in points if not point.diffusivity > 0)
    temperatures = np.array([point.temperature for point in used])
    if len(used) < 2 or np.ptp(temperatures) < LEAST_DIFFERENCE_K:
        raise AnalysisError(
            f"no Arrhenius fit: of the {len(points)} diffusivities, the positive ones lie at "
            f"{', '.join(f'{t:g} K' for t in temperatures) or 'no temperature'}; two different temperatures "
            "are needed"
        )
    errors = [point.standard_error for point in used if point.standard_error is not None]
    if 0 < len(errors) < len(used) or any(error <= 0 for error in errors):
        raise AnalysisError("some diffusivities have no error, others do: give one to all, or to none")
    logs = np.log([point.diffusivity for point in used])
    inverse = 1.0 / (BOLTZMANN_EV_PER_K * temperatures)
    design = np.column_stack([np.ones_like(inverse), -inverse])
    n_free = len(used) - 2
    if errors:
        variances = (np.array(errors) / [point.diffusivity for point in used]) ** 2
        freedom: FloatArray | float = np.array([point.degrees_of_freedom for point in used])
    else:
        variances, freedom = np.ones(len(used)), float(n_free)
    weights = 1.0 / variances
    normal = design.T @ (weights[:, None] * design)
    solution = np.asarray(np.linalg.solve(normal, design.T * weights), dtype=np.float64)
    log_prefactor, energy = solution @ logs
    chi_squared = float(weights @ (logs - design @ [log_prefactor, energy]) ** 2)
    if not errors:
        variances = np.full(len(used), chi_squared / n_free if n_free else np.nan)
    half = _half_width(solution[1], variances, freedom)
    return ArrheniusFit(
        activation_energy=float(energy),
        standard_error=None if half is None else float(np.sqrt(solution[1] ** 2 @ variances)),
        interval=None if half is None else (float(energy - half), float(energy + half)),
        log_prefactor=float(log_prefactor),
        reduced_chi_squared=chi_squared / n_free if errors and n_free else None,
        points=used,
        excluded=excluded,
        _solution=solution,
        _variances=variances,
        _degrees_of_freedom=freedom,
    )


def _half_width(coefficients: FloatArray, variances: FloatArray, freedom: FloatArray | float) -> float | None:
    """Half the 95 % interval of a linear combination of independent values.

    `freedom` is that of each variance, or a number where one scatter was taken for all of them.
    """
    from scipy.special import stdtrit  # quantiles of Student's t

    parts = coefficients**2 * variances
    if not np.isfinite(parts).all():
        return None
    if not isinstance(freedom, float):
        freedom = float(parts.sum() ** 2 / max((parts**2 / freedom).sum(), 1e-300))
    return float(np.sqrt(parts.sum()) * stdtrit(min(freedom, 1e6), 0.5 + 0.5 * CONFIDENCE))
