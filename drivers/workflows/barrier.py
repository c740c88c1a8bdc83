"""Migration barriers: relaxed ends, an interpolated path, and a climbing-image band in LAMMPS."""

import logging
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from hopkin.drivers import decks, engine, paths
from hopkin.drivers.errors import DivergenceError, SpecificationError
from hopkin.drivers.hops import Hop, find_hops, sufficient_repeats, vacancy_endpoints
from hopkin.drivers.models import Model
from hopkin.drivers.parity import ensure_parity
from hopkin.drivers.rundirectory import RunDirectory, find_run
from hopkin.drivers.specification import BandSpecification, BarrierSpecification
from hopkin.drivers.structures import Structure, choose_repeats, require_ion
from hopkin.drivers.workflows.relaxation import (
    Relaxed,
    Say,
    fingerprint,
    is_converged,
    max_force,
    read_relaxed,
    relax,
    slug,
    threads_per_replica,
)

_logger = logging.getLogger(__name__)

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
    say: Say,
) -> tuple[RunDirectory, dict[str, Any]]:
    """Barrier of one vacancy hop of a crystal.

    Bulk relaxation, supercell with a vacancy, relaxation of both ends, IDPP path, CI-NEB. A finished
    run directory is read; a torn one is taken up at the stage it had reached.

    Returns
    -------
    tuple
        the run directory, and the content of its `result.json`
    """
    model.require_elements(structure.atoms.get_chemical_symbols())
    if specification.repeats is not None:
        vacancy_endpoints(structure.atoms, hop, specification.repeats)  # refuses too small a supercell
    asked = {
        "kind": "barrier",
        "material": structure.material,
        "source": structure.source,
        "structure": fingerprint(structure.atoms),
        "model_sha256": model.sha256,
        "specification": specification.model_dump(mode="json"),
    }
    run = find_run(root, f"{structure.material}-hop{hop.index}-{slug(model.name)}", asked)
    if (result := run.result) is not None:
        return run, result
    parity = ensure_parity(model, structure.atoms, say=say)
    run.begin()

    def hop_band() -> dict[str, Any]:
        bulk = structure.atoms
        if specification.relax_bulk:
            (relaxed,) = relax(
                {"bulk": bulk},
                model,
                run.path / "bulk",
                relax_cell=True,
                force_tolerance=specification.force_tolerance_eV_per_A,
                max_iterations=specification.max_iterations,
                say=say,
            )
            if not is_converged(relaxed.max_force_eV_per_A, specification):
                return {**_no_band("not_converged"), "max_atom_force_eV_per_A": relaxed.max_force_eV_per_A}
            bulk = relaxed.atoms
        moved = hop.on(bulk)
        repeats = specification.repeats
        if repeats is None:
            smallest = choose_repeats(bulk.cell, specification.min_height_A)
            repeats = sufficient_repeats(bulk, moved, smallest)
        ends = vacancy_endpoints(bulk, moved, repeats)
        band = _relaxed_band(ends, -1, model, specification, run, say=say)
        return band | {"path_length_A": moved.length_A, "repeats": list(repeats)}

    result = {
        "material": structure.material,
        "mechanism": specification.mechanism,
        "hop": hop.label,
        "hop_index": hop.index,
        "path_length_A": hop.length_A,
        "parity": parity,
    }
    return run, run.finish(result | _outcome(hop_band, model, specification))


def run_neb(
    initial: Structure,
    final: Structure,
    model: Model,
    specification: BandSpecification,
    root: Path,
    *,
    say: Say,
) -> tuple[RunDirectory, dict[str, Any]]:
    """Barrier between two given ends, which are relaxed first."""
    paths.check_endpoints(initial.atoms, final.atoms)
    require_ion(initial.atoms, specification.ion)
    model.require_elements(initial.atoms.get_chemical_symbols())
    asked = {
        "kind": "neb",
        "initial": fingerprint(initial.atoms),
        "final": fingerprint(final.atoms),
        "material": initial.material,
        "source": initial.source,
        "model_sha256": model.sha256,
        "specification": specification.model_dump(mode="json"),
    }
    run = find_run(root, f"{initial.material}-neb-{slug(model.name)}", asked)
    if (result := run.result) is not None:
        return run, result
    parity = ensure_parity(model, initial.atoms, say=say)
    run.begin()
    moved = np.linalg.norm(paths.displacements(initial.atoms, final.atoms), axis=1)
    moved[initial.atoms.numbers != atomic_numbers[specification.ion]] = 0.0
    ion = int(np.argmax(moved))
    result = {
        "material": initial.material,
        "mechanism": "given ends",
        "hop": f"{initial.material} -> {final.material}",
        "path_length_A": float(moved[ion]),
        "parity": parity,
    }
    ends = initial.atoms, final.atoms
    return run, run.finish(
        result
        | _outcome(lambda: _relaxed_band(ends, ion, model, specification, run, say=say), model, specification)
    )


def _outcome(
    band: Callable[[], dict[str, Any]], model: Model, specification: BandSpecification
) -> dict[str, Any]:
    """Calculate a band; a numerical divergence on the way is an outcome too."""
    start = time.monotonic()
    result: dict[str, Any] = {
        "ion": specification.ion,
        "model": model.name,
        "model_sha256": model.sha256,
        "route": model.route,
        "n_atoms": None,
        "images": specification.images,
        "force_tolerance_eV_per_A": specification.force_tolerance_eV_per_A,
        "lammps_version": engine.lammps_version(),
    }
    try:
        result |= band()
    except DivergenceError as error:
        _logger.warning("%s", error)
        result |= _no_band("type_I_divergence")
    return result | {"wall_s": time.monotonic() - start}


def _no_band(failure: str) -> dict[str, Any]:
    """Fields of a result without a band."""
    missing = ("barrier_eV", "forward_barrier_eV", "reverse_barrier_eV", "max_atom_force_eV_per_A")
    return {
        "energies_eV": [],
        "reaction_coordinate": [],
        **dict.fromkeys(missing),
        "converged": False,
        "failure": failure,
        "force_evaluations": None,
    }


def _relaxed_band(
    ends: tuple[Atoms, Atoms],
    ion: int,
    model: Model,
    specification: BandSpecification,
    run: RunDirectory,
    *,
    say: Say,
) -> dict[str, Any]:
    """Relax both ends, and run the band between them; `ion` is the index of the atom that hops."""
    initial, final = relax(
        dict(zip(("initial", "final"), ends, strict=True)),
        model,
        run.path / "ends",
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
        _no_band("endpoint_drift")
        if drift > least or left < least
        else _band((initial, final), model, specification, run, say=say)
    )
    return {"n_atoms": len(ends[0]), "end_drift_A": drift, **band}


def _band(
    ends: tuple[Relaxed, Relaxed],
    model: Model,
    specification: BandSpecification,
    run: RunDirectory,
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
    deck = decks.render(
        "neb",
        title=f"Band of {specification.images} images with {model.name}",
        n_replicas=n_replicas,
        elements=elements,
        pair_style=model.pair_style,
        pair_coeff=model.pair_coeff(),
        force_tolerance=specification.force_tolerance_eV_per_A,
        plain_iterations=_PLAIN_ITERATIONS,
        climbing_iterations=math.ceil(specification.max_iterations / _REPORT_EVERY) * _REPORT_EVERY,
        report_every=_REPORT_EVERY,
        spring_constant=_SPRING_EV_PER_A2,
        timestep_ps=_TIMESTEP_PS,
    )
    (run.path / "neb.in").write_text(deck)
    say("band: starting")
    log = run.path / "log.lammps"
    evaluations = 0
    for _ in range(_MOST_CLIMBS):
        for number, image in enumerate(images):
            decks.write_structure(run.path / f"image_{number}.data", image, elements)
        engine.run_deck(
            run.path,
            "neb.in",
            replicas=n_replicas,
            threads=threads_per_replica(specification.images),
            on_poll=lambda: _say_band(log, say),
        )
        replicas = [read_relaxed(run.path, f"image_{n}") for n in range(n_replicas)]
        evaluations += specification.images * (1 + _iterations(log))
        climbed = _climbing_image(log) == 1 + np.argmax([r.energy_eV for r in replicas[1:-1]])
        if climbed:
            break
        images = [replica.atoms for replica in replicas]
    band = [decks.read_state(run.path / f"image_{n}.band.dump") for n in range(n_replicas)]
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


def _table(log: Path) -> list[list[float]]:
    """Rows of the table that LAMMPS `neb` writes to the log of the universe.

    Step, largest 3N force norm of a replica [eV/A], and others; column 6 is the forward barrier [eV].
    """
    rows = []
    for line in log.read_text().splitlines() if log.is_file() else ():
        words = line.split()
        if words and words[0].isdecimal() and len(words) > 9:
            rows.append([float(word) for word in words])
    return rows


def _climbing_image(log: Path) -> int | None:
    """Image that LAMMPS had climb, counted from the initial end, which is 0; None where it had none."""
    found = re.search(r"^Climbing replica = (\d+)", log.read_text(), re.MULTILINE)
    return int(found[1]) - 1 if found else None


def _iterations(log: Path) -> int:
    rows = _table(log)
    return int(rows[-1][0]) if rows else 0


def _say_band(log: Path, say: Say) -> None:
    if rows := _table(log):
        step, band_force, *_ = rows[-1]
        forward = rows[-1][6]
        say(f"band: step {step:.0f}, force on the band {band_force:.2f} eV/A, barrier {forward:.3f} eV")
