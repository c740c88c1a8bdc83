"""A user's mistake, or a machine that lacks something: one sentence, exit code 2, nothing half-written."""

import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import ase
import ase.io
import pytest
from ase.build import bulk
from command_line import Run

from hopkin.drivers import engine
from hopkin.drivers.engine import launch
from hopkin.drivers.models.registry import known_models
from hopkin.drivers.workflows import parity

CHGNET = "chgnet-0.3.0"
SEVENNET = "sevennet-0"


def written(out: Path) -> list[Path]:
    return sorted(out.rglob("*")) if out.exists() else []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def refused(run: Run, out: Path) -> Iterator[Run]:
    """Run a command that has to be refused in one sentence, and give the sentence."""

    def refused(*words: object) -> str:
        said = run(*words)
        assert said.code == 2, said
        assert said.out == ""
        sentences = said.err.splitlines()
        assert len(sentences) == 1, said.err
        assert sentences[0].startswith("hopkin: ")
        assert written(out) == []
        return sentences[0]

    return refused


# Structures


def test_missing_structure_file_is_named_with_the_nearest_name(refused: Run, structure_file: Path) -> None:
    sentence = refused("hops", structure_file.with_name("Lif.extxyz"))
    assert "no such file" in sentence
    assert "did you mean" in sentence
    assert "LiF.extxyz" in sentence


def test_unknown_material_lists_the_known_ones(refused: Run) -> None:
    sentence = refused("hops", "LiFePO4-olivin")
    assert "did you mean LiFePO4-olivine?" in sentence
    assert "`hopkin materials` lists them" in sentence


@pytest.mark.parametrize("content", ["", "this is no crystal\n", "data_x\n_cell_length_a 4.0\n"])
@pytest.mark.filterwarnings("ignore::UserWarning:ase")
def test_unreadable_structure_file(refused: Run, tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.cif"
    broken.write_text(content)
    assert "broken.cif" in refused("hops", broken)


POSCAR = "LiF\n1.0\n4 0 0\n0 4 0\n0 0 4\nLi F\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
XYZ = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nLi 0 0 0\nF 2 2 2\n'


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.foo", b"text\n", "x.foo is no structure file that is known, by its name or by what it holds"),
        ("x.json", b"{}", "x.json is no structure file that is known"),
        ("x.zip", b"PK\x03\x04", "x.zip is packed; accepted: the file itself, or one compressed as .gz"),
        ("x.vasp", POSCAR[:40].encode(), "x.vasp cannot be read as VASP POSCAR/CONTCAR: it is cut off"),
        ("x.xyz", XYZ[:-8].encode(), "of another kind (Frame has 1 atoms, expected 2)"),
        ("x.xyz", b"2\n\xff\xfe\x00\nLi 0 0 0\n", "of another kind (it is not text)"),
        ("vasprun.xml", b"<modeling>\n", "as VASP vasprun.xml file: it is cut off, damaged"),
        (
            "x.vasp.gz",
            gzip.compress(POSCAR.encode(), mtime=0)[:40],
            "x.vasp.gz cannot be decompressed: it is cut off",
        ),
        ("x.vasp.gz", POSCAR.encode(), "x.vasp.gz cannot be decompressed: it is cut off, damaged, or not"),
        ("x.vasp.bz2", POSCAR.encode(), "x.vasp.bz2 cannot be decompressed"),
        ("x.vasp.xz", POSCAR.encode(), "x.vasp.xz cannot be decompressed"),
    ],
)
def test_files_that_are_no_structures_are_refused_in_plain_words(
    refused: Run, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    said = refused("hops", tmp_path / name)
    assert sentence in said
    assert "Error" not in said


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_structures_are_read(run: Run, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[compress]
    (tmp_path / f"LiF.vasp.{suffix}").write_bytes(compress(POSCAR.encode()))
    said = run("hops", tmp_path / f"LiF.vasp.{suffix}")
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize("words", [["hops", ""], ["hops", " "], ["barrier", "", "--model", CHGNET]])
def test_structure_without_a_name(refused: Run, words: list[str]) -> None:
    assert "the structure has no name; accepted: a file, or a built-in material" in refused(*words)


def test_ends_without_names(refused: Run, out: Path) -> None:
    assert "the structure has no name" in refused("neb", "", "", "--model", CHGNET, "--out", out)


@pytest.mark.parametrize("command", [["barrier"], ["md", "-T", 800]])
def test_structure_without_the_ion(refused: Run, structure_file: Path, out: Path, command: list[str]) -> None:
    sentence = refused(*command, structure_file, "--model", CHGNET, "--ion", "Na", "--out", out)
    assert "holds no Na" in sentence
    assert "F, Li" in sentence


def test_ion_that_is_no_element(refused: Run, structure_file: Path) -> None:
    assert "'Lithium' is not an element symbol" in refused("hops", structure_file, "--ion", "Lithium")


@pytest.mark.parametrize("command", [["barrier"], ["md", "-T", 800]])
@pytest.mark.parametrize("model", [SEVENNET, CHGNET])
def test_element_that_the_model_does_not_cover(
    refused: Run, tmp_path: Path, out: Path, command: list[str], model: str
) -> None:
    bulk("LiAt", "rocksalt", a=6.0, cubic=True).write(tmp_path / "LiAt.cif")
    sentence = refused(*command, tmp_path / "LiAt.cif", "--model", model, "--out", out)
    assert f"model {model} does not cover At" in sentence
    assert "89 elements" in sentence


def test_overlapping_atoms(refused: Run, tmp_path: Path, rock_salt: ase.Atoms, out: Path) -> None:
    rock_salt.positions[1] = rock_salt.positions[0] + [0.3, 0.0, 0.0]
    rock_salt.write(tmp_path / "overlap.extxyz")
    sentence = refused("barrier", tmp_path / "overlap.extxyz", "--model", CHGNET, "--out", out)
    assert "atom 1 (Li)" in sentence
    assert "0.300 A apart" in sentence


def test_molecule(refused: Run, tmp_path: Path) -> None:
    ase.Atoms("LiF", positions=[[0, 0, 0], [0, 0, 1.6]]).write(tmp_path / "molecule.xyz")
    assert "not periodic" in refused("hops", tmp_path / "molecule.xyz")


# The two ends of a band


@pytest.fixture
def neb(refused: Run, tmp_path: Path, rock_salt: ase.Atoms, out: Path) -> Run:
    """Ask for a band from rock salt to another structure."""
    rock_salt.write(tmp_path / "initial.extxyz")

    def neb(final: ase.Atoms) -> str:
        final.write(tmp_path / "final.extxyz")
        ends = (tmp_path / "initial.extxyz", tmp_path / "final.extxyz")
        return refused("neb", *ends, "--model", CHGNET, "--out", out)

    return neb


def test_ends_of_different_size(neb: Run, rock_salt: ase.Atoms) -> None:
    assert "different numbers of atoms: 8 and 7" in neb(rock_salt[:-1])


def test_ends_in_different_order(neb: Run, rock_salt: ase.Atoms) -> None:
    """They are matched, and then there is nothing between them."""
    assert "the ends are the same structure" in neb(rock_salt[[1, 0, *range(2, 8)]])


def test_ends_of_different_species(neb: Run, rock_salt: ase.Atoms) -> None:
    rock_salt.symbols[0] = "Na"
    assert "atom 1 is Li in the initial and Na in the final" in neb(rock_salt)


def test_ends_of_different_cells(neb: Run, rock_salt: ase.Atoms) -> None:
    rock_salt.set_cell(rock_salt.cell * 1.01, scale_atoms=True)
    assert "different cells" in neb(rock_salt)


def test_ends_that_are_the_same(neb: Run, rock_salt: ase.Atoms) -> None:
    assert "the same structure" in neb(rock_salt)


# Numbers


@pytest.mark.parametrize("kelvin", ["0", "-300", "nan", "inf"])
def test_temperature(refused: Run, structure_file: Path, out: Path, kelvin: str) -> None:
    sentence = refused("md", structure_file, "--model", CHGNET, f"-T{kelvin}", "--out", out)
    assert "hopkin: --temperature: " in sentence
    assert f"received {float(kelvin)}" in sentence


def test_one_wrong_temperature_of_two_starts_neither(refused: Run, structure_file: Path, out: Path) -> None:
    refused("md", structure_file, "--model", CHGNET, "-T", 800, "-T", 0, "--out", out)


@pytest.mark.parametrize("images", [2, 0, -1, 100_000])
def test_images(refused: Run, structure_file: Path, out: Path, images: int) -> None:
    sentence = refused("barrier", structure_file, "--model", CHGNET, "--images", images, "--out", out)
    accepted = "greater than or equal to 3" if images < 3 else "less than or equal to 100"
    assert sentence == f"hopkin: --images: wanted a number {accepted}, received {images}"


@pytest.mark.parametrize("hop", ["7", "-1", "1.5", "first"])
def test_hop_number(refused: Run, structure_file: Path, out: Path, hop: str) -> None:
    sentence = refused("barrier", structure_file, "--model", CHGNET, f"--hop={hop}", "--out", out)
    assert f"no hop '{hop}' in LiF: accepted are 0 to" in sentence


def test_no_hop_within_reach(refused: Run, structure_file: Path, out: Path) -> None:
    words = ("--model", CHGNET, "--max-length", 1.0, "--out", out)
    assert "raise --max-length" in refused("barrier", structure_file, *words)


def test_supercell_too_small_for_the_hop(refused: Run, structure_file: Path, out: Path) -> None:
    words = ("--model", CHGNET, "--supercell", 1, 1, 1, "--out", out)
    assert "does not fit into a supercell whose images are 4.03 A apart" in refused(
        "barrier", structure_file, *words
    )


def test_supercell_of_no_cells(refused: Run, structure_file: Path, out: Path) -> None:
    words = ("--model", CHGNET, "--supercell", 0, 1, 1, "--out", out)
    for command in (["barrier"], ["md", "-T", 800]):
        sentence = refused(*command, structure_file, *words)
        assert sentence == "hopkin: --supercell: wanted a number greater than 0, received 0"


@pytest.mark.parametrize(
    "words", [["barrier"], ["md", "-T", 800], ["hops", "--write", "ends"]], ids=lambda words: words[0]
)
def test_supercell_far_too_large(refused: Run, structure_file: Path, out: Path, words: list[object]) -> None:
    model = () if words[0] == "hops" else ("--model", CHGNET, "--out", out)
    sentence = refused(*words, structure_file, *model, "--supercell", 1000, 1000, 1000)
    assert "the supercell has 8000000000 atoms; accepted: at most 100000" in sentence


@pytest.mark.parametrize(
    ("distance", "says"),
    [
        ("1e5", "hopkin: --image-distance: wanted a number less than or equal to 1000, received 100000.0"),
        ("1000", "atoms; accepted: at most 100000: ask for fewer repeats or a smaller distance"),
        ("nan", "hopkin: --image-distance: wanted a finite number, received nan"),
        ("-1", "hopkin: --image-distance: wanted a number greater than 0, received -1.0"),
    ],
)
def test_image_distance(refused: Run, structure_file: Path, out: Path, distance: str, says: str) -> None:
    words = ("--model", CHGNET, f"--image-distance={distance}", "--out", out)
    assert says in refused("barrier", structure_file, *words)


@pytest.mark.parametrize("words", [["--image-distance", "nan"], ["--supercell", 0, 1, 1]], ids=lambda w: w[0])
def test_hops_refuse_what_they_would_not_use(refused: Run, structure_file: Path, words: list[object]) -> None:
    assert ": wanted a " in refused("hops", structure_file, *words)


def test_one_atom_has_no_temperature(refused: Run, tmp_path: Path, out: Path) -> None:
    bulk("Li").write(tmp_path / "Li.extxyz")
    sentence = refused("md", tmp_path / "Li.extxyz", "--model", CHGNET, "-T", 300, "--out", out)
    assert "Li is one atom in a periodic cell, which has no temperature; accepted: at least 2" in sentence


@pytest.mark.parametrize(
    "option",
    [
        "time-ps",
        "equilibration-ps",
        "timestep-fs",
        "frame-interval-fs",
        "thermostat-damping-fs",
        "barostat-damping-fs",
        "min-edge",
    ],
)
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e300"])
def test_numbers_of_a_run(refused: Run, structure_file: Path, out: Path, option: str, number: str) -> None:
    words = ("--model", CHGNET, "-T", 300, f"--{option}={number}", "--out", out)
    sentence = refused("md", structure_file, *words)
    assert sentence.startswith(f"hopkin: --{option}: ")
    assert f"received {float(number)}" in sentence


@pytest.mark.parametrize("pressure", ["nan", "-inf", "1e300"])
def test_pressure(refused: Run, structure_file: Path, out: Path, pressure: str) -> None:
    words = ("--model", CHGNET, "-T", 300, f"--pressure-bar={pressure}", "--out", out)
    assert f"received {float(pressure)}" in refused("md", structure_file, *words)


def test_more_steps_than_lammps_counts(refused: Run, structure_file: Path, out: Path) -> None:
    words = ("--model", CHGNET, "-T", 300, "--timestep-fs", 1e-9, "--out", out)
    assert "55000000000000 steps of 1e-09 fs; accepted: at most 2147483647" in refused(
        "md", structure_file, *words
    )


@pytest.mark.parametrize("length", ["nan", "inf", "-1", "0", "1e5"])
@pytest.mark.parametrize("command", [["hops"], ["barrier", "--model", CHGNET]])
def test_longest_hop(refused: Run, structure_file: Path, command: list[str], length: str) -> None:
    sentence = refused(*command, structure_file, f"--max-length={length}")
    assert f"the longest hop is {float(length):g} A; accepted: a length above 0, up to 20 A" in sentence


@pytest.mark.parametrize(
    "words",
    [
        ["barrier", "LiF", "--model", CHGNET, "--rates", "-Tnan"],
        ["barrier", "LiF", "--model", CHGNET, "--rates", "-Tinf"],
        ["export", "vasp", "run", "--kpoint-density=nan"],
        ["export", "vasp", "run", "--kpoint-density=inf"],
        ["order", "x.cif", "-o", "y.cif", "--seed=-1"],
        ["order", "x.cif", "-o", "y.cif", "--oxidation", "Li=nan"],
        ["md", "LiF", "--model", CHGNET, "-T300", "--seeds=1000000000"],
        ["bench", "campaign.yaml", "--workers=0"],
    ],
    ids=" ".join,
)
def test_numbers_that_no_option_accepts(run: Run, words: list[str]) -> None:
    said = run(*words)
    assert said.code == 2
    assert "Invalid value" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("repeats", [(0, 1, 1), (-1, 1, 1), (1000, 1000, 1000)])
@pytest.mark.filterwarnings("ignore::UserWarning:ase")
def test_supercell_to_order(
    refused: Run, tmp_path: Path, structure_file: Path, repeats: tuple[int, ...]
) -> None:
    sentence = refused("order", structure_file, "-o", tmp_path / "y.cif", "--supercell", *repeats)
    assert "accepted: three integers >= 1" in sentence or "atoms; accepted: at most 5000" in sentence


def test_which_ion_moves_is_said_by_an_option(refused: Run, copper: Path) -> None:
    assert "no alkali metal: say which ion moves, by --ion (ion in a campaign)" in refused("hops", copper)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--time-ps", -1], "--time-ps: wanted a number greater than 0, received -1.0"),
        (["--time-ps", 0.1], "a run of 0.1 ps holds fewer than 3 intervals of frames, one each 100 fs"),
        (["--time-ps", 1e8], "run and equilibration have 55000000000 steps of 2 fs; accepted: at most"),
        (["--min-edge", 0], "--min-edge: wanted a number greater than 0, received 0.0"),
        (
            ["--min-edge", 9, "--supercell", 1, 1, 1],
            "repeats (--supercell) and the least edge (--min-edge) of a supercell exclude one another",
        ),
    ],
)
def test_wrong_options_are_named(
    refused: Run, structure_file: Path, out: Path, words: list[object], sentence: str
) -> None:
    said = refused("md", structure_file, "--model", CHGNET, "-T", 300, *words, "--out", out)
    assert said.startswith(f"hopkin: {sentence}")


def test_memory_that_does_not_suffice(refused: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def demanding(_: object) -> None:
        raise MemoryError("Unable to allocate 7 EiB")

    monkeypatch.setattr("hopkin.drivers.crystals.load_structure", demanding)
    assert "not enough memory: take a smaller cell or trajectory (Unable to" in refused("hops", "x")


def test_run_too_short_for_two_frames(refused: Run, structure_file: Path, out: Path) -> None:
    words = ("--model", CHGNET, "-T", 800, "--time-ps", 0.1, "--out", out)
    assert "fewer than 3 intervals" in refused("md", structure_file, *words)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["barrier", "x", "--model", CHGNET, "--preset", "best"], "'quick', 'paper'"),
        (["md", "x", "--model", CHGNET], "--temperature"),
        (
            ["md", "x", "--model", CHGNET, "-T", "hot"],
            "Invalid value for '-T' / '--temperature': Input should be a valid number",
        ),
        (["barrier", "x"], "--model"),
        (["barier"], "barrier"),
    ],
)
def test_usage_errors_name_what_is_wrong(run: Run, words: list[str], named: str) -> None:
    said = run(*words)
    assert said.code == 2
    assert named in " ".join(said.err.replace("│", "").split())
    assert "Traceback" not in said.err


# Models


def test_unknown_model(refused: Run, structure_file: Path, out: Path) -> None:
    sentence = refused("barrier", structure_file, "--model", "sevenet-0", "--out", out)
    assert "unknown model 'sevenet-0': did you mean sevennet-0" in sentence
    assert sentence.endswith(
        "accepted are those of `hopkin models list`, FAMILY:/path/to/checkpoint and ase:module:factory"
    )


def test_unknown_family(refused: Run, structure_file: Path, out: Path) -> None:
    sentence = refused("barrier", structure_file, "--model", "maze:/models/my.model", "--out", out)
    assert "unknown model family 'maze'" in sentence
    assert "accepted are sevennet, chgnet" in sentence


@pytest.mark.parametrize("family", ["sevennet", "chgnet"])
def test_checkpoint_of_another_family(refused: Run, structure_file: Path, out: Path, family: str) -> None:
    """Known by its hash."""
    other = known_models()[{"sevennet": CHGNET, "chgnet": SEVENNET}[family]]
    name = f"{family}:{other.checkpoint()}"
    sentence = refused("barrier", structure_file, "--model", name, "--out", out)
    assert f"a checkpoint of family {other.family}, not {family}" in sentence


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("family", ["sevennet", "chgnet"])
def test_foreign_checkpoint(refused: Run, structure_file: Path, out: Path, family: str) -> None:
    """Known by what it holds."""
    import torch

    path = structure_file.with_name("foreign.pt")
    torch.save({"epoch": 1, "weights": torch.zeros(3)}, path)
    name = f"{family}:{path}"
    sentence = refused("barrier", structure_file, "--model", name, "--trust", "--out", out)
    assert f"is no checkpoint of family {family}: it holds no " in sentence


@pytest.mark.parametrize("name", [SEVENNET, CHGNET])
def test_truncated_checkpoint(refused: Run, structure_file: Path, out: Path, name: str) -> None:
    model = known_models()[name]
    torn = structure_file.with_name("torn.pth")
    torn.write_bytes(model.checkpoint().read_bytes()[:-1024])
    wanted = f"{model.family}:{torn}"
    sentence = refused("barrier", structure_file, "--model", wanted, "--trust", "--out", out)
    assert f"is no checkpoint of family {model.family}: damaged, or no checkpoint of torch" in sentence


def test_missing_checkpoint(refused: Run, structure_file: Path, out: Path) -> None:
    sentence = refused("barrier", structure_file, "--model", "chgnet:/no/such.pth", "--out", out)
    assert "no such file: /no/such.pth" in sentence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ase:nowhere", "wanted ase:module:factory"),
        ("ase:/no/such.py:make", "no such file: /no/such.py"),
    ],
)
def test_ase_model_that_cannot_be_found(
    refused: Run, structure_file: Path, out: Path, name: str, says: str
) -> None:
    assert says in refused("barrier", structure_file, "--model", name, "--out", out)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("make = 1 / 0", "ZeroDivisionError"),
        ("def make(): import no_such_package", "no_such_package"),
        ("def other(): pass", "make"),
        ("def make(): return 42", "gave int, wanted an ASE calculator"),
        ("def make(): raise RuntimeError('no licence')", "no licence"),
    ],
)
def test_ase_model_that_cannot_be_made(
    run: Run, structure_file: Path, out: Path, content: str, says: str
) -> None:
    path = structure_file.with_name("calculator.py")
    path.write_text(content + "\n")
    said = run("barrier", structure_file, "--model", f"ase:{path}:make", "--out", out)
    assert said.code == 2, said
    assert says in said.err.splitlines()[-1]
    assert written(out) == []


# The machine


@pytest.fixture
def copper(tmp_path: Path) -> Path:
    """What EMT knows; each atom has a place to hop to within the cell."""
    path = tmp_path / "Cu.extxyz"
    bulk("Cu", cubic=True).repeat(2).write(path)
    return path


@pytest.fixture
def other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder in which hopkin looks for `mpirun` and `lmp`, there alone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine.lammps_version.cache_clear()
    return folder


def test_no_mpi_launcher(
    refused: Run, copper: Path, emt: str, out: Path, other_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    for command in (["barrier"], ["md", "-T", 300]):
        sentence = refused(*command, copper, "--ion", "Cu", "--model", emt, "--out", out)
        assert "no mpirun in this Python environment or on PATH: install the package mpich" in sentence


def test_no_lammps(refused: Run, copper: Path, emt: str, out: Path, other_machine: Path) -> None:
    (other_machine / "mpirun").write_text("#!/bin/sh\nexit 1\n")
    (other_machine / "mpirun").chmod(0o755)
    sentence = refused("barrier", copper, "--ion", "Cu", "--model", emt, "--out", out)
    assert "no lmp in this Python environment or on PATH: install the package lammps" in sentence


def test_lammps_that_does_not_start(
    refused: Run, copper: Path, emt: str, out: Path, other_machine: Path
) -> None:
    for name in ("mpirun", "lmp"):
        (other_machine / name).write_text("#!/bin/sh\nexit 1\n")
        (other_machine / name).chmod(0o755)
    sentence = refused("barrier", copper, "--ion", "Cu", "--model", emt, "--out", out)
    assert "LAMMPS does not start" in sentence
    assert "hopkin doctor" in sentence


def test_lammps_that_hangs(
    refused: Run, copper: Path, emt: str, out: Path, other_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "STARTS_WITHIN_S", 1.0)
    for name in ("mpirun", "lmp"):
        (other_machine / name).write_text("#!/bin/sh\nsleep 60\n")
        (other_machine / name).chmod(0o755)
    sentence = refused("barrier", copper, "--ion", "Cu", "--model", emt, "--out", out)
    assert "LAMMPS hangs: it has not said its version within 1 s" in sentence


VERSION_ALONE = """#!/bin/sh
for last; do :; done
test "$last" = -h && exec {mpirun} "$@"
sleep 60
"""


def test_lammps_that_hangs_in_the_parity_gate(
    run: Run, copper: Path, emt: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {name: engine.executable(name) for name in ("mpirun", "lmp")}
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lmp").symlink_to(real["lmp"])
    (tmp_path / "bin" / "mpirun").write_text(VERSION_ALONE.format(**real))
    (tmp_path / "bin" / "mpirun").chmod(0o755)
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(parity, "_POINT_S", 1.0)
    monkeypatch.setattr(parity, "_POINT_S_PER_ATOM", 0.0)
    said = run("barrier", copper, "--ion", "Cu", "--model", emt, "--out", out)
    assert said.code == 2, said
    sentence = "hopkin: single_point.in did not end within 1 s: LAMMPS hangs, or the machine is too slow"
    assert said.err.splitlines()[-1] == sentence
    assert written(out) == []


NOT_ENOUGH_SLOTS = """#!/bin/sh
# A stand-in for the mpirun of OpenMPI on a node with one slot; one rank runs under the real launcher.
test "$2" = 1 && exec {mpirun} "$@"
echo "There are not enough slots available in the system to satisfy the $2" >&2
echo "slots that were requested by the application:" >&2
exit 1
"""


def test_not_enough_slots(
    run: Run, copper: Path, emt: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {name: engine.executable(name) for name in ("mpirun", "lmp")}
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mpirun").write_text(NOT_ENOUGH_SLOTS.format(mpirun=real["mpirun"]))
    (folder / "mpirun").chmod(0o755)
    (folder / "lmp").symlink_to(real["lmp"])
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    crystal = ase.io.read(copper)
    assert isinstance(crystal, ase.Atoms)
    final = crystal[1:]
    final.positions[0] = crystal.positions[0]
    crystal[1:].write(tmp_path / "initial.extxyz")
    final.write(tmp_path / "final.extxyz")
    ends = (tmp_path / "initial.extxyz", tmp_path / "final.extxyz")
    said = run("neb", *ends, "--ion", "Cu", "--model", emt, "--out", out)
    assert said.code == 2, said
    last = said.err.splitlines()[-1]
    assert last.startswith("hopkin: the MPI launcher has not enough slots for relax.in")
    assert list(out.rglob("result.json")) == []
    assert list(out.rglob("*.part")) == []


def test_out_below_a_file(refused: Run, structure_file: Path) -> None:
    out = structure_file / "runs"
    sentence = refused("barrier", structure_file, "--model", CHGNET, "--out", out)
    assert f"cannot write {out}: Not a directory" in sentence


def test_out_where_nobody_may_write(refused: Run, structure_file: Path) -> None:
    sentence = refused("md", structure_file, "--model", CHGNET, "-T", 800, "--out", "/proc/runs")
    assert "cannot write /proc/runs: " in sentence


def test_full_disk(refused: Run, structure_file: Path, small_disk: Path) -> None:
    out = small_disk / "runs"
    sentence = refused("barrier", structure_file, "--model", CHGNET, "--out", out)
    assert f"the disk of {out} is full" in sentence
    assert written(out) == []


def test_report_onto_a_full_disk(refused: Run, tmp_path: Path) -> None:
    run = tmp_path / "finished" / "run"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}\n")
    assert "/dev/full: No space left on device" in refused("report", run.parent, "-o", "/dev/full")


def test_report_of_nothing(refused: Run, tmp_path: Path) -> None:
    assert "is not a folder" in refused("report", tmp_path / "nowhere", "-o", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_trajectory_that_is_missing(refused: Run, tmp_path: Path) -> None:
    assert "nowhere.dump" in refused("analyze", tmp_path / "nowhere.dump")


def test_the_script_itself(structure_file: Path) -> None:
    """The one test through the installed script: exit code and stderr are those of a process."""
    script = Path(sys.executable).parent / "hopkin"
    words = ["hops", str(structure_file), "--ion", "Na"]
    said = subprocess.run([script, *words], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == "hopkin: the structure holds no Na; it holds F, Li\n"
