"""Crystals, models, and the LAMMPS of this process."""

import importlib.util
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from in_process import FloatArray, LammpsInProcess, PairStyle, State

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.engine import environment_of
from hopkin.drivers.models import environments
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model
from hopkin.drivers.workflows.parity import rattled

PACKAGES = {"sevennet-0": "sevenn", "chgnet-0.3.0": "chgnet"}


def licoo2_primitive() -> ase.Atoms:
    """Return the rhombohedral cell of layered LiCoO2: 4 atoms, 33 degrees between its vectors."""
    a, c, height_of_o = 2.8161, 14.0536, 0.2397
    hexagonal = np.array([[a, 0.0, 0.0], [-a / 2, a * np.sqrt(3) / 2, 0.0], [0.0, 0.0, c]])
    obverse = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3
    along_c = np.array([0.0, 0.5, height_of_o, -height_of_o])
    return ase.Atoms(
        "LiCoO2", scaled_positions=np.tile(along_c, (3, 1)).T, cell=obverse @ hexagonal, pbc=True
    )


CRYSTALS: dict[str, Callable[[], ase.Atoms]] = {
    "LiFePO4": lambda: build_material("LiFePO4-olivine"),
    "LiCoO2-primitive": licoo2_primitive,
    "Li7P3S11": lambda: build_material("Li7P3S11"),
    "Li10GeP2S12": lambda: build_material("Li10GeP2S12"),
    "LiTiS2": lambda: build_material("LiTiS2-layered"),
}


@pytest.fixture(scope="session", params=CRYSTALS)
def crystal(request: pytest.FixtureRequest) -> ase.Atoms:
    """Return a rattled crystal in LAMMPS orientation."""
    return rattled(lammps_orientation(CRYSTALS[request.param]()))


@pytest.fixture(scope="session")
def litis2() -> ase.Atoms:
    """Return 4 rattled atoms in a cell that is smaller than the cutoff of the models."""
    return rattled(lammps_orientation(CRYSTALS["LiTiS2"]()))


@pytest.fixture(scope="session")
def li7p3s11() -> ase.Atoms:
    """Return 42 rattled atoms in a triclinic cell."""
    return rattled(lammps_orientation(CRYSTALS["Li7P3S11"]()))


@pytest.fixture(scope="session")
def lammps_session(tmp_path_factory: pytest.TempPathFactory) -> LammpsInProcess:
    return LammpsInProcess(tmp_path_factory.mktemp("lammps"))


@pytest.fixture
def lammps(lammps_session: LammpsInProcess) -> Iterator[LammpsInProcess]:
    """LAMMPS of this process, without atoms."""
    lammps_session.clear()
    yield lammps_session
    lammps_session.clear()  # the model goes with its test


def pair_of(name: str) -> PairStyle:
    package = PACKAGES[name.split(":")[0]]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"package {package} is not installed")
    model = find_model(name)
    fetch(model)
    return PairStyle(model.pair_style, model.pair_coeff())


@pytest.fixture(scope="session", params=PACKAGES)
def model(request: pytest.FixtureRequest) -> Model:
    """Return a model of the registry, ready for LAMMPS."""
    pair_of(request.param)
    return find_model(request.param)


@pytest.fixture(scope="session")
def pair(model: Model) -> PairStyle:
    """Return the pair style of `model`."""
    return pair_of(model.name)


@pytest.fixture(scope="session")
def sevennet() -> PairStyle:
    return pair_of("sevennet-0")


@pytest.fixture(scope="session")
def torchscript_sevennet() -> PairStyle:
    """Return SevenNet-0 as `sevenn get_model` exports it."""
    return pair_of("sevennet-0:evaluator=libtorch")


@pytest.fixture(scope="session")
def chgnet() -> PairStyle:
    return pair_of("chgnet-0.3.0")


@pytest.fixture(scope="session")
def own_calculator() -> Callable[[Model], Calculator]:
    """Give the ASE calculator of a model, made once."""
    made: dict[str, Calculator] = {}

    def calculator(model: Model) -> Calculator:
        if model.name not in made:
            made[model.name] = model.module.calculator(model, device="cpu")
        return made[model.name]

    return calculator


@pytest.fixture(scope="session")
def evaluated(
    lammps_session: LammpsInProcess,
) -> Callable[[ase.Atoms, PairStyle], State]:
    """Evaluate a structure with LAMMPS, once per session for each structure and pair style."""
    known: dict[tuple[bytes, PairStyle], State] = {}

    def state(atoms: ase.Atoms, pair: PairStyle) -> State:
        key = (atoms.positions.tobytes(), pair)
        if key not in known:
            known[key] = lammps_session.evaluate(atoms, pair)
        return known[key]

    return state


@pytest.fixture(scope="session")
def double_sevennet() -> PairStyle:
    """SevenNet-0 in double precision, where central differences are sharp."""
    return pair_of("sevennet-0:dtype=float64")


@dataclass(frozen=True, slots=True)
class MaceReference:
    """A MACE model, exported in both precisions, and what its own calculator says of `CRYSTALS`."""

    directory: Path

    def pair(self, dtype: str) -> PairStyle:
        return PairStyle("mace", str(self.directory / f"{dtype}.pt"))

    def says(self, crystal: str, dtype: str) -> dict[str, FloatArray]:
        """Return energy, forces, stress (as in ASE) and atomic_energies."""
        with np.load(self.directory / f"{crystal}.{dtype}.npz") as arrays:
            return dict(arrays)


def mace_python() -> Path:
    """Interpreter that has mace, which excludes packages of other models from its environment."""
    if environments.interpreter("mace") is None:
        pytest.skip("MACE is not installed: `hopkin models install mace`")
    return environments.require("mace")


def mace_reference(directory: Path, checkpoint: Path) -> MaceReference:
    for name, build in CRYSTALS.items():
        atoms = rattled(lammps_orientation(build()))
        np.savez(
            directory / f"{name}.structure.npz",
            numbers=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
        )
    script = Path(__file__).with_name("mace_reference.py")
    python = mace_python()
    argv = [str(python), str(script), str(checkpoint), str(directory)]
    kept = environment_of(python)
    ended = subprocess.run(argv, capture_output=True, text=True, env=kept, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    return MaceReference(directory)


@pytest.fixture(scope="session")
def small_mace(tmp_path_factory: pytest.TempPathFactory) -> MaceReference:
    """Return a MACE of random weights: fast, and with the parts that published ones have."""
    directory = tmp_path_factory.mktemp("mace")
    return mace_reference(directory, directory / "made.model")


@pytest.fixture(scope="session")
def published_mace(tmp_path_factory: pytest.TempPathFactory) -> MaceReference:
    """Return MACE-MP-0 small."""
    model = find_model("mace-mp-0-small")
    if model.state() != "ready":
        pytest.skip("MACE-MP-0 small is not here: `hopkin models fetch mace-mp-0-small`")
    return mace_reference(tmp_path_factory.mktemp("mace"), model.checkpoint())


@pytest.fixture(scope="session")
def double_mace(small_mace: MaceReference) -> PairStyle:
    return small_mace.pair("float64")


@pytest.fixture(scope="session")
def grace_python() -> str:
    """Interpreter that has tensorpotential."""
    if environments.interpreter("grace") is None:
        pytest.skip("GRACE is not installed: `hopkin models install grace`")
    return str(environments.require("grace"))


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("grace")
    with tarfile.open(find_model("grace-small-lfp").checkpoint()) as archive:
        archive.extractall(directory, filter="data")
    return directory / "grace-small-lfp"


@pytest.fixture(scope="session")
def tensorflow(grace_python: str) -> Iterator[str]:
    """Directory of the TensorFlow of that interpreter; LAMMPS of this process takes it."""
    find = "import importlib.util as u; print(u.find_spec('tensorflow').submodule_search_locations[0])"
    said = subprocess.run([grace_python, "-c", find], capture_output=True, text=True, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOPKIN_TENSORFLOW_DIR", said.stdout.strip())
        yield said.stdout.strip()


@pytest.fixture(scope="session")
def grace(saved_model: Path, tensorflow: str) -> PairStyle:
    return PairStyle("grace", str(saved_model))


@pytest.fixture(scope="session", params=["double_sevennet", "chgnet", "double_mace"])
def sharpest(request: pytest.FixtureRequest) -> PairStyle:
    """Each pair style with its model in the highest precision there is."""
    found: PairStyle = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def raw_environment() -> dict[str, str]:
    """Environment for the bare `lmp` binary: its MPI library, no plugins, no Python of the caller."""
    import importlib.metadata

    (libmpi,) = [f for f in importlib.metadata.files("mpich") or () if f.name == "libmpi.so.12"]
    kept = {name: os.environ[name] for name in ("HOME", "OMP_NUM_THREADS") if name in os.environ}
    return {
        **kept,
        "PATH": "/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(Path(str(libmpi.locate())).resolve().parent),
    }
