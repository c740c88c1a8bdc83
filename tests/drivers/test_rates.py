"""Laws of harmonic transition-state theory."""

import math
from pathlib import Path

import ase
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.vibrations import Vibrations
from hypothesis import given, settings
from hypothesis import strategies as st

from hopkin.drivers.bands.rates import (
    RateError,
    attempt_frequency,
    frequencies,
    frequencies_across,
    hop_rate,
    kinetics,
    region,
)

FREQUENCY_TOLERANCE_THZ = 1e-6


def test_frequency_of_one_atom_on_a_spring() -> None:
    """nu = sqrt(k/m) / 2 pi, in SI."""
    stiffness, mass = 3.0, 6.94
    expected = math.sqrt(stiffness * 1.602176634e-19 * 1e20 / (mass * 1.66053906660e-27)) / (2 * math.pi)
    found = frequencies(np.diag([stiffness, 4 * stiffness, -stiffness]) / mass)
    assert found == pytest.approx(np.array([-1.0, 1.0, 2.0]) * expected / 1e12, rel=1e-7)


def test_two_atoms_on_one_spring() -> None:
    """One mode at sqrt(k/mu) with the reduced mass, and one that is no vibration."""
    stiffness, masses = 5.0, np.array([7.0, 16.0])
    hessian = stiffness * np.array([[1.0, -1.0], [-1.0, 1.0]])
    still, moving = frequencies(hessian / np.sqrt(np.outer(masses, masses)))
    reduced = masses.prod() / masses.sum()
    assert still == pytest.approx(0.0, abs=1e-3)
    assert moving == pytest.approx(frequencies([[stiffness / reduced]])[0])


def test_frequencies_are_those_of_ase(tmp_path: Path) -> None:
    """A hessian of effective medium theory, by ASE's own finite differences."""
    crystal = bulk("Cu", cubic=True) * (2, 1, 1)
    crystal.symbols[0] = "Au"
    crystal.calc = EMT()
    vibrations = Vibrations(crystal, indices=[0, 3, 5], name=str(tmp_path / "ase"), delta=0.01)
    vibrations.run()
    data = vibrations.get_vibrations()
    masses = np.repeat(crystal.get_masses()[[0, 3, 5]], 3)
    found = frequencies(data.get_hessian_2d() / np.sqrt(np.outer(masses, masses)))
    theirs = data.get_energies().real / units._hplanck * units._e * 1e-12
    assert found == pytest.approx(np.sort(theirs), abs=1e-4)


@given(stiffnesses=st.lists(st.floats(0.5, 50.0), min_size=2, max_size=6), pull=st.floats(0.5, 50.0))
@settings(max_examples=30, deadline=None)
def test_a_mode_that_does_not_change_cancels(stiffnesses: list[float], pull: float) -> None:
    """Only the way over the barrier differs: the attempt frequency is that of the well."""
    well, *across = stiffnesses
    minimum, saddle = frequencies(np.diag([well, *across])), frequencies(np.diag([-pull, *across]))
    assert attempt_frequency(minimum, saddle) == pytest.approx(frequencies([[well]])[0])


def test_rates_obey_detailed_balance() -> None:
    """Of two wells of the same shape: the ratio of the rates is the Boltzmann factor of their energies."""
    well, saddle = np.diag([2.0, 3.0, 4.0]), np.diag([-1.0, 3.0, 5.0])
    found = kinetics([well, saddle, well], 0.5, 0.3, [300.0, 600.0])
    for kelvin in (300.0, 600.0):
        ratio = found.rates_per_s[f"{kelvin:g}"] / found.reverse_rates_per_s[f"{kelvin:g}"]
        assert ratio == pytest.approx(math.exp(-0.2 / (units.kB * kelvin)))
    assert found.attempt_frequency_THz == pytest.approx(found.reverse_attempt_frequency_THz)
    assert found.imaginary_frequency_THz == pytest.approx(frequencies([[1.0]])[0])
    assert found.moving_atoms == 1


def test_a_path_that_is_flat_at_its_top() -> None:
    """The plane across it divides the sides, whatever the modes of its top are mixed of."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    well, top = np.diag([2.0, 3.0, 4.0]), turn @ np.diag([0.1, 3.0, 5.0]) @ turn.T
    found = kinetics([well, top, well], 0.5, 0.5, [300.0], path=7.0 * turn[:, 0])
    assert found.imaginary_frequency_THz is None
    (expected,) = frequencies([[2.0 * 4.0 / 5.0]])
    assert found.attempt_frequency_THz == pytest.approx(expected)
    with pytest.raises(RateError, match="0 imaginary modes; accepted: one, or none where it is the highest"):
        kinetics([well, top, well], 0.5, 0.5, [300.0])


def test_an_imaginary_mode_that_is_not_of_the_hop() -> None:
    """A soft ion beside a path that is flat at its top: no frequency, rather than that of another mode."""
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    well, top = np.diag([2.0, 3.0, 4.0]), turn @ np.diag([-0.1, 3.0, 5.0]) @ turn.T
    with pytest.raises(RateError, match="the saddle has 2 imaginary modes; accepted: one"):
        kinetics([well, top, well], 0.5, 0.5, [300.0], path=turn[:, 1])


def test_a_saddle_over_which_the_path_leads_is_as_the_plane_across() -> None:
    """Vineyard's frequency is that of the plane, where the imaginary mode is the path."""
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(6, 6)))[0]
    saddle = turn @ np.diag([-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) @ turn.T
    assert frequencies_across(saddle, -turn[:, 0]) == pytest.approx(frequencies(saddle)[1:])


def test_the_rate_over_a_flat_top_is_the_flux_through_it() -> None:
    """Two wells, between them a top with a dimple, and a valley that narrows: the flux by quadrature."""
    kelvin, mass, height, dimple, wide, narrow = 600.0, 7.0, 2.0, 0.05, 3.0, 9.0
    kT = units.kB * kelvin
    x = np.linspace(-3.0, 0.0, 30_001)
    energy = height * (1 - x**2) ** 2 - dimple * np.exp(-((x / 0.1) ** 2))
    across = narrow + (wide - narrow) * np.minimum(1.0, x**2)  # stiffness of the valley [eV/A^2]
    speed = math.sqrt(kT / (2 * math.pi * mass) * units._e / units._amu) * 1e10  # mean, to one side [A/s]
    well = np.trapezoid(np.exp(-energy / kT) * np.sqrt(2 * math.pi * kT / across), x)
    flux = speed * math.exp(-(height - dimple) / kT) * math.sqrt(2 * math.pi * kT / narrow) / well
    end = np.diag([8 * height, wide]) / mass
    top = np.diag([2 * dimple / 0.1**2 - 4 * height, narrow]) / mass
    assert top[0, 0] > 0
    found = kinetics([end, top, end], height - dimple, height - dimple, [kelvin], path=[1.0, 0.0])
    assert found.rates_per_s["600"] == pytest.approx(flux, rel=0.05)


def test_a_rate_without_a_barrier_is_the_attempt_frequency() -> None:
    assert hop_rate(7.0, 0.0, 300.0) == pytest.approx(7e12)


def test_where_the_theory_does_not_apply() -> None:
    with pytest.raises(
        RateError, match=r"an end has 1 imaginary modes, the lowest at -1\.00 THz: no minimum"
    ):
        attempt_frequency([-1.0, 2.0], [-1.0, 2.0])
    for saddle, count in (([1.0, 2.0], 0), ([-1.0, -2.0], 2)):
        with pytest.raises(RateError, match=f"the saddle has {count} imaginary modes; accepted: one"):
            attempt_frequency([1.0, 2.0], saddle)


def test_the_region_is_round_and_periodic() -> None:
    initial = ase.Atoms(
        "LiOOO", positions=[[0.5, 0, 0], [9.0, 0, 0], [4.0, 0, 0], [0.5, 5, 5]], cell=3 * [10.0], pbc=True
    )
    final = initial.copy()
    final.positions[0, 0] = 2.5
    assert region([initial], 0, 2.0).tolist() == [0, 1]
    assert region([initial, final], 0, 2.0).tolist() == [0, 1, 2]
