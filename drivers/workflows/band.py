"""A band: relaxed ends, an interpolated path, and a climbing-image NEB in LAMMPS."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from hopkin.drivers import decks, engine, paths
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.calculation import Say, is_converged, threads_per_replica
from hopkin.drivers.workflows.relaxation import Relaxed, max_force, read_relaxed, relax

# Replicas wait for one another at every step, so the band is short-stepped and its table frequent.
_PLAIN_ITERATIONS = 20
_REPORT_EVERY = 5
_TIMESTEP_PS = 0.002
_SPRING_EV_PER_A2 = 1.0
_MOST_CLIMBS = 3

# An end that relaxes further than this part of the hop has left its site.
_DRIFT_FRACTION = 0.5

# Fields of a result without a band.
NO_BAND: Final[dict[str, Any]] = {
    "energies_eV": [],
    "reaction_coordinate": [],
    "barrier_eV": None,
    "forward_barrier_eV": None,
    "reverse_barrier_eV": None,
    "max_atom_force_eV_per_A": None,
    "converged": False,
    "force_evaluations": None,
}


def band_facts(specification: BandSpecification) -> dict[str, Any]:
    """Fields of a result that are known before its band is."""
    return {
        "n_atoms": None,
        "images": specification.images,
        "force_tolerance_eV_per_A": specification.force_tolerance_eV_per_A,
    }


def relaxed_band(
    ends: tuple[Atoms, Atoms],
    ion: int,
    model: Model,
    specification: BandSpecification,
    directory: Path,
    *,
    say: Say,
) -> dict[str, Any]:
    """Relax both ends, and run the band between them; `ion` is the index of the atom that hops."""
    initial, final = relax(
        dict(zip(("initial", "final"), ends, strict=True)),
        model,
        directory / "ends",
        relax_cell=False,
        force_tolerance=specification.force_tolerance_eV_per_A,
        max_iterations=specification.max_iterations,
        say=say,
    )
    # Another ion that leaves its site, into the vacancy say, is as bad as the one that hops.
    ions = ends[0].numbers == ends[0].numbers[ion]
    drift = max(
        float(np.linalg.norm(paths.displacements(before, end.atoms)[ions], axis=1).max())
        for before, end in zip(ends, (initial, final), strict=True)
    )
    least = _DRIFT_FRACTION * float(np.linalg.norm(paths.displacements(*ends)[ion]))
    left = float(np.linalg.norm(paths.displacements(initial.atoms, final.atoms)[ion]))
    band = (
        NO_BAND | {"failure": "endpoint_drift"}
        if drift > least or left < least
        else _band((initial, final), model, specification, directory, say=say)
    )
    return {"n_atoms": len(ends[0]), "end_drift_A": drift, **band}


def _band(
    ends: tuple[Relaxed, Relaxed],
    model: Model,
    specification: BandSpecification,
    directory: Path,
    *,
    say: Say,
) -> dict[str, Any]:
    """Run `neb.in` between relaxed ends; the part of the result that comes from the band.

    LAMMPS chooses the climbing image once, after the first iterations. Where another image ends up highest,
    the band is run again from where it is.
    """
    images = paths.interpolate(ends[0].atoms, ends[1].atoms, specification.images)
    n_replicas = len(images)
    elements = decks.elements_of(images[0])
    deck = decks.write_deck(
        directory,
        "neb",
        model,
        elements,
        title=f"Band of {specification.images} images with {model.name}",
        n_replicas=n_replicas,
        force_tolerance=specification.force_tolerance_eV_per_A,
        plain_iterations=_PLAIN_ITERATIONS,
        climbing_iterations=math.ceil(specification.max_iterations / _REPORT_EVERY) * _REPORT_EVERY,
        report_every=_REPORT_EVERY,
        spring_constant=_SPRING_EV_PER_A2,
        timestep_ps=_TIMESTEP_PS,
    )
    say("band: starting")
    evaluations = 0
    for _ in range(_MOST_CLIMBS):
        for number, image in enumerate(images):
            decks.write_structure(directory / f"image_{number}.data", image, elements)
        engine.run_deck(
            directory,
            deck,
            python=model.interpreter(),
            replicas=n_replicas,
            threads=threads_per_replica(specification.images),
            on_poll=lambda: _say_band(read_band_log(directory), say),
        )
        log = read_band_log(directory)
        replicas = [read_relaxed(directory, f"image_{n}") for n in range(n_replicas)]
        evaluations += specification.images * (1 + log.steps)
        climbed = log.climbing_image == 1 + np.argmax([r.energy_eV for r in replicas[1:-1]])
        if climbed:
            break
        images = [replica.atoms for replica in replicas]
    band = [decks.read_state(directory / f"image_{n}.band.dump") for n in range(n_replicas)]
    energies = [replica.energy_eV for replica in replicas]
    # the forces of the band are zero on its ends, which do not move
    largest = max_force([*band, *(end.atoms for end in ends)])
    converged = bool(climbed) and is_converged(largest, specification)
    failure = paths.classify(energies)
    barriers = paths.barrier(energies) if failure != "type_I_divergence" else None
    return {
        "energies_eV": energies,
        "reaction_coordinate": paths.reaction_coordinate([r.atoms for r in replicas]).tolist(),
        "barrier_eV": barriers and barriers.barrier_eV,
        "forward_barrier_eV": barriers and barriers.forward_barrier_eV,
        "reverse_barrier_eV": barriers and barriers.reverse_barrier_eV,
        "converged": converged,
        "max_atom_force_eV_per_A": largest,
        "failure": failure or (None if converged else "not_converged"),
        "force_evaluations": evaluations,
    }


@dataclass(frozen=True, slots=True)
class BandLog:
    """What LAMMPS `neb` has written to the log of the universe so far.

    Attributes
    ----------
    steps
        steps of the band
    force
        largest 3N force norm of a replica [eV/A], and
    forward_barrier
        barrier from the initial end [eV], at the last step of the table; NaN before the first
    climbing_image
        image that climbs, counted from the initial end, which is 0; None where there is none yet
    """

    steps: int
    force: float
    forward_barrier: float
    climbing_image: int | None


def read_band_log(directory: Path) -> BandLog:
    """Read the table that LAMMPS `neb` writes to log.lammps."""
    log = directory / "log.lammps"
    rows, climbing_image = [], None
    for line in log.read_text().splitlines() if log.is_file() else ():
        words = line.split()
        if words and words[0].isdecimal() and len(words) > 9:
            rows.append([float(word) for word in words])
        elif line.startswith("Climbing replica = "):
            climbing_image = int(words[3]) - 1
    if not rows:
        return BandLog(0, math.nan, math.nan, climbing_image)
    return BandLog(int(rows[-1][0]), rows[-1][1], rows[-1][6], climbing_image)


def _say_band(log: BandLog, say: Say) -> None:
    if log.steps:
        say(
            f"band: step {log.steps}, force on the band {log.force:.2f} eV/A,"
            f" barrier {log.forward_barrier:.3f} eV"
        )
