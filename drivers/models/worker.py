"""Runs a family's own package in that family's environment: `python -m hopkin.drivers.models.worker`."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hopkin.drivers.errors import HopkinError, MachineError, ModelError

_TAIL_LINES = 3


def call(python: Path, task: str, **arguments: Any) -> Any:
    """Have a task done by an interpreter.

    Parameters
    ----------
    task
        `evaluate`, `export` or `facts`, see below
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
        # neither the folder that the user is in nor its PYTHONPATH may stand in for the packages
        command = [str(python), "-P", "-m", "hopkin.drivers.models.worker", task, str(asked), str(said)]
        kept = dict(os.environ)
        if python != Path(sys.executable):
            kept.pop("PYTHONPATH", None)
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=kept, check=False
        )
        answer = json.loads(said.read_text()) if said.is_file() else {}
    if "error" in answer:
        raise ModelError(answer["error"])
    if "result" not in answer:
        tail = " ".join(ended.stderr.splitlines()[-_TAIL_LINES:])
        raise MachineError(f"the model's Python ended with exit code {ended.returncode}: {tail}")
    return answer["result"]


def evaluate(model: str, structures: list[dict[str, Any]], device: str) -> list[dict[str, Any]]:
    """Evaluate structures with the model's own ASE calculator.

    Parameters
    ----------
    model
        a `Model`, as JSON
    structures
        `numbers`, `positions` [A], `cell` [A]; periodic in three dimensions
    device
        where the model runs, such as cpu

    Returns
    -------
    list
        `energy` [eV], `forces` (n_atoms, 3) [eV/A], `stress` (6,) xx yy zz yz xz xy [eV/A^3] of each
    """
    from ase import Atoms

    from hopkin.drivers.models.registry import Model

    loaded = Model.model_validate_json(model)
    calculator = loaded.module.calculator(loaded, device=device)
    results = []
    for structure in structures:
        atoms = Atoms(**structure, pbc=True, calculator=calculator)
        results.append(
            {
                "energy": float(atoms.get_potential_energy()),
                "forces": atoms.get_forces().tolist(),
                "stress": atoms.get_stress().tolist(),
            }
        )
    return results


def export(model: str, path: str) -> None:
    """Write the file that the native pair style of a model reads."""
    from hopkin.drivers.models.registry import Model

    loaded = Model.model_validate_json(model)
    loaded.module.export(loaded, Path(path))


def facts(family: str, path: str) -> dict[str, Any]:
    """Read what a checkpoint says of itself: `elements`, and where it does, `cutoff_A` and `layers`."""
    import importlib

    read: Callable[[Path], dict[str, Any]] = importlib.import_module(
        f"hopkin.drivers.models.adapters.{family}"
    ).facts
    return read(Path(path))


_TASKS: dict[str, Callable[..., Any]] = {"evaluate": evaluate, "export": export, "facts": facts}


def main() -> None:
    """Do the task of the command line; the answer is a result, or an error of one sentence."""
    task, asked, said = sys.argv[1:]
    warnings.simplefilter("ignore")
    answer: dict[str, Any]
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            answer = {"result": _TASKS[task](**json.loads(Path(asked).read_text()))}
    except HopkinError as error:
        answer = {"error": str(error)}
    except Exception as error:  # of any package
        lines = str(error).splitlines() or [""]
        answer = {"error": f"{type(error).__name__}: {lines[0]}"}
    Path(said).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
