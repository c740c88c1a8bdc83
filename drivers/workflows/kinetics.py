"""From a crystal to a diffusivity: the barriers and rates of all its hops, and the master equation on them.

A hop whose run failed is a bound: diffusivities are given without it, and once more as if it had no barrier;
where the two are the same it does not matter.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from ase import units

from hopkin.drivers import kinetics
from hopkin.drivers.crystals import Structure
from hopkin.drivers.engine import find_run, slug
from hopkin.drivers.errors import LammpsError, StructureError
from hopkin.drivers.hops import Hop, percolating_barriers, primitive_sites
from hopkin.drivers.kinetics import HopRate
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BarrierSpecification, KineticsSpecification
from hopkin.drivers.workflows.barrier import list_hops, run_barrier
from hopkin.drivers.workflows.calculation import Run, Say, fingerprint, model_slug
from hopkin.drivers.workflows.rates import with_rates
from hopkin.drivers.workflows.relaxation import relax_bulk

TYPICAL_THZ = 10.0
"""Attempt frequency of a hop that harmonic theory has none for [THz]."""
_TYPICAL_FACTOR, _HARMONIC_FACTOR = 2.0, 1.3
"""Standard errors of frequencies that were not computed, and of those that were, as factors."""
_HALF_OF_90 = 1.645
"""Standard errors in half of a 90 % interval of normal errors."""
_NO_BARRIER_EV = 1e-3
_STEP_EV = 1e-4
_AXES = ("a", "b", "c")
_LEAST_SITES, _MOST_SITES, _JUMPS, _CRYSTALS = 100, 2000, 1000, 200
"""Of a walk: sites of each crystal, jumps of each vacancy, crystals."""


def run_kinetics(
    structure: Structure,
    model: Model,
    specification: KineticsSpecification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Diffusivity of a dilute vacancy, and of the ions, by all distinct hops up to a length.

    Each hop is a run of its own (`run_barrier`), with its harmonic rate; what is there is read.
    """
    hops = list_hops(structure, specification.ion, specification.max_length_A)
    run = find_run(
        root,
        f"{slug(structure.material, hyphens=True)}-kinetics-{model_slug(model.name)}",
        {
            "kind": "kinetics",
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(structure.atoms),
            "model_sha256": model.sha256 or model.checkpoint_sha256(),
            "specification": specification.model_dump(mode="json"),
        },
        *("model", "hops", "evidence"),
    )
    if run.result is not None:
        return run, run.result
    results = [
        {} if hop.through_ion else _hop(structure, hop, model, specification, root, verify=verify, say=say)
        for hop in hops
    ]
    say("diffusivities")
    facts = {
        "material": structure.material,
        "model": model.name,
        "ion": specification.ion,
        "conservative": model.conservative,
        "verified": all(result.get("verified", True) for result in results),
    }
    if not any(_computed(result) for result in results):
        result = next((result for result in results if result.get("failure")), {})
        outcome = {
            "hops": _told(hops, results, []),
            "failure": result.get("failure", "not_converged"),
            "evidence": f"no hop up to {specification.max_length_A:g} A has a barrier;"
            f" {result.get('evidence') or 'all lead through another ion'}",
        }
    else:
        bulk = relax_bulk(structure, model, root, _barrier(specification, hops[0].index), say=say).atoms
        sites = primitive_sites(structure.atoms, specification.ion)
        outcome = _diffusivities(structure, bulk, sites, hops, results, specification)
    with run.begun():
        return run, run.finish({**facts, **outcome})


def _barrier(specification: KineticsSpecification, hop: int) -> BarrierSpecification:
    common = set(BarrierSpecification.model_fields) & set(KineticsSpecification.model_fields)
    return BarrierSpecification(**specification.model_dump(include=common, exclude_none=True), hop=hop)


def _hop(
    structure: Structure,
    hop: Hop,
    model: Model,
    specification: KineticsSpecification,
    root: Path,
    *,
    verify: bool,
    say: Say,
) -> dict[str, Any]:
    """Return the result of a hop with its attempt frequencies; one that could not be run says so."""

    def tell(text: str) -> None:
        say(f"hop {hop.index}: {text}")

    try:
        run = run_barrier(
            structure, hop, model, _barrier(specification, hop.index), root, verify=verify, say=tell
        )
        if specification.attempt_frequency_THz is None:
            run = with_rates(run, model, [300.0], say=tell)
    except (LammpsError, StructureError) as error:
        return {"failure": type(error).__name__, "evidence": str(error), "barrier_eV": None}
    return {**run[1], "directory": run[0].path.name}


def _computed(result: Mapping[str, Any]) -> bool:
    return bool(result) and not result["failure"] and result["barrier_eV"] is not None


def _rates(
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
    *,
    believed: bool,
) -> tuple[list[HopRate], list[str]]:
    """Return rates of hops that have barriers, and where their frequencies are from.

    Parameters
    ----------
    believed
        barriers corrected, with their errors
    """
    rates, sources = [], []
    for result in results:
        forward, reverse = (max(_NO_BARRIER_EV, result[name]) for name in _ENDS)
        error = 0.0
        if believed:
            shift = result["believed_barrier_eV"] - result["barrier_eV"]
            shift = max(shift, _NO_BARRIER_EV - min(forward, reverse))
            forward, reverse = forward + shift, reverse + shift
            error = (result["believed_high_eV"] - result["believed_low_eV"]) / 2 / _HALF_OF_90
        computed = result.get("rates")
        given = specification.attempt_frequency_THz
        there = back = given or TYPICAL_THZ
        if given is None and computed:
            there, back = computed["attempt_frequency_THz"], computed["reverse_attempt_frequency_THz"]
        harmonic = given is None and bool(computed)
        rates.append(
            HopRate(
                forward_eV=forward,
                reverse_eV=reverse,
                forward_THz=there,
                reverse_THz=back,
                error_eV=error,
                factor=_HARMONIC_FACTOR if harmonic else _TYPICAL_FACTOR,
            )
        )
        sources.append("harmonic" if harmonic else "typical" if given is None else "given")
    return rates, sources


_ENDS = ("forward_barrier_eV", "reverse_barrier_eV")


def _diffusivities(
    structure: Structure,
    bulk: Any,
    sites: Any,
    hops: Sequence[Hop],
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
) -> dict[str, Any]:
    """Fields of the result that come from the hops together."""
    placed = sites.on(structure.atoms, bulk)
    used = [(hop, result) for hop, result in zip(hops, results, strict=True) if _computed(result)]
    failed = [hop for hop, result in zip(hops, results, strict=True) if result and not _computed(result)]
    known, of_known = [hop for hop, _ in used], [result for _, result in used]
    network = kinetics.network_of(placed.positions, placed.cell, [hop.bonds for hop in known])
    rates, sources = _rates(of_known, specification, believed=False)
    kelvin = list(specification.temperatures_K)
    found = kinetics.diffusivities(network, placed.cell, rates, kelvin)
    axes = bulk.cell.array / np.linalg.norm(bulk.cell.array, axis=1)[:, None]
    vacancy, ions = kinetics.along(found.vacancy, axes), kinetics.along(found.ions, axes)
    part = specification.vacant_part
    density = len(placed.positions) / abs(np.linalg.det(placed.cell))  # of sites [1/A^3]
    # e^2 n D / kT, in S/cm: e [C], n [1/cm^3], D [cm^2/s], kT [eV]
    conductivity = 1.602176634e-19 * density * 1e24 * part * vacancy / (units.kB * np.array(kelvin))[:, None]
    barriers = [(r["forward_barrier_eV"], r["reverse_barrier_eV"]) for r in of_known]
    thresholds, _ = percolating_barriers(known, barriers)
    result = {
        "temperatures_K": kelvin,
        "axes": list(_AXES),
        "vacant_part": part,
        "vacancy_tensors_cm2_per_s": found.vacancy.tolist(),
        "ion_tensors_cm2_per_s": (part * found.ions).tolist(),
        "vacancy_diffusivity_cm2_per_s": vacancy.tolist(),
        "ion_diffusivity_cm2_per_s": (part * ions).tolist(),
        "correlation_factor": np.divide(ions, vacancy, out=np.zeros_like(ions), where=vacancy > 0).tolist(),
        "conductivity_S_per_cm": conductivity.tolist(),
        "activation_energy_eV": kinetics.activation_energies(found.temperatures_K, vacancy),
        "percolating_barriers_eV": {f"{n}D": barrier for n, barrier in thresholds.items()},
        "limiting_hops": _limiting(known, barriers),
        "site_labels": [
            f"{specification.ion}{n}({w})" for n, w in zip(sites.atoms, sites.wyckoff, strict=True)
        ],
        "site_weights": found.weights.tolist(),
        "site_positions_A": placed.positions.tolist(),
        "primitive_cell_A": placed.cell.tolist(),
        "bonds": [[list(bond) for bond in hop.bonds] for hop in known],
        "rate_disagreement": found.disagreement,
        "hops": _told(hops, results, sources),
        "failure": None,
        "evidence": None,
    }
    if specification.monte_carlo:
        result["monte_carlo"] = [
            _walk(network, placed.cell, rates, t, specification, axes) for t in specification.temperatures_K
        ]
    return {
        **result,
        **_bounds(placed, known, failed, rates, kelvin, axes),
        **_interval(network, of_known, specification, axes),
    }


def _walk(
    network: kinetics.Network,
    cell: np.ndarray,
    rates: Sequence[HopRate],
    kelvin: float,
    specification: KineticsSpecification,
    axes: np.ndarray,
) -> dict[str, Any]:
    """Diffusivities where vacancies block one another, and their standard errors, along the axes."""
    part, blocked = specification.vacant_part, specification.blocked_part
    cells = kinetics.supercell_of(cell, network.n_sites, min(_MOST_SITES, max(_LEAST_SITES, 2 / part)))
    n_sites = network.n_sites * math.prod(cells)
    n_vacancies = max(1, round(part * n_sites))
    n_blocked = min(round(blocked * n_sites), n_sites - n_vacancies - 1)
    found = kinetics.walk(
        network,
        kinetics.rates_at(network, rates, kelvin),
        cells,
        n_vacancies,
        n_blocked=n_blocked,
        n_jumps=_JUMPS * n_vacancies,
        n_crystals=_CRYSTALS,
        seed=specification.seed,
    )
    of_ions = n_vacancies / (n_sites - n_vacancies)  # the walk has them for each vacancy
    columns = {
        "vacancy_diffusivity_cm2_per_s": found.charge,
        "vacancy_diffusivity_std": found.charge_error,
        "ion_diffusivity_cm2_per_s": of_ions * found.ions,
        "ion_diffusivity_std": of_ions * found.ions_error,
    }
    return {
        "temperature_K": kelvin,
        "n_sites": n_sites,
        "n_vacancies": n_vacancies,
        "n_blocked": n_blocked,
        "jumps": found.jumps,
        **{
            name: (kinetics.CM2_PER_A2 * kinetics.along(tensor, axes)).tolist()
            for name, tensor in columns.items()
        },
    }


def _limiting(hops: Sequence[Hop], barriers: Sequence[tuple[float, float]]) -> dict[str, int | None]:
    """Index of the hop whose barrier is that of the network in one, two, three dimensions."""
    thresholds, _ = percolating_barriers(hops, barriers)
    found: dict[str, int | None] = {f"{dimension}D": None for dimension in thresholds}
    for n, hop in enumerate(hops):
        raised = [(a + _STEP_EV, b + _STEP_EV) if m == n else (a, b) for m, (a, b) in enumerate(barriers)]
        again, _ = percolating_barriers(hops, raised)
        for dimension, barrier in thresholds.items():
            if barrier is not None and (again[dimension] or 0.0) > barrier + _STEP_EV / 2:
                found[f"{dimension}D"] = hop.index
    return found


def _bounds(
    placed: Any,
    known: Sequence[Hop],
    failed: Sequence[Hop],
    rates: Sequence[HopRate],
    kelvin: Sequence[float],
    axes: np.ndarray,
) -> dict[str, Any]:
    """Diffusivity of the vacancy as if hops that failed had no barrier; None where none failed."""
    if not failed:
        return {"hops_as_bounds": [], "vacancy_diffusivity_at_most_cm2_per_s": None}
    hertz = geometric_mean([each for rate in rates for each in (rate.forward_THz, rate.reverse_THz)])
    free = HopRate(forward_eV=_NO_BARRIER_EV, reverse_eV=_NO_BARRIER_EV, forward_THz=hertz, reverse_THz=hertz)
    network = kinetics.network_of(placed.positions, placed.cell, [hop.bonds for hop in (*known, *failed)])
    most = [
        kinetics.CM2_PER_A2
        * kinetics.vacancy_diffusivity(
            network, kinetics.rates_at(network, [*rates, *[free] * len(failed)], t)
        )
        for t in kelvin
    ]
    return {
        "hops_as_bounds": [hop.index for hop in failed],
        "vacancy_diffusivity_at_most_cm2_per_s": kinetics.along(np.array(most), axes).tolist(),
    }


def _interval(
    network: kinetics.Network,
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
    axes: np.ndarray,
) -> dict[str, Any]:
    """Diffusivity of the vacancy by corrected barriers, with its 90 % interval; or why there is none."""
    names = ("believed_diffusivity_cm2_per_s", "believed_low_cm2_per_s", "believed_high_cm2_per_s")
    without = next((r for r in results if r.get("believed_barrier_eV") is None), None)
    if without is not None:
        why = f"hop {without['hop_index']} is not believed: {without.get('not_believed')}"
        return {**dict.fromkeys(names), "believed_activation_energy_eV": None, "not_believed": why}
    rates, _ = _rates(results, specification, believed=True)
    kelvin = specification.temperatures_K
    drawn = kinetics.along(
        kinetics.sampled(network, rates, kelvin, n_samples=specification.samples, seed=specification.seed),
        axes,
    )
    low, middle, high = np.quantile(drawn, (0.05, 0.5, 0.95), axis=0)
    slopes = [kinetics.activation_energies(np.array(kelvin), sample) for sample in drawn]
    energies = [
        None if None in column else np.quantile(column, (0.05, 0.5, 0.95)).tolist()
        for column in zip(*slopes, strict=True)
    ]
    return {
        **dict(zip(names, (middle.tolist(), low.tolist(), high.tolist()), strict=True)),
        "believed_activation_energy_eV": energies,
        "not_believed": None,
    }


def _told(
    hops: Sequence[Hop], results: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> list[dict[str, Any]]:
    """Tell what became of each hop."""
    source = iter(sources)
    keys = (*_ENDS, "barrier_eV", "believed_barrier_eV", "believed_low_eV", "believed_high_eV")
    return [
        {
            "hop_index": hop.index,
            "hop": hop.label,
            "path_length_A": result.get("path_length_A", hop.length_A),
            "through_ion": hop.through_ion,
            **{key: result.get(key) for key in keys},
            "attempt_frequency_THz": (result.get("rates") or {}).get("attempt_frequency_THz"),
            "frequency_from": next(source, None) if _computed(result) else None,
            "rates_evidence": result.get("rates_evidence"),
            "failure": result.get("failure"),
            "evidence": result.get("evidence"),
            "directory": result.get("directory"),
        }
        for hop, result in zip(hops, results, strict=True)
    ]
