"""What is decomposed, what is melted, and what only looks like it."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from hopkin.analysis.trajectories.trajectory import read_trajectory
from hopkin.analysis.transport.integrity import Framework, find_damage, find_framework

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
BOND = 2.05


def thiophosphate() -> Atoms:
    """Eight PS4 tetrahedra with lithium between them."""
    atoms = Atoms("PS4Li", positions=[[0, 0, 0], *(BOND * TETRAHEDRON), [3.2] * 3], cell=3 * [6.4], pbc=True)
    return atoms.repeat(2)


def framework_of(atoms: Atoms) -> Framework:
    return find_framework(atoms.positions, atoms.cell.array, atoms.get_chemical_symbols(), "Li")


def turned(atoms: Atoms, angle: float) -> Atoms:
    """Every tetrahedron turned about its centre."""
    turned = atoms.copy()
    for p in np.flatnonzero(atoms.symbols == "P"):
        part = Atoms("S4", positions=atoms.positions[p + 1 : p + 5])
        part.rotate(angle, (1, 2, 3), center=atoms.positions[p])
        turned.positions[p + 1 : p + 5] = part.positions
    return turned


def test_bonds_of_polyanions() -> None:
    framework = framework_of(thiophosphate())
    assert framework.bonds == {("P", "S"): pytest.approx(BOND)}
    assert framework.coordination.sum() == 8 * 4
    assert framework.spacings == {"P": pytest.approx(6.4), "S": pytest.approx(BOND * np.sqrt(8 / 3))}


def test_a_hot_crystal_is_whole() -> None:
    """Vibrations of 0.2 A, ions anywhere, the whole crystal elsewhere."""
    atoms = thiophosphate()
    framework = framework_of(atoms)
    rng = np.random.default_rng(0)
    atoms.positions += rng.normal(scale=0.2, size=atoms.positions.shape)
    atoms.translate([5.0, -3.0, 20.0])
    atoms.positions[atoms.symbols == "Li"] += rng.uniform(-20, 20, size=(8, 3))
    assert find_damage(framework, atoms.positions, atoms.cell.array) is None


@pytest.mark.parametrize("angle", [40, 109.5, 180])
def test_polyanions_that_turn_are_no_melt(angle: float) -> None:
    """Every sulphur has left its site by more than the criterion; phosphorus has not."""
    atoms = thiophosphate()
    assert find_damage(framework_of(atoms), turned(atoms, angle).positions, atoms.cell.array) is None


def test_polyanions_that_exchange_an_anion_are_whole() -> None:
    """Of two neighbours, each takes one of the other's."""
    atoms = thiophosphate()
    framework = framework_of(atoms)
    sulphur = np.flatnonzero(atoms.symbols == "S")
    for a, b in zip(sulphur[:16], sulphur[16:], strict=True):
        atoms.positions[[a, b]] = atoms.positions[[b, a]]
    assert find_damage(framework, atoms.positions, atoms.cell.array) is None


@pytest.mark.parametrize(("lost", "kind"), [(8, None), (9, "decomposed")])
def test_more_than_a_quarter_of_the_bonds(lost: int, kind: str | None) -> None:
    atoms = thiophosphate()
    framework = framework_of(atoms)
    for s in np.flatnonzero(atoms.symbols == "S")[:lost]:
        atoms.positions[s] += [0, 0, 1.7 * np.sign(atoms.positions[s, 2] % 6.4 - 3.2) * -1]
    damage = find_damage(framework, atoms.positions, atoms.cell.array)
    assert (damage and damage.kind) == kind
    if damage:
        assert damage.evidence == "9 of 32 bonds P-S are broken"


def test_a_framework_that_leaves_its_sites_has_melted() -> None:
    atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True).repeat(2)
    framework = framework_of(atoms)
    rng = np.random.default_rng(0)
    shaken = atoms.positions + rng.normal(scale=0.3, size=atoms.positions.shape)  # 0.52 A of 2.85 A
    assert find_damage(framework, shaken, atoms.cell.array) is None
    molten = atoms.positions + rng.normal(scale=0.6, size=atoms.positions.shape)
    damage = find_damage(framework, molten, atoms.cell.array)
    assert damage is not None
    assert damage.kind == "melted"
    assert damage.evidence.startswith("the framework has left its sites: F 1.1 A of 2.8 A between them")


def test_a_cell_that_breathes_is_no_melt() -> None:
    """Displacements are those from the sites of the cell as it is now."""
    atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True).repeat(5)
    framework = framework_of(atoms)
    atoms.set_cell(1.08 * atoms.cell.array, scale_atoms=True)
    assert find_damage(framework, atoms.positions, atoms.cell.array) is None


@pytest.mark.parametrize("name", ["Li10GeP2S12_600K.extxyz", "Li6PS5Cl_500K_100p"])
def test_superionic_conductors_are_whole(shared_data: Path, name: str) -> None:
    """Ab initio MD of 20 ps and more: the ions flow, the rest stays."""
    path = shared_data / "aimd" / name
    files = sorted(path.iterdir())[:1] if path.is_dir() else [path]
    trajectory = read_trajectory(files, frame_interval_fs=100)
    species = trajectory.species.tolist()
    framework = find_framework(trajectory.positions[0], trajectory.cells[0], species, "Li")
    assert ("P", "S") in framework.bonds
    for frame in range(0, len(trajectory.times_ps), 25):
        assert find_damage(framework, trajectory.positions[frame], trajectory.cells[frame]) is None
