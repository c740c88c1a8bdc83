"""Laws of the room on a path: known geometry, sampling, and which nonmetals are anions."""

import ase
import ase.build
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hopkin.drivers.crystals.structures import load_structure, supercell
from hopkin.drivers.hops.bottlenecks import bottleneck_radii, ionic_radii
from hopkin.drivers.hops.find import find_hops

SAMPLES = np.linspace(0.0, 1.0, 401)
SAMPLING_A = 1e-3
# Shannon (1976).
OXIDE, SULFIDE, CHLORIDE, SULFUR_VI = 1.40, 1.84, 1.81, 0.12


def test_rock_salt_hop_squeezes_between_two_anions() -> None:
    """From (0 0 0) to (1/2 1/2 0): the anions (1/2 0 0) and (0 1/2 0) are a sqrt(2)/4 from the middle."""
    atoms = ase.build.bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    hop = find_hops(atoms, max_length=3.7)[0]
    assert hop.bottleneck_A == pytest.approx(5.13 * np.sqrt(2.0) / 4.0 - CHLORIDE)


@pytest.mark.parametrize("name", ["LiCoO2-layered", "NaFePO4-maricite", "Li10GeP2S12"])
def test_room_is_that_of_a_sampled_path(name: str) -> None:
    atoms = load_structure(name).atoms
    ion = "Na" if "Na" in atoms.symbols else "Li"
    tiled = supercell(atoms, (5, 5, 3))
    framework = ~(tiled.symbols == ion)
    positions, radii = tiled.positions[framework], ionic_radii(tiled)[framework]
    shift = np.array([2, 2, 1]) @ atoms.cell.array
    for hop in find_hops(atoms, ion, max_length=4.8):
        path = atoms.positions[hop.initial_site] + shift + SAMPLES[:, None] * np.array(hop.vector)
        near = np.linalg.norm(positions - path[200], axis=1) < 7.0
        apart = np.linalg.norm(positions[near] - path[:, None], axis=-1) - radii[near]
        assert hop.bottleneck_A == pytest.approx(apart.min(), abs=SAMPLING_A)


def test_framework_far_from_the_path_is_found() -> None:
    atoms = ase.Atoms("Li2O", positions=[[0, 0, 0], [3, 0, 0], [1.5, 20, 0]], cell=[40, 40, 40], pbc=True)
    assert find_hops(atoms, max_length=3.1)[0].bottleneck_A == pytest.approx(20.0 - OXIDE)


def test_framework_beyond_the_reach_is_none() -> None:
    """A plane of ions in a box that is empty for 100 A: the search ends."""
    atoms = ase.Atoms("LiO", positions=[[0, 0, 0], [1.5, 1.5, 100]], cell=[3, 3, 200], pbc=True)
    assert [hop.bottleneck_A for hop in find_hops(atoms, max_length=4.5)] == [None, None]


def test_no_framework_no_bottleneck() -> None:
    metal = ase.build.bulk("Li", "bcc", a=3.5)
    assert all(hop.bottleneck_A is None for hop in find_hops(metal))
    assert bottleneck_radii(metal, "Li", np.zeros((1, 3)), np.ones((1, 3))).tolist() == [np.inf]


def test_nonmetals_are_cations_where_they_are_bonded_to_more_electronegative_ones() -> None:
    bond = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 1.47 / np.sqrt(3)
    sulfate = ase.Atoms("SO4", positions=[[0, 0, 0], *bond], cell=[9, 9, 9], pbc=True)
    assert ionic_radii(sulfate) == pytest.approx([SULFUR_VI] + 4 * [OXIDE])
    thiophosphate = load_structure("Li6PS5Cl").atoms
    radii = ionic_radii(thiophosphate)
    assert radii[thiophosphate.symbols == "S"] == pytest.approx(SULFIDE)
    assert radii[thiophosphate.symbols == "Cl"] == pytest.approx(CHLORIDE)
    assert radii[thiophosphate.symbols == "P"] == pytest.approx(0.17)


def test_room_does_not_depend_on_how_the_crystal_lies() -> None:
    atoms = load_structure("Li7P3S11").atoms
    turned = atoms.copy()
    rotation = Rotation.random(random_state=3)
    turned.set_cell(rotation.apply(atoms.cell.array))
    turned.positions = rotation.apply(atoms.positions + np.array([3.0, -7.0, 11.0]))
    before, after = ([hop.bottleneck_A for hop in find_hops(a)] for a in (atoms, turned))
    assert after == pytest.approx(before, abs=1e-6)
