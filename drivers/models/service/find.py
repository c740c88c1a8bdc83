"""Finds the service of a deck's model, and has it started where there is none: prints its socket.

`pair_style hopkin` runs this file where HOPKIN_SERVICE names no service: in each rank of a deck that is run
alone. It imports nothing but the standard library until a service has to be started.
"""

import fcntl
import hashlib
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def directory() -> Path:
    """Private folder of this user's services on this node.

    Raises
    ------
    PermissionError
        when the folder is another user's, or others may enter it
    """
    uid = os.getuid()
    at_home = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nowhere")
    folder = at_home / "hopkin" if _is_private(at_home) else Path(tempfile.gettempdir()) / f"hopkin-{uid}"
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
def locked(path: Path) -> Iterator[None]:
    """Keep other processes of this user from starting the same service; the kernel frees what is killed."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _record(model: str) -> Path:
    """File that remembers the socket of the model that a deck names, from where LAMMPS runs."""
    named = [model, sys.executable, *(os.environ.get(name, "") for name in ("HOPKIN_DEVICE", "PYTHONPATH"))]
    named += [str(sorted(os.sched_getaffinity(0))), Path("/proc/self/cgroup").read_text()]
    for path in re.split(r":(?=[./\w])", model):  # FAMILY:PATH, ase:PATH:FACTORY, options after it
        try:
            known = Path(path).expanduser().stat()
        except OSError:
            continue
        named += [str(Path(path).resolve()), f"{known.st_ino} {known.st_size} {known.st_mtime_ns}"]
    return directory() / f"{hashlib.sha256(' '.join(named).encode()).hexdigest()[:16]}.deck"


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
    command = [sys.executable, "-P", "-m", "hopkin.drivers.models.service.lease", model]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
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
