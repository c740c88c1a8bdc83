"""A run that is killed again and again ends as it would have ended undisturbed, to the last bit."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import ase
import ase.io
import pytest
from ase.build import bulk
from bands import silent

from hopkin.drivers.crystals.structures import Structure, lammps_orientation, load_structure
from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.continuation import TRAJECTORY, step_of, thermo_row, whole_frames
from hopkin.drivers.workflows.dynamics import _simulate, schedule_of
from hopkin.drivers.workflows.monitor import Monitor

KILLS = 20
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
FINAL = "start.final.data"
# Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), eV and A
SILICON = "Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"


def silicon() -> ase.Atoms:
    """64 atoms in a triclinic cell, so that the rounding of positions in it is seen."""
    atoms = bulk("Si", "diamond", a=5.431, cubic=True).repeat(2)
    cell = atoms.cell.array.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 0.8, -0.4, 0.6
    atoms.set_cell(cell, scale_atoms=True)
    return lammps_orientation(atoms)


@pytest.fixture
def stillinger_weber(tmp_path: Path) -> Model:
    """What `_simulate` asks of a model, for a pair style of LAMMPS itself."""
    (tmp_path / "Si.sw").write_text(SILICON)
    model = SimpleNamespace(
        name="Si.sw",
        pair_style="sw",
        route="native",
        pair_coeff=lambda: str(tmp_path / "Si.sw"),
        file=lambda: None,
        interpreter=lambda: Path(sys.executable),
        require_unchanged=lambda: None,
    )
    return cast(Model, model)


def process_in(directory: Path) -> int | None:
    """Process ID of the LAMMPS at work in a directory, not of the script that started it."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program, place = (os.readlink(process / name) for name in ("exe", "cwd"))
            if program.endswith("/lmp") and place == str(directory):
                return int(process.name)
        except OSError:
            continue
    return None


def steps_done(directory: Path) -> int:
    """Step of the last line of thermo output."""
    log = directory / "log.lammps"
    if not log.is_file():
        return 0
    with log.open("rb") as file:
        file.seek(-min(1000, log.stat().st_size), os.SEEK_END)
        rows = [row for line in file.read().decode().splitlines() if (row := thermo_row(line))]
    return int(rows[-1][0]) if rows else 0


@contextmanager
def killer(directory: Path, wait_for_step: int) -> Iterator[None]:
    """SIGKILL for the LAMMPS at work in a directory, once it has come to a step."""
    ended = threading.Event()

    def kill() -> None:
        process = None
        while not ended.wait(0.001):
            process = process or process_in(directory)
            if process and steps_done(directory) >= wait_for_step:
                os.kill(process, signal.SIGKILL)
                return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def simulate(atoms: ase.Atoms, model: Model, directory: Path, **fields: Any) -> dict[str, Any]:
    specification = MDSpecification(model=model.name, ion=atoms.symbols[0], **fields)
    structure = Structure(atoms=atoms, material="crystal", source="test")
    directory.mkdir(exist_ok=True)
    schedule = schedule_of(specification)
    return _simulate(structure, atoms, model, specification, schedule, directory, say=silent)


def kill_again_and_again(atoms: ase.Atoms, model: Model, tmp_path: Path, **fields: Any) -> None:
    """Compare bytes: positions and velocities at the end, and every frame."""
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    simulate(atoms, model, undisturbed, **fields)
    random.seed(7)
    every = schedule_of(MDSpecification(model=model.name, **fields))["restart_every"]
    start, kills = 0, 0
    while kills < KILLS:
        with killer(killed, start + random.randint(every // 10, 3 * every)):
            try:
                simulate(atoms, model, killed, **fields)
                break
            except MachineError:
                kills += 1
        start = max((int(file.name.split(".")[1]) for file in killed.glob("md.*.restart")), default=0)
    assert kills == KILLS
    resumed = simulate(atoms, model, killed, **fields)["resumed_at_step"]
    assert resumed > 0
    frames = dict(whole_frames(undisturbed / TRAJECTORY))
    assert dict(whole_frames(killed / TRAJECTORY)) == frames
    assert len(list(whole_frames(killed / TRAJECTORY))) == len(frames)
    assert (killed / FINAL).read_bytes() == (undisturbed / FINAL).read_bytes()


@pytest.mark.parametrize(
    "ensemble", ["nvt", *(pytest.param(name, marks=pytest.mark.slow) for name in ("npt", "nve"))]
)
def test_twenty_kills(stillinger_weber: Model, tmp_path: Path, ensemble: str) -> None:
    """22000 steps; in NVE, the ensemble changes on the way."""
    asked = {"temperature_K": 600, "time_ps": 20, "equilibration_ps": 2, "timestep_fs": 1}
    kill_again_and_again(
        silicon(), stillinger_weber, tmp_path, frame_interval_fs=50, ensemble=ensemble, **asked
    )


@pytest.mark.slow
def test_twenty_kills_of_a_machine_learned_potential(tmp_path: Path) -> None:
    model = find_model("grace-small-lfp")
    fetch(model)
    asked = {"temperature_K": 600, "time_ps": 0.5, "equilibration_ps": 0.1, "timestep_fs": 1}
    atoms = load_structure("LiFePO4-olivine").atoms
    kill_again_and_again(atoms, model, tmp_path, frame_interval_fs=2, **asked)


def files_of_steps(directory: Path) -> dict[str, int]:
    files = (*directory.glob("md.*.restart"), *directory.glob("state.*.dump"))
    return {file.name: step_of(file) for file in files}


def test_what_other_weights_left_is_not_gone_on_from(
    stillinger_weber: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is overwritten while LAMMPS runs, which Ctrl-C ends, and comes back."""
    checks = iter(["whole", "whole", "whole", "overwritten", "whole", "whole"])  # two for each run

    def require_unchanged() -> None:
        if next(checks) == "overwritten":
            raise ModelError("Si.sw was overwritten while hopkin was at work")

    monkeypatch.setattr(stillinger_weber, "require_unchanged", require_unchanged)
    place = tmp_path / "md"
    asked = {"temperature_K": 600, "time_ps": 20, "equilibration_ps": 0, "frame_interval_fs": 50}
    go_on = partial(simulate, silicon(), stillinger_weber, place, **asked)
    watch = Monitor.__call__
    started_from = 0

    def interrupt(monitor: Monitor) -> None:
        watch(monitor)
        if max(files_of_steps(place).values(), default=0) > started_from + 2000:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            go_on()
        started_from = max(step_of(file) for file in place.glob("md.*.restart"))
        with pytest.raises(ModelError, match="overwritten"):
            go_on()
    left = files_of_steps(place)
    assert f"md.{started_from}.restart" in left
    assert max(left.values()) == started_from
    resumed = go_on()
    assert resumed["resumed_at_step"] == started_from


SLOW_COPPER = """
import time
from ase.calculators.emt import EMT


class Slow(EMT):
    def calculate(self, *arguments, **options):
        time.sleep(0.002)
        super().calculate(*arguments, **options)
"""

VICTIMS = {
    "broker": "service.broker",
    "evaluator": "service.broker",
    "LAMMPS": "lammps/lmp",
    "mpirun": "bin/mpirun",
    "hopkin": "bin/hopkin",
}


def processes(word: str, of: str) -> list[int]:
    """Processes whose command line, or folder, holds both words."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\\0", b" ").decode(errors="replace")
            place = os.readlink(entry / "cwd")
        except OSError:
            continue
        if word in line and (of in line or of in place):
            found.append(int(entry.name))
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_of_whoever_is_at_work(tmp_path: Path, seed: int) -> None:
    """Services, LAMMPS and launchers at random moments: the same bits at the end, and nobody is left."""
    (tmp_path / "slow.py").write_text(SLOW_COPPER)
    ase.io.write(tmp_path / "copper.cif", bulk("Cu", cubic=True) * (2, 2, 2))
    dice = random.Random(seed)
    words = ["md", tmp_path / "copper.cif", "--model", f"ase:{tmp_path / 'slow.py'}:Slow", "--ion", "Cu"]
    words += ["-T", 600, "--time-ps", 3, "--timestep-fs", 1, "--frame-interval-fs", 5, "--no-verify"]
    program = str(Path(sys.executable).with_name("hopkin"))

    def command(folder: str) -> "subprocess.Popen[str]":
        asked = [program, *map(str, words), "--out", str(tmp_path / folder)]
        return subprocess.Popen(
            asked, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=ONE_THREAD
        )

    undisturbed = command("undisturbed")
    _, said = undisturbed.communicate()
    assert undisturbed.returncode == 0, said
    frames = dict(whole_frames(next((tmp_path / "undisturbed").glob("*-600K-*")) / TRAJECTORY))
    final = (next((tmp_path / "undisturbed").glob("*-600K-*")) / FINAL).read_bytes()
    kills, rounds = 0, 0
    while kills < KILLS:
        rounds += 1
        while True:
            running = command(f"killed-{rounds}")
            time.sleep(dice.uniform(0.8, 3.0))
            there = {
                name: found for name, word in VICTIMS.items() if (found := processes(word, str(tmp_path)))
            }
            victim = dice.choice(sorted(there)) if there else ""
            if victim:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(there[victim][-1 if victim == "evaluator" else 0], signal.SIGKILL)
                    kills += 1
            _, said = running.communicate(timeout=120)
            assert "Traceback" not in said, said
            if running.returncode == 0:
                break
            last = said.strip().splitlines()[-1] if said.strip() else ""
            assert running.returncode == -signal.SIGKILL or last.startswith("hopkin: "), (victim, said)
        run = next((tmp_path / f"killed-{rounds}").glob("*-600K-*"))
        assert dict(whole_frames(run / TRAJECTORY)) == frames
        assert (run / FINAL).read_bytes() == final
    end = time.monotonic() + 20
    while processes("service.broker", str(tmp_path)) or processes("lmp", str(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.1)
