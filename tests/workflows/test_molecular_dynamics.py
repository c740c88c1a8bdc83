"""Molecular dynamics in LAMMPS: thermostat, conservation, and a run that is killed and started again."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import MDAnalysis
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from bands import Outcome, silent

from hopkin.analysis.trajectories.trajectory import read_trajectory
from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import Structure, load_structure
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.continuation import TRAJECTORY, whole_frames
from hopkin.drivers.workflows.dynamics import run_md

N_ATOMS = 64
FINAL = "start.final.data"
AMU_A2_PER_PS2 = units._amu * 1e4 / units._e  # in eV
LANDSCAPES = Path(__file__).parent / "landscapes.py"


def egg_box() -> ase.Atoms:
    """One atom in each well, lithium and carbon."""
    atoms = bulk("Li", "sc", a=3.0).repeat(4)
    atoms.symbols[::2] = "C"
    return atoms


@pytest.fixture(scope="module")
def md(
    tmp_path_factory: pytest.TempPathFactory, landscape: Callable[[str], Model], private_cache: Path
) -> Callable[..., Outcome]:
    """Run molecular dynamics of the egg box; a run that ended before is read."""
    root = tmp_path_factory.mktemp("runs")
    structure = Structure(atoms=egg_box(), material="egg-box", source="test")

    def md(**fields: Any) -> Outcome:
        model = landscape("EggBox")
        asked = {"model": model.name, "frame_interval_fs": 20, "timestep_fs": 1, "relax": False}
        asked["equilibration_ps"] = 0
        return run_md(structure, model, MDSpecification(**asked | fields), root, say=silent)

    return md


@pytest.fixture
def emt(tmp_path: Path) -> Model:
    path = tmp_path / "emt.py"
    path.write_text("from ase.calculators.emt import EMT\n\n\ndef make():\n    return EMT()\n")
    return find_model(f"ase:{path}:make")


def trajectory(directory: Path) -> dict[int, bytes]:
    """Frames of a trajectory by step; it is whole."""
    frames = list(whole_frames(directory / TRAJECTORY))
    assert gzip.decompress((directory / TRAJECTORY).read_bytes()) == b"".join(text for _, text in frames)
    assert len(dict(frames)) == len(frames)
    return dict(frames)


def steps(directory: Path) -> list[int]:
    """Steps of the frames of a trajectory."""
    return list(trajectory(directory))


def test_what_was_not_verified_is_verified_when_that_is_asked_for(
    tmp_path: Path, landscape: Callable[[str], Model], private_cache: Path
) -> None:
    model = landscape("EggBox")
    structure = Structure(atoms=egg_box(), material="egg-box", source="test")
    asked = {"temperature_K": 300, "time_ps": 0.06, "frame_interval_fs": 20, "timestep_fs": 1, "relax": False}
    specification = MDSpecification(model=model.name, **asked)
    _, first = run_md(structure, model, specification, tmp_path, verify=False, say=silent)
    assert (first["verified"], first["parity"]) == (False, None)
    _, second = run_md(structure, model, specification, tmp_path, say=silent)
    assert second["verified"]
    assert second["parity"]["force_difference_eV_per_A"] < 1e-6
    assert second["wall_s"] == first["wall_s"]  # it was not run again
    assert run_md(structure, model, specification, tmp_path, verify=False, say=silent)[1] == second


def test_nvt_has_its_temperature_and_conserves_its_quantity(md: Callable[..., Outcome]) -> None:
    """4 ps of 64 atoms, after 1 ps that is not looked at.

    The temperature fluctuates by T sqrt(2/3N), 10 %; its mean over many periods of the thermostat is
    within 5 %. The conserved quantity of Nose-Hoover drifts by less than kT per atom in 10 ns.
    """
    run, result = md(temperature_K=300, time_ps=4, equilibration_ps=1)
    assert result["failure"] is None
    assert result["temperature_mean_K"] == pytest.approx(300, rel=0.05)
    assert abs(result["energy_drift_eV_per_atom_per_ps"]) < 3e-5
    assert result["time_ps"] == pytest.approx(4.0)
    assert (result["n_atoms"], result["n_ions"]) == (N_ATOMS, N_ATOMS // 2)
    assert result["msd_A2_final"] < 1.0  # an atom in its well
    assert result["ns_per_day"] > 0
    assert steps(run.path) == list(range(1000, 5001, 20))
    assert (result["equilibration_ps"], result["thermostat_chain"]) == (1.0, 3)
    assert result["thermostat_damping_fs"] == 100.0
    assert {file.name for file in run.path.glob("[ms]*.*.*")} == {"start.final.data"}
    assert (run.path / "msd.csv").is_file()
    assert (run.path / "rdf.csv").is_file()


def test_nve_keeps_its_energy(md: Callable[..., Outcome]) -> None:
    """Velocity Verlet does not drift; half of the kinetic energy goes into the wells."""
    _, result = md(temperature_K=300, time_ps=2, ensemble="nve")
    assert abs(result["energy_drift_eV_per_atom_per_ps"]) < 1e-5
    assert result["temperature_mean_K"] == pytest.approx(150, rel=0.25)


def test_too_long_a_time_step_shows_in_the_drift(md: Callable[..., Outcome]) -> None:
    """The drift that is reported can be large: here w dt of carbon in its well comes near 2."""
    _, result = md(temperature_K=300, time_ps=2, ensemble="nve", timestep_fs=10, frame_interval_fs=100)
    drift = result["energy_drift_eV_per_atom_per_ps"]
    assert result["failure"] is not None or abs(drift) > 1e-5


def test_another_seed_is_another_run(md: Callable[..., Outcome]) -> None:
    runs = [md(temperature_K=300, time_ps=0.2, seed=seed) for seed in (1, 2)]
    assert len({run.path for run, _ in runs}) == 2
    first, second = (trajectory(run.path) for run, _ in runs)
    assert first[0] == second[0]
    assert first[200] != second[200]


def test_a_finished_run_is_read(md: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    run, result = md(temperature_K=300, time_ps=0.2)
    before = {str(file): file.stat().st_mtime_ns for file in run.path.rglob("*")}
    monkeypatch.setattr(engine, "run_deck", None)
    _, again = md(temperature_K=300, time_ps=0.2)
    assert again == result
    assert {str(file): file.stat().st_mtime_ns for file in run.path.rglob("*")} == before


def test_the_deck_stands_alone(md: Callable[..., Outcome], tmp_path: Path) -> None:
    """Only the deck, its data file and the model, elsewhere, and no hopkin process: the same trajectory."""
    run, _ = md(temperature_K=300, time_ps=0.2)
    for name in ("md.in", "start.data", "model.py"):
        shutil.copy(run.path / name, tmp_path)
    argv = [engine.executable("mpirun"), "-np", "1", engine.executable("lmp"), "-in", "md.in"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    assert trajectory(tmp_path) == trajectory(run.path)


def test_velocities_have_no_drift_and_the_exact_temperature(
    md: Callable[..., Outcome], tmp_path: Path
) -> None:
    """The deck up to its first step; equipartition is exact, with three degrees of freedom taken off."""
    run, _ = md(temperature_K=300, time_ps=0.2)
    for name in ("start.data", "model.py"):
        shutil.copy(run.path / name, tmp_path)
    made, _, _ = (run.path / "md.in").read_text().partition("thermo ")
    write = "run 0\nwrite_dump all custom v.dump mass vx vy vz modify format float %.15g\n"
    (tmp_path / "md.in").write_text(made + write)
    engine.run_deck(tmp_path, "md.in")
    mass, *velocity = np.loadtxt(tmp_path / "v.dump", skiprows=9).T
    assert mass @ np.transpose(velocity) == pytest.approx(np.zeros(3), abs=1e-9)
    kinetic_eV = mass @ (np.square(velocity).sum(axis=0)) / 2 * AMU_A2_PER_PS2
    assert 2 * kinetic_eV / (3 * (N_ATOMS - 1) * units.kB) == pytest.approx(300, rel=1e-5)


def test_mdanalysis_reads_the_trajectory(md: Callable[..., Outcome]) -> None:
    run, _ = md(temperature_K=300, time_ps=0.2, equilibration_ps=0.1)
    universe = MDAnalysis.Universe(
        str(run.path / "start.data"),
        str(run.path / TRAJECTORY),
        topology_format="DATA",
        atom_style="id type x y z",
        format="LAMMPSDUMP",
        dt=0.001,
    )
    ours = read_trajectory(run.path / TRAJECTORY, timestep_fs=1)
    assert [step.time for step in universe.trajectory] == pytest.approx(ours.times_ps)
    assert [step.time for step in universe.trajectory] == pytest.approx(np.arange(0.1, 0.301, 0.02))
    theirs = np.array([step.positions.copy() for step in universe.trajectory])
    assert theirs == pytest.approx(ours.positions, abs=1e-5)


def test_a_barostat_holds_its_pressure(tmp_path: Path, private_cache: Path, emt: Model) -> None:
    """Copper under 5 GPa shrinks by about 5/140 of its volume, bulk modulus of EMT's copper 134 GPa."""
    crystal = Structure(atoms=bulk("Cu", cubic=True).repeat(2), material="Cu", source="test")
    asked = MDSpecification(
        model=emt.name,
        ion="Cu",
        temperature_K=300,
        time_ps=1,
        equilibration_ps=0.4,
        timestep_fs=4,
        frame_interval_fs=40,
        ensemble="npt",
        pressure_bar=50000,
        barostat_damping_fs=200,
    )
    _, result = run_md(crystal, emt, asked, tmp_path, verify=False, say=silent)
    assert result["pressure_mean_bar"] == pytest.approx(50000, abs=8000)
    shrunk = 1 - result["volume_mean_A3"] / crystal.atoms.get_volume()
    assert 0.01 < shrunk < 0.05


# What goes wrong


def crystal_of_polyanions() -> Structure:
    """PS4 tetrahedra with lithium between them."""
    unit = 2.05 / np.sqrt(3) * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    atoms = ase.Atoms("PS4Li", positions=[*unit, [3.2, 3.2, 3.2]], cell=3 * [6.4], pbc=True)
    return Structure(atoms=atoms.repeat(2), material="PS4", source="test")


@pytest.mark.parametrize(
    ("structure", "failure", "evidence"),
    [
        (
            Structure(atoms=egg_box(), material="egg-box", source="test"),
            "melted",
            r"after .* ps, the framework has left its sites: C \d.\d A of 3.0 A",
        ),
        (crystal_of_polyanions(), "decomposed", r"after .* ps, \d+ of 32 bonds P-S are broken"),
    ],
)
def test_a_crystal_that_falls_apart_is_given_up(
    tmp_path: Path,
    landscape: Callable[[str], Model],
    private_cache: Path,
    structure: Structure,
    failure: str,
    evidence: str,
) -> None:
    """Nothing holds these atoms; the run would take minutes."""
    model = landscape("SlowVoid")
    asked = MDSpecification(
        model=model.name, temperature_K=2000, time_ps=50, timestep_fs=2, frame_interval_fs=20, relax=False
    )
    _, result = run_md(structure, model, asked, tmp_path, verify=False, say=silent)
    assert result["failure"] == failure
    assert re.match(evidence, result["evidence"])
    assert result["diffusivity_cm2_per_s"] is None
    assert result["wall_s"] < 60


def test_ions_that_stay_are_frozen(md: Callable[..., Outcome]) -> None:
    _, result = md(temperature_K=50, time_ps=10, timestep_fs=5, frame_interval_fs=100)
    assert result["failure"] == "frozen"
    assert re.match(r"no Li moved farther than 0\.\d\d A in 10 ps", result["evidence"])


def test_progress_says_speed_and_what_is_left(
    tmp_path: Path, landscape: Callable[[str], Model], private_cache: Path
) -> None:
    said: list[str] = []
    model = landscape("SlowEggBox")
    asked = {"temperature_K": 300, "time_ps": 0.2, "equilibration_ps": 0, "frame_interval_fs": 10}
    specification = MDSpecification(model=model.name, timestep_fs=1, relax=False, **asked)
    structure = Structure(atoms=egg_box(), material="egg-box", source="test")
    run_md(structure, model, specification, tmp_path, verify=False, say=said.append)
    pattern = r"molecular dynamics: 0\.\d\d of 0\.2 ps, \d+ K of 300 K, [\d.]+ ns/day, \d+ s left"
    assert any(re.fullmatch(pattern, text) for text in said), said


# Killed and started again


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> list[str]:
    """The command line of a run of 400 steps, each of at least 10 ms."""
    tmp_path = tmp_path_factory.mktemp("killed")
    egg_box().write(tmp_path / "box.extxyz")
    script = str(Path(sys.executable).parent / "hopkin")
    words = ["md", tmp_path / "box.extxyz", "--model", f"ase:{LANDSCAPES}:SlowEggBox", "-T", 300]
    words += ["--time-ps", 0.4, "--timestep-fs", 1, "--frame-interval-fs", 5]
    return [script, *map(str, words)]


def start(command: list[str], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, "--out", str(out), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def undisturbed(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the same run when nobody stops it."""
    run = start(command, tmp_path_factory.mktemp("undisturbed"))
    out, said = run.communicate(timeout=200)
    assert run.returncode == 0, said
    return Path(json.loads(out)[0]["directory"])


def wait_for_restart(hopkin: subprocess.Popen[str], out: Path) -> Path:
    """Directory of the run, once it has a second restart file and some frames beyond it."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert hopkin.poll() is None, hopkin.communicate()
        if found := list(out.glob("*/md.100.restart")):
            time.sleep(0.2)
            return found[0].parent
        time.sleep(0.02)
    raise AssertionError("no restart file")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.usefixtures("sigint_ends_children")
def test_a_killed_run_goes_on_where_it_was(
    command: list[str], undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The same trajectory as of a run that nobody stopped, to the last bit."""
    killed = start(command, tmp_path / "killed")
    try:
        directory = wait_for_restart(killed, tmp_path / "killed")
        if number == signal.SIGKILL:
            os.killpg(killed.pid, number)
        else:
            killed.send_signal(number)
        _, said = killed.communicate(timeout=30)
    finally:
        killed.kill()
    if number == signal.SIGINT:
        assert killed.returncode == 130
        assert said.splitlines()[-1] == "interrupted: the same command goes on where it was"
    assert not (directory / "result.json").exists()
    reached = [step for step, _ in whole_frames(directory / TRAJECTORY)][-1]
    assert 100 <= reached < 440

    again = start(command, tmp_path / "killed")
    out, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    (result,) = json.loads(out)
    assert Path(result["directory"]) == directory
    assert result["resumed_at_step"] in range(100, reached + 1, 50)
    assert steps(undisturbed) == list(range(40, 441, 5))
    assert trajectory(directory) == trajectory(undisturbed)
    assert (directory / FINAL).read_bytes() == (undisturbed / FINAL).read_bytes()  # positions and velocities
    expected = json.loads((undisturbed / "result.json").read_text())
    for key in ("time_ps", "msd_A2_final", "temperature_mean_K"):
        assert result[key] == pytest.approx(expected[key], rel=1e-5), key


# A real model


def test_chgnet_conserves_energy_and_its_deck_stands_alone(tmp_path: Path) -> None:
    """0.08 ps of LiCoO2 from its published cell, 12 atoms, single precision, 1 fs."""
    model = find_model("chgnet-0.3.0")
    asked = MDSpecification(
        model=model.name,
        temperature_K=600,
        time_ps=0.08,
        timestep_fs=1,
        frame_interval_fs=5,
        equilibration_ps=0,
        ensemble="nve",
        relax=False,
    )
    run, result = run_md(load_structure("LiCoO2-layered"), model, asked, tmp_path / "runs", say=silent)
    assert abs(result["energy_drift_eV_per_atom_per_ps"]) < 2e-3
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("md.in", "start.data"):
        shutil.copy(run.path / name, alone)
    argv = [engine.executable("mpirun"), "-np", "1", engine.executable("lmp"), "-in", "md.in"]
    subprocess.run(argv, cwd=alone, check=True, capture_output=True, timeout=500)
    ours, theirs = (read_trajectory(folder / TRAJECTORY, timestep_fs=1) for folder in (run.path, alone))
    assert theirs.positions == pytest.approx(ours.positions, abs=1e-3)
