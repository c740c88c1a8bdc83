"""Forces and virial are derivatives of the energy that LAMMPS reports; atomic parts sum to totals."""

import ase
import numpy as np
import pytest
import tolerances
from ase.stress import voigt_6_to_full_3x3_stress
from in_process import BAR_PER_EV_A3, FloatArray, LammpsInProcess, PairStyle

from hopkin.drivers.crystals.structures import lammps_orientation

# Central difference: its step trades an error of order h^2 against rounding of the energy.
WEIGHTS = {-1: -1 / 2, 1: 1 / 2}


def slope(lammps: LammpsInProcess, displaced: dict[int, ase.Atoms], step: float) -> float:
    return sum(weight * lammps.energy(displaced[n]) for n, weight in WEIGHTS.items()) / step


def directions(n_atoms: int, *, count: int, seed: int) -> FloatArray:
    """(count, n_atoms, 3) random directions in which every atom moves by about as much."""
    random: FloatArray = np.random.default_rng(seed).normal(size=(count, n_atoms, 3))
    return random


def moved(atoms: ase.Atoms, displacement: FloatArray) -> ase.Atoms:
    copy = atoms.copy()
    copy.positions += displacement
    return copy


def strained(atoms: ase.Atoms, strain: FloatArray) -> ase.Atoms:
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return lammps_orientation(copy)


def test_each_force_of_a_small_cell(litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    step = tolerances.DISPLACEMENT_A[sharpest.name]
    forces = lammps.evaluate(litis2, sharpest).forces
    differences = np.zeros_like(forces)
    for coordinate in np.ndindex(*forces.shape):
        unit = np.zeros_like(forces)
        unit[coordinate] = step
        differences[coordinate] = -slope(lammps, {n: moved(litis2, n * unit) for n in WEIGHTS}, step)
    np.testing.assert_allclose(forces, differences, rtol=0, atol=tolerances.SLOPE_EV_PER_A[sharpest.name])
    assert np.abs(forces).max() > 30 * tolerances.SLOPE_EV_PER_A[sharpest.name]


def test_forces_along_random_directions(
    li7p3s11: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess
) -> None:
    step = tolerances.DISPLACEMENT_A[sharpest.name]
    forces = lammps.evaluate(li7p3s11, sharpest).forces
    for direction in directions(len(li7p3s11), count=2, seed=4):
        difference = -slope(lammps, {n: moved(li7p3s11, n * step * direction) for n in WEIGHTS}, step)
        tolerance = np.linalg.norm(direction) * tolerances.SLOPE_EV_PER_A[sharpest.name]
        assert np.vdot(forces, direction) == pytest.approx(difference, rel=0, abs=tolerance)


@pytest.mark.parametrize("component", range(6), ids=["xx", "yy", "zz", "yz", "xz", "xy"])
def test_virial_is_the_strain_derivative(
    litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess, component: int
) -> None:
    step = tolerances.STRAIN[sharpest.name]
    # Pulled out of the symmetry of the crystal, so that no component is zero
    sheared = strained(litis2, np.array([[0.01, 0.02, -0.03], [0.02, -0.02, 0.01], [-0.03, 0.01, 0.03]]))
    stress = lammps.evaluate(sheared, sharpest).stress
    unit = voigt_6_to_full_3x3_stress(np.eye(6)[component])
    unit /= unit.sum()  # yz: half of it in yz, half in zy
    difference = slope(lammps, {n: strained(sheared, n * step * unit) for n in WEIGHTS}, step)
    assert stress[component] * sheared.cell.volume == pytest.approx(
        difference, rel=0, abs=tolerances.VIRIAL_EV[sharpest.name]
    )
    assert abs(difference) > 15 * tolerances.VIRIAL_EV[sharpest.name]


def test_virial_of_a_triclinic_cell(
    li7p3s11: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess
) -> None:
    step = tolerances.STRAIN[sharpest.name]
    stress = voigt_6_to_full_3x3_stress(lammps.evaluate(li7p3s11, sharpest).stress)
    strain = np.array([[0.7, 0.3, -0.4], [0.3, -0.5, 0.6], [-0.4, 0.6, 0.2]])
    difference = slope(lammps, {n: strained(li7p3s11, n * step * strain) for n in WEIGHTS}, step)
    tolerance = np.sqrt(len(li7p3s11)) * tolerances.VIRIAL_EV[sharpest.name]
    virial = np.vdot(stress, strain) * li7p3s11.cell.volume
    assert virial == pytest.approx(difference, rel=0, abs=tolerance)


def test_atomic_energies_sum_to_the_energy(
    crystal: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess
) -> None:
    lammps.load(crystal, pair)
    lammps.commands("compute atomic all pe/atom\ncompute total all reduce sum c_atomic")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_total")
    state = lammps.run()
    total = lammps.lmp.numpy.extract_compute("total", 0, 0)
    assert total == pytest.approx(state.energy, rel=0, abs=tolerances.DOUBLE_EV)
    atomic = lammps.own_compute("atomic")
    elements = np.array(crystal.get_chemical_symbols())
    assert np.ptp(atomic) > 1.0, "each atom has its own energy"
    for element in set(elements):  # in the order of the atom IDs: like atoms have like energies
        assert np.ptp(atomic[elements == element]) < 1.5


@pytest.mark.parametrize("style", ["sevennet", "double_mace"])
def test_atomic_virials_sum_to_the_pressure(
    crystal: ase.Atoms, style: str, request: pytest.FixtureRequest, lammps: LammpsInProcess
) -> None:
    lammps.load(crystal, request.getfixturevalue(style))
    lammps.commands("compute atomic all stress/atom NULL pair")
    lammps.commands("compute total all reduce sum c_atomic[*]")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_total[*]")
    state = lammps.run()
    xx, yy, zz, xy, xz, yz = lammps.lmp.numpy.extract_compute("total", 0, 1)
    stress = np.array([xx, yy, zz, yz, xz, xy]) / BAR_PER_EV_A3 / crystal.cell.volume
    np.testing.assert_allclose(stress, state.stress, rtol=0, atol=tolerances.DOUBLE_EV_PER_A3)


def test_energy_is_smooth_at_the_cutoff(double_sevennet: PairStyle, lammps: LammpsInProcess) -> None:
    """Two atoms that part at 5 A: no step in energy or force, and nothing between them beyond."""
    cutoff_a, aside_a = 5.0, 1e-6
    box = ase.Atoms("LiS", positions=[[1.0, 1.0, 1.0]] * 2, cell=[13.0, 13.0, 13.0], pbc=True)
    states = {}
    for distance in (cutoff_a - aside_a, cutoff_a + aside_a, cutoff_a + 1.0):
        box.positions[1] = box.positions[0] + np.array([0.0, 0.6, 0.8]) * distance
        states[distance] = lammps.evaluate(box, double_sevennet)
    inside, outside, far = states.values()
    assert inside.energy == pytest.approx(outside.energy, rel=0, abs=1e-9)
    np.testing.assert_allclose(inside.forces, 0.0, atol=tolerances.FORCE_EV_PER_A)
    np.testing.assert_array_equal(outside.forces, 0.0)
    assert outside.energy == far.energy
    box.positions[1] = box.positions[0] + np.array([0.0, 0.6, 0.8]) * 2.5
    assert np.abs(lammps.evaluate(box, double_sevennet).forces).max() > 100 * tolerances.FORCE_EV_PER_A
