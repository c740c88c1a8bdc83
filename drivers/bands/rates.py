r"""Attempt frequency and rate of a hop by harmonic transition-state theory.

G. H. Vineyard, J. Phys. Chem. Solids 3, 121 (1957): with the frequencies :math:`\nu` of a minimum and
:math:`\nu'` of the saddle, without the one that is imaginary there,

.. math::

    k(T) = \nu^* e^{-E / k_B T}, \qquad \nu^* = \prod_{i=1}^{3n} \nu_i \Big/ \prod_{j=1}^{3n-1} \nu'_j .

A path may be flat at its top, with a shallow minimum between two saddles of its height: none of the modes
there is imaginary. The states that divide the two sides are those in the plane across the path at its highest
point, and :math:`\nu'` the frequencies in that plane: variational transition-state theory, in the harmonic
approximation (P. Pechukas, Annu. Rev. Phys. Chem. 32, 159 (1981)). At a saddle whose imaginary mode is the
path, the two are the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase import units
from ase.geometry import find_mic
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.errors import HopkinError

_THZ = math.sqrt(units._e / units._amu) * 1e10 / (2 * math.pi) * 1e-12
"""Frequency of 1 eV/A^2/amu: sqrt(e / amu) / A / 2 pi [THz]."""
_ALONG = 0.5
"""Cosine of a path and the mode over its saddle; 0.68 to 0.98 at saddles of LiCoO2, LiFePO4 and Li3YCl6."""


class RateError(HopkinError, ValueError):
    """A hop to which harmonic transition-state theory does not apply."""


def region(states: Sequence[ase.Atoms], ion: int, radius: float) -> NDArray[np.int64]:
    """(n,) atoms within a radius [A] of the ion in any of the states: those that a Hessian lets move."""
    cell = states[0].cell.array
    near = np.zeros(len(states[0]), dtype=bool)
    for state in states:
        near |= find_mic(state.positions - state.positions[ion], cell)[1] <= radius
    return np.flatnonzero(near)


def frequencies(dynamical_matrix: ArrayLike) -> NDArray[np.float64]:
    """Frequencies of the modes of a dynamical matrix, those that are imaginary as negative numbers.

    Parameters
    ----------
    dynamical_matrix
        (3n, 3n) second derivatives of the energy over sqrt(m_i m_j) [eV/A^2/amu]; symmetrised here.

    Returns
    -------
    (3n,) array
        Frequencies in ascending order [THz].
    """
    matrix = np.asarray(dynamical_matrix, dtype=np.float64)
    squared = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    found: NDArray[np.float64] = np.sign(squared) * np.sqrt(np.abs(squared)) * _THZ
    return found


def frequencies_across(dynamical_matrix: ArrayLike, direction: ArrayLike) -> NDArray[np.float64]:
    """Frequencies of the modes in the plane across a direction, as `frequencies` gives them.

    Parameters
    ----------
    direction
        (3n,) displacements times the roots of the masses, of any length

    Returns
    -------
    (3n - 1,) array
        Frequencies in ascending order [THz].
    """
    matrix, along = np.asarray(dynamical_matrix, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    plane = np.linalg.qr(np.column_stack([along, np.eye(len(along))]))[0][:, 1:]
    return frequencies(plane.T @ matrix @ plane)


def attempt_frequency(minimum_THz: ArrayLike, saddle_THz: ArrayLike) -> float:
    """Vineyard's attempt frequency [THz] from the frequencies of a minimum and of a saddle [THz].

    Raises
    ------
    RateError
        The minimum has an imaginary mode, or the saddle not exactly one.
    """
    minimum, saddle = np.asarray(minimum_THz), np.asarray(saddle_THz)
    if not np.all(minimum > 0.0):
        count = int(np.sum(minimum <= 0.0))
        raise RateError(
            f"an end has {count} imaginary modes, the lowest at {minimum.min():.2f} THz: no minimum"
        )
    if np.sum(saddle <= 0.0) != 1:
        hint = "" if np.any(saddle <= 0.0) else ", or none where it is the highest point of the path"
        raise RateError(f"the saddle has {int(np.sum(saddle <= 0.0))} imaginary modes; accepted: one{hint}")
    return float(np.exp(np.log(minimum).sum() - np.log(saddle[saddle > 0.0]).sum()))


def _leads_along(dynamical_matrix: ArrayLike, path: ArrayLike) -> bool:
    """Whether the lowest mode is the one along the path, and not, say, that of an anion beside it."""
    matrix, along = np.asarray(dynamical_matrix, dtype=np.float64), np.asarray(path, dtype=np.float64)
    lowest = np.linalg.eigh((matrix + matrix.T) / 2)[1][:, 0]
    return bool(abs(lowest @ along) > _ALONG * np.linalg.norm(along))


def hop_rate(attempt_frequency_THz: float, barrier_eV: float, temperature_K: float) -> float:
    """Rate of a hop [1/s]."""
    return attempt_frequency_THz * 1e12 * math.exp(-barrier_eV / (units.kB * temperature_K))


@dataclass(frozen=True, slots=True, kw_only=True)
class HopKinetics:
    """Attempt frequencies of a hop in both directions, and its rates."""

    attempt_frequency_THz: float
    """From the initial end."""
    reverse_attempt_frequency_THz: float
    imaginary_frequency_THz: float | None
    """Of the mode over the saddle, a positive number; None where the path is flat at its top."""
    rates_per_s: dict[str, float]
    """From the initial end, by temperature [K]."""
    reverse_rates_per_s: dict[str, float]
    moving_atoms: int
    """Atoms of the Hessian; the others stand still."""


def kinetics(
    matrices: Sequence[ArrayLike],
    forward_eV: float,
    reverse_eV: float,
    temperatures_K: Sequence[float],
    path: ArrayLike | None = None,
) -> HopKinetics:
    """Evaluate a hop.

    Parameters
    ----------
    matrices
        (3n, 3n) dynamical matrices of initial end, saddle and final end, of the same atoms [eV/A^2/amu].
    forward_eV, reverse_eV
        Barriers [eV].
    path
        (3n,) direction of the path at its highest point, times the roots of the masses: what divides the two
        sides where no mode of the saddle is imaginary, or one that is not the hop's; None: the first is
        refused, the second not noticed.

    Raises
    ------
    RateError
        See :func:`attempt_frequency`.
    """
    initial, saddle, final = (frequencies(matrix) for matrix in matrices)
    imaginary = -float(saddle[0]) if saddle[0] <= 0.0 else None
    if path is not None and (imaginary is None or not _leads_along(matrices[1], path)):
        imaginary = None
        saddle = np.array([0.0, *frequencies_across(matrices[1], path)])
    there, back = attempt_frequency(initial, saddle), attempt_frequency(final, saddle)
    return HopKinetics(
        attempt_frequency_THz=there,
        reverse_attempt_frequency_THz=back,
        imaginary_frequency_THz=imaginary,
        rates_per_s={f"{t:g}": hop_rate(there, forward_eV, t) for t in temperatures_K},
        reverse_rates_per_s={f"{t:g}": hop_rate(back, reverse_eV, t) for t in temperatures_K},
        moving_atoms=len(initial) // 3,
    )
