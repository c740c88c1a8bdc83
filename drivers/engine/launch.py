"""Starts LAMMPS: the one place where hopkin runs it."""

import contextlib
import ctypes
import logging
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from hopkin.drivers.engine.failures import failure_of, logs_of
from hopkin.drivers.engine.program import executable, program
from hopkin.drivers.errors import DeckError, LammpsError, MachineError

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

_WORD = re.compile(r"[A-Za-z0-9+._-]+")  # its value stands in the deck wherever the variable does
_POLL_S = 0.5
STARTS_WITHIN_S = 300.0
"""A LAMMPS that computes nothing has ended by then [s]: its libraries may come from a slow network disk."""

HANGS_AFTER_S = 3600.0
"""A LAMMPS that has written nothing for so long [s] hangs: bands tell of every fifth step."""

_LIBC = ctypes.CDLL(None)  # loaded here, because nothing may be between fork and exec
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@cache
def lammps_version() -> str:
    """Version of LAMMPS, such as `22 Jul 2025 - Update 4`."""
    mpirun = executable("mpirun")
    lammps, variables = program()
    argv = [mpirun, "-np", "1", lammps, "-h"]
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
        *(str(mpirun), "-np", str(replicas), *codes, program()[0]),
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
    for stale in logs_of(directory):
        stale.unlink()
    _logger.info("%s: %s", directory, " ".join(argv))
    variables_of_lammps = {
        **ENVIRONMENT,
        **os.environ,
        **program()[1],
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
    if error := failure_of(directory, deck, process.returncode):
        raise error
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
