"""Migration barriers: relaxed ends, an interpolated path, and a climbing-image band in LAMMPS."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from hopkin.drivers import decks, engine, paths
from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.hops import Hop, find_hops, sufficient_repeats, vacancy_endpoints
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification, BarrierSpecification
from hopkin.drivers.structures import Structure, choose_repeats, require_ion
from hopkin.drivers.workflows.calculation import (
    Run,
    Say,
    calculate,
    fingerprint,
    is_converged,
    threads_per_replica,
)
from hopkin.drivers.workflows.relaxation import Relaxed, max_force, read_relaxed, relax, relax_bulk

# Replicas wait for one another at every step, so the band is short-stepped and its table frequent.
_PLAIN_ITERATIONS = 20
_REPORT_EVERY = 5
_TIMESTEP_PS = 0.002
_SPRING_EV_PER_A2 = 1.0
_MOST_CLIMBS = 3

# An end that relaxes further than this part of the hop has left its site.
_DRIFT_FRACTION = 0.5


def select_hops(structure: Structure, ion: str, max_length: float, hop: str) -> list[Hop]:
    """Hops that `--hop` asks for: a number of `hopkin hops`, or all of them."""
    require_ion(structure.atoms, ion)
    hops = find_hops(structure.atoms, ion, max_length)
    if not hops:
        raise SpecificationError(
            f"{structure.material} has no {ion} hop up to {max_length:g} A: raise --max-length"
        )
    if hop == "all":
        return list(hops)
    if not hop.isdecimal() or int(hop) >= len(hops):
        raise SpecificationError(
            f"no hop '{hop}' in {structure.material}: accepted are 0 to {len(hops) - 1}, or all"
        )
    return [hops[int(hop)]]


def run_barrier(
    structure: Structure,
    hop: Hop,
    model: Model,
    specification: BarrierSpecification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Barrier of one vacancy hop of a crystal.

    Bulk relaxation, supercell with a vacancy, relaxation of both ends, IDPP path, CI-NEB.
    """
    if specification.repeats is not None:
        vacancy_endpoints(structure.atoms, hop, specification.repeats)  # refuses too small a supercell
    facts = {
        "material": structure.material,
        "mechanism": specification.mechanism,
        "hop": hop.label,
        "hop_index": hop.index,
        "path_length_A": hop.length_A,
        **_band_facts(specification),
    }

    def work(directory: Path) -> dict[str, Any]:
        bulk = structure.atoms
        if specification.relax_bulk:
            relaxed = relax_bulk(bulk, model, directory, specification, say=say)
            if not is_converged(relaxed.max_force_eV_per_A, specification):
                unrelaxed = {"max_atom_force_eV_per_A": relaxed.max_force_eV_per_A}
                return {**facts, **_NO_BAND, "failure": "not_converged", **unrelaxed}
            bulk = relaxed.atoms
        moved = hop.on(bulk)
        repeats = specification.repeats
        if repeats is None:
            smallest = choose_repeats(bulk.cell, specification.min_height_A)
            repeats = sufficient_repeats(bulk, moved, smallest)
        ends = vacancy_endpoints(bulk, moved, repeats)
        band = _relaxed_band(ends, -1, model, specification, directory, say=say)
        return {**facts, **band, "path_length_A": moved.length_A, "repeats": list(repeats)}

    return calculate(
        root,
        f"{structure.material}-hop{hop.index}",
        "barrier",
        structure.atoms,
        model,
        specification,
        work,
        asked={
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(structure.atoms),
        },
        diverged=facts | _NO_BAND,
        verify=verify,
        say=say,
    )


def run_neb(
    initial: Structure,
    final: Structure,
    model: Model,
    specification: BandSpecification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Barrier between two given ends, which are relaxed first."""
    paths.check_endpoints(initial.atoms, final.atoms)
    require_ion(initial.atoms, specification.ion)
    moved = np.linalg.norm(paths.displacements(initial.atoms, final.atoms), axis=1)
    moved[initial.atoms.numbers != atomic_numbers[specification.ion]] = 0.0
    ion = int(np.argmax(moved))
    facts = {
        "material": initial.material,
        "mechanism": "given ends",
        "hop": f"{initial.material} -> {final.material}",
        "path_length_A": float(moved[ion]),
        **_band_facts(specification),
    }
    ends = initial.atoms, final.atoms
    return calculate(
        root,
        f"{initial.material}-neb",
        "neb",
        initial.atoms,
        model,
        specification,
        lambda directory: facts | _relaxed_band(ends, ion, model, specification, directory, say=say),
        asked={
            "initial": fingerprint(initial.atoms),
            "final": fingerprint(final.atoms),
            "material": initial.material,
            "source": initial.source,
        },
        diverged=facts | _NO_BAND,
        verify=verify,
        say=say,
    )


def _band_facts(specification: BandSpecification) -> dict[str, Any]:
    """Fields of a result that are known before its band is."""
    return {
        "n_atoms": None,
        "images": specification.images,
        "force_tolerance_eV_per_A": specification.force_tolerance_eV_per_A,
    }


# Fields of a result without a band.
_NO_BAND: Final[dict[str, Any]] = {
    "energies_eV": [],
    "reaction_coordinate": [],
    "barrier_eV": None,
    "forward_barrier_eV": None,
    "reverse_barrier_eV": None,
    "max_atom_force_eV_per_A": None,
    "converged": False,
    "force_evaluations": None,
}


def _relaxed_band(
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
        _NO_BAND | {"failure": "endpoint_drift"}
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
