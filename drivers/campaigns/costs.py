"""What an evaluation of a model costs on this machine, measured once and kept; what jobs take by it."""

import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers import engine
from hopkin.drivers.campaigns.jobs import Job
from hopkin.drivers.crystals import load_structure, supercell
from hopkin.drivers.engine import read_json, slug, write_json
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import Model, cache_directory, fetch, lammps_environment, peak_memory

_CRYSTAL = "LiFePO4-olivine"
_REPEATS = ((1, 1, 1), (1, 2, 2))  # 28 and 112 atoms
_WARM_UP, _STEPS = 2, 5


class Cost(BaseModel):
    """Cost of one evaluation on one core, linear in the number of atoms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field(description="processor, and its cores")
    seconds: float = Field(description="of no atoms [s]")
    seconds_per_atom: float
    peak_memory_GB: float | None = Field(
        description="most that LAMMPS and an evaluator have had with 112 atoms; None where none is left"
    )

    def of(self, n_atoms: int) -> float:
        """Seconds of an evaluation."""
        return self.seconds + self.seconds_per_atom * n_atoms


def known_cost(model: Model) -> Cost | None:
    """Cost that was measured on this machine; None where it was not."""
    try:
        found = read_json(_file(model), *Cost.model_fields)
    except ModelError:  # its weights are not here
        return None
    return Cost.model_validate(found) if found and found["machine"] == _machine() else None


def measure(model: Model) -> Cost:
    """Measure what a model costs: molecular dynamics of 28 and 112 atoms on one core; it is kept."""
    fetch(model)
    (small, fast, _), (large, slow, memory_GB) = (_time(model, repeats) for repeats in _REPEATS)
    evaluator_GB = peak_memory(model) / 1e9
    per_atom = max(0.0, (slow - fast) / (large - small))
    cost = Cost(
        machine=_machine(),
        seconds=max(0.0, fast - per_atom * small),
        seconds_per_atom=per_atom,
        peak_memory_GB=memory_GB + evaluator_GB if evaluator_GB or model.route == "native" else None,
    )
    write_json(_file(model), cost.model_dump())
    return cost


def _time(model: Model, repeats: tuple[int, int, int]) -> tuple[int, float, float]:
    """Atoms of a crystal, seconds of one of its steps, and memory of LAMMPS [GB]."""
    crystal = supercell(load_structure(_CRYSTAL).atoms, repeats)
    elements = engine.elements_of(crystal)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        engine.write_structure(directory / "crystal.data", crystal, elements)
        deck = engine.write_deck(
            directory,
            "timing",
            model,
            elements,
            title=f"What a step of {len(crystal)} atoms costs with {model.name}",
            warm_up=_WARM_UP,
            steps=_STEPS,
        )
        engine.run_deck(directory, deck, environment=lammps_environment(model))
        seconds = float(engine.read_fields(directory / "timing.yaml", "seconds")["seconds"])
        log = (directory / "log.lammps").read_text()
    (resident_MB,) = re.findall(r"Maximum resident set size: (\S+) Mbyte", log)
    return len(crystal), seconds / _STEPS, float(resident_MB) / 1e3


def seconds_of(job: Job, cost: Cost) -> float:
    """Core seconds of the evaluations of a job."""
    return job.n_evaluations * cost.of(job.n_atoms)


def memory_of(jobs: Sequence[Job], costs: Mapping[str, Cost]) -> float | None:
    """Most memory of one of their evaluations [GB]; None where that of no model is known."""
    known = (
        costs[job.specification.model].peak_memory_GB for job in jobs if job.specification.model in costs
    )
    return max((size for size in known if size is not None), default=None)


def hours_of(jobs: Sequence[Job], costs: Mapping[str, Cost], cores: int) -> float | None:
    """Hours that jobs take on so many cores; None where the cost of a model is not known."""
    models = {job.specification.model for job in jobs if job.n_evaluations}
    if not models <= set(costs):
        return None
    seconds = sum(seconds_of(job, costs[job.specification.model]) for job in jobs if job.n_evaluations)
    return seconds / cores / 3600


def _file(model: Model) -> Path:
    weights = model.sha256 or model.checkpoint_sha256()
    digest = hashlib.sha256(f"{model.name} {weights}".encode()).hexdigest()[:12]
    return cache_directory() / "costs" / f"{slug(Path(model.name).name, hyphens=True)}-{digest}.json"


def _machine() -> str:
    names = (
        line.split(": ", 1)[1]
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    )
    return f"{next(names, platform.machine())}, {len(os.sched_getaffinity(0))} cores"
