"""Diffusivities over temperature from barriers and attempt frequencies, and how sure they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units

from hopkin.drivers.kinetics.diffusion import Principal, ion_diffusivity, vacancy_diffusivity
from hopkin.drivers.kinetics.network import Floats, Network, Rates, balanced

CM2_PER_A2 = 1e-16
_LEAST_BARRIER_EV = 1e-3
_ALIKE = 0.5
"""Part of the variance of barriers that is common to the hops of a crystal: a soft model is soft at each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HopRate:
    """Harmonic rates of a distinct hop, both ways, and their uncertainty.

    Attributes
    ----------
    forward_eV, reverse_eV
        barriers of the ion over the initial and over the final end
    forward_THz, reverse_THz
        attempt frequencies
    lower_eV, higher_eV
        standard errors of both barriers, which err together, downwards and upwards
    factor
        by which the frequencies may be off, one standard error
    """

    forward_eV: float
    reverse_eV: float
    forward_THz: float
    reverse_THz: float
    lower_eV: float = 0.0
    higher_eV: float = 0.0
    factor: float = 1.0


def rates_at(network: Network, hops: Sequence[HopRate], kelvin: float) -> Rates:
    """Rates of all jumps at a temperature [K]."""
    beta = 1 / (units.kB * kelvin)
    forward = [math.log(1e12 * hop.forward_THz) - beta * hop.forward_eV for hop in hops]
    reverse = [math.log(1e12 * hop.reverse_THz) - beta * hop.reverse_eV for hop in hops]
    return balanced(network, forward, reverse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusivities:
    """Over temperature [cm^2/s].

    Attributes
    ----------
    temperatures_K
        (n,)
    vacancy
        (n, 3, 3) of a vacancy
    ions
        (n,) diffusivity of an ion for each vacancy that there is for each ion
    weights
        (n, n_sites) probability of the vacancy at each site
    disagreement
        most by which the logarithm of a rate was changed for detailed balance, at the lowest temperature
    """

    temperatures_K: Floats
    vacancy: Floats
    ions: list[Principal]
    weights: Floats
    disagreement: float


def diffusivities(
    network: Network, cell: Floats, hops: Sequence[HopRate], temperatures_K: Sequence[float]
) -> Diffusivities:
    """Solve the master equation at each temperature."""
    rates = [rates_at(network, hops, kelvin) for kelvin in temperatures_K]
    return Diffusivities(
        temperatures_K=np.asarray(temperatures_K, dtype=float),
        vacancy=CM2_PER_A2 * np.array([vacancy_diffusivity(network, rate) for rate in rates]),
        ions=[ion_diffusivity(network, rate, cell).times(CM2_PER_A2) for rate in rates],
        weights=np.array([rate.weights for rate in rates]),
        disagreement=rates[int(np.argmin(temperatures_K))].disagreement,
    )


def sampled(
    network: Network,
    hops: Sequence[HopRate],
    temperatures_K: Sequence[float],
    *,
    n_samples: int = 200,
    seed: int = 1,
) -> Floats:
    """Diffusivity of a vacancy with barriers and frequencies drawn within their errors.

    Errors of barriers are normal, of a width downwards and of another upwards, half of their variance common
    to all hops; those of the logarithms of frequencies are normal and each hop's own. A barrier that is drawn
    negative is 1 meV.

    Returns
    -------
    (n_samples, n, 3, 3) array
        [cm^2/s]
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_samples):
        common = rng.standard_normal()
        drawn = []
        for hop in hops:
            off = math.sqrt(_ALIKE) * common + math.sqrt(1 - _ALIKE) * rng.standard_normal()
            least = _LEAST_BARRIER_EV - min(hop.forward_eV, hop.reverse_eV)
            shift = max((hop.higher_eV if off > 0 else hop.lower_eV) * off, min(least, 0.0))
            faster = math.exp(math.log(hop.factor) * rng.standard_normal())
            drawn.append(
                HopRate(
                    forward_eV=hop.forward_eV + shift,
                    reverse_eV=hop.reverse_eV + shift,
                    forward_THz=hop.forward_THz * faster,
                    reverse_THz=hop.reverse_THz * faster,
                )
            )
        found.append(
            [vacancy_diffusivity(network, rates_at(network, drawn, kelvin)) for kelvin in temperatures_K]
        )
    return CM2_PER_A2 * np.array(found)


def activation_energies(temperatures_K: Floats, diffusivity: Floats) -> list[float | None]:
    """Slope of ln D against 1/T of each column [eV]; None where one is not positive.

    Parameters
    ----------
    diffusivity
        (n, m)
    """
    beta = 1 / (units.kB * np.asarray(temperatures_K))
    return [
        float(-np.polyfit(beta, np.log(column), 1)[0]) if np.all(column > 0) and len(beta) > 1 else None
        for column in diffusivity.T
    ]
