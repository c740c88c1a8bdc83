"""A band: relaxed ends, an interpolated path, a climbing-image NEB in LAMMPS, and what it says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from hopkin.drivers import paths
from hopkin.drivers.models import Model
from hopkin.drivers.sites import strayed
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.attempts import Attempt, climb
from hopkin.drivers.workflows.calculation import Say, is_converged
from hopkin.drivers.workflows.relaxation import Relaxed, relax

_MOST_ENDS = 3
"""How often ends are relaxed."""
_LOWER_EV = 0.05
"""An image in the site of an end, this far below it, shows that the end is no ground state [eV]."""

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
    say: Say,
) -> dict[str, Any]:
    """Relax both ends, and run the band between them; `ion` is the index of the atom that hops.

    Where the band finds lower energies in the site of an end, such as a Jahn-Teller distortion that the
    symmetry of the crystal had kept the end from, it starts again between ends relaxed from there.
    """
    ion %= len(ends[0])
    built, starts, attempts = ends, ends, list[Attempt]()
    while True:
        initial, final = relax(
            dict(zip(("initial", "final"), starts, strict=True)),
            model,
            directory / "ends",
            relax_cell=False,
            force_tolerance=specification.force_tolerance_eV_per_A,
            max_iterations=specification.max_iterations,
            say=say,
        )
        relaxed = initial.atoms, final.atoms
        # Another ion that leaves its site, into the vacancy say, is as bad as the one that hops.
        ions = built[0].numbers == built[0].numbers[ion]
        drift = max(
            float(np.linalg.norm(paths.displacements(before, after)[ions], axis=1).max())
            for before, after in zip(built, relaxed, strict=True)
        )
        facts = {"n_atoms": len(built[0]), "ion_index": ion, "end_drift_A": drift}
        if evidence := strayed(built, relaxed, ion):
            return {**facts, **_no_band(attempts), "failure": "endpoint_drift", "evidence": evidence}
        if unrelaxed := _unrelaxed(initial, final, specification):
            return {**facts, **_no_band(attempts), **unrelaxed}
        rounds = len(list(directory.glob("ends_*"))) + 1

        def lower(band: Attempt) -> tuple[Atoms, Atoms] | None:
            return _lower_ends(built, band, ion) if rounds < _MOST_ENDS else None  # noqa: B023

        last, attempts = climb(
            (initial, final),
            model,
            specification,
            directory,
            earlier=attempts,
            enough=lambda band: lower(band) is not None,
            say=say,
        )
        if not last.replicas or (found := lower(last)) is None:
            return facts | _band(last, attempts, directory)
        starts = found
        (directory / "ends").rename(directory / f"ends_{rounds}")


def _lower_ends(built: tuple[Atoms, Atoms], band: Attempt, ion: int) -> tuple[Atoms, Atoms] | None:
    """Images of a band that are in the sites of its ends, and lower: better ends; None: there are none."""
    energies, images = np.array(band.energies), band.atoms
    saddle = 1 + int(np.argmax(energies[1:-1]))
    first, last = int(np.argmin(energies[:saddle])), saddle + 1 + int(np.argmin(energies[saddle + 1 :]))
    if strayed(built, (images[first], images[-1]), ion):
        first = 0
    if strayed(built, (images[0], images[last]), ion):
        last = -1
    gain = max(energies[0] - energies[first], energies[-1] - energies[last])
    return (images[first], images[last]) if gain > _LOWER_EV else None


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


def _no_band(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Fields of a result without a band, but for the attempts at one."""
    if not attempts:
        return NO_BAND
    return NO_BAND | {
        "attempts": [attempt.record() for attempt in attempts],
        "force_evaluations": sum(attempt.evaluations for attempt in attempts),
    }


def _band(last: Attempt, attempts: Sequence[Attempt], directory: Path) -> dict[str, Any]:
    """Part of the result that comes from the band."""
    facts = _no_band(attempts)
    if not last.replicas:
        return {**facts, "failure": "type_I_divergence", "evidence": last.evidence}
    _write_path(directory / "path.extxyz", last)
    barriers, curve = paths.barrier(last.energies), last.profile
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
        **_verdict(last, len(attempts)),
    }


def _verdict(last: Attempt, n_attempts: int) -> dict[str, Any]:
    """Failure and evidence of a band whose energies are numbers."""
    failed = paths.classify(last.energies)
    if failed:
        return {"failure": failed.kind, "evidence": failed.evidence}
    if through := paths.collision(last.atoms):
        return {"failure": "type_II_unphysical", "evidence": through}
    if last.outcome != "converged":
        return {"failure": "not_converged", "evidence": f"after {n_attempts} attempts, {last.evidence}"}
    return {"failure": None, "evidence": None}


def _write_path(path: Path, band: Attempt) -> None:
    """Write ends and images, with energies and forces, as one file to look at."""
    images = []
    for replica in band.replicas:
        image = replica.atoms.copy()
        forces = image.arrays.pop("forces")
        image.calc = SinglePointCalculator(image, energy=replica.energy_eV, forces=forces)
        images.append(image)
    ase.io.write(path, images, format="extxyz")
