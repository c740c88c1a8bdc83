"""Finds the service of a deck's model, and has it started where there is none: prints its socket.

`pair_style hopkin` runs this file where HOPKIN_SERVICE names no service of this node: in each rank of a deck
that is run alone. It imports nothing but the standard library until a service has to be started.
"""

import fcntl
import hashlib
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A launcher of MPI may bind its ranks to cores; the service is for all of them.
_LAUNCHERS = re.compile(r"mpi(run|exec)|hydra|orte|prte|slurmstepd|srun")
_START = "from hopkin.drivers.models.service.lease import main; main()"
_TEMPORARY = Path("/tmp")  # of this node, whatever TMPDIR says


def directory() -> Path:
    """Private folder of this user's services on this node.

    Raises
    ------
    PermissionError
        when the folder is another user's, or others may enter it
    """
    at_home = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere")
    folder = at_home / "hopkin" if _is_private(at_home) else _TEMPORARY / f"hopkin-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError(f"{folder} has to be a folder that this user alone may enter")
    return folder


def _is_private(folder: Path) -> bool:
    try:
        known = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(known.st_mode) and known.st_uid == os.getuid() and not known.st_mode & 0o077


def surroundings(model: str, cores: set[int]) -> list[str]:
    """Tell what a service depends on beside its model: node, job, cores, accelerators, packages."""
    names = ("SLURM_JOB_ID", "PBS_JOBID", "HOPKIN_DEVICE", "CUDA_VISIBLE_DEVICES", "PYTHONPATH")
    found = [os.uname().nodename, *(os.environ.get(name, "") for name in names), str(sorted(cores))]
    # the factory of a calculator of the user's own may look where it is run
    return [*found, str(Path.cwd())] if model.startswith("ase:") else found


def named_by(parts: list[str]) -> str:
    """Name a file by all that it depends on."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]


def connected(path: Path | str) -> socket.socket | None:
    """Connect to a service; None where none answers there any more."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        return None
    return client


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Keep others of this user from starting the same service, by a descriptor that can be handed on."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def launcher_cores() -> set[int]:
    """Cores of the launcher of this rank; without one, of this process."""
    process = os.getppid()
    with suppress(OSError, ValueError, IndexError):
        for _ in range(8):
            status = Path(f"/proc/{process}/status").read_text()
            if _LAUNCHERS.search(status.splitlines()[0]):
                return os.sched_getaffinity(process)
            process = int(status.split("PPid:")[1].split()[0])
    return os.sched_getaffinity(0)


def _record(model: str) -> Path:
    """File that remembers the socket of the model that a deck names, from where LAMMPS runs."""
    here = Path(__file__)
    named = [model, sys.executable, str(here.stat().st_mtime_ns), *surroundings(model, launcher_cores())]
    for path in re.split(r":(?=[./\w~])", model):  # FAMILY:PATH, ase:PATH:FACTORY, options after it
        with suppress(OSError, RuntimeError):
            place = Path(path).expanduser()
            known = place.stat()
            named += [str(place.resolve()), f"{known.st_ino} {known.st_size} {known.st_mtime_ns}"]
    return directory() / f"{named_by(named)}.deck"


def main() -> None:
    """Print the socket of the service of the model on the command line, or one sentence."""
    # LAMMPS takes bytes that are not ASCII out of its input, and may leave half a character
    model = os.fsencode(sys.argv[1]).decode(errors="replace")
    try:
        record = _record(model)
        with locked(record):
            path = record.read_text()
            if path and (client := connected(path)):
                client.close()
            else:
                path = _started(model)
                record.write_text(path)
    except RuntimeError as error:
        say(str(error))
        sys.exit(1)
    except OSError as error:
        say(f"the evaluation service cannot be found: {error}")
        sys.exit(1)
    say(path)


def _started(model: str) -> str:
    """Have a service started by an interpreter with hopkin's packages; return its socket."""
    ended = subprocess.run([sys.executable, "-P", "-c", _START, model], stdout=subprocess.PIPE, check=False)
    said = ended.stdout.decode(errors="replace")
    if ended.returncode != 0:
        code = ended.returncode
        raise RuntimeError(said or f"the evaluation service could not be started: exit code {code}")
    return said


def say(words: str) -> None:
    """Tell the pair style, whatever the locale is."""
    sys.stdout.buffer.write(words.encode(errors="replace"))


if __name__ == "__main__":
    main()
