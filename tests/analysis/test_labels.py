"""Errors against labels: planted ones are found."""

import numpy as np
import pytest
from ase import units

from hopkin.analysis.comparison.labels import (
    Difference,
    element_energies,
    errors_of,
    force_errors_by_element,
    tells_elements_apart,
)

OFFSETS = {"Li": -0.7, "O": 1.3, "P": 0.2}
ELEMENTS = tuple(OFFSETS)


def differences(n: int, *, noise: float, group: str = "all", seed: int = 0) -> list[Difference]:
    """Structures whose energies are off by those of their elements, and by noise per atom."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        species = rng.choice(ELEMENTS, size=rng.integers(3, 30))
        energy = sum(OFFSETS[symbol] for symbol in species) + noise * len(species) * rng.normal()
        forces = rng.normal(scale=0.1, size=(len(species), 3)) * np.where(species == "Li", 2, 1)[:, None]
        stress = rng.normal(scale=2 * units.GPa, size=6)
        made.append(Difference(group=group, species=species, energy=energy, forces=forces, stress=stress))
    return made


def test_energies_of_the_elements_are_found() -> None:
    assert element_energies(differences(20, noise=0)) == pytest.approx(OFFSETS, abs=1e-10)


def test_what_they_leave_is_the_noise() -> None:
    """A normal deviate of width s has the mean absolute value s sqrt(2/pi)."""
    made = differences(3000, noise=0.01)
    errors = errors_of(made, element_energies(made))
    assert errors["energy_shifted_mae_eV_per_atom"] == pytest.approx(0.01 * np.sqrt(2 / np.pi), rel=0.05)
    assert errors["energy_shifted_rmse_eV_per_atom"] == pytest.approx(0.01, rel=0.05)
    assert errors["energy_mae_eV_per_atom"] > 0.1
    assert errors["stress_rmse_GPa"] == pytest.approx(2.0, rel=0.03)
    elements = force_errors_by_element(made)
    assert elements["Li"]["force_rmse_eV_per_A"] == pytest.approx(0.2, rel=0.03)
    assert elements["O"]["force_mae_eV_per_A"] == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.03)
    assert sum(part["n_atoms"] for part in elements.values()) == errors["n_atoms"]


def test_too_few_structures_for_their_elements() -> None:
    """A fit that goes through every point would call any model perfect."""
    made = differences(3, noise=1)
    assert element_energies(made) is None
    assert errors_of(made, None)["energy_shifted_mae_eV_per_atom"] is None


def test_one_composition_does_not_tell_its_elements_apart() -> None:
    """One number is found for the compound, however it is shared out."""
    species = np.array(["Li", "Li", "O"])
    made = [
        Difference(
            group="all", species=np.tile(species, n), energy=0.9 * n, forces=np.zeros((3 * n, 3)), stress=None
        )
        for n in range(1, 6)
    ]
    assert not tells_elements_apart(made)
    assert tells_elements_apart(differences(20, noise=0))
    assert errors_of(made, element_energies(made))["energy_shifted_mae_eV_per_atom"] == pytest.approx(0)


def test_no_stress_no_error_of_the_stress() -> None:
    (made,) = differences(1, noise=0)
    bare = Difference(group="all", species=made.species, energy=made.energy, forces=made.forces, stress=None)
    assert errors_of([bare], None)["stress_mae_GPa"] is None
