"""What LAMMPS offers around a potential works with both pair styles."""

from pathlib import Path

import ase
import numpy as np
import pytest
import tolerances
from in_process import LammpsInProcess, PairStyle, State

THERMO = "pe pxx pyy pzz pyz pxz pxy"


def assert_as_read_anew(state: State, atoms: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess) -> None:
    """Compare what a run ended with and what LAMMPS says of those positions read from a file."""
    final = atoms.copy()
    final.positions = state.positions
    fresh = lammps.evaluate(final, pair)
    tolerance = tolerances.AS_READ_ANEW_EV[pair.name]
    assert state.energy == pytest.approx(fresh.energy, rel=0, abs=tolerance)
    np.testing.assert_allclose(state.forces, fresh.forces, rtol=0, atol=tolerance)


def test_nve_conserves_energy(litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    """The error of velocity Verlet goes with the square of the time step."""
    errors = []
    for timestep_ps, steps in ((4e-3, 8), (2e-3, 16)):
        lammps.load(litis2, sharpest)
        lammps.commands(f"velocity all create 1500 7\nfix 1 all nve\ntimestep {timestep_ps}")
        lammps.commands(f"thermo_style custom step {THERMO} etotal")
        trace = []
        for step in range(steps + 1):
            energy = lammps.run(min(step, 1)).energy
            trace.append((energy, lammps.lmp.get_thermo("etotal")))
        potential, total = np.ptp(trace, axis=0)
        assert total < 0.05 * potential
        errors.append(total)
    assert errors[1] < 0.4 * errors[0]


def test_nvt_conserves_its_quantity(litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    lammps.load(litis2, sharpest)
    lammps.commands("velocity all create 300 7\nfix 1 all nvt temp 1500 1500 0.02\ntimestep 1e-3")
    lammps.commands(f"thermo_style custom step {THERMO} etotal econserve")
    lammps.run()
    total, conserved = (lammps.lmp.get_thermo(name) for name in ("etotal", "econserve"))
    lammps.run(20)
    heat = lammps.lmp.get_thermo("etotal") - total
    assert heat > 0.05
    assert abs(lammps.lmp.get_thermo("econserve") - conserved) < 0.05 * heat


def test_atoms_that_leave_the_box(litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    """The crystal drifts through the periodic boundary while its atoms vibrate."""
    outside = litis2.copy()
    outside.positions += np.array([0.9, -0.4, 0.8]) @ litis2.cell.array
    lammps.load(outside, sharpest, settings="neighbor 0.3 bin\nneigh_modify every 1 delay 0 check yes")
    lammps.commands("velocity all create 800 7\nvelocity all set 120 90 150 sum yes\nfix 1 all nve")
    before = lammps.run()
    after = lammps.run(20)
    assert np.all(before.images != after.images)
    assert_as_read_anew(after, litis2, sharpest, lammps)


def test_neighbor_skin(litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    """Atoms that move within the skin are seen by a list that is not built anew."""
    lammps.load(litis2, sharpest, settings="neighbor 2.0 bin\nneigh_modify every 1000 delay 1000 check no")
    lammps.commands("velocity all create 3000 7\nfix 1 all nve")
    before = lammps.run()
    after = lammps.run(15)
    moved = np.linalg.norm(after.positions - before.positions, axis=1)
    assert 0.2 < moved.max() < 1.0
    assert_as_read_anew(after, litis2, sharpest, lammps)


def test_sorted_atoms(li7p3s11: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess) -> None:
    """LAMMPS keeps atoms in the order of their place; forces stay with their atoms."""
    lammps.load(li7p3s11, sharpest)
    lammps.commands("velocity all create 300 7\nfix 1 all nve")
    state = lammps.run(2)
    assert np.any(np.diff(state.local_order) < 0)
    assert_as_read_anew(state, li7p3s11, sharpest, lammps)


def test_minimize(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess) -> None:
    lammps.load(litis2, pair)
    before = lammps.run()
    lammps.commands("min_style fire\nmin_modify norm max\nminimize 0 0.02 200 2000")
    after = lammps.state()
    assert np.abs(before.forces).max() > 0.05
    assert np.linalg.norm(after.forces, axis=1).max() < 0.02
    assert after.energy < before.energy - 0.001


def test_box_relax(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess) -> None:
    """A compressed cell expands until its stress is gone; a wrong virial would leave a pressure."""
    compressed = litis2.copy()
    compressed.set_cell(litis2.cell * 0.985, scale_atoms=True)
    lammps.load(compressed, pair)
    before = lammps.run()
    lammps.commands("fix cell all box/relax tri 0.0 vmax 0.005\nmin_style cg\nmin_modify norm max")
    lammps.commands("minimize 0 0.01 60 600")
    after = lammps.state()
    assert before.stress[:3].mean() < -50 * tolerances.STRESS_EV_PER_A3
    assert np.abs(after.stress).max() < 0.1 * np.abs(before.stress).max()
    assert after.energy < before.energy


def test_rerun(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, tmp_path: Path) -> None:
    """Energies of a trajectory that is read back are those of the run that wrote it."""
    dump = tmp_path / "run.dump"
    lammps.load(litis2, pair)
    lammps.commands("velocity all create 500 7\nfix 1 all nve\nthermo 4")
    lammps.commands(f"dump 1 all custom 4 {dump} id type x y z\ndump_modify 1 format float %.17g")
    energies = [lammps.run(4).energy for _ in range(3)]
    lammps.load(litis2, pair)
    again = []
    for step in (4, 8, 12):
        lammps.commands(f"rerun {dump} first {step} last {step} post no dump x y z")
        again.append(lammps.lmp.get_thermo("pe"))
    np.testing.assert_allclose(again, energies, rtol=0, atol=tolerances.ENERGY_EV_PER_ATOM)
    assert np.ptp(energies) > 1e-3


def test_restart(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess, tmp_path: Path) -> None:
    lammps.load(litis2, pair)
    lammps.commands("velocity all create 500 7\nfix 1 all nve")
    before = lammps.run(3)
    lammps.commands(f"write_restart {tmp_path}/state.restart")
    lammps.clear()
    lammps.commands(f"read_restart {tmp_path}/state.restart\n{pair.commands(('Li', 'Ti', 'S'))}")
    lammps.commands(f"thermo_style custom step {THERMO}")
    after = lammps.run()
    assert after.energy == pytest.approx(before.energy, rel=0, abs=4 * tolerances.ENERGY_EV_PER_ATOM)


def test_null_type_is_left_to_another_style(
    litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess
) -> None:
    """Atoms of a type that pair_coeff names NULL are not in the model."""
    base = lammps.evaluate(litis2, pair)
    with_helium = litis2 + ase.Atoms("He", positions=[litis2.positions.mean(axis=0)])
    lammps.load(with_helium, None)
    lammps.commands(f"pair_style hybrid/overlay {pair.name} zero 3.0 nocoeff")
    lammps.commands(f"pair_coeff * * {pair.name} {pair.model} Li Ti S NULL\npair_coeff * * zero")
    state = lammps.run()
    assert state.energy == pytest.approx(base.energy, rel=0, abs=4 * tolerances.ENERGY_EV_PER_ATOM)
    np.testing.assert_allclose(state.forces[:4], base.forces, rtol=0, atol=tolerances.FORCE_EV_PER_A)
    np.testing.assert_array_equal(state.forces[4], 0.0)


def test_null_type_without_atoms(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess) -> None:
    """A data file may have types that no atom is of; an atom of such a type is refused, not ignored."""
    base = lammps.evaluate(litis2, pair)
    lammps.load(litis2 + ase.Atoms("He", positions=[litis2.positions.mean(axis=0)]), None)
    lammps.commands(f"pair_style {pair.name}\npair_coeff * * {pair.model} Li Ti S NULL")
    with pytest.raises(Exception, match="there are atoms of type 4, which pair_coeff gives as NULL"):
        lammps.run()
    lammps.commands("group helium type 4\ndelete_atoms group helium compress no")
    state = lammps.run()
    assert state.energy == pytest.approx(base.energy, rel=0, abs=4 * tolerances.ENERGY_EV_PER_ATOM)
    np.testing.assert_allclose(state.forces, base.forces, rtol=0, atol=tolerances.FORCE_EV_PER_A)


def test_hybrid_overlay_adds(litis2: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess) -> None:
    """Energy, forces and pressure of a model and of a pair potential add up."""
    lennard_jones = "pair_coeff * * {} 0.02 2.5"
    model = lammps.evaluate(litis2, pair)
    lammps.load(litis2, None)
    lammps.commands("pair_style lj/cut 6.5\n" + lennard_jones.format(""))
    alone = lammps.run()
    lammps.load(litis2, None)
    lammps.commands(f"pair_style hybrid/overlay {pair.name} lj/cut 6.5\n" + lennard_jones.format("lj/cut"))
    lammps.commands(f"pair_coeff * * {pair.name} {pair.model} Li Ti S")
    both = lammps.run()
    assert abs(alone.energy) > 0.01
    assert both.energy == pytest.approx(model.energy + alone.energy, rel=0, abs=1e-5)
    np.testing.assert_allclose(both.forces, model.forces + alone.forces, rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        both.stress, model.stress + alone.stress, rtol=0, atol=tolerances.STRESS_EV_PER_A3
    )


def test_slab(litis2: ase.Atoms, sevennet: PairStyle, lammps: LammpsInProcess) -> None:
    """Without a periodic boundary along z a crystal is a slab: the same as one in a tall cell."""
    tall = litis2.copy()
    tall.cell[2] = [0.0, 0.0, 30.0]
    tall.positions[:, 2] += 10.0
    periodic = lammps.evaluate(tall, sevennet)
    slab = lammps.evaluate(tall, sevennet, settings="boundary p p f")
    bulk = lammps.evaluate(litis2, sevennet)
    assert slab.energy == pytest.approx(periodic.energy, rel=0, abs=4 * tolerances.ENERGY_EV_PER_ATOM)
    np.testing.assert_allclose(slab.forces, periodic.forces, rtol=0, atol=tolerances.FORCE_EV_PER_A)
    assert slab.energy > bulk.energy + 0.1


@pytest.mark.parametrize("distance", [2.6, 9.0], ids=["near", "beyond every cutoff"])
def test_two_atoms_in_a_large_box(pair: PairStyle, lammps: LammpsInProcess, distance: float) -> None:
    """Atoms without neighbours have no forces."""
    atoms = ase.Atoms(
        "LiS", positions=[[1.0, 2.0, 3.0], [1.0 + distance, 2.0, 3.0]], cell=[20.0] * 3, pbc=True
    )
    state = lammps.evaluate(atoms, pair)
    assert np.isfinite(state.energy)
    np.testing.assert_allclose(state.forces.sum(axis=0), 0.0, atol=1e-5)
    assert (np.abs(state.forces).max() > 0.01) == (distance < 5.0)


def test_unmoved_atoms_with_other_elements(
    litis2: ase.Atoms, sharpest: PairStyle, lammps: LammpsInProcess
) -> None:
    """A second pair_coeff counts, though no atom has moved."""
    base = lammps.evaluate(litis2, sharpest)
    lammps.commands(sharpest.commands(("Na", "Ti", "S")))
    sodium = lammps.run()
    expected = litis2.copy()
    expected.symbols[0] = "Na"
    assert abs(sodium.energy - base.energy) > 0.1
    assert sodium.energy == pytest.approx(lammps.evaluate(expected, sharpest).energy, rel=0, abs=1e-6)


def test_two_structures_one_after_the_other(
    litis2: ase.Atoms, li7p3s11: ase.Atoms, pair: PairStyle, lammps: LammpsInProcess
) -> None:
    """Nothing of one structure is left in the next."""
    first = lammps.evaluate(litis2, pair)
    lammps.evaluate(li7p3s11, pair)
    again = lammps.evaluate(litis2, pair)
    assert again.energy == pytest.approx(first.energy, rel=0, abs=1e-6)
