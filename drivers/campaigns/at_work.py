"""Which jobs of a campaign are at work, and their logs: on disk, where every process and node sees them.

`.at-work/ID.json` holds what a job is doing, locked while that is true. `logs/TITLE-ID.log` has what it did,
and what was logged meanwhile.
"""

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from hopkin.drivers.campaigns.jobs import Ground, Job
from hopkin.drivers.engine import is_locked, slug

_LINE_EVERY_S = 60.0  # of one stage
_LOOKS, _LOOK_S = 3, 0.01


@contextmanager
def at_work(root: Path, task: Job | Ground) -> Iterator[Callable[[str], None]]:
    """Mark a task as at work, and keep its log; the context is what takes note of what it is doing.

    A folder that cannot be written stops no job here: its result says so.
    """
    log, mark = _Log(root / log_name(task.title, task.id)), _Mark(root, task)
    stage, said_at = "", 0.0
    mark.say("starting")

    def note(text: str) -> None:
        nonlocal stage, said_at
        mark.say(text)
        now = time.monotonic()
        if text.partition(":")[0] != stage or now - said_at > _LINE_EVERY_S:
            stage, said_at = text.partition(":")[0], now
            log.handle(logging.makeLogRecord({"msg": text}))

    logger = logging.getLogger("hopkin")
    logger.addHandler(log)
    try:
        yield note
    finally:
        logger.removeHandler(log)
        with suppress(OSError):
            log.close()
        mark.remove()


def log_name(title: str, task: str) -> str:
    """Path of the log of a task, from the folder of its campaign on."""
    return f"logs/{slug(title, hyphens=True)}-{task}.log"


def tasks_at_work(root: Path) -> list[tuple[str, str, float]]:
    """Title of each task that is at work in a folder, what it is doing, and for how long it has been [s]."""
    found = []
    for file in (root / ".at-work").glob("*.json"):
        with suppress(OSError, ValueError, KeyError):  # it has ended, or is being written
            if is_locked(file):
                content = json.loads(file.read_text())
                found.append((content["title"], content["doing"], time.time() - content["since"]))
    return sorted(found)


class _Mark:
    """The file that tells what a task is doing; none where another process is at it."""

    def __init__(self, root: Path, task: Job | Ground) -> None:
        self._path = root / ".at-work" / f"{task.id}.json"
        self._title, self._since, self._file = task.title, time.time(), None
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab", buffering=0)
            for _ in range(_LOOKS):  # one who looks whether it is locked locks it for a moment
                with suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._file = file
                    return
                time.sleep(_LOOK_S)
            file.close()

    def say(self, text: str) -> None:
        if self._file is not None:
            content = {"title": self._title, "since": self._since, "doing": text}
            with suppress(OSError):
                self._file.truncate(0)
                self._file.write(json.dumps(content).encode())

    def remove(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            self._file.close()


class _Log(logging.FileHandler):
    """What is logged in this thread; the file is made when there is something."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        thread = get_ident()
        self.addFilter(lambda record: record.thread == thread)

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of logging
        """Let the job go on: where the disk is full, its result says so."""
