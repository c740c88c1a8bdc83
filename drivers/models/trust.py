"""Checkpoints are programs: which files hopkin may load.

A file of unknown hash is not loaded where its format can hold a program, unless the user says so once.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from hopkin.drivers.engine import alone, read_json, write_json
from hopkin.drivers.errors import TrustError


def _file() -> Path:
    return platformdirs.user_data_path("hopkin") / "trusted.json"


def _trusted() -> Mapping[str, object]:
    return read_json(_file()) or {}


def trust(sha256: str, path: Path) -> None:
    """Remember that the user takes the file of this hash for harmless."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with alone(_file()):
        write_json(_file(), {**_trusted(), sha256: {"file": str(path), "since": now}})


def require_trusted(sha256: str, path: Path, family: str) -> None:
    """Raise TrustError unless the user has said that a file may be loaded."""
    if sha256 not in _trusted():
        raise TrustError(
            f"{path} has not been seen before, and a checkpoint of family {family} can run any code when it"
            " is loaded: give --trust, once, if you trust its source"
        )
