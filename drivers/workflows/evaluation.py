"""A model against labelled structures: its own calculator, in its environment, a batch at a time.

Not LAMMPS: it has to agree with that calculator anyway, and loads the model for each structure.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.comparison import (
    Difference,
    element_energies,
    errors_of,
    force_errors_by_element,
    tells_elements_apart,
)
from hopkin.drivers.crystals import read_with_ase
from hopkin.drivers.engine import find_run, say_absent, slug
from hopkin.drivers.errors import ModelError, StructureError
from hopkin.drivers.models import Model, fetch, sha256_of
from hopkin.drivers.workflows.calculation import Run, Say, model_slug
from hopkin.drivers.workflows.parity import own_results

_BATCH_ATOMS = 2000  # so many that loading the model does not count, so few that little is lost
_ANSWERS = "answers.jsonl"
_OF_AN_ANSWER = ("energy", "forces", "stress")
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A structure with what is known of it: energy [eV], forces [eV/A], stress [eV/A^3] if any."""

    atoms: ase.Atoms
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None
    group: str


def read_labelled(path: Path, group: str | None = None) -> list[Labelled]:
    """Read structures with labels, extended XYZ or whatever else ASE finds energies and forces in.

    Parameters
    ----------
    group
        key of a structure's properties that names its group, such as its temperature

    Raises
    ------
    StructureError
        when the file cannot be read, or a structure is not periodic, or has no energy, forces or group
    """
    if not path.is_file():
        raise StructureError(f"no such file: {path}")
    frames = read_with_ase(path)
    if not frames:
        raise StructureError(f"{path} holds no structures")
    return [_labelled(atoms, f"{path}, structure {n}", group) for n, atoms in enumerate(frames)]


def _labelled(atoms: ase.Atoms, where: str, group: str | None) -> Labelled:
    known = atoms.calc.results if atoms.calc else {}
    if missing := {"energy", "forces"} - known.keys():
        raise StructureError(f"{where} has no {' and no '.join(sorted(missing))}: it needs both as labels")
    if not all(atoms.pbc):
        raise StructureError(f"{where} is not periodic in three dimensions")
    if group is not None and group not in atoms.info:
        keys = ", ".join(map(str, atoms.info)) or "nothing"
        raise StructureError(f"{where} does not say its {group!r}; it says {keys}")
    return Labelled(
        atoms=ase.Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True),
        energy=float(known["energy"]),
        forces=np.asarray(known["forces"]),
        stress=np.asarray(known["stress"]) if "stress" in known else None,
        group=_ALL if group is None else str(atoms.info[group]),
    )


def evaluate(path: Path, model: Model, root: Path, *, group: str | None = None, say: Say) -> Run:
    """Compare a model with labels; what has been evaluated before is not evaluated again.

    Structures with an element that the model does not cover are skipped, those that it fails on are left out,
    and both are counted.
    """
    labelled = read_labelled(path, group)
    covered = [n for n, label in enumerate(labelled) if set(label.atoms.symbols) <= set(model.elements)]
    if not covered:
        model.require_elements(labelled[0].atoms.get_chemical_symbols())
    sha256 = model.sha256 or model.checkpoint_sha256()
    asked = {
        "kind": "evaluation",
        "source": path.name,
        "labels_sha256": sha256_of(path),
        "group": group,
        "model": model.name,
        "model_sha256": sha256,
    }
    needs = ("n_skipped", "n_failed", "groups", "elements", "energy_shifted_mae_eV_per_atom")
    run = find_run(root, f"{slug(path.stem, hyphens=True)}-{model_slug(model.name)}", asked, *needs)
    if run.result is not None:
        return run, run.result
    fetch(model, say=say)
    with run.begun():
        answers = _answers(model, labelled, covered, run.path / _ANSWERS, say=say)
        differences = [
            Difference(
                group=label.group,
                species=np.array(label.atoms.get_chemical_symbols()),
                energy=answer["energy"] - label.energy,
                forces=np.array(answer["forces"]) - label.forces,
                stress=None if label.stress is None else np.array(answer["stress"]) - label.stress,
            )
            for label, answer in ((labelled[n], answers[n]) for n in covered)
            if "error" not in answer
        ]
        failed = {str(n): answers[n]["error"] for n in covered if "error" in answers[n]}
        if not differences:
            raise ModelError(f"model {model.name} fails on every structure: {next(iter(failed.values()))}")
        offsets = element_energies(differences)
        groups = sorted({d.group for d in differences} - {_ALL})
        result = {
            "source": path.name,
            "model": model.name,
            "model_sha256": sha256,
            "conservative": model.conservative,
            "n_skipped": len(labelled) - len(covered),
            "n_failed": len(failed),
            **errors_of(differences, offsets),
            "groups": {
                name: errors_of([d for d in differences if d.group == name], offsets) for name in groups
            },
            "elements": force_errors_by_element(differences),
            "element_offsets_eV": offsets if tells_elements_apart(differences) else None,
            "errors": failed,
            "failure": None,
        }
        return run, run.finish(result)


def _answers(
    model: Model, labelled: Sequence[Labelled], wanted: Sequence[int], kept: Path, *, say: Say
) -> dict[int, dict[str, Any]]:
    """Ask the model about structures, by number; answers are kept, a line each."""
    answers = _read(kept)
    with kept.open("a") as file:
        for batch in _batches([n for n in wanted if n not in answers], labelled):
            say(f"evaluating: {len(answers)} of {len(wanted)} structures")
            said = _evaluate(model, [labelled[n].atoms for n in batch])
            for n, answer in zip(batch, said, strict=True):
                answers[n] = answer
                file.write(json.dumps({"structure": n, **answer}) + "\n")
            file.flush()
    return answers


def _read(kept: Path) -> dict[int, dict[str, Any]]:
    """Answers of an earlier run, without failures, which are tried again, and the line that was torn."""
    whole, newline, _ = kept.read_bytes().rpartition(b"\n") if kept.is_file() else (b"", b"", b"")
    if newline:
        os.truncate(kept, len(whole) + 1)
    else:
        kept.write_bytes(b"")
    answers = {}
    for line in whole.splitlines():
        try:
            answer = json.loads(line)
            if "error" not in answer:
                answers[int(answer.pop("structure"))] = {name: answer[name] for name in _OF_AN_ANSWER}
        except (ValueError, TypeError, KeyError, AttributeError):
            say_absent(f"{kept} is torn in {line[:40]!r}")
    return answers


def _batches(numbers: Sequence[int], labelled: Sequence[Labelled]) -> Iterator[list[int]]:
    batch: list[int] = []
    for n in numbers:
        batch.append(n)
        if sum(len(labelled[m].atoms) for m in batch) >= _BATCH_ATOMS:
            yield batch
            batch = []
    if batch:
        yield batch


def _evaluate(model: Model, structures: Sequence[ase.Atoms]) -> list[dict[str, Any]]:
    """Evaluate a batch; where that fails, each structure alone."""
    try:
        said = own_results(model, structures)
    except ModelError as error:
        if len(structures) == 1:
            return [{"error": str(error)}]
        middle = len(structures) // 2
        return _evaluate(model, structures[:middle]) + _evaluate(model, structures[middle:])
    return [
        answer
        if math.isfinite(answer["energy"]) and np.all(np.isfinite(answer["forces"]))
        else {"error": "energy or forces are not finite"}
        for answer in said
    ]
