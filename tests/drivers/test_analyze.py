"""`hopkin analyze`: which files are which run, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.io.trajectory import Trajectory
from command_line import Run

BOLTZMANN = 8.617333e-5
ENERGY = 0.2


def walk(temperature: float, *, seed: int) -> np.ndarray:
    """(401, 21, 3) lithium that walks at random, by an Arrhenius law, and a sulfur at rest; every 0.1 ps."""
    rng = np.random.default_rng(seed)
    diffusivity = 6.0 * np.exp(-ENERGY / (BOLTZMANN * temperature))  # A^2/ps
    steps = rng.normal(scale=np.sqrt(2 * diffusivity * 0.1), size=(401, 20, 3))
    return np.concatenate([np.cumsum(steps, axis=0), np.zeros((401, 1, 3))], axis=1)


def write_traj(path: Path, temperature: float, *, seed: int) -> Path:
    with Trajectory(path, "w") as file:
        for frame in walk(temperature, seed=seed):
            file.write(ase.Atoms("Li20S", positions=frame, cell=15.0 * np.eye(3), pbc=True))
    return path


def write_dump(path: Path, temperature: float, *, seed: int) -> None:
    species = ["Li"] * 20 + ["S"]
    with path.open("w") as file:
        for k, frame in enumerate(walk(temperature, seed=seed)):
            file.write(f"ITEM: TIMESTEP\n{50 * k}\nITEM: NUMBER OF ATOMS\n21\nITEM: BOX BOUNDS pp pp pp\n")
            file.write("0 15\n0 15\n0 15\nITEM: ATOMS id type element xu yu zu\n")
            for i, (x, y, z) in enumerate(frame):
                file.write(f"{i + 1} {1 if i < 20 else 2} {species[i]} {x:.6f} {y:.6f} {z:.6f}\n")


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Run directories of molecular dynamics at three temperatures."""
    directories = []
    for k, temperature in enumerate((700.0, 900.0, 1200.0)):
        directory = tmp_path / f"run-{temperature:g}K"
        directory.mkdir()
        write_dump(directory / "trajectory.dump", temperature, seed=k)
        specification = {"ion": "Li", "temperature_K": temperature, "timestep_fs": 2.0}
        asked = {"kind": "md", "material": "Li2S", "specification": specification}
        (directory / "run.json").write_text(json.dumps(asked))
        directories.append(directory)
    return directories


def test_run_directories_at_several_temperatures_give_the_activation_energy(
    run: Run, runs: list[Path], tmp_path: Path
) -> None:
    said = run("analyze", *runs, "--json", "--out", tmp_path / "tables")
    assert said.code == 0
    table = json.loads(said.out)
    low, high = table["weighted"]["activation_energy_interval_95"]
    assert low < ENERGY < high
    assert table["weighted"]["extrapolated"] is True
    assert [result["temperature_K"] for result in table["results"]] == [700.0, 900.0, 1200.0]
    assert (tmp_path / "tables" / "run-900K" / "msd.csv").is_file()
    shown = run("analyze", *runs)
    assert "extrapolated" in shown.out
    assert "weighted: Ea 0." in shown.out


def test_files_with_a_temperature_each_are_runs_of_their_own(run: Run, tmp_path: Path) -> None:
    files = [write_traj(tmp_path / f"{t}.traj", float(t), seed=t) for t in (800, 1100)]
    said = run("analyze", *files, "-T", 800, "-T", 1100, "--frame-interval-fs", 100, "--json")
    assert json.loads(said.out)["weighted"]["activation_energy_eV"] == pytest.approx(ENERGY, abs=0.15)


def test_files_of_one_name_are_told_apart_by_their_folders(run: Run, tmp_path: Path) -> None:
    files = []
    for t in (800, 1100):
        (tmp_path / f"{t}K").mkdir()
        files.append(write_traj(tmp_path / f"{t}K" / "md.traj", float(t), seed=t))
    words = ("-T", 800, "-T", 1100, "--frame-interval-fs", 100, "--out", tmp_path / "tables")
    assert run("analyze", *files, *words).code == 0
    assert {folder.name for folder in (tmp_path / "tables").iterdir()} == {"800K-md.traj", "1100K-md.traj"}


def test_models_are_not_mixed_and_failed_runs_are_named(run: Run, runs: list[Path]) -> None:
    (runs[2] / "result.json").write_text(json.dumps({"failure": "melted"}))
    said = run("analyze", *runs, "--json")
    assert json.loads(said.out)["failed"] == {"run-1200K": "melted"}
    assert json.loads(said.out)["weighted"]["temperatures_K"] == [700.0, 900.0]
    assert "left out, melted: run-1200K" in run("analyze", *runs).out
    asked = json.loads((runs[1] / "run.json").read_text())
    asked["specification"]["model"] = "another"
    (runs[1] / "run.json").write_text(json.dumps(asked))
    said = run("analyze", *runs)
    assert said.code == 2
    assert "no Arrhenius fit over runs of more than one model: None, another" in said.err


def test_a_run_without_a_trajectory_is_left_out_and_named(run: Run, runs: list[Path], tmp_path: Path) -> None:
    (runs[1] / "trajectory.dump").unlink()
    said = run("analyze", *runs, "--json")
    assert said.code == 2
    assert json.loads(said.out)["weighted"]["temperatures_K"] == [700.0, 1200.0]
    assert said.err == (
        "hopkin: run-900K is left out: run-900K holds no trajectory.dump.gz or trajectory.dump: it is no run "
        "of molecular dynamics\n"
    )
    (runs[2] / "trajectory.dump").write_text("hello\n")
    said = run("analyze", *runs, "--json", "--out", tmp_path / "tables")
    assert said.code == 2
    assert json.loads(said.out)["temperature_K"] == 700.0
    assert "run-900K is left out: " in said.err
    assert "; run-1200K is left out: " in said.err
    assert said.err.count("\n") == 1
    assert {folder.name for folder in (tmp_path / "tables").iterdir()} == {"run-700K"}
    (runs[0] / "trajectory.dump").unlink()
    said = run("analyze", *runs)
    assert (said.code, said.out) == (2, "")


def test_a_directory_that_is_not_there_is_left_out_and_named(
    run: Run, runs: list[Path], tmp_path: Path
) -> None:
    said = run("analyze", *runs, tmp_path / "run-1500K", "--json")
    assert said.code == 2
    assert json.loads(said.out)["weighted"]["temperatures_K"] == [700.0, 900.0, 1200.0]
    assert "run-1500K is left out: cannot read " in said.err
    assert "No such file" in said.err


def test_an_analysis_loads_no_package_that_it_does_not_need(runs: list[Path]) -> None:
    heavy = {"torch", "MDAnalysis", "kinisi", "pymatgen.core", "matplotlib", "scipy.stats", "ase.io"}
    words = ["hopkin", "analyze", str(runs[0]), "--json"]
    program = (
        f"import sys\nfrom hopkin.drivers import cli\nsys.argv = {words}\ntry:\n    cli.main()\n"
        f"finally:\n    print(*({heavy} & set(sys.modules)), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["n_ions"] == 20
    assert done.stderr.split() == []


def test_a_file_with_a_temperature_of_its_own_is_left_out_alone(run: Run, tmp_path: Path) -> None:
    files = [write_traj(tmp_path / f"{t}.traj", float(t), seed=t) for t in (800, 1100, 1200)]
    files[1].write_bytes(b"CDF\x01")
    words = ("-T", 800, "-T", 1100, "-T", 1200, "--frame-interval-fs", 100, "--json")
    said = run("analyze", *files, *words)
    assert said.code == 2
    assert json.loads(said.out)["weighted"]["temperatures_K"] == [800.0, 1200.0]
    assert "1100.traj is left out: " in said.err
    assert "looks like a netCDF file" in said.err


def test_what_a_killed_rewriting_left_is_no_trajectory(run: Run, runs: list[Path]) -> None:
    (runs[0] / "trajectory.dump.part").write_bytes(b"torn")
    assert json.loads(run("analyze", runs[0], "--json").out)["time_ps"] == pytest.approx(40.0)


def test_one_run_directory_needs_no_options(run: Run, runs: list[Path], tmp_path: Path) -> None:
    said = run("analyze", runs[0], "--json", "--density", "--out", tmp_path / "tables")
    numbers = json.loads(said.out)
    assert numbers["temperature_K"] == 700.0
    assert numbers["time_ps"] == pytest.approx(40.0)
    assert numbers["conductivity_nernst_einstein_S_per_cm"] > 0
    assert {file.name for file in (tmp_path / "tables").iterdir()} == {
        "msd.csv", "rdf.csv", "coordination.csv", "density.cube",
    }  # fmt: skip


def test_hops_between_the_sites_of_a_structure(run: Run, runs: list[Path], tmp_path: Path) -> None:
    sites = tmp_path / "sites.extxyz"
    grid = np.array(list(np.ndindex(5, 5, 5))) * 3.0
    ase.Atoms("Li125", positions=grid, cell=15.0 * np.eye(3), pbc=True).write(sites)
    numbers = json.loads(run("analyze", runs[0], "--json", "--sites", sites).out)
    assert numbers["n_site_hops"] > 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["{0}", "{0}"], "two runs are named"),
        (["{0}", "{1}", "-T", "7e2", "-T", "7e2"], "all 2 runs are at 700 K; two different temperatures are"),
        (["{0}", "{0}/trajectory.dump"], "run directories and files together: pass the one or the other"),
        (["{0}", "-T", "700", "-T", "800"], "2 temperatures for 1 run(s): pass one -T for each, or none"),
        (["{0}", "--density"], "--density and --vibrations write files: say where with --out"),
        (["{0}", "--ion", "Na"], "no Na in the trajectory; it holds Li, S"),
        (["{0}", "--vibrations", "--out", "x"], "frame 0 has no velocities: dump vx vy vz as well"),
        (
            ["{0}/trajectory.dump"],
            "the file counts steps but not time: give --timestep-fs (timestep_fs in Python)",
        ),
        (["{0}/.."], "holds no trajectory.dump.gz or trajectory.dump: it is no run of molecular dynamics"),
    ],
)
def test_what_cannot_be_analysed_is_refused_with_one_sentence(
    run: Run, runs: list[Path], words: list[str], sentence: str
) -> None:
    said = run("analyze", *(word.format(*runs) for word in words))
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "species", [["Li P S"], ["Li,P,S"], ["Li", "P", "S"]], ids=["blanks", "commas", "each"]
)
@pytest.mark.parametrize(
    ("name", "time"),
    [("types_only.dump", ("--timestep-fs", 2)), ("XDATCAR_vasp4", ("--frame-interval-fs", 100))],
)
def test_files_without_elements_are_read_with_species(
    run: Run, shared_data: Path, name: str, time: tuple[str, float], species: list[str]
) -> None:
    words = [word for symbols in species for word in ("--species", symbols)]
    said = run("analyze", shared_data / "cases" / name, *words, *time, "--json")
    numbers = json.loads(said.out)
    assert (numbers["ion"], numbers["n_ions"], said.err) == ("Li", 12, "")
    assert numbers["diffusivity_windowed_cm2_per_s"] == pytest.approx(5e-5, abs=numbers["diffusivity_std"])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "types_only.dump",
            "does not say which elements its atom types 1, 2, 3 are: give --species with a symbol",
        ),
        (
            "XDATCAR_vasp4",
            "is an XDATCAR of VASP 4, which names no elements: give --species with one for each of",
        ),
    ],
)
def test_files_without_elements_ask_for_species(
    run: Run, shared_data: Path, name: str, sentence: str
) -> None:
    said = run("analyze", shared_data / "cases" / name, "--timestep-fs", 2)
    assert said.code == 2
    assert sentence in said.err
