"""Run directories: one calculation each, content-addressed, readable by anyone."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hopkin.drivers.errors import MachineError

_LEAST_FREE_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory with `run.json` (what was asked) and, once it ended, `result.json` (what came out)."""

    path: Path

    @property
    def result(self) -> dict[str, Any] | None:
        """The result, or None while there is none."""
        file = self.path / "result.json"
        return json.loads(file.read_text()) if file.is_file() else None

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write `result.json`, atomically; a directory that has one is never run again."""
        write_json(self.path / "result.json", result)
        return dict(result)


def open_run(root: Path, name: str, asked: Mapping[str, Any]) -> RunDirectory:
    """Make, or find again, the directory of a calculation.

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
        when it cannot be written
    """
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:10]
    path = root / f"{name}-{digest}"
    with writing_to(path):
        path.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path).free < _LEAST_FREE_BYTES:
            raise MachineError(f"the disk of {path} is full")
        if not (path / "run.json").is_file():
            write_json(path / "run.json", {**asked, "hopkin_version": version("hopkin")})
    return RunDirectory(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".part")
    with writing_to(path):
        with temporary.open("w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a MachineError of one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise MachineError(f"cannot write {path}: {reason}") from error
