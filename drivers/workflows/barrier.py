"""Migration barriers: of a vacancy hop of a crystal, or between two given ends."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from hopkin.analysis.calibration import Calibration, believed, framework_of
from hopkin.drivers import bands
from hopkin.drivers.crystals import Structure, image_distance, require_ion, supercell_matrix
from hopkin.drivers.engine import slug, writing_to
from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.hops import (
    SEPARATE_SITES_A,
    Hop,
    Site,
    find_hops,
    percolating_barriers,
    supercell_for,
    vacancy_endpoints,
    vacant_sites,
)
from hopkin.drivers.models import Model
from hopkin.drivers.specification import LONGEST_HOP_A, BandSpecification, BarrierSpecification
from hopkin.drivers.workflows.band import NO_BAND, band_facts, relaxed_band
from hopkin.drivers.workflows.calculation import Run, Say, calculate, digest, fingerprint
from hopkin.drivers.workflows.relaxation import relax_bulk


def list_hops(structure: Structure, ion: str, max_length: float) -> tuple[Hop, ...]:
    """Distinct hops of a crystal, of which there have to be some."""
    if not 0 < max_length <= LONGEST_HOP_A:
        raise SpecificationError(
            f"the longest hop is {max_length:g} A; accepted: a length above 0, up to {LONGEST_HOP_A:g} A"
        )
    hops = find_hops(structure.atoms, ion, max_length)
    if not hops:
        raise SpecificationError(
            f"{structure.material} has no {ion} hop up to {max_length:g} A: raise --max-length"
        )
    return hops


def select_hops(structure: Structure, ion: str, max_length: float, hop: str) -> list[Hop]:
    """Hops that `--hop` asks for: a number of `hopkin hops`, or all that do not lead through an ion."""
    hops = list_hops(structure, ion, max_length)
    if hop == "all":
        return [hop for hop in hops if not hop.through_ion]
    if not hop.isdecimal() or int(hop) >= len(hops):
        raise SpecificationError(
            f"no hop '{hop}' in {structure.material}: accepted are 0 to {len(hops) - 1}, or all"
        )
    selected = hops[int(hop)]
    if selected.through_ion:
        raise SpecificationError(
            f"hop {hop} of {structure.material} ({selected.label}) leads through another {ion}: that is two "
            "shorter hops in a row; choose those"
        )
    return [selected]


def percolation(hops: Sequence[Hop], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Percolating barriers [eV] of a crystal in 1, 2 and 3 dimensions, from the results of its hops.

    A hop whose run failed does not count.
    """
    known = {
        result["hop_index"]: (result["forward_barrier_eV"], result["reverse_barrier_eV"])
        for result in results
        if result["failure"] is None
    }
    barriers = [known.get(hop.index) for hop in hops]
    thresholds, disagreement = percolating_barriers(hops, barriers)
    return {
        "percolating_barriers_eV": {f"{dimension}D": barrier for dimension, barrier in thresholds.items()},
        "site_energy_disagreement_eV": disagreement,
        "hops_without_barrier": [
            hop.index for hop, barrier in zip(hops, barriers, strict=True) if barrier is None
        ],
    }


def write_endpoints(
    structure: Structure, hop: Hop, specification: BarrierSpecification, directory: Path, suffix: str
) -> tuple[Path, Path]:
    """Write the unrelaxed ends of a hop, as ASE writes files of this suffix; their atoms correspond."""
    ends = barrier_ends(structure, hop, specification)
    material = slug(structure.material, hyphens=True)
    files = [
        directory / f"{material}-hop{hop.index}-{specification.mechanism}-{name}.{suffix}"
        for name in ("initial", "final")
    ]
    with writing_to(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for file, end in zip(files, ends, strict=True):
            by_element = end[np.argsort(end.numbers, kind="stable")]
            by_element.write(file)
    return files[0], files[1]


def barrier_ends(structure: Structure, hop: Hop, specification: BarrierSpecification) -> tuple[Atoms, Atoms]:
    """Both ends of a hop, unrelaxed.

    Raises
    ------
    StructureError
        when the supercell is too small for it
    """
    sites, matrix = _vacancies(structure, hop, specification)
    return vacancy_endpoints(structure.atoms, hop, matrix, sites)


def _vacancies(
    structure: Structure, hop: Hop, specification: BarrierSpecification
) -> tuple[tuple[Site, ...], NDArray[np.int64]]:
    """Vacant sites, and the supercell: that of the structure as given, so that all models have the same."""
    sites = vacant_sites(structure.atoms, hop, specification.mechanism)
    if specification.repeats is not None:
        return sites, supercell_matrix(specification.repeats)
    return sites, supercell_for(structure.atoms, hop, sites, specification.min_image_distance_A)


def run_barrier(
    structure: Structure,
    hop: Hop,
    model: Model,
    specification: BarrierSpecification,
    root: Path,
    *,
    path: Sequence[Atoms] | None = None,
    verify: bool = True,
    say: Say,
) -> Run:
    """Barrier of one vacancy hop of a crystal.

    Bulk relaxation, supercell with one vacancy or two, relaxation of both ends, IDPP path, CI-NEB. The first
    attempt has the shape of another model's band (`start_from` of the specification), where `path` is given.
    """
    sites, matrix = _vacancies(structure, hop, specification)
    vacancy_endpoints(structure.atoms, hop, matrix, sites)  # refuses too small a supercell
    facts = {
        "material": structure.material,
        "mechanism": specification.mechanism,
        "hop": hop.label,
        "hop_index": hop.index,
        "path_length_A": hop.length_A,
        "supercell": matrix.tolist(),
        **band_facts(specification),
    }

    prefix = "" if specification.mechanism == "vacancy" else "di"

    def work(directory: Path) -> dict[str, Any]:
        bulk = structure.atoms
        if specification.relax_bulk:
            relaxed = relax_bulk(structure, model, root, specification, say=say)
            facts.update(relaxed.facts)
            if relaxed.evidence:
                return {**facts, **NO_BAND, "failure": "not_converged", "evidence": relaxed.evidence}
            bulk = relaxed.atoms
        moved = hop.on(bulk)
        ends = vacancy_endpoints(bulk, moved, matrix, sites)
        band = relaxed_band(ends, -1, model, specification, directory, path=path, say=say)
        distance = image_distance(matrix @ bulk.cell.array)
        band |= {"path_length_A": moved.length_A, "image_distance_A": distance}
        return {**facts, **band, **believed_of(structure.atoms, model, specification.ion, band)}

    return calculate(
        root,
        f"{slug(structure.material, hyphens=True)}-{prefix}hop{hop.index}",
        "barrier",
        structure.atoms,
        model,
        specification,
        work,
        asked={
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(structure.atoms),
            **_begun_from(path),
        },
        diverged=ChainMap(facts, NO_BAND),  # facts grow by `work`
        verify=verify,
        say=say,
    )


def believed_of(atoms: Atoms, model: Model, ion: str, band: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the barrier of a band is likely to be, by the cases that hopkin comes with."""
    return believed(
        Calibration.shipped(), framework_of(atoms.symbols, ion), {**band, "model": model.name, "ion": ion}
    )


def _begun_from(path: Sequence[Atoms] | None) -> dict[str, str]:
    """Field that tells runs apart which started from different bands of another model."""
    return {} if path is None else {"path_sha256": digest(path)}


def run_neb(
    initial: Structure,
    final: Structure,
    model: Model,
    specification: BandSpecification,
    root: Path,
    *,
    path: Sequence[Atoms] | None = None,
    verify: bool = True,
    say: Say,
) -> Run:
    """Barrier between two given ends, which are relaxed first; `path` as of `run_barrier`."""
    bands.check_endpoints(initial.atoms, final.atoms)
    require_ion(initial.atoms, specification.ion)
    moved = np.linalg.norm(bands.displacements(initial.atoms, final.atoms), axis=1)
    ions = initial.atoms.numbers == atomic_numbers[specification.ion]
    ion, furthest = int(np.argmax(np.where(ions, moved, -1.0))), int(np.argmax(moved))
    if moved[ion] < SEPARATE_SITES_A < moved[furthest]:
        raise SpecificationError(
            f"{initial.material}: no {specification.ion} hops between these ends, none moves by more than"
            f" {moved[ion]:.2f} A; {initial.atoms.symbols[furthest]} {furthest + 1} moves by"
            f" {moved[furthest]:.2f} A: give --ion {initial.atoms.symbols[furthest]}"
        )
    facts = {
        "material": initial.material,
        "mechanism": "given ends",
        "hop": "between given ends"
        if initial.material == final.material
        else f"{initial.material} -> {final.material}",
        "path_length_A": float(moved[ion]),
        "note": final.note,
        **band_facts(specification),
    }
    ends = initial.atoms, final.atoms

    def work(directory: Path) -> dict[str, Any]:
        result = facts | relaxed_band(ends, ion, model, specification, directory, path=path, say=say)
        return {**result, **believed_of(initial.atoms, model, specification.ion, result)}

    return calculate(
        root,
        f"{slug(initial.material, hyphens=True)}-neb",
        "neb",
        initial.atoms,
        model,
        specification,
        work,
        asked={
            "initial": fingerprint(initial.atoms),
            "final": fingerprint(final.atoms),
            "material": initial.material,
            "source": initial.source,
            **_begun_from(path),
        },
        diverged=facts | NO_BAND,
        verify=verify,
        say=say,
    )
