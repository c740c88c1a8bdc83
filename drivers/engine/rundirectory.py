"""Run directories: one calculation each, content-addressed, readable by anyone."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import get_ident
from typing import Any

from hopkin.drivers.errors import MachineError

_LEAST_FREE_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory with `run.json` (what was asked) and, once it ended, `result.json` (what came out)."""

    path: Path
    asked: Mapping[str, Any]

    @property
    def result(self) -> dict[str, Any] | None:
        """The result, or None while there is none."""
        file = self.path / "result.json"
        return json.loads(file.read_text()) if file.is_file() else None

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Make the directory, with `run.json`, and hold it alone; what a killed run left is kept as it is.

        Raises
        ------
        MachineError
            when another process is at work in it
        """
        with writing_to(self.path):
            self.path.mkdir(exist_ok=True)
            lock = (self.path / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however it ends
            except BlockingIOError as error:
                raise MachineError(f"another hopkin is at work in {self.path}: wait for it") from error
            if not (self.path / "run.json").is_file():
                write_json(self.path / "run.json", {**self.asked, "hopkin_version": version("hopkin")})
            yield

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write `result.json`, atomically; a directory that has one is never run again.

        Returns
        -------
        dict
            what a reader of the file gets; what is not a number is None
        """
        finite = json.loads(json.dumps(result), parse_constant=lambda _: None)
        assert isinstance(finite, dict)
        write_json(self.path / "result.json", finite)
        return finite


def find_run(root: Path, name: str, asked: Mapping[str, Any]) -> RunDirectory:
    """Name the directory of a calculation, which may be there already, and see that it can be written.

    Parameters
    ----------
    root
        folder that holds the run directories
    name
        readable part of its name
    asked
        all that the result depends on; its hash is the other part of the name

    Raises
    ------
    MachineError
        when nothing can be written there, and the calculation has not ended yet
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:10]
    run = RunDirectory(root / f"{name}-{digest}", asked)
    if run.result is None:
        with writing_to(root):
            root.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=root).close()
        if shutil.disk_usage(root).free < _LEAST_FREE_BYTES:
            raise MachineError(f"the disk of {root} is full")
    return run


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, and its folder, so that it is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{get_ident()}.part")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w") as file:
                json.dump(content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a MachineError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise MachineError(f"cannot write {path}: {reason}") from error


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process makes a file or folder, by a lock beside it."""
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however it ends
        yield
