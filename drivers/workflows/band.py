"""A band: relaxed ends, an interpolated path, a climbing-image NEB in LAMMPS, and what it says.

Ends are relaxed first and then held. The barrier is then defined by them, as in ASE.

An end is the lowest that is known of its site. Ends built from a symmetric crystal may relax to a
stationary point that is no ground state, from which the images of a band fall off (a Jahn-Teller distortion
in NaNiO2: 0.28 eV). They are relaxed anew from an image downhill in their site that is more than 0.05 eV
lower, twice at most.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from hopkin.drivers import bands
from hopkin.drivers.errors import DivergenceError, Failure
from hopkin.drivers.hops import strayed
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.attempts import Attempt
from hopkin.drivers.workflows.calculation import Say, is_converged
from hopkin.drivers.workflows.ladder import bring_back, climb, ends_set_aside
from hopkin.drivers.workflows.relaxation import Relaxed, relax

_MOST_ENDS = 3
"""How often ends are relaxed."""
_LOWER_EV = 0.05
"""An image in the site of an end, this far below it, shows that the end is no ground state [eV]."""
_SAME_SITE_A = 1.0
"""No atom of such an image is further from where the end was built [A]."""

# Fields of a result without a band.
NO_BAND: Final[dict[str, Any]] = {
    "energies_eV": [],
    "reaction_coordinate": [],
    "path_coordinate_A": [],
    "slopes_eV_per_A": [],
    "spline_coordinate_A": [],
    "spline_energies_eV": [],
    "barrier_eV": None,
    "forward_barrier_eV": None,
    "reverse_barrier_eV": None,
    "spline_barrier_eV": None,
    "saddle_image": None,
    "climbing_image": None,
    "saddle_coordinate": None,
    "max_atom_force_eV_per_A": None,
    "converged": False,
    "unresolved": None,
    "below_ends": None,
    "force_evaluations": None,
    "attempts": [],
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
    path: Sequence[Atoms] | None = None,
    say: Say,
) -> dict[str, Any]:
    """Relax both ends, and run the band between them; `ion` is the index of the atom that hops.

    Where the band finds lower energies in the site of an end, such as a Jahn-Teller distortion that the
    symmetry of the crystal had kept the end from, it starts again between ends relaxed from there.
    The first attempt has the shape of `path`, where one is given.
    """
    ion %= len(ends[0])
    band: dict[str, Any] | None = None
    starts, attempts = ends, list[Attempt]()
    lower = partial(_lower_ends, ends, ion=ion)
    for more in reversed(range(_MOST_ENDS)):
        before = [folder for n, folder in ends_set_aside(directory) if n > len(attempts)]  # of a killed run
        try:
            relaxed = relax(
                dict(zip(("initial", "final"), starts, strict=True)),
                model,
                before[0] if before else directory / "ends",
                relax_cell=False,
                force_tolerance=specification.force_tolerance_eV_per_A,
                max_iterations=specification.max_iterations,
                say=say,
            )
            failed = _useless(ends, relaxed, ion, specification)
        except DivergenceError as error:
            if band is None:
                raise
            failed = {"failure": error.failure, "evidence": str(error)}
        if failed and band is not None:
            return _given_up(band, f"relaxed from there: {failed['evidence']}", failed["failure"])
        facts = {"n_atoms": len(ends[0]), "ion_index": ion, "end_drift_A": _drift(ends, relaxed, ion)}
        if failed:
            return {**facts, **NO_BAND, **failed}
        earlier = attempts
        last, attempts = climb(
            (relaxed[0], relaxed[1]),
            model,
            specification,
            directory,
            path=path,
            earlier=earlier,
            enough=lower if more else None,
            say=say,
        )
        if band is not None and not last.replicas:
            bring_back(directory, len(earlier))
            tried = band | _tried(attempts)
            return _given_up(tried, f"between ends relaxed from there: {last.evidence}", "type_I_divergence")
        band = facts | _band(last, attempts, directory)
        if more == 0 or not last.replicas or (found := lower(last)) is None:
            break
        starts = found
        aside = directory / f"ends_{len(attempts)}"
        if not aside.is_dir():
            (directory / "ends").rename(aside)
    assert band is not None
    return band


def _given_up(band: dict[str, Any], why: str, failure: Failure) -> dict[str, Any]:
    """Say of a band whose ends are no ground states why there is none between lower ones."""
    if band["failure"]:
        return band
    evidence = f"lower energies lie in the sites of its ends; {why}"
    return band | {"converged": False, "failure": failure, "evidence": evidence}


def _drift(ends: Sequence[Atoms], relaxed: Sequence[Relaxed], ion: int) -> float:
    """How far an ion moved [A]: another one that leaves its site is as bad as the one that hops."""
    ions = ends[0].numbers == ends[0].numbers[ion]
    return max(
        float(np.linalg.norm(bands.displacements(before, after.atoms)[ions], axis=1).max())
        for before, after in zip(ends, relaxed, strict=True)
    )


def _lower_ends(built: tuple[Atoms, Atoms], band: Attempt, *, ion: int) -> tuple[Atoms, Atoms] | None:
    """Images of a band that lie downhill from its ends, in the same sites; None where there are none."""
    found, gains = [], []
    for end, images in enumerate((band.replicas, band.replicas[::-1])):
        lowest = 0
        while lowest + 2 < len(images) and images[lowest + 1].energy_eV < images[lowest].energy_eV:
            candidate = images[lowest + 1].atoms
            pair = (candidate, images[-1].atoms) if end == 0 else (images[-1].atoms, candidate)
            moved = np.linalg.norm(bands.displacements(built[end], candidate), axis=1).max()
            if moved > _SAME_SITE_A or strayed(built, pair, ion):
                break
            lowest += 1
        found.append(images[lowest].atoms)
        gains.append(images[0].energy_eV - images[lowest].energy_eV)
    return (found[0], found[1]) if max(gains) > _LOWER_EV else None


def _useless(
    ends: tuple[Atoms, Atoms], relaxed: Sequence[Relaxed], ion: int, specification: BandSpecification
) -> dict[str, Any] | None:
    """Fields of a result where an end left its site, or has not come to rest."""
    if evidence := strayed(ends, [end.atoms for end in relaxed], ion):
        return {"failure": "endpoint_drift", "evidence": evidence}
    return _unrelaxed(relaxed[0], relaxed[1], specification)


def _unrelaxed(initial: Relaxed, final: Relaxed, specification: BandSpecification) -> dict[str, Any] | None:
    """Fields of a result where an end has not come to rest."""
    which, worst = max((("initial", initial), ("final", final)), key=lambda end: end[1].max_force_eV_per_A)
    if is_converged(worst.max_force_eV_per_A, specification):
        return None
    return {
        "max_atom_force_eV_per_A": worst.max_force_eV_per_A,
        "failure": "not_converged",
        "evidence": f"the {which} end did not relax: after {2 * specification.max_iterations} iterations"
        f" the largest force is {worst.max_force_eV_per_A:.3g} eV/A (accepted:"
        f" {specification.force_tolerance_eV_per_A:g} eV/A)",
    }


def _tried(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Part of the result that tells what was tried."""
    return {
        "attempts": [attempt.record() for attempt in attempts],
        "force_evaluations": sum(attempt.evaluations for attempt in attempts),
    }


def _band(last: Attempt, attempts: Sequence[Attempt], directory: Path) -> dict[str, Any]:
    """Part of the result that comes from the band."""
    facts = NO_BAND | _tried(attempts)
    if not last.replicas:
        return {**facts, "failure": "type_I_divergence", "evidence": last.evidence}
    _write_path(directory / "path.extxyz", last)
    barriers, curve = bands.barrier(last.energies), last.profile
    where, highest = curve.saddle()
    coordinates, energies = curve.sampled()
    return facts | {
        "images": last.images,
        "energies_eV": last.energies,
        "reaction_coordinate": (curve.coordinate_A / curve.coordinate_A[-1]).tolist(),
        "path_coordinate_A": curve.coordinate_A.tolist(),
        "slopes_eV_per_A": curve.slopes_eV_per_A.tolist(),
        "spline_coordinate_A": coordinates,
        "spline_energies_eV": energies,
        "barrier_eV": barriers.barrier_eV,
        "forward_barrier_eV": barriers.forward_barrier_eV,
        "reverse_barrier_eV": barriers.reverse_barrier_eV,
        "spline_barrier_eV": highest - float(curve.energies_eV[-1]) / 2,
        "saddle_image": barriers.saddle_image,
        "climbing_image": last.climbing_image,
        "saddle_coordinate": where / float(curve.coordinate_A[-1]),
        "converged": last.outcome == "converged",
        "max_atom_force_eV_per_A": last.max_force_eV_per_A,
        "unresolved": curve.unresolved(),
        "below_ends": below_ends(last.energies),
        **_verdict(last, len(attempts)),
    }


def below_ends(energies_eV: Sequence[float]) -> str | None:
    """Say which image lies lower than both ends, so that they are no ground states; None: none does."""
    lowest = int(np.argmin(energies_eV))
    depth = min(energies_eV[0], energies_eV[-1]) - energies_eV[lowest]
    if depth <= _LOWER_EV:
        return None
    return f"image {lowest} lies {depth:.3f} eV below both ends, which are no ground states"


def _verdict(last: Attempt, n_attempts: int) -> dict[str, Any]:
    """Failure and evidence of a band whose energies are numbers."""
    failed = bands.classify(last.energies)
    if failed:
        return {"failure": failed.kind, "evidence": failed.evidence}
    if through := bands.collision(last.atoms):
        return {"failure": "type_II_unphysical", "evidence": through}
    if last.outcome != "converged":
        return {"failure": "not_converged", "evidence": f"after {n_attempts} attempts, {last.evidence}"}
    return {"failure": None, "evidence": None}


def _write_path(path: Path, band: Attempt) -> None:
    """Write ends and images, with energies and forces, as one file to look at."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    images = []
    for replica in band.replicas:
        image = replica.atoms.copy()
        forces = image.arrays.pop("forces")
        image.calc = SinglePointCalculator(image, energy=replica.energy_eV, forces=forces)
        images.append(image)
    write(path, images, format="extxyz")
