"""Hop rates: the Hessian of the atoms around a hop, by finite differences in LAMMPS."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from hopkin.drivers import bands, engine
from hopkin.drivers.errors import RunError
from hopkin.drivers.models import Model
from hopkin.drivers.workflows.calculation import Run, Say, digest, run_deck, threads_per_replica

RADIUS_A = 4.0
"""Atoms that are so near to the ion, in either end or at the saddle, vibrate [A]."""

_DISPLACEMENT_A = 0.01
_STATES = ("initial", "saddle", "final")


def with_rates(run: Run, model: Model, temperatures_K: Sequence[float], *, say: Say) -> Run:
    """Add attempt frequencies and rates to the result of a band, in its run directory.

    `rates` holds them, or `rates_evidence` the reason why there are none, in one sentence. The dynamical
    matrices are kept in the folder `rates`: other temperatures cost nothing.
    """
    directory, result = run
    if result["failure"]:
        return directory, result | {"rates": None, "rates_evidence": f"the band failed: {result['failure']}"}
    if missing := [name for name in ("climbing_image", "ion_index") if name not in result]:
        return directory, result | {"rates": None, "rates_evidence": f"its result lacks {missing[0]}"}
    n_replicas = len(result["energies_eV"])
    band = [engine.read_state(directory.path / f"image_{n}.dump") for n in range(n_replicas)]
    # the image that climbed: the highest one, within noise of it, need not be a stationary point
    states = [band[0], band[result["climbing_image"]], band[-1]]
    moving = bands.region(states, result["ion_index"], RADIUS_A)
    with directory.begun():
        matrices = dynamical_matrices(states, moving, model, directory.path / "rates", say=say)
        barriers = result["forward_barrier_eV"], result["reverse_barrier_eV"]
        found, evidence = None, None
        try:
            path = _direction(band, result, moving)
            found = asdict(bands.kinetics(matrices, *barriers, temperatures_K, path))
        except bands.RateError as error:
            evidence = str(error)
        return directory, directory.finish(result | {"rates": found, "rates_evidence": evidence})


def hessian_evaluations(n_moving: int) -> int:
    """Return the evaluations of the dynamical matrices of a hop: two for each coordinate and state."""
    return len(_STATES) * 6 * n_moving


def _direction(
    band: Sequence[Atoms], result: Mapping[str, Any], moving: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """(3n,) direction of the path at the image that climbed, times roots of masses; None: not the highest."""
    top, energies = result["climbing_image"], result["energies_eV"]
    if not 0 < top < len(band) - 1 or energies[top] < max(energies):
        return None
    along = bands.displacements(band[top - 1], band[top + 1])[moving]
    return np.asarray(along * np.sqrt(band[top].get_masses()[moving])[:, None]).ravel()


def dynamical_matrices(
    states: Sequence[Atoms], moving: NDArray[np.int64], model: Model, directory: Path, *, say: Say
) -> list[NDArray[np.float64]]:
    """Evaluate (3n, 3n) dynamical matrices [eV/A^2/amu] of n moving atoms, one LAMMPS replica each.

    A directory in which this has ended already, for these states, is read, not run again.

    Parameters
    ----------
    states
        initial end, saddle, final end
    moving
        (n,) indices of atoms
    """
    files = [directory / f"{name}.dynmat" for name in _STATES]
    size = 3 * len(moving)
    ended, asked = directory / "ended", f"{digest(states)} {moving.tolist()}\n"
    known = ended.is_file() and ended.read_text() == asked
    matrices = _read(files, size) if known else None
    if matrices is None:
        directory.mkdir(exist_ok=True)
        ended.unlink(missing_ok=True)
        elements = engine.elements_of(states[0])
        for name, atoms in zip(_STATES, states, strict=True):
            engine.write_structure(directory / f"{name}.data", atoms, elements)
        deck = engine.write_deck(
            directory,
            "dynamical_matrix",
            model,
            elements,
            title=f"Dynamical matrices of {len(moving)} atoms with {model.name}",
            names=_STATES,
            moving=[n + 1 for n in moving.tolist()],
            displacement=_DISPLACEMENT_A,
        )
        say(f"rates: vibrations of {len(moving)} atoms")
        run_deck(
            directory,
            deck,
            model,
            replicas=len(_STATES),
            threads=threads_per_replica(len(_STATES)),
            quiet_evaluations=6 * len(moving) * sum(map(len, states)),  # it is written at the end
        )
        matrices = _read(files, size)
        if matrices is None:
            raise RunError(f"{directory}: LAMMPS has not written the dynamical matrices whole")
        ended.write_text(asked)
    return matrices


def _read(files: Sequence[Path], size: int) -> list[NDArray[np.float64]] | None:
    """Read matrices; None where one is missing or torn."""
    matrices = []
    for file in files:
        text = file.read_text() if file.is_file() else ""
        try:
            if not text.endswith("\n"):
                raise ValueError("its last line has no end")
            matrices.append(np.array(text.split(), dtype=np.float64).reshape(size, size))
        except ValueError as error:
            engine.say_absent(f"{file} is torn: {error}")
            return None
    return matrices
