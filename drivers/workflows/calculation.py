"""What every calculation has in common: its run directory, the parity gate, its result or its divergence."""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from hopkin.drivers import engine
from hopkin.drivers.engine import RunDirectory, find_run, slug
from hopkin.drivers.errors import DivergenceError
from hopkin.drivers.models import Model, fetch, lammps_environment
from hopkin.drivers.specification import BandSpecification, MDSpecification, Specification
from hopkin.drivers.workflows.parity import ensure_parity

Say = Callable[[str], None]
"""Receives what a calculation is doing, for the user to see."""

Run = tuple[RunDirectory, dict[str, Any]]
"""A run directory, and the content of its `result.json`."""

# Fields that every result has, and those of a band
_NEEDS = ("model", "material", "conservative", "verified", "parity", "evidence")
_BAND_NEEDS = ("energies_eV", "forward_barrier_eV", "reverse_barrier_eV", "converged", "attempts")

# An evaluation, for each atom, of the slowest models on one core
_SLOWEST_S_PER_ATOM = 1.0

_logger = logging.getLogger(__name__)


def calculate(
    root: Path,
    name: str,
    kind: str,
    atoms: Atoms,
    model: Model,
    specification: Specification,
    work: Callable[[Path], Mapping[str, Any]],
    *,
    asked: Mapping[str, Any],
    diverged: Mapping[str, Any],
    verify: bool,
    say: Say,
) -> Run:
    """Do a calculation in its run directory, unless it has been done.

    A finished run directory is read; a torn one is taken up by `work` at the stage it had reached.

    Parameters
    ----------
    root
        folder that holds the run directories
    name
        readable part of the directory's name, before the model's; a material in it has passed `slug`
    kind
        kind of result
    atoms
        structure that the model is verified on
    work
        receives the directory, runs LAMMPS there, returns fields of the result
    asked
        what the result depends on beside the model and the specification
    diverged
        fields of the result where LAMMPS diverged numerically, which is an outcome too
    verify
        whether LAMMPS has to agree with the model's own calculator first; the result says so
    """
    model.require_elements(atoms.get_chemical_symbols())
    sha256 = model.sha256 or model.checkpoint_sha256()
    run = find_run(
        root,
        f"{name}-{model_slug(model.name)}",
        {
            "kind": kind,
            **asked,
            "model_sha256": sha256,
            "specification": specification.model_dump(mode="json"),
        },
        *_NEEDS,
        *(_BAND_NEEDS if isinstance(specification, BandSpecification) and kind != "images" else ()),
    )
    finished = run.result
    if finished is not None and (finished["verified"] or not verify):
        return run, finished
    if verify:
        parity = ensure_parity(model, atoms, say=say)
    else:
        fetch(model, say=say)
        parity = None
    with run.begun():
        if (finished := run.result) is not None:  # not verified then; or of a process at work until now
            verified = {"verified": finished["verified"] or verify, "parity": finished["parity"] or parity}
            return run, run.finish(finished | verified)
        start = time.monotonic()
        result = {
            "model": model.name,
            "model_sha256": sha256,
            "conservative": model.conservative,
            "route": model.route,
            "evaluator": model.evaluator,
            "ion": specification.ion,
            "lammps_version": engine.lammps_version(),
            "verified": verify,
            "parity": parity,
            "failure": None,
            "evidence": None,
        }
        try:
            result |= work(run.path)
        except DivergenceError as error:
            _logger.warning("%s", error)
            result |= {**diverged, "failure": error.failure, "evidence": str(error)}
        return run, run.finish(result | {"wall_s": time.monotonic() - start})


def run_deck(
    directory: Path,
    deck: str,
    model: Model,
    *,
    replicas: int,
    threads: int,
    variables: dict[str, str] | None = None,
    quiet_evaluations: int = 0,
    on_poll: Callable[[], None] | None = None,
) -> float:
    """Run a deck as `engine.run_deck` does, with the weights that hopkin began with.

    Parameters
    ----------
    quiet_evaluations
        of atoms, of all replicas, between two lines that LAMMPS writes

    Raises
    ------
    ModelError
        when their file was overwritten before or meanwhile, however the run ended
    """
    model.require_unchanged()
    try:
        return engine.run_deck(
            directory,
            deck,
            environment=lammps_environment(model),
            replicas=replicas,
            threads=threads,
            variables=variables,
            hangs_after_s=engine.HANGS_AFTER_S + _SLOWEST_S_PER_ATOM * quiet_evaluations,
            on_poll=on_poll,
        )
    finally:
        model.require_unchanged()  # other weights may be why it failed, and in what an interrupted run left


def is_converged(max_force: float, specification: BandSpecification | MDSpecification) -> bool:
    """Whether the largest force on an atom [eV/A] is within the tolerance; LAMMPS compares squares."""
    return max_force <= specification.force_tolerance_eV_per_A * (1 + 1e-6)


def threads_per_replica(replicas: int) -> int:
    """OpenMP threads of each LAMMPS replica: its share of the processors, at most OMP_NUM_THREADS."""
    processors = len(os.sched_getaffinity(0))
    if not (wanted := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return max(1, processors // replicas)
    nodes = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))  # over which the replicas may be spread
    return max(1, min(int(wanted), nodes * processors // replicas))


def fingerprint(atoms: Atoms) -> dict[str, Any]:
    """Return a structure as plain numbers, rounded to what a file may lose."""
    return {
        "symbols": str(atoms.symbols),
        "cell_A": np.round(atoms.cell.array, 6).tolist(),
        "positions_A": np.round(atoms.positions, 6).tolist(),
    }


def digest(structures: Sequence[Atoms]) -> str:
    """Hash of species, cells and positions, these to 1e-6 A."""
    found = hashlib.sha256()
    for atoms in structures:
        for values in (atoms.numbers, atoms.cell.array, atoms.positions):
            found.update((np.round(values, 6) + 0.0).tobytes())  # without -0.0
    return found.hexdigest()


def model_slug(name: str) -> str:
    """Turn a model's name into part of a file name: of a path, its last part."""
    return slug(Path(name).name)
