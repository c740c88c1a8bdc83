"""The energy along a band: a spline through its images, their energies and the forces along it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.bands.paths import displacements

if TYPE_CHECKING:
    from scipy.interpolate import CubicHermiteSpline

HIGHER_POINT_EV = 0.01
"""A maximum between two images that is so much above every image asks for more images [eV]."""

INTERMEDIATE_MINIMUM_EV = 0.03
"""So does a minimum between two maxima that is so much deeper than both [eV]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Energies along a band, and the cubic Hermite spline through them and their slopes.

    As in ASE's ``NEBTools`` and in Henkelman, Jonsson, J. Chem. Phys. 113, 9978 (2000), appendix:
    the slope dE/ds at an image is minus the force along the tangent.
    """

    coordinate_A: NDArray[np.float64]
    """(n_images,) length of the path up to each image, in the space of all positions [A]."""
    energies_eV: NDArray[np.float64]
    """(n_images,) counted from the initial end [eV]."""
    slopes_eV_per_A: NDArray[np.float64]
    """(n_images,) dE/ds [eV/A]."""

    @property
    def spline(self) -> "CubicHermiteSpline":
        """Energy [eV] as a function of the coordinate [A]."""
        from scipy.interpolate import CubicHermiteSpline

        return CubicHermiteSpline(self.coordinate_A, self.energies_eV, self.slopes_eV_per_A)

    def stationary_points(self) -> list[tuple[float, float]]:
        """Coordinate [A] and energy [eV] of the ends and of every extremum between them, in order."""
        spline, (start, end) = self.spline, self.coordinate_A[[0, -1]]
        roots = spline.derivative().roots(extrapolate=False)
        inside = roots[np.isfinite(roots) & (roots > start) & (roots < end)]
        places = np.concatenate([[start], np.sort(inside), [end]])
        return [(float(s), float(energy)) for s, energy in zip(places, spline(places), strict=True)]

    def saddle(self) -> tuple[float, float]:
        """Coordinate [A] and energy [eV] of the highest point between the ends.

        Where nothing between the ends is higher than both, it is the higher end.
        """
        return max(self.stationary_points(), key=lambda point: point[1])

    def unresolved(self) -> str | None:
        """Tell, in one sentence, why the band needs more images; None: it does not."""
        where, highest = self.saddle()
        above = highest - float(self.energies_eV.max())
        length = float(self.coordinate_A[-1])
        if above > HIGHER_POINT_EV:
            return f"the spline at {where / length:.2f} of the path is {above:.3f} eV above every image"
        points = self.stationary_points()
        energies = [energy for _, energy in points]
        for n in range(1, len(points) - 1):
            depth = min(max(energies[:n]), max(energies[n + 1 :])) - energies[n]
            higher_ends = max(energies[0], energies[-1])
            crowned = min(max(energies[:n]), max(energies[n + 1 :])) > higher_ends
            if crowned and depth > INTERMEDIATE_MINIMUM_EV:
                return (
                    f"the path has a minimum at {points[n][0] / length:.2f} of its length,"
                    f" {depth:.3f} eV below the maxima beside it"
                )
        return None

    def sampled(self, per_interval: int = 10) -> tuple[list[float], list[float]]:
        """Coordinates [A] and energies [eV] of the spline, for a figure."""
        steps = np.arange(per_interval) / per_interval
        before, after = self.coordinate_A[:-1, None], self.coordinate_A[1:, None]
        places = np.append((before + steps * (after - before)).ravel(), self.coordinate_A[-1])
        return places.tolist(), self.spline(places).tolist()


def fit_profile(images: Sequence[ase.Atoms], energies_eV: ArrayLike) -> Profile:
    """Put a spline through a band.

    Parameters
    ----------
    images
        Ends and images in order, with their forces [eV/A] (those of the potential, not of the band)
        in ``arrays["forces"]``.
    energies_eV
        (n_images,) their energies [eV].
    """
    energies = np.asarray(energies_eV, dtype=np.float64)
    steps = [displacements(a, b) for a, b in pairwise(images)]
    lengths = np.array([np.linalg.norm(step) for step in steps])
    slopes = [
        -float(np.vdot(image.arrays["forces"], tangent))
        for image, tangent in zip(images, _tangents(steps, lengths), strict=True)
    ]
    return Profile(
        coordinate_A=np.concatenate([[0.0], np.cumsum(lengths)]),
        energies_eV=energies - energies[0],
        slopes_eV_per_A=np.array(slopes),
    )


def _tangents(
    steps: Sequence[NDArray[np.float64]], lengths: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Find unit tangents: the derivative of the parabola through an image and its neighbours."""
    units = [step / length for step, length in zip(steps, lengths, strict=True)]
    inner = [
        after * before_length + before * after_length
        for before, after, before_length, after_length in zip(
            units, units[1:], lengths, lengths[1:], strict=False
        )
    ]
    return [units[0], *(tangent / np.linalg.norm(tangent) for tangent in inner), units[-1]]
