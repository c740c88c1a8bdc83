"""Laws of the spline along a band."""

import ase
import numpy as np
import pytest
from ase.utils.forcecurve import fit_raw
from hypothesis import given, settings
from hypothesis import strategies as st

from hopkin.drivers.bands.profile import HIGHER_POINT_EV, Profile, fit_profile

Curve = np.polynomial.Polynomial


def band(curve: Curve, places: np.ndarray) -> tuple[list[ase.Atoms], list[float]]:
    """One atom along a straight line askew in its cell, on which the energy is a polynomial of the length."""
    direction = np.array([1.0, 2.0, -2.0]) / 3.0
    images = []
    for s in places:
        image = ase.Atoms("Li", positions=[[9.0, 1.0, 5.0] + s * direction], cell=3 * [10.0], pbc=True)
        image.wrap()
        image.set_array("forces", -curve.deriv()(s) * direction[None])
        images.append(image)
    return images, [float(curve(s)) for s in places]


@given(coefficients=st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_a_cubic_is_reproduced(coefficients: list[float], seed: int) -> None:
    """Whatever the distances between images, and across the boundary of the cell."""
    curve = Curve(coefficients)
    places = np.concatenate([[0.0], np.cumsum(np.random.default_rng(seed).uniform(0.2, 1.0, 5))])
    found = fit_profile(*band(curve, places))
    assert found.coordinate_A == pytest.approx(places)
    at = np.linspace(0.0, places[-1], 50)
    assert found.spline(at) == pytest.approx(curve(at) - curve(0.0), abs=1e-9)


def test_slopes_are_those_of_ase() -> None:
    """ASE draws its tangents from forces in the same way; its ends and its images."""
    curve = Curve([0.0, 0.0, 1.5, -1.0])
    images, energies = band(curve, np.linspace(0.0, 1.0, 5))
    found = fit_profile(images, energies)
    forces = [image.arrays["forces"] for image in images]
    positions = [images[0].positions + s * np.array([1.0, 2.0, -2.0]) / 3.0 for s in found.coordinate_A]
    theirs = fit_raw(energies, forces, positions)
    assert found.coordinate_A == pytest.approx(theirs.path)
    for (x, y), slope in zip(theirs.lines, found.slopes_eV_per_A, strict=True):
        assert (y[-1] - y[0]) / (x[-1] - x[0]) == pytest.approx(slope, abs=1e-9)


def test_the_saddle_lies_between_the_images() -> None:
    """x^2 (3 - 2 x) turned around: the top of a parabola that no image sits on."""
    curve = Curve([0.0, 2.0, -1.0])  # top at s = 1, height 1
    found = fit_profile(*band(curve, np.array([0.0, 0.4, 0.8, 1.7, 2.0])))
    assert found.saddle() == (pytest.approx(1.0), pytest.approx(1.0))
    assert found.unresolved() is not None
    assert "above every image" in str(found.unresolved())


def test_without_a_saddle_the_higher_end_is_it() -> None:
    found = fit_profile(*band(Curve([0.0, 1.0]), np.linspace(0.0, 2.0, 5)))
    assert found.saddle() == (pytest.approx(2.0), pytest.approx(2.0))
    assert found.unresolved() is None


def hump(energies: list[float]) -> Profile:
    """Images at extrema."""
    return Profile(
        coordinate_A=np.arange(len(energies), dtype=float),
        energies_eV=np.array(energies),
        slopes_eV_per_A=np.zeros(len(energies)),
    )


@pytest.mark.parametrize(
    ("energies", "needs"),
    [
        ([0.0, 0.3, 0.0], None),
        ([0.0, 0.3, 0.1, 0.3, 0.0], "a minimum at 0.50 of its length, 0.200 eV below"),
        ([0.0, 0.3, 0.1, 0.2, 0.0], "a minimum at 0.50 of its length, 0.100 eV below"),
        ([0.0, 0.3, 0.29, 0.3, 0.0], None),  # too shallow
        ([0.0, 0.3, 0.1, 0.2, 0.25], None),  # the second hump is below the end: no saddle of interest
    ],
)
def test_an_intermediate_minimum_asks_for_images(energies: list[float], needs: str | None) -> None:
    found = hump(energies).unresolved()
    assert found is None if needs is None else needs in str(found)


def test_samples_start_and_end_with_the_band() -> None:
    curve = Curve([0.0, 2.0, -1.0])
    places, energies = fit_profile(*band(curve, np.linspace(0.0, 1.5, 4))).sampled(per_interval=5)
    assert len(places) == len(energies) == 16
    assert (places[0], places[-1]) == (0.0, pytest.approx(1.5))
    assert energies == pytest.approx(curve(np.array(places)).tolist(), abs=HIGHER_POINT_EV * 1e-3)
