"""Names and paths that users choose are text in LAMMPS and part of one file name, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import ase
import pytest
from ase.build import bulk
from bands import Outcome, lithium_at, silent

from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import Structure, load_structure
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BandSpecification, MDSpecification
from hopkin.drivers.workflows.barrier import run_neb
from hopkin.drivers.workflows.dynamics import run_md
from hopkin.drivers.workflows.parity import single_point, verify

LANDSCAPES = Path(__file__).parent / "landscapes.py"
PROGRAM = "x\nshell touch PWNED\n#"
FOLDERS = ["José 磷", "o'b 100% $(touch PWNED) & `touch PWNED` #"]


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.mkdir()
    return path


def copper() -> ase.Atoms:
    return bulk("Cu", a=3.6, cubic=True).repeat(2)


def emt_in(folder: Path) -> Model:
    (folder / "emt.py").write_text("from ase.calculators.emt import EMT\n\n\ndef make():\n    return EMT()\n")
    return find_model(f"ase:{folder / 'emt.py'}:make")


def dynamics(structure: Structure, model: Model, root: Path) -> Outcome:
    asked = {"model": model.name, "ion": "Cu", "temperature_K": 300, "time_ps": 0.04, "frame_interval_fs": 10}
    asked["relax"] = False
    return run_md(structure, model, MDSpecification(**asked), root, verify=False, say=silent)


def files(root: Path) -> set[str]:
    return {file.name for file in root.rglob("*")}


@pytest.mark.parametrize(
    ("stem", "slug"),
    [
        (PROGRAM, "x_shell_touch_PWNED_"),
        ('x" #$(touch PWNED)', "x_touch_PWNED_"),
        (". &\r\x1b[2J", "._2J"),
        (240 * "y", 60 * "y"),
        ("Cu-fcc_(2).a", "Cu-fcc_2_.a"),
        ("Cu-fcc", "Cu-fcc"),
    ],
    ids=["commands", "quotes", "terminal codes", "long", "odd", "plain"],
)
def test_a_structure_file_may_have_any_name(tmp_path: Path, stem: str, slug: str) -> None:
    """Its name goes into a deck that runs, and into the name of a directory, and does nothing there."""
    copper().write(tmp_path / "made.cif")
    file = (tmp_path / "made.cif").rename(tmp_path / f"{stem}.cif")
    structure = load_structure(str(file))
    run, result = dynamics(structure, emt_in(tmp_path), tmp_path / "runs")
    assert result["material"] == stem
    assert run.path.parent == tmp_path / "runs"
    assert run.path.name.startswith(f"{slug}-300K-emt.py_make-")
    title, *commands = (run.path / "md.in").read_text().splitlines()
    assert title.startswith("# ")
    assert not any("PWNED" in line for line in commands)
    assert "PWNED" not in files(tmp_path)


def test_a_pair_cannot_leave_the_folder_of_the_runs(
    tmp_path: Path, landscape: Callable[[str], Model]
) -> None:
    root, model = tmp_path / "deep" / "runs", landscape("TwoWells")
    ends = [lithium_at(fraction) for fraction in (0.02, 0.48)]
    initial, final = (Structure(atoms=end.atoms, material="../../escaped", source="test") for end in ends)
    asked = BandSpecification(model=model.name, images=3, force_tolerance_eV_per_A=0.05)
    run, result = run_neb(initial, final, model, asked, root, verify=False, say=silent)
    assert result["failure"] is None
    assert run.path.parent == root
    assert run.path.name.startswith(".._.._escaped-neb-")
    assert [file.name for file in tmp_path.iterdir()] == ["deep"]


def test_a_model_and_its_runs_may_lie_in_any_folder(folder: Path) -> None:
    """The deck names a link beside it: it runs in the directory with LAMMPS alone."""
    model = emt_in(folder)
    structure = Structure(atoms=copper(), material=folder.name, source="test")
    run, result = dynamics(structure, model, folder / "runs")
    assert result["model"] == f"ase:{folder / 'emt.py'}:make"
    deck = run.path / "md.in"
    assert deck.read_bytes().isascii()
    assert 'pair_coeff      * * "ase:model.py:make" Cu\n' in deck.read_text()
    first = (run.path / "start.final.data").read_bytes()
    (run.path / "start.final.data").unlink()
    engine.run_deck(run.path, "md.in")
    assert (run.path / "start.final.data").read_bytes() == first
    assert "PWNED" not in files(folder.parent)


def test_a_model_in_any_folder_is_verified(folder: Path) -> None:
    assert verify(emt_in(folder), copper()).passed


def test_replicas_share_the_link(folder: Path) -> None:
    shutil.copy(LANDSCAPES, folder)
    model = find_model(f"ase:{folder / LANDSCAPES.name}:TwoWells")
    asked = BandSpecification(model=model.name, images=3, force_tolerance_eV_per_A=0.05)
    ends = lithium_at(0.02), lithium_at(0.48)
    run, result = run_neb(*ends, model, asked, folder / "runs", verify=False, say=silent)
    assert result["failure"] is None
    assert (run.path / "model.py").readlink() == folder / LANDSCAPES.name
    assert json.loads((run.path / "run.json").read_text())["specification"]["model"] == model.name


def test_a_native_model_may_lie_in_any_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = find_model("sevennet-0")
    if model.state() != "ready" or not (file := model.exported()).is_file():
        pytest.skip("SevenNet-0 is not here: `hopkin models fetch sevennet-0`")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    model.exported().parent.mkdir(parents=True)
    shutil.copy(file, model.exported())
    crystal = bulk("LiF", "rocksalt", a=4.03, cubic=True)
    (folder / "run").mkdir()
    point = single_point(crystal, model, folder / "run")
    assert 'pair_coeff      * * "model.pt" Li F\n' in (folder / "run" / "single_point.in").read_text()
    assert -6 < point.energy / len(crystal) < -4
