"""A replica on several MPI ranks is the replica on one: same energy, forces, stress and dynamics."""

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
import pytest
import tolerances
from ase.build import bulk
from conftest import MaceReference
from in_process import BAR_PER_EV_A3, FloatArray, PairStyle

from hopkin.drivers import engine
from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.engine import decks
from hopkin.drivers.workflows.parity import rattled

LARGEST_ID = 2**31 - 2  # of a LAMMPS with 4-byte IDs


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one run ended with, in the order of the atom IDs, and its atomic parts summed."""

    energy: float
    stress: FloatArray
    positions: FloatArray
    forces: FloatArray
    atomic_energies: FloatArray
    summed_energy: float
    summed_virial: FloatArray


def mpirun(directory: Path, deck: str, ranks: int, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "deck.in").write_text(deck)
    lmp = [engine.executable("mpirun"), "-np", str(ranks), engine.executable("lmp"), *options]
    return subprocess.run(
        [*lmp, "-in", "deck.in", "-log", "log.lammps"],
        cwd=directory,
        env={**os.environ, "OMP_NUM_THREADS": "1", **engine.ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=1000,
        check=False,
    )


def deck_of(directory: Path, atoms: ase.Atoms, pair: PairStyle | str, settings: str = "") -> str:
    elements = decks.elements_of(atoms)
    decks.write_structure(directory / "structure.data", atoms, elements)
    commands = pair if isinstance(pair, str) else pair.commands(elements)
    return f"units metal\natom_modify map yes\n{settings}\nread_data structure.data\n{commands}\n"


def run(
    directory: Path,
    ranks: int,
    atoms: ase.Atoms,
    pair: PairStyle | str,
    *,
    settings: str = "",
    commands: str = "run 0",
) -> State:
    deck = deck_of(directory, atoms, pair, settings) + (
        "compute energies all pe/atom\ncompute virials all stress/atom NULL pair\n"
        "compute energy all reduce sum c_energies\ncompute virial all reduce sum c_virials[*]\n"
        "thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_energy c_virial[*]\n"
        f"{commands}\n"
        'print "$(pe:%.17g) $(pxx:%.17g) $(pyy:%.17g) $(pzz:%.17g) $(pyz:%.17g) $(pxz:%.17g) $(pxy:%.17g)'
        " $(c_energy:%.17g) $(c_virial[1]:%.17g) $(c_virial[2]:%.17g) $(c_virial[3]:%.17g)"
        ' $(c_virial[6]:%.17g) $(c_virial[5]:%.17g) $(c_virial[4]:%.17g)" file totals\n'
        "write_dump all custom atoms id xu yu zu fx fy fz c_energies modify sort id format float %.17g\n"
    )
    ended = mpirun(directory, deck, ranks)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    totals = np.loadtxt(directory / "totals")
    rows = np.loadtxt(directory / "atoms", skiprows=9, ndmin=2)
    return State(
        energy=float(totals[0]),
        stress=-totals[1:7] / BAR_PER_EV_A3,
        positions=rows[:, 1:4],
        forces=rows[:, 4:7],
        atomic_energies=rows[:, 7],
        summed_energy=float(totals[7]),
        summed_virial=totals[8:14] / BAR_PER_EV_A3 / atoms.cell.volume,
    )


def assert_same(state: State, base: State, *, energy: float, force: float, stress: float) -> None:
    np.testing.assert_allclose(state.energy, base.energy, rtol=0, atol=energy * len(base.forces))
    np.testing.assert_allclose(state.atomic_energies, base.atomic_energies, rtol=0, atol=energy)
    np.testing.assert_allclose(state.forces, base.forces, rtol=0, atol=force)
    np.testing.assert_allclose(state.stress, base.stress, rtol=0, atol=stress)
    np.testing.assert_allclose(state.summed_energy, state.energy, rtol=0, atol=1e-9)
    np.testing.assert_allclose(state.summed_virial, state.stress, rtol=0, atol=stress)


def assert_same_in_double(state: State, base: State) -> None:
    assert_same(
        state,
        base,
        energy=tolerances.DOUBLE_EV,
        force=tolerances.DOUBLE_EV_PER_A,
        stress=tolerances.DOUBLE_EV_PER_A3,
    )


def assert_same_in_single(state: State, base: State) -> None:
    assert_same(
        state,
        base,
        energy=tolerances.ENERGY_EV_PER_ATOM,
        force=tolerances.FORCE_EV_PER_A,
        stress=tolerances.STRESS_EV_PER_A3,
    )


@pytest.fixture(scope="module")
def chain() -> ase.Atoms:
    """Return a zigzag of atoms along x, where 5 layers do not reach many others."""
    n = 8
    x = 2.6 * np.arange(n) + np.random.default_rng(3).normal(scale=0.15, size=n)
    y, z = np.where(np.arange(n) % 2, 6.0, 7.4), np.where(np.arange(n) % 3, 6.0, 6.7)
    return ase.Atoms("LiS" * (n // 2), positions=np.column_stack([x, y, z]), cell=[2.6 * n, 13, 13], pbc=True)


@pytest.mark.parametrize("ranks", [2, 4])
def test_cell_smaller_than_the_cutoff(
    litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path, ranks: int
) -> None:
    assert_same_in_double(run(tmp_path, ranks, litis2, double_mace), run(tmp_path, 1, litis2, double_mace))


@pytest.mark.parametrize("ranks", [2, 4])
def test_triclinic_cell_in_single_precision(
    li7p3s11: ase.Atoms, small_mace: MaceReference, tmp_path: Path, ranks: int
) -> None:
    pair = small_mace.pair("float32")
    assert_same_in_single(run(tmp_path, ranks, li7p3s11, pair), run(tmp_path, 1, li7p3s11, pair))


@pytest.mark.parametrize("ranks", [2, 4])
def test_five_layers(chain: ase.Atoms, double_sevennet: PairStyle, tmp_path: Path, ranks: int) -> None:
    settings = "processors * 1 1"
    base = run(tmp_path, 1, chain, double_sevennet)
    assert_same_in_double(run(tmp_path, ranks, chain, double_sevennet, settings=settings), base)
    assert np.abs(base.forces).max() > 0.1


@pytest.mark.parametrize("ranks", [1, 2])
def test_largest_atom_ids(chain: ase.Atoms, double_sevennet: PairStyle, tmp_path: Path, ranks: int) -> None:
    """IDs are names: whatever they are, an atom costs what it costs."""
    settings = "processors * 1 1"
    base = run(tmp_path, ranks, chain, double_sevennet, settings=settings)
    ids = dict(zip(range(1, 9), (1, 7, 8, 1000, 10**6, 10**9, LARGEST_ID - 1, LARGEST_ID), strict=True))
    deck = deck_of(tmp_path, chain, double_sevennet, settings)
    data = tmp_path / "structure.data"
    head, title, rows = data.read_text().partition("Atoms # atomic\n\n")
    renamed = [[str(ids[int(first)]), *rest] for first, *rest in map(str.split, rows.splitlines())]
    data.write_text(head + title + "\n".join(" ".join(row) for row in reversed(renamed)) + "\n")
    ended = mpirun(
        tmp_path,
        f"{deck}run 0\nwrite_dump all custom atoms id fx fy fz"
        " modify sort id format float %.17g\n"
        'print "$(pe:%.17g)" file totals\n',
        ranks,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    forces = np.loadtxt(tmp_path / "atoms", skiprows=9)
    assert forces[:, 0].tolist() == list(ids.values())
    np.testing.assert_allclose(forces[:, 1:], base.forces, rtol=0, atol=tolerances.DOUBLE_EV_PER_A)
    energy = float((tmp_path / "totals").read_text())
    assert energy == pytest.approx(base.energy, rel=0, abs=len(chain) * tolerances.DOUBLE_EV)
    largest_process_kB = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert largest_process_kB < 4e6  # an array as long as the largest ID: 8.6e6


def test_five_layers_in_single_precision(chain: ase.Atoms, sevennet: PairStyle, tmp_path: Path) -> None:
    assert_same_in_single(run(tmp_path, 2, chain, sevennet), run(tmp_path, 1, chain, sevennet))


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_sevennet_in_a_crystal(litis2: ase.Atoms, sevennet: PairStyle, tmp_path: Path, ranks: int) -> None:
    assert_same_in_single(run(tmp_path, ranks, litis2, sevennet), run(tmp_path, 1, litis2, sevennet))


def supercell(atoms: ase.Atoms) -> ase.Atoms:
    """2x2x2 cells, no two alike."""
    return rattled(lammps_orientation(atoms.repeat((2, 2, 2))))


@pytest.mark.slow
def test_published_mace(litis2: ase.Atoms, published_mace: MaceReference, tmp_path: Path) -> None:
    crystal, pair = supercell(litis2), published_mace.pair("float32")
    base = run(tmp_path, 1, crystal, pair)
    for ranks in (2, 4):
        assert_same_in_single(run(tmp_path, ranks, crystal, pair), base)


def test_mace_in_a_supercell(litis2: ase.Atoms, small_mace: MaceReference, tmp_path: Path) -> None:
    crystal, pair = supercell(litis2), small_mace.pair("float32")
    base = run(tmp_path, 1, crystal, pair)
    for ranks in (2, 4):
        assert_same_in_single(run(tmp_path, ranks, crystal, pair), base)
    assert np.abs(base.forces).max() > 300 * tolerances.FORCE_EV_PER_A


@pytest.mark.slow
def test_grace_in_a_supercell(grace: PairStyle, tmp_path: Path) -> None:
    """224 atoms of LiFePO4, in double precision."""
    crystal = supercell(build_material("LiFePO4-olivine"))
    base = run(tmp_path, 1, crystal, grace)
    for ranks in (2, 4):
        assert_same_in_double(run(tmp_path, ranks, crystal, grace), base)
    assert np.abs(base.forces).max() > 0.1


@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_grace_that_moves(grace: PairStyle, tmp_path: Path, ranks: int) -> None:
    """A cell smaller than the cutoff, after two steps: energies, forces and stress in double precision."""
    crystal = rattled(lammps_orientation(bulk("OLi2", "fluorite", a=4.62)))
    commands = (
        "velocity all create 600 7\nfix 1 all nve\ntimestep 0.001\nrun 2\nvelocity all set 0 0 0\nrun 0"
    )
    base = run(tmp_path, 1, crystal, grace, commands=commands)
    state = run(tmp_path, ranks, crystal, grace, commands=commands)
    assert_same_in_double(state, base)
    np.testing.assert_allclose(state.positions, base.positions, rtol=0, atol=1e-12)
    assert np.abs(base.forces).max() > 0.1


def test_grace_on_ranks_with_few_neighbors(grace: PairStyle, tmp_path: Path) -> None:
    """A pair, an atom without neighbours, and one whose neighbours are of another rank: a rank for each."""
    positions = [[1.0, 1.0, 1.0], [2.8, 1.4, 1.2], [30.0, 6.0, 6.0], [46.8, 2.0, 1.5]]
    sparse = ase.Atoms("LiOLi2", positions=positions, cell=[48.0, 14.0, 14.0], pbc=True)
    base = run(tmp_path, 1, sparse, grace)
    state = run(tmp_path, 3, sparse, grace, settings="processors 3 1 1")
    assert_same_in_double(state, base)
    np.testing.assert_array_equal(base.forces[2], 0.0)
    assert np.abs(base.forces[[0, 1, 3]]).max(axis=1).min() > 0.1


def test_grace_without_functions_of_layers(grace: PairStyle, litis2: ase.Atoms, tmp_path: Path) -> None:
    """Its metadata does not tell what the layers hand on."""
    shutil.copytree(grace.model, tmp_path / "model")
    metadata = tmp_path / "model" / "metadata.yaml"
    metadata.write_text(metadata.read_text().split("parallel_communication")[0])
    crystal = litis2.copy()
    crystal.symbols = "Fe4"
    ended = mpirun(tmp_path, deck_of(tmp_path, crystal, PairStyle("grace", "model")) + "run 0", 2)
    assert ended.returncode != 0
    (error,) = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
    assert "pair_style grace evaluates a replica on one MPI rank, received 2 ranks" in error


def test_rank_without_atoms(double_mace: PairStyle, tmp_path: Path) -> None:
    dimer = ase.Atoms("LiS", positions=[[1.0, 1.0, 1.0], [3.3, 1.4, 1.2]], cell=[40.0, 12, 12], pbc=True)
    base = run(tmp_path, 1, dimer, double_mace)
    assert_same_in_double(run(tmp_path, 4, dimer, double_mace, settings="processors * 1 1"), base)


def test_surface(litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path) -> None:
    """Without a periodic boundary there are no ghosts on that side."""
    tall = litis2.copy()
    tall.cell[2] = [0.0, 0.0, 30.0]
    tall.positions[:, 2] += 10.0
    settings = "boundary p p f"
    base = run(tmp_path, 1, tall, double_mace, settings=settings)
    assert_same_in_double(run(tmp_path, 2, tall, double_mace, settings=settings), base)


def test_null_type(litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path) -> None:
    """Ghosts of a type that pair_coeff names NULL are not in the model either."""
    with_helium = litis2 + ase.Atoms("He", positions=[litis2.positions.mean(axis=0)])
    pair = (
        "pair_style hybrid/overlay mace zero 3.0 nocoeff\n"
        f"pair_coeff * * mace {double_mace.model} Li Ti S NULL\npair_coeff * * zero"
    )
    base = run(tmp_path, 1, litis2, double_mace)
    state = run(tmp_path, 2, with_helium, pair)
    np.testing.assert_allclose(state.energy, base.energy, rtol=0, atol=tolerances.DOUBLE_EV)
    np.testing.assert_allclose(state.forces[:4], base.forces, rtol=0, atol=tolerances.DOUBLE_EV_PER_A)
    np.testing.assert_array_equal(state.forces[4], 0.0)


def test_dynamics(litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path) -> None:
    """Atoms that move within the skin, go to another rank, and leave the box: the same trajectory."""
    crystal = litis2.repeat((2, 1, 1))
    settings = "neighbor 0.5 bin\nneigh_modify every 1 delay 0 check yes"
    commands = (
        "velocity all create 800 7\nvelocity all set 60 40 50 sum yes\nfix 1 all nve\ntimestep 1e-3\nrun 25"
    )
    one, two = (
        run(tmp_path, ranks, crystal, double_mace, settings=settings, commands=commands) for ranks in (1, 2)
    )
    np.testing.assert_allclose(two.positions, one.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.forces, one.forces, rtol=0, atol=1e-8)
    assert two.energy == pytest.approx(one.energy, rel=0, abs=1e-8)
    assert np.linalg.norm(one.positions - crystal.positions, axis=1).min() > 1.0


def test_unmoved_atoms(litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path) -> None:
    """A second `run 0` adds what is known to other ghosts than the first, to the same result."""
    base = run(tmp_path, 1, litis2, double_mace)
    commands = "run 0\ncomm_modify cutoff 16.0\nrun 0"
    assert_same_in_double(run(tmp_path, 2, litis2, double_mace, commands=commands), base)
    assert_same_in_double(run(tmp_path, 2, litis2, double_mace, commands="run 0\nrun 0"), base)


def test_band_with_two_ranks_for_each_replica(
    litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path
) -> None:
    """`neb` gives the energies that it gives with one rank for each."""
    final = litis2.copy()
    final.positions[0] += [0.3, 0.2, 0.4]
    (tmp_path / "final.coords").write_text(
        "\n".join(
            ["4", *(f"{i} {x:.17g} {y:.17g} {z:.17g}" for i, (x, y, z) in enumerate(final.positions, 1))]
        )
    )
    neb = (
        "fix 1 all neb 1.0\nmin_style fire\ntimestep 0.001\nthermo 1\n"
        "neb 0.0 0.0 3 2 1 final final.coords verbosity terse\n"
        'variable name world 0 1 2\nprint "$(pe:%.17g)" file ${name}.energy\n'
    )
    deck = deck_of(tmp_path, litis2, double_mace, "atom_modify sort 0 0.0") + neb
    energies = []
    for ranks in (1, 2):
        ended = mpirun(tmp_path, deck, 3 * ranks, "-partition", f"3x{ranks}", "-screen", "none")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        energies.append([float((tmp_path / f"{n}.energy").read_text()) for n in range(3)])
    np.testing.assert_allclose(*energies, rtol=0, atol=1e-8)
    assert np.ptp(energies[0]) > 1e-3


@pytest.mark.parametrize(
    ("settings", "options", "reason"),
    [
        (
            "newton off",
            "",
            "with several MPI ranks per replica needs newton on, received newton off for pairs",
        ),
        (
            "neighbor 2.0 multi\ncomm_modify mode multi",
            "",
            "with several MPI ranks per replica needs comm_modify mode single, received another",
        ),
        (
            "",
            " no_domain_decomposition",
            "evaluates a replica on one MPI rank, received 2 ranks: start one rank, or one rank per replica"
            " with -partition",
        ),
    ],
    ids=["newton", "comm", "option"],
)
def test_refusals(
    litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path, settings: str, options: str, reason: str
) -> None:
    pair = f"pair_style mace{options}\npair_coeff * * {double_mace.model} Li Ti S"
    ended = mpirun(tmp_path, deck_of(tmp_path, litis2, pair, settings) + "run 0", 2)
    assert ended.returncode != 0
    (error,) = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
    assert f"pair_style mace {reason}" in error


def test_damaged_file_on_two_ranks(litis2: ase.Atoms, double_mace: PairStyle, tmp_path: Path) -> None:
    """Every rank fails, one sentence is said."""
    (tmp_path / "damaged.pt").write_bytes(Path(double_mace.model).read_bytes()[:-1024])
    pair = PairStyle("mace", "damaged.pt")
    ended = mpirun(tmp_path, deck_of(tmp_path, litis2, pair), 2)
    assert ended.returncode != 0
    (error,) = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
    assert "'damaged.pt' is not a TorchScript model, or is damaged" in error
