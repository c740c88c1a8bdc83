"""Crystals whose cell is relaxed, with models that make it hard."""

from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from bands import silent

from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import Structure, lammps_orientation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows.relaxation import Bulk, read_relaxed, relax, relax_bulk

PRESSURE_TOLERANCE_GPA = 0.1
COPPER_A = 3.59
"""Lattice constant where EMT has its minimum."""


def relaxed(atoms: ase.Atoms, model: Model, directory: Path, **fields: object) -> Bulk:
    asked = BarrierSpecification(model=model.name, ion="Cu", **fields)  # type: ignore[arg-type]
    structure = Structure(atoms=lammps_orientation(atoms), material="Cu", source="test")
    return relax_bulk(structure, model, directory, asked, say=silent)


def test_noise_of_the_energy_does_not_stop_a_cell(landscape: Callable[[str], Model], tmp_path: Path) -> None:
    """A primitive cell, triclinic, strained by 4 %, whose energies come in steps of 0.05 eV."""
    strained = bulk("Cu")
    strained.set_cell(strained.cell.array @ [[1.04, 0.02, 0], [0, 0.98, 0], [0, 0, 1.03]])
    found = relaxed(strained, landscape("NoisyCopper"), tmp_path, keep_symmetry=False)
    assert found.evidence is None
    assert found.facts["bulk_max_pressure_GPa"] <= PRESSURE_TOLERANCE_GPA
    lengths, angles = np.split(found.atoms.cell.cellpar(), 2)
    assert lengths == pytest.approx(COPPER_A / np.sqrt(2), abs=0.005)
    assert angles == pytest.approx(60.0, abs=0.1)
    found.atoms.calc = EMT()
    assert np.abs(found.atoms.get_stress()).max() < PRESSURE_TOLERANCE_GPA * GPa


def test_a_hexagonal_cell_stays_one(tmp_path: Path) -> None:
    """Two layers of gold on two of copper, in a primitive cell: a, c and the heights of the layers relax."""
    crystal = bulk("Cu", "hcp", a=2.7, c=4.4) * (1, 1, 2)
    crystal.symbols[2:] = "Au"
    found = relaxed(crystal, find_model("ase:ase.calculators.emt:EMT"), tmp_path)
    assert found.evidence is None
    assert found.facts["bulk_symmetry_deviation_A"] < 1e-4
    assert found.facts["bulk_space_group"] == "P-3m1"
    a, b, _, *angles = found.atoms.cell.cellpar()
    assert a == pytest.approx(b, abs=1e-10)
    assert angles == pytest.approx([90.0, 90.0, 120.0], abs=1e-8)
    found.atoms.calc = EMT()
    assert np.abs(found.atoms.get_stress()).max() < PRESSURE_TOLERANCE_GPA * GPa
    assert np.linalg.norm(found.atoms.get_forces(), axis=1).max() < 0.05


def test_a_pressure_that_does_not_go_away_is_told(landscape: Callable[[str], Model], tmp_path: Path) -> None:
    egg = ase.Atoms("Cu", positions=[[0.3, 0.2, 0.1]], cell=3 * [3.0], pbc=True)
    found = relaxed(egg, landscape("Balloon"), tmp_path)
    assert found.evidence is not None
    assert "after 40 changes of its cell" in found.evidence
    assert "the largest pressure component 5 GPa (accepted: 0.05 eV/A, 0.1 GPa)" in found.evidence
    assert found.facts["bulk_max_pressure_GPa"] == pytest.approx(5.0, abs=0.01)


def test_a_relaxation_killed_in_its_second_try_has_not_ended(
    landscape: Callable[[str], Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try diverged and left its states; killed in the next, it is run again, and not read."""
    atoms = ase.Atoms("Cu", positions=[[0.3, 0.2, 0.1]], cell=3 * [3.0], pbc=True)
    ran: list[str] = []

    def lost_then_killed(directory: Path, deck: str, **_: object) -> float:
        ran.append(deck)
        if len(ran) % 2 == 0:
            raise KeyboardInterrupt
        atoms_line = "1 1 Cu 0 0 0 nan nan nan"
        (directory / "bulk.dump").write_text(
            "ITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 3\n0 3\n0 3\n"
            f"ITEM: ATOMS id type element xu yu zu fx fy fz\n{atoms_line}\n"
        )
        (directory / "bulk.yaml").write_text("{energy_eV: nan, pressure_bar: [0, 0, 0, 0, 0, 0]}\n")
        return 0.0

    monkeypatch.setattr(engine, "run_deck", lost_then_killed)
    for tries in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            relaxed(atoms, landscape("EggBox"), tmp_path)
        assert len(ran) == tries


def test_finite_forces_that_explode_are_tried_by_smaller_steps(
    landscape: Callable[[str], Model], tmp_path: Path
) -> None:
    egg = ase.Atoms("Cu", positions=[[0.3, 0.2, 0.1]], cell=3 * [3.0], pbc=True)
    found = relaxed(egg, landscape("Blast"), tmp_path)
    assert found.evidence is None
    assert found.facts["bulk_max_atom_force_eV_per_A"] < 0.05
    assert "timestep        0.0005" in (found.directory / "relax.in").read_text()


def test_a_crystal_settles_by_the_forces_on_atoms_not_their_components(
    landscape: Callable[[str], Model], tmp_path: Path
) -> None:
    """Components below the tolerance, their norm above it, and too few iterations at once to mend that."""
    offset = 0.04 / (2 * np.pi / 3.0) ** 2
    egg = ase.Atoms("Cu", positions=[3 * [offset]], cell=3 * [3.0], pbc=True)
    found = relaxed(egg, landscape("EggBox"), tmp_path, max_iterations=1, keep_symmetry=False)
    assert found.evidence is None
    assert read_relaxed(found.directory, "bulk").cell_changes > 0


def test_force_constants_of_elements_are_those_of_the_model(tmp_path: Path) -> None:
    """Against the Hessian of one atom of each, by ASE; what was moved to measure them comes back."""
    crystal = lammps_orientation(bulk("Cu", a=COPPER_A, cubic=True) * 2)
    crystal.symbols[::4] = "Au"
    crystal.calc = EMT()
    (ended,) = relax(
        {"crystal": crystal},
        find_model("ase:ase.calculators.emt:EMT"),
        tmp_path,
        relax_cell=False,
        force_tolerance=100.0,  # as it stands
        max_iterations=1,
        say=silent,
    )
    measured = dict(zip(engine.elements_of(crystal), ended.stiffness_eV_per_A2, strict=True))
    for symbol, constant in measured.items():
        (first, *_) = np.flatnonzero(crystal.symbols == symbol)
        exact = []
        for axis in range(3):
            moved = crystal.copy()
            moved.calc = EMT()
            moved.positions[first, axis] += 0.01
            exact.append((crystal.get_forces() - moved.get_forces())[first, axis] / 0.01)
        assert constant == pytest.approx(np.mean(exact), rel=0.15), symbol
    assert measured["Au"] > 1.1 * measured["Cu"]
    assert ended.atoms.positions == pytest.approx(crystal.positions, abs=1e-9)
    masses = (tmp_path / "crystal.relaxed.data").read_text().split("Masses")[1].split("Atoms")[0].split()
    assert [float(mass) for mass in masses[1::2]] == pytest.approx([196.97, 63.55], abs=0.01)
