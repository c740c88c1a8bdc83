"""Comparison with reference dynamics: planted errors come out, what is left out is named."""

import numpy as np
import pytest

from hopkin.analysis.comparison.dynamics_comparison import Dynamics, common_msd, compare_dynamics
from hopkin.analysis.errors import AnalysisError

BOLTZMANN = 8.617333262e-5
TEMPERATURES = (800.0, 1200.0)
R = np.linspace(0.05, 9.95, 100)


def dynamics(
    material: str, energy: float, *, prefactor: float = 1e-3, msd: float = 20.0, peak: float = 3.0
) -> list[Dynamics]:
    g = np.exp(-0.5 * ((R - peak) / 0.3) ** 2)
    return [
        Dynamics(
            material=material,
            temperature=t,
            msd=msd * t / 800.0,
            diffusivity=prefactor * float(np.exp(-energy / (BOLTZMANN * t))),
            r=R,
            rdf={"Li-S": g},
        )
        for t in TEMPERATURES
    ]


def test_planted_errors_are_found() -> None:
    reference = [*dynamics("A", 0.25), *dynamics("B", 0.35), *dynamics("C", 0.20)]
    computed = [
        *dynamics("A", 0.30, msd=200.0),
        *dynamics("B", 0.40, msd=200.0),
        *dynamics("C", 0.25, msd=2.0, peak=5.0),
    ]
    found = compare_dynamics(reference, computed, seed=1)
    assert found.n_runs == 6
    assert found.log10_msd_mae == pytest.approx(1.0)
    assert found.activation_energy is not None
    assert found.activation_energy.mae == pytest.approx(0.05)
    assert found.activation_energy.bias == pytest.approx(0.05)
    variance = np.var([0.25, 0.35, 0.20])
    assert found.activation_energy.r2 == pytest.approx(1 - 0.05**2 / variance)
    assert found.log10_diffusivity_mae == pytest.approx(
        np.mean([0.05 / (BOLTZMANN * t) / np.log(10) for t in TEMPERATURES])
    )
    assert found.diffusivity is not None
    assert found.diffusivity.mae == pytest.approx(
        np.mean(np.abs([a.diffusivity - b.diffusivity for a, b in zip(reference, computed, strict=True)]))  # type: ignore[operator]
    )
    assert [round(d.wasserstein, 6) for d in found.rdf] == pytest.approx([0, 0, 0, 0, 2, 2], abs=1e-3)
    assert found.rdf_quartiles is not None
    assert found.rdf_quartiles[2] == pytest.approx(0.75 * 2 * 2 * 0.3 * np.sqrt(2 * np.pi) / 2, rel=0.02)
    assert found.immobile == found.negative == found.without_energy == found.unmatched == ()


def test_an_immobile_reference_has_no_diffusivity_to_compare() -> None:
    reference = [*dynamics("A", 0.25), *dynamics("still", 0.8, msd=4.0)]
    found = compare_dynamics(reference, [*dynamics("A", 0.25), *dynamics("still", 0.2)], seed=1)
    assert found.immobile == ("still",)
    assert found.diffusivity is not None
    assert found.diffusivity.n == 2
    assert found.diffusivity.mae == 0.0
    assert found.log10_msd_mae == pytest.approx(0.5 * np.log10(5.0))  # it counts for the MSD


def test_negative_diffusivities_count_as_they_are_and_are_named() -> None:
    computed = dynamics("A", 0.25)
    negative = Dynamics(material="A", temperature=800.0, msd=1.0, diffusivity=-1e-6)
    found = compare_dynamics(dynamics("A", 0.25), [negative, computed[1]], seed=1)
    assert found.negative == (("A", 800.0),)
    assert found.without_energy == ("A",)
    assert found.activation_energy is None
    assert found.diffusivity is not None
    assert found.diffusivity.max_ae == pytest.approx(computed[0].diffusivity + 1e-6)  # type: ignore[operator]
    assert found.log10_diffusivity_mae == pytest.approx(0.0)


def test_energies_are_of_the_same_temperatures() -> None:
    """One negative diffusivity at a third temperature changes no activation energy of an exact model."""
    third = Dynamics(material="A", temperature=600.0, msd=10.0, diffusivity=1e-4)
    exact = [*dynamics("A", 0.25), Dynamics(material="A", temperature=600.0, msd=10.0, diffusivity=-1e-9)]
    found = compare_dynamics([*dynamics("A", 0.25), third], exact, seed=1)
    assert found.activation_energy is not None
    assert found.activation_energy.mae == pytest.approx(0.0, abs=1e-12)
    assert found.n_positive == 2


def test_msds_of_different_lengths_are_compared_at_the_end_of_the_shorter() -> None:
    curve = np.array([[0.0, 5.0, 10.0], [0.0, 8.0, 20.0]])
    long = Dynamics(material="A", temperature=800.0, msd=20.0, time=10.0, curve=curve)
    short = Dynamics(material="A", temperature=800.0, msd=8.0, time=5.0)
    assert common_msd(short, long) == common_msd(long, short)[::-1] == (8.0, 8.0)  # type: ignore[index]
    assert common_msd(long, Dynamics(material="A", temperature=800.0, msd=3.0)) == (20.0, 3.0)
    assert common_msd(Dynamics(material="A", temperature=800.0, msd=3.0, time=20.0), long) is None


def test_runs_without_a_reference_are_named_or_refused() -> None:
    found = compare_dynamics(dynamics("A", 0.25), [*dynamics("A", 0.25), *dynamics("B", 0.25)], seed=1)
    assert found.unmatched == (("B", 800.0), ("B", 1200.0))
    with pytest.raises(
        AnalysisError, match=r"none of the 2 runs has a reference .* there are references of A"
    ):
        compare_dynamics(dynamics("A", 0.25), dynamics("B", 0.25), seed=1)
