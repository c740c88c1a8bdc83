"""LAMMPS says what the model's own ASE calculator says, however the crystal is written down."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ase
import numpy as np
import pytest
import tolerances
from ase.calculators.calculator import Calculator
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from in_process import FloatArray, LammpsInProcess, PairStyle, State
from scipy.spatial.transform import Rotation

from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.workflows.parity import verify

States = Callable[[ase.Atoms, PairStyle], State]


def assert_equal(
    state: State, *, energy: float, forces: FloatArray, stress: FloatArray, force_tolerance: float
) -> None:
    n_atoms = len(forces)
    assert state.energy == pytest.approx(energy, rel=0, abs=n_atoms * tolerances.ENERGY_EV_PER_ATOM)
    np.testing.assert_allclose(state.forces, forces, rtol=0, atol=force_tolerance)
    np.testing.assert_allclose(state.stress, stress, rtol=0, atol=tolerances.STRESS_EV_PER_A3)


def assert_same(state: State, base: State, pair: PairStyle) -> None:
    """Compare two ways to write down one crystal."""
    assert_equal(
        state,
        energy=base.energy,
        forces=base.forces,
        stress=base.stress,
        force_tolerance=tolerances.INVARIANCE_FORCE_EV_PER_A[pair.name],
    )


def test_own_calculator(
    crystal: ase.Atoms,
    model: Model,
    pair: PairStyle,
    evaluated: States,
    own_calculator: Callable[[Model], Calculator],
) -> None:
    said = crystal.copy()
    said.wrap(eps=0.0)  # as LAMMPS does: CHGNet rounds a shifted atom in another way
    said.calc = own_calculator(model)
    assert_equal(
        evaluated(crystal, pair),
        energy=said.get_potential_energy(),
        forces=said.get_forces(),
        stress=said.get_stress(),
        force_tolerance=tolerances.FORCE_EV_PER_A,
    )
    assert np.abs(said.get_forces()).max() > 1000 * tolerances.FORCE_EV_PER_A
    assert np.abs(said.get_stress()).max() > 10 * tolerances.STRESS_EV_PER_A3


def test_wrapping(crystal: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, evaluated: States) -> None:
    elsewhere = crystal.copy()
    images = np.random.default_rng(2).integers(-2, 3, size=(len(crystal), 3))
    elsewhere.positions += images @ crystal.cell.array
    assert_same(lammps.evaluate(elsewhere, pair), evaluated(crystal, pair), pair)


def test_translation(crystal: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, evaluated: States) -> None:
    shifted = crystal.copy()
    shifted.positions += np.array([0.31, 0.47, 0.83]) @ crystal.cell.array
    assert_same(lammps.evaluate(shifted, pair), evaluated(crystal, pair), pair)


def test_order_of_atoms(
    crystal: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, evaluated: States
) -> None:
    base = evaluated(crystal, pair)
    order = np.random.default_rng(3).permutation(len(crystal))
    assert_same(lammps.evaluate(crystal[order], pair), replace(base, forces=base.forces[order]), pair)


@pytest.mark.parametrize("vectors", [[1, 2, 0], [2, 0, 1]], ids=["bca", "cab"])
def test_rotation(
    li7p3s11: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, evaluated: States, vectors: list[int]
) -> None:
    """Another lattice vector along x turns the crystal; forces and stress turn with it."""
    base = evaluated(li7p3s11, pair)
    turned = ase.Atoms(li7p3s11.symbols, li7p3s11.positions, cell=li7p3s11.cell.array[vectors], pbc=True)
    axis = Rotation.random(random_state=5).as_rotvec(degrees=True)
    turned.rotate(float(np.linalg.norm(axis)), axis, rotate_cell=True)
    turned = lammps_orientation(turned)
    rotation = np.linalg.solve(li7p3s11.cell.array[vectors], turned.cell.array)  # r_turned = r @ rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.abs(rotation - np.eye(3)).max() > 0.5
    stress = rotation.T @ voigt_6_to_full_3x3_stress(base.stress) @ rotation
    expected = replace(base, forces=base.forces @ rotation, stress=full_3x3_to_voigt_6_stress(stress))
    assert_same(lammps.evaluate(turned, pair), expected, pair)


def test_supercell(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, evaluated: States) -> None:
    """A cell smaller than the cutoff, where atoms see their own images, is the crystal it stands for."""
    base = evaluated(litis2, pair)
    expected = replace(base, energy=18 * base.energy, forces=np.tile(base.forces, (18, 1)))
    assert_same(lammps.evaluate(litis2.repeat((3, 3, 2)), pair), expected, pair)


def test_precision(
    li7p3s11: ase.Atoms, sevennet: PairStyle, double_sevennet: PairStyle, evaluated: States
) -> None:
    """Single precision is double precision to the tolerances used here."""
    assert_same(evaluated(li7p3s11, sevennet), evaluated(li7p3s11, double_sevennet), sevennet)


def test_export_after_evaluation(
    litis2: ase.Atoms,
    torchscript_sevennet: PairStyle,
    lammps: LammpsInProcess,
    evaluated: States,
    tmp_path: Path,
) -> None:
    """A process that has run libtorch can export a model."""
    base = evaluated(litis2, torchscript_sevennet)
    model = find_model("sevennet-0:evaluator=libtorch")
    model.module.export(model, tmp_path / "exported.pt")
    again = lammps.evaluate(litis2, replace(torchscript_sevennet, model=str(tmp_path / "exported.pt")))
    assert_same(again, base, torchscript_sevennet)


def test_network_is_what_libtorch_says(
    crystal: ase.Atoms, sevennet: PairStyle, torchscript_sevennet: PairStyle, evaluated: States
) -> None:
    assert_same(evaluated(crystal, sevennet), evaluated(crystal, torchscript_sevennet), sevennet)


def test_lmp_executable(litis2: ase.Atoms, model: Model) -> None:
    """The decks under `mpirun lmp` pass the parity gate."""
    assert verify(model, litis2).passed
