"""Has a task done by the interpreter of a family's environment.

A model's own package runs in a process of its own there: packages exclude one another, and hopkin imports
none beside itself.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hopkin.drivers.engine import environment_of
from hopkin.drivers.errors import MachineError, ModelError

_TAIL_LINES = 3


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
    with tempfile.TemporaryDirectory(prefix="hopkin-worker-") as scratch:
        asked, said = Path(scratch) / "asked.json", Path(scratch) / "said.json"
        asked.write_text(json.dumps(arguments))
        # -P: the folder that the user is in may not stand in for the packages
        command = [str(python), "-P", "-m", "hopkin.drivers.models.tasks", task, str(asked), str(said)]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment_of(python),
            check=False,
        )
        answer = json.loads(said.read_text()) if said.is_file() else {}
    if "error" in answer:
        raise ModelError(answer["error"])
    if "result" not in answer:
        tail = " ".join(ended.stderr.splitlines()[-_TAIL_LINES:])
        raise MachineError(f"the model's Python ended with exit code {ended.returncode}: {tail}")
    return answer["result"]
