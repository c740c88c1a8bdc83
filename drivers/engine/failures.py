"""Why a run of LAMMPS failed: the model, the machine, or whoever ended it."""

import re
import shutil
import signal
from pathlib import Path

from hopkin.drivers.errors import DivergenceError, LammpsError, MachineError, ScarcityError, ServiceError

_SERVICE_LOST = "the evaluation service was lost"  # as pair_styles/service_client.cpp says
_TAIL_LINES = 12
_FULL_DISK_BYTES = 1_000_000  # below this, files of LAMMPS are taken to be torn
_DIVERGED = re.compile(
    r"Lost atoms|Non-numeric|Out of range atoms|negative box|Illegal .*box|Neighbor list overflow",
    re.IGNORECASE,
)
# LAMMPS does not look for lost atoms between the steps of a band: MPI meets them, by the sizes of messages
_IMAGE_LOST_ATOMS = re.compile(r"Message truncated|MPI_ERR_TRUNCATE")
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


def logs_of(directory: Path) -> list[Path]:
    """Find the logs of a run: of the universe, and of each replica (`log.lammps.3`)."""
    return sorted({*directory.glob("log.lammps"), *directory.glob("log.lammps.[0-9]*")})


def failure_of(directory: Path, deck: str, code: int) -> LammpsError | MachineError | None:
    """Say why a deck failed, by its exit code and what LAMMPS and mpirun wrote; None where it did not."""
    full = shutil.disk_usage(directory).free < _FULL_DISK_BYTES
    if code == 0 and not full:
        return None
    lines = (directory / "lammps.out").read_text(errors="replace").splitlines()
    for log in logs_of(directory):
        lines += log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    joined = "\n".join(lines)
    if "not enough slots" in joined:
        return ScarcityError(
            f"the MPI launcher has not enough slots for {deck}: give the job more of them,"
            " or use fewer images"
        )
    if full or "No space left on device" in joined:
        return MachineError(f"the disk of {directory} is full")
    if _IMAGE_LOST_ATOMS.search(joined):
        return DivergenceError(f"{deck} failed in {directory}: an image of the band lost atoms")
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
