"""Laws of symmetrisation: a projection onto the structures that have a space group."""

import ase
import numpy as np
import pytest
import spglib

from hopkin.drivers.crystals.materials import material_names
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.crystals.symmetry import deviation, space_group, symmetrised

MATERIALS = [
    "LiFePO4-olivine",
    "LiCoO2-layered",
    "LiTiS2-layered",
    "Li7P3S11",
    "Li10GeP2S12",
    "Na3PS4-tetragonal",
]


pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")  # of spglib


def shaken(atoms: ase.Atoms, amplitude_A: float, seed: int = 0) -> ase.Atoms:
    """Positions and cell moved at random, and the whole crystal displaced."""
    rng = np.random.default_rng(seed)
    copy = atoms.copy()
    strain = np.tril(rng.normal(0.0, amplitude_A / 10.0, (3, 3)))
    copy.set_cell(copy.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    copy.positions += rng.normal(0.0, amplitude_A, copy.positions.shape) + 0.3
    return copy


def symbol(atoms: ase.Atoms, symprec: float = 1e-4) -> str:
    cell = atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
    return str(spglib.get_spacegroup(cell, symprec=symprec)).split(" ")[0]


@pytest.mark.parametrize("name", MATERIALS)
def test_noise_is_averaged_away(name: str) -> None:
    crystal = load_structure(name).atoms
    group = space_group(crystal)
    noisy = shaken(crystal, 0.02)
    found = symmetrised(noisy, crystal, group)
    assert symbol(found) == group.symbol == symbol(crystal, 0.01)
    assert np.all(found.numbers == crystal.numbers)
    assert np.abs(found.cell.array[np.triu_indices(3, 1)]).max() < 1e-12
    assert deviation(noisy, found) < 0.15
    assert found.cell.volume == pytest.approx(noisy.cell.volume, rel=0.02)


@pytest.mark.parametrize("name", MATERIALS)
def test_what_is_symmetric_stays(name: str) -> None:
    """Twice is once; and a strain that the space group allows is kept as it is."""
    crystal = load_structure(name).atoms
    group = space_group(crystal)
    once = symmetrised(shaken(crystal, 0.02), crystal, group)
    twice = symmetrised(once, crystal, group)
    assert twice.positions == pytest.approx(once.positions, abs=1e-9)
    assert twice.cell.array == pytest.approx(once.cell.array, abs=1e-9)
    assert deviation(once, twice) < 1e-9
    larger = once.copy()
    larger.set_cell(1.03 * once.cell.array, scale_atoms=True)
    assert symmetrised(larger, crystal, group).cell.array == pytest.approx(larger.cell.array, abs=1e-9)


def test_operations_permute_the_atoms() -> None:
    crystal = load_structure("LiFePO4-olivine").atoms
    group = space_group(crystal)
    assert group.symbol == "Pnma"
    assert len(group.rotations) == 8
    for targets in group.targets:
        assert sorted(targets.tolist()) == list(range(len(crystal)))
        assert np.all(crystal.numbers[targets] == crystal.numbers)


def test_a_crystal_without_symmetry_is_left_alone() -> None:
    crystal = shaken(load_structure("Li7P3S11").atoms, 0.1)
    group = space_group(crystal)
    assert group.symbol == "P1"
    relaxed = shaken(crystal, 0.05, seed=1)
    found = symmetrised(relaxed, crystal, group)
    assert deviation(relaxed, found) < 1e-9
    assert found.get_all_distances(mic=True) == pytest.approx(relaxed.get_all_distances(mic=True), abs=1e-9)


def test_every_built_in_material_has_operations() -> None:
    for name in material_names():
        crystal = load_structure(name).atoms
        group = space_group(crystal)
        assert symmetrised(crystal, crystal, group).positions == pytest.approx(crystal.positions, abs=0.02)
