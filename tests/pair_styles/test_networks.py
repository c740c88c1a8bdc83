"""SevenNet evaluated without torch: every checkpoint, and the shapes of those whose weights are not here."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ase
import numpy as np
import pytest
import tolerances
from in_process import FloatArray, LammpsInProcess, PairStyle

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import environments
from hopkin.drivers.models.registry import fetch, find_model

pytest.importorskip("sevenn")
import torch
from sevenn import _keys as keys
from sevenn._const import DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG
from sevenn.model_build import build_E3_equivariant_model

from hopkin.drivers.models.adapters.sevennet_double import DoubleCalculator
from hopkin.drivers.models.adapters.sevennet_network import network_of

SOURCES = Path(__file__).parents[2] / "pair_styles"
EVALUATOR = ("nequip_evaluator", "network", "harmonics", "thread_team")

CHECKPOINTS = ("sevennet-0", "sevennet-l3i5", "sevennet-mf-0:modal=R2SCAN")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_in_lammps(
    name: str, litis2: ase.Atoms, lammps: LammpsInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both precisions are close to the model's own calculator in double precision."""
    monkeypatch.setenv("HOPKIN_DEVICE", "cpu")
    double = find_model(f"{name}:dtype=float64")
    litis2 = litis2.copy()
    litis2.calc = double.module.calculator(double, device="cpu")
    for dtype, tolerance in tolerances.NETWORK.items():
        model = find_model(name) if dtype == "float32" else double
        fetch(model)
        state = lammps.evaluate(litis2, PairStyle("e3gnn", str(model.exported())))
        energy = pytest.approx(litis2.get_potential_energy(), abs=4 * tolerance.energy_eV_per_atom)
        assert state.energy == energy
        np.testing.assert_allclose(state.forces, litis2.get_forces(), atol=tolerance.force_eV_per_A)
        np.testing.assert_allclose(state.stress, litis2.get_stress(), atol=tolerances.STRESS_EV_PER_A3)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the evaluator says of a cluster."""

    energy: float
    forces: FloatArray
    virial: FloatArray


class Program:
    """The evaluator in a program of its own, without LAMMPS."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self._executable = directory / "evaluate_network"
        sources = [SOURCES / "nequip" / f"{name}.cpp" for name in EVALUATOR]
        sources += [SOURCES / "edge_forces.cpp", Path(__file__).with_name("evaluate_network.cpp")]
        sources.append(SOURCES / "device.cpp")
        command = ["c++", "-std=c++20", "-pthread", "-Wall", "-Wextra", "-Werror", *flags]
        command += ["-I", str(SOURCES), "-o", str(self._executable), *map(str, sources)]
        subprocess.run(command, check=True)

    def run(self, network: Path, atoms: ase.Atoms, threads: int = 1) -> subprocess.CompletedProcess[str]:
        lines = [
            f"{symbol} {x!r} {y!r} {z!r}\n"
            for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions.tolist(), strict=True)
        ]
        return subprocess.run(
            [str(self._executable), str(network), str(threads)],
            input="".join(lines),
            capture_output=True,
            text=True,
            check=False,
        )

    def evaluate(self, network: Path, atoms: ase.Atoms, threads: int = 1) -> Answer:
        ended = self.run(network, atoms, threads)
        assert (ended.returncode, ended.stderr) == (0, "")
        numbers = np.array([float.fromhex(line) for line in ended.stdout.split()])
        first, second = np.split(numbers, 2)
        np.testing.assert_array_equal(first, second)
        return Answer(float(first[0]), first[1:-6].reshape(-1, 3), first[-6:])


INSTRUCTIONS = {"128 bit": (), "AVX2": ("-mavx2", "-mfma")}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Program]:
    """Return the evaluator as it is compiled for each set of instructions that LAMMPS's tests do not use."""
    can = Path("/proc/cpuinfo").read_text()
    return {
        name: Program(tmp_path_factory.mktemp("program"), "-O1", *flags)
        for name, flags in INSTRUCTIONS.items()
        if not flags or " avx2 " in can
    }


@pytest.fixture(scope="module")
def program(programs: dict[str, Program]) -> Program:
    return list(programs.values())[-1]


@pytest.fixture(scope="module")
def cluster() -> ase.Atoms:
    """Return 12 atoms of four elements without order, none closer than 1.5 A to another."""
    random = np.random.default_rng(11)
    positions: list[FloatArray] = []
    while len(positions) < 12:
        place = random.uniform(0.0, 5.0, 3)
        if all(np.linalg.norm(place - other) > 1.5 for other in positions):
            positions.append(place)
    return ase.Atoms(
        "OPFeLi" * 3,  # not in the order of the network
        positions,
        cell=[40.0, 40.0, 40.0],
        pbc=False,
    )


@pytest.fixture(scope="module")
def crowded(cluster: ase.Atoms) -> ase.Atoms:
    """Return 96 atoms, with work for several threads in every loop."""
    many = ase.Atoms(cluster.symbols, cluster.positions, cell=[5.8, 5.8, 5.8]).repeat(2)
    many.symbols[-1] = "O"  # 12 atoms of 4 elements, and one more
    return many


LARGE: dict[str, Any] = {
    keys.IRREPS_MANUAL: ["128x0e", *["128x0e+64x1e+32x2e+32x3e"] * 4, "128x0e"],
    keys.LMAX: 3,
    keys.NUM_CONVOLUTION: 5,
    keys.IS_PARITY: False,
    keys.CUTOFF: 6.0,
    keys.SELF_CONNECTION_TYPE: "linear",
    keys.CUTOFF_FUNCTION: {keys.CUTOFF_FUNCTION_NAME: "XPLOR", "cutoff_on": 5.5},
}
MODAL: dict[str, Any] = {
    keys.USE_MODALITY: True,
    keys.NUM_MODALITIES: 3,
    keys.MODAL_MAP: {"mpa": 0, "omat24": 1, "other": 2},
    keys.USE_MODAL_SELF_INTER_INTRO: True,
    keys.USE_MODAL_SELF_INTER_OUTRO: True,
    keys.USE_MODAL_OUTPUT_BLOCK: True,
    keys.USE_MODAL_WISE_SHIFT: True,
    keys.USE_MODAL_WISE_SCALE: True,
    keys.SHIFT: {"mpa": -1.0, "omat24": -2.0, "other": 0.5},
    keys.SCALE: {"mpa": 1.1, "omat24": 0.9, "other": 1.3},
}
SHAPES: dict[str, dict[str, Any]] = {
    "sevennet-omat": LARGE,
    "sevennet-mf-ompa": LARGE | MODAL,
    "parities, each element on its own": {keys.NODE_FEATURE_MULTIPLICITY: 5, keys.LMAX: 2},
    "a modal everywhere": MODAL | {keys.USE_MODAL_NODE_EMBEDDING: True, keys.NODE_FEATURE_MULTIPLICITY: 9},
    "biases, softplus, harmonics of the whole vector": {
        keys.NODE_FEATURE_MULTIPLICITY: 17,
        keys.USE_BIAS_IN_LINEAR: True,
        keys.ACTIVATION_SCARLAR: {"e": "ssp", "o": "abs"},
        keys.ACTIVATION_GATE: {"e": "ssp", "o": "abs"},
        keys._NORMALIZE_SPH: False,
        keys.SELF_CONNECTION_TYPE: ["nequip", "linear", "linear"],
    },
}


def seeded(shape: dict[str, Any]) -> Any:
    """Return what sevenn has of a checkpoint, with weights of chance."""
    config = {
        **DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG,
        keys.TYPE_MAP: {3: 0, 26: 1, 15: 2, 8: 3},
        keys.NUM_SPECIES: 4,
        keys.CONV_DENOMINATOR: 6.0,
        keys.SHIFT: -1.5,
        keys.SCALE: 1.7,
        **shape,
    }

    def build_model() -> Any:
        torch.manual_seed(5)
        model = build_E3_equivariant_model(config)
        for name, weights in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weights)
        return model

    return SimpleNamespace(config=config, build_model=build_model)


@pytest.mark.filterwarnings("ignore:No tensor product accelerator")
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, programs: dict[str, Program], cluster: ase.Atoms, tmp_path: Path) -> None:
    loaded = seeded(SHAPES[shape])
    modal = "omat24" if keys.MODAL_MAP in SHAPES[shape] else None
    own = DoubleCalculator(loaded.build_model(), file_type="model_instance", device="cpu", modal=modal)
    own.calculate(cluster)
    forces = own.results["forces"]
    largest = np.abs(forces).max()
    assert largest > 0.005
    for precision, tolerance in tolerances.NETWORK_OF_CHANCE.items():
        network_of(loaded, modal, precision=precision, made_by="a test").write(tmp_path / precision)
        for program in programs.values():
            said = program.evaluate(tmp_path / precision, cluster)
            assert said.energy == pytest.approx(own.results["energy"], rel=tolerance)
            np.testing.assert_allclose(said.forces, forces, rtol=0, atol=tolerance * largest)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("network") / "small"
    shape = SHAPES["parities, each element on its own"]
    network_of(seeded(shape), None, precision="single", made_by="a test").write(file)
    return file


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_no_bit(program: Program, small: Path, crowded: ase.Atoms, threads: int) -> None:
    alone = program.run(small, crowded)
    assert alone.returncode == 0
    assert program.run(small, crowded, threads).stdout == alone.stdout


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitizers(sanitizer: str, small: Path, crowded: ase.Atoms, tmp_path: Path) -> None:
    program = Program(tmp_path, "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover")
    program.evaluate(small, crowded, threads=2)
    (tmp_path / "cut").write_bytes(small.read_bytes()[:-8])
    ended = program.run(tmp_path / "cut", crowded)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)


def _cut(content: bytes) -> bytes:
    return content[:-8]


def _one_bit(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


def _later(content: bytes) -> bytes:
    return content.replace(b"hopkin network 1", b"hopkin network 9", 1)


def _no_sizes(content: bytes) -> bytes:
    return b"\n".join(content.split(b"\n")[:2]) + b"\nmany\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_cut, "it has been cut or changed"),
        (_one_bit, "it has been cut or changed"),
        (_later, "it begins with 'hopkin network 9', wanted 'hopkin network 1'"),
        (_no_sizes, "it has been cut or changed"),
    ],
    ids=lambda value: value.__name__[1:] if callable(value) else "",
)
def test_files_that_are_refused(
    change: Callable[[bytes], bytes],
    reason: str,
    small: Path,
    cluster: ase.Atoms,
    program: Program,
    tmp_path: Path,
) -> None:
    file = tmp_path / "changed"
    file.write_bytes(change(small.read_bytes()))
    ended = program.run(file, cluster)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"'{file}' is no network that this hopkin reads: {reason}: delete it and run `hopkin models fetch`\n"
    )


def test_element_that_a_network_does_not_have(program: Program, small: Path) -> None:
    ended = program.run(small, ase.Atoms("LiCl", [[0, 0, 0], [0, 0, 2]]))
    assert ended.stderr == f"model '{small}' does not cover element 'Cl' (it covers 4: Li Fe P O)\n"


FCN: dict[str, Any] = {keys.READOUT_FCN_ACTIVATION: "relu", keys.READOUT_FCN_HIDDEN_NEURONS: [4]}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({keys.READOUT_AS_FCN: True, **FCN}, "its readout is a network of its own"),
        ({keys.LMAX: 4, keys.NODE_FEATURE_MULTIPLICITY: 2}, "its features go beyond the degree 3"),
        ({keys.LMAX_EDGE: 4, keys.NODE_FEATURE_MULTIPLICITY: 2}, "its harmonics go beyond the degree 3"),
        ({keys.ACTIVATION_RADIAL: "relu"}, "its radial functions are too rough for a table"),
    ],
)
def test_networks_that_go_to_libtorch(shape: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        network_of(seeded(shape), None, precision="single", made_by="a test")


def test_libtorch_takes_what_the_evaluator_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hopkin.drivers.models.adapters import sevennet, sevennet_network

    def refused(*_: Any, **__: Any) -> Any:
        raise ModelError("its readout is a network of its own")

    monkeypatch.setattr(sevennet_network, "network_of", refused)
    said = sevennet.export(find_model("sevennet-0"), tmp_path / "exported.pt")
    assert said == "evaluated by libtorch, many times slower, as its readout is a network of its own"
    for asked in ("dtype=float64", "evaluator=hopkin"):
        with pytest.raises(ModelError, match="its readout is a network of its own"):
            sevennet.export(find_model(f"sevennet-0:{asked}"), tmp_path / "none.pt")
    torch.jit.load(str(tmp_path / "exported.pt"))


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cuda:0", "but the file of this model is for a CPU: take that of NAME:evaluator=libtorch"),
        ("gpu", "names no device: wanted cpu, cuda or cuda:1"),
    ],
)
def test_another_device(
    device: str,
    reason: str,
    program: Program,
    small: Path,
    cluster: ase.Atoms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOPKIN_DEVICE", device)
    assert program.run(small, cluster).stderr == f"HOPKIN_DEVICE={device} {reason}\n"
    monkeypatch.setenv("HOPKIN_DEVICE", "cpu")
    assert program.run(small, cluster).stderr == ""


@pytest.mark.parametrize(
    ("device", "visible", "options", "evaluator"),
    [
        (None, None, "", "libtorch"),
        ("cpu", None, "", "hopkin"),
        ("cuda:1", "", "", "libtorch"),
        (None, "", "", "hopkin"),
        (None, "-1", "", "hopkin"),
        (None, "3", "", "libtorch"),
        (None, None, ":dtype=float64", "hopkin"),
        (None, None, ":evaluator=hopkin", "hopkin"),
        ("cpu", None, ":evaluator=libtorch", "libtorch"),
    ],
)
def test_evaluator_of_a_machine_with_a_gpu(
    device: str | None, visible: str | None, options: str, evaluator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "has_gpu", lambda: True)
    for variable, value in (("HOPKIN_DEVICE", device), ("CUDA_VISIBLE_DEVICES", visible)):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
    model = find_model(f"sevennet-0{options}")
    assert model.evaluator == evaluator
    file = model.exported()
    monkeypatch.setenv("HOPKIN_DEVICE", {"hopkin": "cuda", "libtorch": "cpu"}[evaluator])
    assert (model.exported() == file) == (
        options != ""
    )  # what LAMMPS reads by one is never read by the other
