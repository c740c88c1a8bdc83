"""Attempts at a band: one run of LAMMPS `neb` each.

A band ends by the norm of all 3N forces of a replica (`min_modify norm two`), which is stricter than the
largest force on an atom: by that alone, a band in a soft crystal stopped 20 meV too high. What is reported
is the largest atomic force, taken from the forces that the deck dumps: the column `MaxAtomForce` of
LAMMPS's `neb` table is not that number (22 Jul 2025: squared).

Images are data files (`neb ... none`), one per replica: what starts is what can be looked at.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms

from hopkin.drivers import bands, engine
from hopkin.drivers.bands import Profile, fit_profile
from hopkin.drivers.errors import DivergenceError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.calculation import Say, is_converged, run_deck, threads_per_replica
from hopkin.drivers.workflows.relaxation import Relaxed, max_force, read_state

_PLAIN_ITERATIONS = 20
_REPORT_EVERY = 5

# An image that ends up less than this above the climbing one is as high [eV].
_AS_HIGH_EV = 0.001

# A band relaxes: one whose barrier has risen by more than this has run away [eV].
_RUN_AWAY_EV = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What LAMMPS is told for an attempt."""

    optimiser: Literal["fire", "quickmin"] = "fire"
    timestep_ps: float = 0.004
    spring_eV_per_A2: float = 1.0
    largest_step_A: float = 0.1


Outcome = Literal["converged", "another image is highest", "not converged", "diverged", "broke down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of `neb.in`, and what came of it.

    Attributes
    ----------
    settings
        what LAMMPS was told
    start
        where its images came from
    steps
        steps of the band
    outcome
        how it ended
    evidence
        that, in one sentence
    replicas
        ends and images as LAMMPS left them; empty where it left none, or no numbers
    max_force_eV_per_A
        largest force of the band on an atom
    climbing_image
        image that climbed, counted from the initial end, which is 0
    """

    settings: Settings
    images: int
    start: str
    steps: int = 0
    outcome: Outcome = "diverged"
    evidence: str = ""
    replicas: tuple[Relaxed, ...] = ()
    max_force_eV_per_A: float = math.nan
    climbing_image: int | None = None

    @property
    def energies(self) -> list[float]:
        """Energies of ends and images [eV]."""
        return [replica.energy_eV for replica in self.replicas]

    @property
    def atoms(self) -> list[Atoms]:
        """Ends and images."""
        return [replica.atoms for replica in self.replicas]

    @property
    def profile(self) -> Profile:
        """Spline along the band."""
        return fit_profile(self.atoms, self.energies)

    @property
    def evaluations(self) -> int:
        """Evaluations of the model; the ends do not move and are not evaluated."""
        return self.images * (1 + self.steps)

    def record(self) -> dict[str, Any]:
        """Entry of `attempts` in a result."""
        return {
            "settings": asdict(self.settings),
            "images": self.images,
            "start": self.start,
            "iterations": self.steps,
            "max_atom_force_eV_per_A": self.max_force_eV_per_A,
            "outcome": self.outcome,
            "evidence": self.evidence,
        }


def run_attempt(
    asked: Attempt,
    images: Sequence[Atoms],
    ends: tuple[Relaxed, Relaxed],
    model: Model,
    specification: BandSpecification,
    directory: Path,
    *,
    say: Say,
) -> Attempt:
    """Run `neb.in` from some images, as is asked; what came of it."""
    settings = asked.settings
    n_replicas = len(images)
    elements = engine.elements_of(images[0])
    for stale in directory.glob("image_*"):
        stale.unlink()
    for number, image in enumerate(images):
        engine.write_structure(directory / f"image_{number}.data", image, elements)
    deck = engine.write_deck(
        directory,
        "neb",
        model,
        elements,
        title=f"Band of {n_replicas - 2} images with {model.name}",
        n_replicas=n_replicas,
        force_tolerance=specification.force_tolerance_eV_per_A,
        plain_iterations=_PLAIN_ITERATIONS,
        climbing_iterations=math.ceil(specification.max_iterations / _REPORT_EVERY) * _REPORT_EVERY,
        report_every=_REPORT_EVERY,
        optimiser=settings.optimiser,
        timestep_ps=settings.timestep_ps,
        spring_constant=settings.spring_eV_per_A2,
        stiffness=np.mean([end.stiffness_eV_per_A2 for end in ends], axis=0).tolist(),
        largest_step=settings.largest_step_A,
    )
    say("band: starting")

    def watch() -> None:
        log = read_band_log(directory)
        if log.lost:
            raise DivergenceError(log.lost)
        say(
            f"band: step {log.steps}, force on the band {log.force:.2f} eV/A,"
            f" barrier {log.forward_barrier:.3f} eV"
            if log.steps
            else "band: starting"
        )

    try:
        run_deck(
            directory,
            deck,
            model,
            replicas=n_replicas,
            threads=threads_per_replica(n_replicas - 2),
            quiet_evaluations=_REPORT_EVERY * n_replicas * len(images[0]),
            on_poll=watch,
        )
    except DivergenceError as error:
        log = read_band_log(directory)
        evidence = log.lost or f"after step {log.steps} LAMMPS ended: {_reason(error)}"
        return replace(asked, steps=log.steps, evidence=evidence)
    log = read_band_log(directory)
    replicas = tuple(read_state(directory, f"image_{n}") for n in range(n_replicas))
    energies = [replica.energy_eV for replica in replicas]
    failed = bands.classify(energies)
    if log.lost or (failed and failed.kind == "type_I_divergence"):
        evidence = log.lost or (failed and failed.evidence) or ""
        return replace(asked, steps=log.steps, evidence=evidence)
    band = [engine.read_state(directory / f"image_{n}.band.dump") for n in range(n_replicas)]
    # the forces of the band are zero on its ends, which do not move
    largest = [max_force([image]) for image in [ends[0].atoms, *band[1:-1], ends[1].atoms]]
    highest = 1 + int(np.argmax(energies[1:-1]))
    climber = log.climbing_image
    outcome: Outcome
    if climber is None or energies[highest] > energies[climber] + _AS_HIGH_EV:
        outcome, evidence = "another image is highest", f"image {climber} climbed, image {highest} is highest"
    else:
        evidence = (
            f"the largest force on an atom is {max(largest):.3g} eV/A, at image {int(np.argmax(largest))}"
            f" (accepted: {specification.force_tolerance_eV_per_A:g} eV/A)"
        )
        outcome = "converged" if is_converged(max(largest), specification) else "not converged"
    return replace(
        asked,
        steps=log.steps,
        outcome=outcome,
        evidence=evidence,
        replicas=replicas,
        max_force_eV_per_A=max(largest),
        climbing_image=climber,
    )


def _reason(error: DivergenceError) -> str:
    """Return what LAMMPS said, without the file of its source and the line of the deck."""
    said = re.search(r"ERROR(?: on proc \d+)?: (.*?)(?= \(\S*\.cpp:\d+\)| \| |$)", str(error))
    return said[1] if said else str(error)


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
    lost
        how the band was lost, in one sentence: which image first had an energy that is no number, and when,
        or how far its barrier has risen; None where it was not
    """

    steps: int
    force: float
    forward_barrier: float
    climbing_image: int | None
    lost: str | None


def read_band_log(directory: Path) -> BandLog:
    """Read the table that LAMMPS `neb` writes to log.lammps; its last line may be half written."""
    log = directory / "log.lammps"
    rows, climbing_image = [], None
    whole, _, _ = log.read_text(errors="replace").rpartition("\n") if log.is_file() else ("", "", "")
    for line in whole.splitlines():
        words = line.split()
        if words and words[0].isdecimal() and len(words) > 9:
            rows.append([float(word) for word in words])
        elif line.startswith("Climbing replica = "):
            climbing_image = int(words[3]) - 1
    if not rows:
        return BandLog(0, math.nan, math.nan, climbing_image, None)
    return BandLog(int(rows[-1][0]), rows[-1][1], rows[-1][6], climbing_image, _lost(rows))


def _lost(rows: Sequence[Sequence[float]]) -> str | None:
    """Say where a band was lost: energies are columns 10, 12, ... after the coordinate of their replica."""
    for row in rows:
        lost = np.flatnonzero(~np.isfinite(row[10::2]))
        if len(lost):
            return f"at step {int(row[0])} the energy of image {lost[0]} is no number"
    barriers = [row[6] for row in rows]
    first, highest = barriers[0], max(barriers)
    if highest > first + _RUN_AWAY_EV:
        step = int(rows[barriers.index(highest)][0])
        return f"the band ran away: its barrier was {first:.3f} eV, and {highest:.3f} eV at step {step}"
    return None
