"""What a family's own package is asked for, in its environment: `python -m hopkin.drivers.models.tasks`.

Each line of the input is a task: its name, the file of its arguments, and that of its answer, as a JSON list.
A line of the output says that the answer is there.
"""

import importlib
import json
import os
import select
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from hopkin.drivers.errors import HopkinError
from hopkin.drivers.models.model import Model

_IDLE_S = 60  # without a task, after which it ends: a loaded model takes memory


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

    loaded = Model.model_validate_json(model)
    if loaded.family == "ase":  # one of the user's own may remember, and read what has changed
        _calculator.cache_clear()
    calculator = _calculator(model, device)
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


@cache
def _calculator(model: str, device: str) -> Any:
    loaded = Model.model_validate_json(model)
    return loaded.module.calculator(loaded, device=device)


def export(model: str, path: str) -> str | None:
    """Write the file of a model that LAMMPS reads; tell what the user has to know of it."""
    loaded = Model.model_validate_json(model)
    if loaded.route == "mliap":
        from hopkin.drivers.models.mliap import write

        write(loaded, Path(path))
        return None
    said: str | None = loaded.module.export(loaded, Path(path))
    return said


def facts(family: str, path: str) -> dict[str, Any]:
    """Read what a checkpoint says of itself: `elements`, and where it does, `cutoff_A` and `layers`."""
    read: Callable[[Path], dict[str, Any]] = importlib.import_module(
        f"hopkin.drivers.models.adapters.{family}"
    ).facts
    return read(Path(path))


_TASKS: dict[str, Callable[..., Any]] = {"evaluate": evaluate, "export": export, "facts": facts}


def main() -> None:
    """Do task by task; the answer is a result, or an error of one sentence."""
    warnings.simplefilter("ignore")
    answers, asks = os.dup(1), os.fdopen(os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)  # for what packages start, and
    os.dup2(nowhere, 1)  # for what they print, also from C++
    for line in _lines(asks):
        task, asked, said = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"result": _TASKS[task](**json.loads(Path(asked).read_text()))}
        except HopkinError as error:
            answer = {"error": str(error)}
        except Exception as error:  # of any package
            lines = str(error).splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[0]}"}
        part = Path(f"{said}.part")  # an answer is there whole or not at all
        part.write_text(json.dumps(answer))
        part.replace(said)
        os.write(answers, b"\n")


def _lines(asks: TextIO) -> Iterator[str]:
    """Give the lines of the input; end where none comes for a while."""
    while select.select([asks], [], [], _IDLE_S)[0] and (line := asks.readline()):
        yield line


if __name__ == "__main__":
    main()
