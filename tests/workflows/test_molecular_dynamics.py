"""Molecular dynamics in LAMMPS: thermostat, conservation, and a run that is killed and started again."""

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
import numpy as np
import pytest
from ase.build import bulk
from bands import Outcome, silent

from hopkin.drivers import engine
from hopkin.drivers.models import Model, find_model
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.structures import Structure, load_structure
from hopkin.drivers.workflows.dynamics import run_md

N_ATOMS = 64
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
        return run_md(structure, model, MDSpecification(**asked | fields), root, say=silent)

    return md


def steps(directory: Path) -> list[int]:
    """Steps of the frames of a trajectory."""
    found = re.findall(r"ITEM: TIMESTEP\n(\d+)\n", (directory / "trajectory.dump").read_text())
    return [int(step) for step in found]


def last_frame(directory: Path) -> np.ndarray:
    """(n_atoms, 3) unwrapped positions at the end [A]."""
    rows = (directory / "trajectory.dump").read_text().splitlines()[-N_ATOMS:]
    return np.array([row.split()[3:6] for row in rows], dtype=np.float64)


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
    """The second half of 4 ps of 64 atoms.

    The temperature fluctuates by T sqrt(2/3N), 10 %; its mean over ten periods of the thermostat is
    within 5 %. The conserved quantity of Nose-Hoover drifts by less than kT per atom in 10 ns.
    """
    run, result = md(temperature_K=300, time_ps=4)
    assert result["failure"] is None
    assert result["temperature_mean_K"] == pytest.approx(300, rel=0.05)
    assert abs(result["energy_drift_eV_per_atom_per_ps"]) < 3e-5
    assert result["time_ps"] == pytest.approx(4.0)
    assert (result["n_atoms"], result["n_ions"]) == (N_ATOMS, N_ATOMS // 2)
    assert result["msd_A2_final"] < 1.0  # an atom in its well
    assert result["ns_per_day"] > 0
    assert steps(run.path) == list(range(0, 4001, 20))
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
    assert not np.allclose(last_frame(runs[0][0].path), last_frame(runs[1][0].path))


def test_a_finished_run_is_read(md: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    run, result = md(temperature_K=300, time_ps=0.2)
    before = {str(file): file.stat().st_mtime_ns for file in run.path.rglob("*")}
    monkeypatch.setattr(engine, "run_deck", None)
    _, again = md(temperature_K=300, time_ps=0.2)
    assert again == result
    assert {str(file): file.stat().st_mtime_ns for file in run.path.rglob("*")} == before


def test_the_deck_stands_alone(md: Callable[..., Outcome], tmp_path: Path) -> None:
    """Only the deck and its data file, elsewhere, and no hopkin process: the same trajectory."""
    run, _ = md(temperature_K=300, time_ps=0.2)
    for name in ("md.in", "start.data"):
        shutil.copy(run.path / name, tmp_path)
    argv = [engine.executable("mpirun"), "-np", "1", engine.executable("lmp"), "-in", "md.in"]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    assert steps(tmp_path) == steps(run.path)
    assert last_frame(tmp_path) == pytest.approx(last_frame(run.path), abs=1e-8)


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
def test_a_killed_run_goes_on_where_it_was(
    command: list[str], undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The same frames as of a run that nobody stopped: none missing, none twice, at the same places."""
    killed = start(command, tmp_path / "killed")
    directory = wait_for_restart(killed, tmp_path / "killed")
    if number == signal.SIGKILL:
        os.killpg(killed.pid, number)
    else:
        killed.send_signal(number)
    _, said = killed.communicate(timeout=30)
    if number == signal.SIGINT:
        assert killed.returncode == 130
        assert said.splitlines()[-1] == "interrupted: the same command goes on where it was"
    assert not (directory / "result.json").exists()
    reached = steps(directory)[-1]
    assert 100 <= reached < 400

    again = start(command, tmp_path / "killed")
    out, said = again.communicate(timeout=200)
    assert again.returncode == 0, said
    (result,) = json.loads(out)
    assert Path(result["directory"]) == directory
    assert result["resumed_at_step"] in range(100, reached + 1, 50)
    assert steps(directory) == steps(undisturbed) == list(range(0, 401, 5))
    assert last_frame(directory) == pytest.approx(last_frame(undisturbed), abs=1e-6)
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
    theirs, ours = (
        np.loadtxt(
            [line for line in (folder / "trajectory.dump").read_text().splitlines() if " Li " in line],
            usecols=(3, 4, 5),
        )
        for folder in (alone, run.path)
    )
    assert theirs == pytest.approx(ours, abs=1e-3)
