"""Services that this process holds: started where there is none, kept until the process ends."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopkin.drivers.engine import ENVIRONMENT, environment_of, hopkin_hash
from hopkin.drivers.errors import MachineError, ModelError, one_sentence
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.models.service.find import (
    connected,
    directory,
    launcher_cores,
    locked,
    named_by,
    say,
    surroundings,
)
from hopkin.drivers.models.service.protocol import (
    LONGEST_MESSAGE,
    Request,
    prepare_request,
    read_answer,
    request,
)

_TAIL_LINES = 3
_TRIES = 3
_PATIENCE_S = 2.0  # for a service that is asked how it is
_KEPT_S = 7 * 86400.0  # files of services that have not run for so long are removed

_guards: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
_held: dict[Path, socket.socket] = {}
_processors: set[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that runs.

    Attributes
    ----------
    model
        name of its model
    process
        its process
    devices, cores
        what it evaluates on
    clients
        how many LAMMPS processes are connected
    """

    model: str
    process: int
    devices: list[str]
    cores: int
    clients: int


def take_processors(processors: Iterable[int]) -> None:
    """Give the services that this process starts these cores; else they have those of the process."""
    global _processors
    _processors = set(processors)


def service_of(model: Model) -> Path:
    """Socket of the service of a model, which is there until this process ends.

    Raises
    ------
    ModelError
        when the model cannot be loaded
    MachineError
        when its process ends without a word: killed, out of memory, or its environment is broken
    """
    path = _socket_of(model)
    with _guards[path]:
        for _ in range(_TRIES):  # one may end at the moment when it is found
            if (holder := connected(path)) is not None:
                if path in _held:
                    _held[path].close()
                _held[path] = holder
                return path
            start(model)
    raise MachineError(f"the evaluation service of {model.name} ends as soon as it has been started")


def prepare(model: Model, elements: Iterable[str] = ()) -> None:
    """Have the service of a model start, and be ready for some elements, while this process goes on.

    What fails then, `service_of` tells.
    """

    def begin() -> None:
        with contextlib.suppress(Exception):
            path = service_of(model)
            if elements:
                _held[path].send(prepare_request(set(elements)))

    if model.route != "native":
        threading.Thread(target=begin, daemon=True).start()


def start(model: Model) -> Path:
    """Have a service run, for whoever connects at once; return its socket."""
    require_served(model)
    path = _socket_of(model)
    with locked(path.with_suffix(".lock")) as lock:
        holder = connected(path)
        if holder is not None:
            holder.close()
        else:
            _launch(model, path, lock)
    return path


def require_served(model: Model) -> None:
    """Raise ModelError where LAMMPS evaluates a model itself."""
    if model.route == "native":
        raise ModelError(f"model {model.name} runs natively: use pair_style {model.pair_style}")


def wait_for(path: Path) -> None:
    """Wait for a service that this process holds to end."""
    while _held[path].recv(LONGEST_MESSAGE):  # it says nothing to one that asks nothing
        pass


def services() -> list[Service]:
    """Services of this user on this node."""
    found = []
    for path in sorted(_folder().glob("*.socket")):
        if (known := _status_of(path)) is not None:
            known.pop("evaluators")
            found.append(Service(**known))
    return found


def peak_memory(model: Model) -> int:
    """Most memory that a process has had which evaluates a model in its service now [bytes]; 0: none does."""
    known = None if model.route == "native" else _status_of(_socket_of(model))
    peaks = [0]
    for process in known["evaluators"] if known else ():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text()
            peaks += [1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks)


def _status_of(path: Path) -> dict[str, Any] | None:
    """Ask a service how it is; None where none answers."""
    client = connected(path)
    if client is None:
        return None
    with client:
        client.settimeout(_PATIENCE_S)
        try:
            client.send(request(Request.STATUS))
            known: dict[str, Any] = json.loads(read_answer(client.recv(LONGEST_MESSAGE))[1])
        except (OSError, ValueError):
            return None
    return known


def _folder() -> Path:
    try:
        return directory()
    except OSError as error:
        raise MachineError(f"evaluation services have no place: {error}") from error


def _socket_of(model: Model) -> Path:
    """Path of the socket of a model's service."""
    named = [model.name, model.sha256 or model.checkpoint_sha256(), str(model.options), hopkin_hash()]
    named += [str(model.interpreter().parent), *surroundings(model.name, _cores())]
    return _folder() / f"{named_by(named)}.socket"


def _cores() -> set[int]:
    # of the main thread: threads of a campaign have a share each
    return _processors or os.sched_getaffinity(os.getpid())


def _launch(model: Model, path: Path, lock: int) -> None:
    _sweep(path.parent)
    python = model.interpreter()
    environment = {**ENVIRONMENT, **environment_of(python)}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    log = path.with_suffix(".log")
    asked = {"cores": sorted(_cores()), "model": model.model_dump(mode="json"), "lock": lock}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), "-P", "-m", "hopkin.drivers.models.service.broker", str(path), model.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
            pass_fds=[lock],  # held until it listens, though this process is killed meanwhile
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin, contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asked).encode())
        with process.stdout:
            said = process.stdout.readline()
    except BaseException:  # interrupted
        process.kill()
        process.wait()
        raise
    if not said:
        code = process.wait()
        tail = " ".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise MachineError(f"the evaluation service of {model.name} ended with exit code {code}: {tail}")
    if error := json.loads(said)["error"]:
        process.wait()
        raise ModelError(error)
    _reap(process)


def _sweep(folder: Path) -> None:
    """Remove what services have left that ran long ago."""
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            if file.suffix in (".lock", ".log", ".deck") and time.time() - file.stat().st_mtime > _KEPT_S:
                file.unlink()


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process in the background, so that it leaves no zombie when it ends."""
    threading.Thread(target=process.wait, daemon=True).start()


def main() -> None:
    """Have the service of the model on the command line run; print its socket, or one sentence."""
    take_processors(launcher_cores())
    try:
        said = str(start(find_model(os.fsencode(sys.argv[1]).decode(errors="replace"))))
    except Exception as error:  # one sentence for LAMMPS, whatever it is
        say(one_sentence(error))
        sys.exit(1)
    say(said)
