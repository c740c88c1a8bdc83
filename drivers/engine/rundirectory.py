"""Run directories: one calculation each, content-addressed, readable by anyone."""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import get_ident
from typing import IO, Any

import yaml

from hopkin.drivers.errors import BusyError, MachineError, RunError

_logger = logging.getLogger(__name__)

_LONGEST_SLUG = 60
_LEAST_FREE_BYTES = 20_000_000
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory with `run.json` (what was asked) and, once it ended, `result.json` (what came out)."""

    path: Path
    asked: Mapping[str, Any]
    needs: tuple[str, ...] = ("failure",)
    """Fields without which a result counts as absent."""

    @property
    def result(self) -> dict[str, Any] | None:
        """The result, or None while there is none, or what is there is torn."""
        return read_json(self.path / "result.json", *self.needs)

    @contextmanager
    def begun(self, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Make the directory, with `run.json`, and hold it alone; what a killed run left is kept as it is.

        Parameters
        ----------
        waiting
            called twice a second until another process has done its work there; None: it is not waited for

        Raises
        ------
        BusyError
            when another process is at work in it, and that is not waited for
        MachineError
            when the file system has no locks, or cannot be written
        """
        with writing_to(self.path):
            self.path.mkdir(exist_ok=True)
            lock = (self.path / ".lock").open("w")
        with lock:
            while not _locked(lock, self.path):
                if waiting is None:
                    raise BusyError(f"another hopkin is at work in {self.path}: wait for it")
                waiting()
                time.sleep(_POLL_S)
            if read_json(self.path / "run.json", *self.asked) is None:
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


def _locked(file: IO[str], path: Path) -> bool:
    """Lock a file until it is closed, however its process ends; False where another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise MachineError(f"the file system of {path} has no locks (flock): mount it with them") from error
    return True


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file."""
    try:
        with file.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it is not ours to read
        return False
    return False


def find_run(root: Path, name: str, asked: Mapping[str, Any], *needs: str) -> RunDirectory:
    """Name the directory of a calculation, which may be there already, and see that it can be written.

    Parameters
    ----------
    root
        folder that holds the run directories
    name
        readable part of its name; what users call their materials and models passes `slug` first
    asked
        all that the result depends on; its hash is the other part of the name
    needs
        fields that its result has, beside `failure`

    Raises
    ------
    RunError
        when the name leads elsewhere
    MachineError
        when nothing can be written there, and the calculation has not ended yet
    """
    if Path(name).name != name:
        raise RunError(f"a run directory lies in {root}: wanted a name without slashes, received {name!r}")
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:10]
    run = RunDirectory(root / f"{name}-{digest}", asked, ("failure", *needs))
    if run.result is None:
        with writing_to(root):
            root.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=root).close()
        if shutil.disk_usage(root).free < _LEAST_FREE_BYTES:
            raise MachineError(f"the disk of {root} is full")
    return run


def read_fields(path: Path, *needs: str) -> dict[str, Any]:
    """Read a JSON or YAML file of fields that hopkin, or a deck of its own, has written.

    Raises
    ------
    RunError
        when it is missing or torn, or lacks a field that is needed
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise RunError(f"there is no {path}") from error
    except (ValueError, yaml.YAMLError) as error:
        content = " ".join(str(error).split())
        raise RunError(f"{path} is torn: {content or type(error).__name__}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is torn: it holds no fields, but {str(content)[:40] or 'nothing'}")
    if missing := [name for name in needs if name not in content]:
        raise RunError(f"{path} is torn: it lacks {', '.join(missing)}")
    return content


def read_json(path: Path, *needs: str) -> dict[str, Any] | None:
    """Read a JSON file that hopkin has written; None where there is none, or it is torn, which is said."""
    if not path.is_file():
        return None
    try:
        return read_fields(path, *needs)
    except RunError as error:
        say_absent(str(error))
        return None


@cache
def say_absent(torn: str) -> None:
    """Say, once, that what is torn counts as absent."""
    _logger.warning("%s; it counts as absent", torn)


def slug(name: str, *, hyphens: bool = False) -> str:
    """Turn a name into a short part of a file name: ASCII letters, digits, dots and underscores."""
    return re.sub(rf"[^A-Za-z0-9.{'-' if hyphens else ''}]+", "_", name)[:_LONGEST_SLUG]


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
