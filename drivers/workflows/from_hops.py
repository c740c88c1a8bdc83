"""Diffusivities from the results of all hops of a crystal: fields of the result of `kinetics`.

A hop whose run failed is a bound: diffusivities are given without it, and once more as if it had no barrier;
where the two are the same it does not matter.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np
from ase import Atoms, units

from hopkin.analysis.trajectories import FloatArray as Floats
from hopkin.drivers import kinetics
from hopkin.drivers.crystals import Structure
from hopkin.drivers.hops import Hop, Sites, percolating_barriers
from hopkin.drivers.kinetics import HopRate
from hopkin.drivers.specification import KineticsSpecification

TYPICAL_THZ = 10.0
"""Attempt frequency of a hop that harmonic theory has none for [THz]."""
_TYPICAL_FACTOR, _HARMONIC_FACTOR = 2.0, 1.3
"""Standard errors of frequencies that were not computed, and of those that were, as factors."""
_HALF_OF_90 = 1.645
"""Standard errors in half of a 90 % interval of normal errors."""
_NO_BARRIER_EV = 1e-3
_STEP_EV = 1e-4
_AXES = ("a", "b", "c")
_ALKALI = ("Li", "Na", "K", "Rb", "Cs")
"""Ions of one charge."""
_LEAST_SITES, _MOST_SITES, _JUMPS, _CRYSTALS = 100, 2000, 1000, 200
"""Of a walk: sites of each crystal, jumps of each vacancy, crystals."""
_LEAST_DECISIVE = 100
"""Jumps that decide, in each crystal, below which a walk says nothing."""


def is_computed(result: Mapping[str, Any]) -> bool:
    """Whether a hop has a barrier."""
    return bool(result) and not result["failure"] and result["barrier_eV"] is not None


def _rates(
    hops: Sequence[Hop],
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
    *,
    by_belief: bool = False,
) -> tuple[list[HopRate], list[str]]:
    """Return rates of hops that have barriers, and where their frequencies are from.

    Both ways of a hop that symmetry reverses are the same: what they differ by is noise.

    Parameters
    ----------
    by_belief
        barriers are what they are likely to be, with their errors; else as the model says
    """
    rates, sources = [], []
    for hop, result in zip(hops, results, strict=True):
        barriers = [max(_NO_BARRIER_EV, result[name]) for name in _ENDS]
        if hop.symmetric:
            barriers = [sum(barriers) / 2] * 2
        lower = higher = 0.0
        if by_belief:
            likely, low, high = (result[f"believed_{name}_eV"] for name in ("barrier", "low", "high"))
            shift = max(likely - result["barrier_eV"], _NO_BARRIER_EV - min(barriers))
            barriers = [barrier + shift for barrier in barriers]
            lower, higher = (likely - low) / _HALF_OF_90, (high - likely) / _HALF_OF_90
        computed = result.get("rates")
        given = specification.attempt_frequency_THz
        frequencies = [given or TYPICAL_THZ] * 2
        if given is None and computed:
            frequencies = [computed["attempt_frequency_THz"], computed["reverse_attempt_frequency_THz"]]
            if hop.symmetric:
                frequencies = [geometric_mean(frequencies)] * 2
        harmonic = given is None and bool(computed)
        rates.append(
            HopRate(
                forward_eV=barriers[0],
                reverse_eV=barriers[1],
                forward_THz=frequencies[0],
                reverse_THz=frequencies[1],
                lower_eV=lower,
                higher_eV=higher,
                factor=_HARMONIC_FACTOR if harmonic else _TYPICAL_FACTOR,
            )
        )
        sources.append("harmonic" if harmonic else "typical" if given is None else "given")
    return rates, sources


_ENDS = ("forward_barrier_eV", "reverse_barrier_eV")


def diffusivities_of(
    structure: Structure,
    bulk: Atoms,
    sites: Sites,
    hops: Sequence[Hop],
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
) -> dict[str, Any]:
    """Fields of the result that come from the hops together."""
    placed = sites.on(structure.atoms, bulk)
    used = [(hop, result) for hop, result in zip(hops, results, strict=True) if is_computed(result)]
    failed = [hop for hop, result in zip(hops, results, strict=True) if result and not is_computed(result)]
    known, of_known = [hop for hop, _ in used], [result for _, result in used]
    network = kinetics.network_of(placed.positions, placed.cell, [hop.bonds for hop in known])
    rates, sources = _rates(known, of_known, specification)
    kelvin = list(specification.temperatures_K)
    found = kinetics.diffusivities(network, placed.cell, rates, kelvin)
    axes = bulk.cell.array / np.linalg.norm(bulk.cell.array, axis=1)[:, None]
    vacancy = kinetics.along(found.vacancy, axes)
    ions = np.array([tensor.along(axes) for tensor in found.ions])
    part = specification.vacant_part
    for_each_ion = part / (1 - part)
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
        "vacancy_diffusivity_cm2_per_s": vacancy.tolist(),
        "ion_diffusivity_cm2_per_s": (for_each_ion * ions).tolist(),
        "correlation_factor": np.divide(ions, vacancy, out=np.zeros_like(ions), where=vacancy > 0).tolist(),
        "conductivity_S_per_cm": conductivity.tolist() if specification.ion in _ALKALI else None,
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
        "hops": told_of(hops, results, sources),
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
        **_interval(network, known, of_known, specification, axes),
    }


def _walk(
    network: kinetics.Network,
    cell: Floats,
    rates: Sequence[HopRate],
    kelvin: float,
    specification: KineticsSpecification,
    axes: Floats,
) -> dict[str, Any]:
    """Diffusivities where vacancies block one another, and their standard errors, along the axes."""
    part, blocked = specification.vacant_part, specification.blocked_part
    cells = kinetics.supercell_of(cell, network.n_sites, min(_MOST_SITES, max(_LEAST_SITES, 2 / part)))
    n_sites = network.n_sites * math.prod(cells)
    n_vacancies = min(max(1, round(part * n_sites)), n_sites - 1)
    n_blocked = min(round(blocked * n_sites), n_sites - n_vacancies - 1)
    jumps = _JUMPS * n_vacancies
    told = {"temperature_K": kelvin, "n_sites": n_sites, "n_vacancies": n_vacancies, "n_blocked": n_blocked}
    there = kinetics.rates_at(network, rates, kelvin)
    if (decisive := jumps * kinetics.decisive_part(network, there)) < _LEAST_DECISIVE:
        why = f"of {jumps} jumps {decisive:.1g} would be those that decide; wanted at least {_LEAST_DECISIVE}"
        return told | dict.fromkeys(_WALKED) | {"evidence": why}
    found = kinetics.walk(
        network,
        there,
        cells,
        n_vacancies,
        n_blocked=n_blocked,
        n_jumps=jumps,
        n_crystals=_CRYSTALS,
        seed=specification.seed,
    )
    of_ions = part / (1 - part)  # the walk has them for each vacancy, of which it has a whole number
    tensors = (found.charge, found.charge_error, of_ions * found.ions, of_ions * found.ions_error)
    return told | {
        name: (kinetics.CM2_PER_A2 * kinetics.along(tensor, axes)).tolist()
        for name, tensor in zip(_WALKED, tensors, strict=True)
    }


_WALKED = (
    *("vacancy_diffusivity_cm2_per_s", "vacancy_diffusivity_std"),
    *("ion_diffusivity_cm2_per_s", "ion_diffusivity_std"),
)


def _limiting(hops: Sequence[Hop], barriers: Sequence[tuple[float, float]]) -> dict[str, int | None]:
    """Index of the hop whose barrier is that of the network in one, two, three dimensions."""
    thresholds, _ = percolating_barriers(hops, barriers)
    found: dict[str, int | None] = {f"{dimension}D": None for dimension in thresholds}
    for n, hop in enumerate(hops):
        raised = [(a + _STEP_EV, b + _STEP_EV) if m == n else (a, b) for m, (a, b) in enumerate(barriers)]
        again, _ = percolating_barriers(hops, raised)
        for dimension, barrier in thresholds.items():
            if barrier is not None and (again[dimension] or 0.0) > barrier + _STEP_EV / 2:
                found[f"{dimension}D"] = hop.index  # None where several are as high
    return found


def _bounds(
    placed: Sites,
    known: Sequence[Hop],
    failed: Sequence[Hop],
    rates: Sequence[HopRate],
    kelvin: Sequence[float],
    axes: Floats,
) -> dict[str, Any]:
    """Diffusivity of the vacancy as if hops that failed had no barrier; None where none failed.

    The energies of the sites are those that the other hops say. Where a hop leads to a site that these say
    nothing of, there is no bound.
    """
    names = [hop.index for hop in failed]
    none = {"hops_as_bounds": names, "vacancy_diffusivity_at_most_cm2_per_s": None, "unbounded_hops": []}
    if not failed:
        return none
    alone = kinetics.network_of(placed.positions, placed.cell, [hop.bonds for hop in known])
    joining = [
        hop.index for hop in failed if any(alone.part[bond[0]] != alone.part[bond[1]] for bond in hop.bonds)
    ]
    if joining:
        return none | {"unbounded_hops": joining}
    network = kinetics.network_of(placed.positions, placed.cell, [hop.bonds for hop in (*known, *failed)])
    hertz = 1e12 * geometric_mean([each for rate in rates for each in (rate.forward_THz, rate.reverse_THz)])
    most = []
    for t in kelvin:
        of_known = kinetics.rates_at(alone, rates, t)
        weights = of_known.weights
        per_s = hertz * np.minimum(1.0, weights[network.final] / weights[network.initial])
        computed = network.hop < len(known)
        per_s[computed] = of_known.per_s
        free = kinetics.Rates(weights=weights, per_s=per_s, disagreement=0.0)
        most.append(kinetics.CM2_PER_A2 * kinetics.vacancy_diffusivity(network, free))
    return none | {"vacancy_diffusivity_at_most_cm2_per_s": kinetics.along(np.array(most), axes).tolist()}


def _interval(
    network: kinetics.Network,
    hops: Sequence[Hop],
    results: Sequence[Mapping[str, Any]],
    specification: KineticsSpecification,
    axes: Floats,
) -> dict[str, Any]:
    """Diffusivity of the vacancy by corrected barriers, with its 90 % interval; or why there is none."""
    names = ("believed_diffusivity_cm2_per_s", "believed_low_cm2_per_s", "believed_high_cm2_per_s")
    for result in results:
        if result["not_believed"]:
            why = f"hop {result['hop_index']} is not believed: {result['not_believed']}"
            return {**dict.fromkeys(names), "believed_activation_energy_eV": None, "not_believed": why}
    rates, _ = _rates(hops, results, specification, by_belief=True)
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


def told_of(
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
            "frequency_from": next(source, None) if is_computed(result) else None,
            "rates_evidence": result.get("rates_evidence"),
            "failure": result.get("failure"),
            "evidence": result.get("evidence"),
            "directory": result.get("directory"),
        }
        for hop, result in zip(hops, results, strict=True)
    ]
