"""Has a task done by the interpreter of a family's environment.

A model's own package runs in a process of its own there: packages exclude one another, and hopkin imports
none beside itself. To start one takes longer than most tasks: one that has evaluated stays a minute for the
next structures of its model, and ends with this process.
"""

import atexit
import json
import os
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from hopkin.drivers.engine import environment_of
from hopkin.drivers.errors import MachineError, ModelError

_TAIL_LINES = 3


class _Worker:
    """An interpreter that does tasks one after the other.

    Parameters
    ----------
    environment
        its environment variables
    model
        the model of all its tasks, as JSON; None where they have none
    """

    def __init__(self, python: Path, environment: dict[str, str], model: str | None) -> None:
        self.serves = (python, environment, model)
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  as long as the process
        # -P: the folder that the user is in may not stand in for the packages
        self._process = subprocess.Popen(
            [str(python), "-P", "-m", "hopkin.drivers.models.tasks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    @property
    def alive(self) -> bool:
        """Whether it has not ended: it does so where it has had nothing to do for a while."""
        return self._process.poll() is None

    def ask(self, task: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """Have a task done; None where the process has ended without an answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            with tempfile.TemporaryDirectory(prefix="hopkin-worker-") as scratch:
                asked, said = Path(scratch) / "asked.json", Path(scratch) / "said.json"
                asked.write_text(json.dumps(arguments))
                self._keep_to_processors()
                with suppress(BrokenPipeError):
                    self._process.stdin.write(f"{json.dumps([task, str(asked), str(said)])}\n")
                    self._process.stdin.flush()
                self._process.stdout.readline()
                answer: dict[str, Any] | None = json.loads(said.read_text()) if said.is_file() else None
                return answer
        except BaseException:  # an interrupt, above all
            self._process.kill()
            self.end()
            raise

    def end(self) -> tuple[int, str]:
        """End the process; return its exit code, and what it said last of errors."""
        with suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.seek(0)
        last = " ".join(self._errors.read().splitlines()[-_TAIL_LINES:])
        self._errors.close()
        return self._process.returncode, last

    def _keep_to_processors(self) -> None:
        """Keep all its threads to the processors of this thread: each job of a campaign has its share."""
        for thread in Path(f"/proc/{self._process.pid}/task").glob("*"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), os.sched_getaffinity(0))


_idle: list[_Worker] = []  # they have loaded their model
_taking = threading.Lock()


def call(python: Path, task: str, **arguments: Any) -> Any:
    """Have a task done by an interpreter.

    Parameters
    ----------
    task
        `evaluate`, `export` or `facts` of `hopkin.drivers.models.tasks`
    arguments
        its arguments, as JSON can hold them

    Raises
    ------
    ModelError
        when the task fails; the message is its error's
    MachineError
        when the interpreter ends without an answer: killed, out of memory, or its environment is broken
    """
    serves = (python, environment_of(python), arguments.get("model"))
    kept = _idle_one(serves)
    worker = kept or _Worker(*serves)
    answer = worker.ask(task, arguments)
    if answer is None:
        code, last = worker.end()
        if kept is None or code:
            raise MachineError(f"the model's Python ended with exit code {code}: {last}")
        return call(python, task, **arguments)  # it ended, as it does when idle, just before
    if task == "evaluate" and "result" in answer:
        with _taking:
            _idle.append(worker)
    else:
        worker.end()
    if "error" in answer:
        raise ModelError(answer["error"])
    return answer["result"]


def _idle_one(serves: tuple[Path, dict[str, str], str | None]) -> _Worker | None:
    """Take an idle interpreter of this environment and model; where there is none, the others make room."""
    with _taking:
        found = next((worker for worker in _idle if worker.alive and worker.serves == serves), None)
        if found is not None:
            _idle.remove(found)
    if found is None:
        end_idle()
    return found


@atexit.register
def end_idle() -> None:
    """End the interpreters that have nothing to do."""
    with _taking:
        others = _idle[:]
        _idle.clear()
    for worker in others:
        worker.end()


def _forget() -> None:
    """In a process that was forked: they are of the one that it came from."""
    global _taking
    _idle.clear()
    _taking = threading.Lock()


os.register_at_fork(after_in_child=_forget)
