"""The command line: help, JSON, and what it costs to start."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from command_line import Run

from hopkin.drivers.bands.paths import displacements
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.specification import Mechanism

COMMANDS = (
    [],
    ["doctor"],
    ["models"],
    ["export", "vasp"],
    *(["models", name] for name in ("list", "show", "fetch", "verify")),
    *(
        [name]
        for name in (
            *("materials", "hops", "barrier", "neb", "kinetics", "md", "analyze", "bench", "report", "serve"),
            *("calibrate", "recommend"),
        )
    ),
)
HEAVY = (
    "torch",
    "parsl",
    "ase",
    "numpy",
    "pymatgen",
    "matplotlib",
    "MDAnalysis",
    "pandas",
    "pydantic",
    "rich.table",
)


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    program = "import sys, hopkin.drivers.cli; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) & set(HEAVY) == set()
    assert said.stderr == ""


LATE = (
    "torch",
    "parsl",
    "scipy",
    "pymatgen.core",
    "matplotlib",
    "MDAnalysis",
    "jinja2",
    "ase.io",
    "ase.spacegroup",
)


@pytest.mark.parametrize(
    "wing", ["crystals", "models", "hops", "bands", "workflows", "campaigns", "terminal"]
)
def test_a_wing_imports_what_only_some_of_its_commands_need_when_they_do(wing: str) -> None:
    program = f"import sys, hopkin.drivers.{wing}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) & set(LATE) == set()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(run: Run, words: list[str]) -> None:
    said = run(*words, "--help")
    assert said.code == 0
    assert "Usage:" in said.out
    assert "--help" in said.out
    assert " . " not in said.out  # [fs] would be swallowed as a style of rich
    assert said.err == ""


def test_version(run: Run) -> None:
    said = run("--version")
    assert (said.code, said.out) == (0, f"hopkin {metadata.version('hopkin')}\n")


@pytest.mark.parametrize(
    "words", [["models", "list"], ["materials"], ["hops", "NaFePO4-maricite"]], ids=" ".join
)
def test_a_pipe_gets_whole_words(words: list[str]) -> None:
    """Each row in one line, whatever the width of the terminal from which the pipe was made."""
    script = Path(sys.executable).parent / "hopkin"
    narrow = {**os.environ, "COLUMNS": "40", "TERM": "xterm"}
    ended = subprocess.run([script, *words], capture_output=True, text=True, env=narrow, check=True)
    heading, *rows = ended.stdout.splitlines()
    assert "\N{HORIZONTAL ELLIPSIS}" not in ended.stdout
    assert all(row[:1].strip() for row in rows)  # none is continued
    first = json.loads(
        subprocess.run([script, *words, "--json"], capture_output=True, text=True, check=True).stdout
    )[-1]
    if words == ["models", "list"]:
        assert any({first["name"], *first["training_set"].split()} <= set(row.split()) for row in rows)
    assert len(heading) > 40


def test_models_list_shows_what_there_is(run: Run) -> None:
    said = run("models", "list")
    assert said.code == 0
    for word in ("sevennet-0", "orb-v3-conservative-inf-omat", "orb, direct", "MPtrj", "ready", "MIT"):
        assert word in said.out


@pytest.mark.parametrize("width", ["20", "80", "300"])
def test_json_parses_at_any_width(run: Run, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    names = {model["name"] for model in json.loads(run("models", "list", "--json").out)}
    assert names >= {"sevennet-0", "chgnet-0.3.0"}
    model = json.loads(run("models", "show", "sevennet-0", "--json").out)
    assert model["golden_energy_eV_per_atom"] == pytest.approx(-6.82145)
    hops = json.loads(run("hops", "LiFePO4-olivine", "--json").out)
    assert hops[0]["length_A"] == pytest.approx(3.005, abs=1e-3)
    assert [hop["index"] for hop in hops] == list(range(len(hops)))


def test_materials_say_what_they_are_and_where_from(run: Run) -> None:
    listed = {material["name"]: material for material in json.loads(run("materials", "--json").out)}
    assert len(listed) == 39
    assert listed["NaNiPO4-maricite"]["substitution"] == "Co replaced by Ni"
    assert "mp-18245" in listed["NaNiPO4-maricite"]["citation"]
    assert listed["LiFePO4-olivine"]["space_group_symbol"] == "P n m a"
    shown = run("materials").out
    for word in ("Li20Si3P3S23Cl", "P 42 m c", "maricite", "mp-18245", "Streltsov 1993", "Na11Sn2PS12"):
        assert word in shown


def test_hops_of_a_file(run: Run, structure_file: Path) -> None:
    """Rock salt: 12 nearest lithium neighbours at a/sqrt(2), shared by two, on four sites."""
    said = run("hops", structure_file, "--max-length", 3.0, "--json")
    (hop,) = json.loads(said.out)
    assert (hop["length_A"], hop["multiplicity"]) == (pytest.approx(4.03 / 2**0.5), 24)
    assert hop["symmetric"] is True
    assert said.err == ""


def test_hops_of_sodium_need_no_ion(run: Run) -> None:
    hops = json.loads(run("hops", "NaFePO4-maricite", "--json").out)
    assert {hop["ion"] for hop in hops} == {"Na"}
    assert [hop["length_A"] for hop in hops[:2]] == pytest.approx([4.36, 4.59], abs=5e-3)
    assert {"bottleneck_A", "dimension", "dimension_up_to", "through_ion", "multiplicity"} <= set(hops[0])
    assert "bonds" not in hops[0]
    shown = run("hops", "LiCoO2-layered", "--max-length", 6).out
    assert "through Li" in shown
    assert "Shannon 1976" in shown


@pytest.mark.parametrize("suffix", ["extxyz", "vasp", "cif"])
@pytest.mark.parametrize(("mechanism", "vacancies"), [("vacancy", 1), ("divacancy", 2)])
def test_written_ends_correspond_atom_by_atom(
    run: Run, tmp_path: Path, suffix: str, mechanism: Mechanism, vacancies: int
) -> None:
    words = ("--write", tmp_path, "--format", suffix, "--mechanism", mechanism, "--supercell", 4, 4, 1)
    hops = json.loads(run("hops", "LiCoO2-layered", "--max-length", 6, *words, "--json").out)
    written = [hop for hop in hops if not hop["through_ion"]]
    assert len(list(tmp_path.iterdir())) == 2 * len(written) < 2 * len(hops)
    for hop in written:
        initial, final = (
            load_structure(
                str(tmp_path / f"LiCoO2-layered-hop{hop['index']}-{mechanism}-{end}.{suffix}")
            ).atoms
            for end in ("initial", "final")
        )
        assert len(initial) == 16 * 12 - vacancies
        moved = np.linalg.norm(displacements(initial, final), axis=1)
        assert np.sort(moved)[-2:] == pytest.approx([0.0, hop["length_A"]], abs=1e-4)
        assert initial.symbols[np.argmax(moved)] == "Li"


def test_hop_through_an_ion_is_no_hop_of_its_own(run: Run, emt: str) -> None:
    said = run("barrier", "LiCoO2-layered", "--model", emt, "--max-length", 6, "--hop", 3)
    assert said.code == 2
    assert "leads through another Li: that is two shorter hops in a row" in said.err


def test_image_distance_of_a_preset_can_be_changed(run: Run, tmp_path: Path) -> None:
    run("hops", "LiFePO4-olivine", "--write", tmp_path / "a", "--preset", "quick")
    run("hops", "LiFePO4-olivine", "--write", tmp_path / "b", "--image-distance", 10)
    atoms = [len(load_structure(str(next((tmp_path / name).glob("*hop0-*")))).atoms) for name in ("a", "b")]
    assert atoms[0] < atoms[1] == 111
    said = run("hops", "LiFePO4-olivine", "--write", tmp_path / "c", "--image-distance", -1)
    assert said.code == 2
    assert "--image-distance: wanted" in said.err


def test_doctor_tries_everything(run: Run) -> None:
    said = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(said.out)}
    for name in ("LAMMPS under MPI", "pair_style e3gnn", "pair_style hopkin", "cache of models"):
        assert checks[name]["works"], checks[name]
    assert "22 Jul 2025" in checks["LAMMPS under MPI"]["detail"]
    assert checks["family sevennet"]["detail"].startswith("sevennet-0")
    assert {"family chgnet", "family mace", "family grace"} <= set(checks)
    assert said.code == 0


def test_a_model_without_a_file_has_nothing_to_fetch(run: Run) -> None:
    said = run("models", "fetch", "ase:ase.calculators.emt:EMT")
    assert (said.code, said.out) == (0, "ase:ase.calculators.emt:EMT needs no file\n")


def test_fetch_prints_the_path_alone(run: Run, emt: str) -> None:
    said = run("models", "fetch", emt)
    assert said.code == 0
    assert Path(said.out.strip()).is_file()


def test_models_show_lists_the_options_of_a_family(run: Run) -> None:
    said = json.loads(run("models", "show", "mace-mp-0-small:dtype=float64", "--json").out)
    assert said["options"] == {"dtype": "float64"}
    accepted = {"dtype": ["float32", "float64"], "head": [], "route": ["native", "service", "mliap"]}
    assert said["options_of_family"] == accepted


def test_an_option_that_a_family_does_not_have_is_one_sentence(run: Run) -> None:
    said = run("models", "verify", "chgnet-0.3.0:dtype=float64")
    assert said.code == 2
    assert said.err.strip() == (
        "hopkin: model chgnet-0.3.0: family chgnet has no option dtype: accepted are route"
    )


def test_a_message_is_one_line_whatever_it_quotes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, models: [chgnet-0.3.0], barriers: [{structures: [LiTiS2-layered]}],"
        " references: known.csv}"
    )
    (tmp_path / "known.csv").write_text('"sys\ntem\x1b[31m",barrier_eV\nLiTiS2-layered,0.5\n')
    said = run("bench", tmp_path / "mine.yaml", "--dry-run")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert said.err.endswith(r"its columns are sys tem\x1b[31m, barrier_eV" + "\n")
