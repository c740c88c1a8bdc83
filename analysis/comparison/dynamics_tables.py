"""Dynamics of a campaign beside what is known of them, as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hopkin.analysis.comparison.dynamics_comparison import (
    Dynamics,
    DynamicsComparison,
    common_msd,
    compare_dynamics,
    rdf_differences,
    read_dynamics,
    reference_of,
)
from hopkin.analysis.comparison.metrics import Errors, statistic
from hopkin.analysis.comparison.references import KIND, DynamicsReference
from hopkin.analysis.comparison.results import Row, count_failures

COLUMNS = (
    *("kind", "material", "ion", "model", "temperature_K", "temperature_mean_K", "seed", "ensemble"),
    "timestep_fs",
    *("time_ps", "n_ions", "msd_A2_final", "framework_msd_A2", "diffusivity_cm2_per_s"),
    *("diffusivity_windowed_cm2_per_s", "diffusivity_std", "n_hops", "log_log_slope", "failure"),
    *("reference_diffusivity_cm2_per_s", "common_msd_A2", "reference_common_msd_A2", "rdf_mae_A"),
    *("functional", "source", "ns_per_day", "wall_s", "verified", "conservative", "directory", "message"),
)


def dynamics_tables(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Give the runs beside what is known, statistics of each model, differences of RDFs, activation energies.

    The statistics are over all temperatures, and over each.

    Parameters
    ----------
    rows
        of all jobs, with the `path` of those that have a run directory, and the `reference` that a job has
    """
    known = list(_known(rows))
    ended = [row for row in rows if row["kind"] == "md"]
    runs = [
        read_dynamics(row, row["path"]) if row.get("reference") and row.get("n_ions") else None
        for row in ended
    ]
    # a reference whose trajectory cannot be analysed has a row of its own, which says why
    lost = [row for row in rows if row["kind"] == KIND and row.get("failure")]
    table, differences = [], []
    for row, run in zip(ended, runs, strict=True):
        reference = None if run is None else reference_of(run, known)
        compared: Row = {}
        if run is not None and reference is not None:
            first, second = common_msd(reference, run) or (None, None)
            rdfs = rdf_differences(reference, run)
            compared = {
                "reference_diffusivity_cm2_per_s": reference.diffusivity,
                "reference_common_msd_A2": first,
                "common_msd_A2": second,
                "rdf_mae_A": float(np.mean([d.mae for d in rdfs])) if rdfs else None,
            }
            differences += [
                {name: row.get(name) for name in ("material", "temperature_K", "model", "seed")}
                | {"pair": d.pair, "mae_A": d.mae, "wasserstein_A": d.wasserstein}
                | {name: row.get(name) for name in ("failure", "directory")}
                for d in rdfs
            ]
        stated = row.get("reference") or {}
        named = {name: stated.get(name) for name in ("functional", "source")}
        table.append({name: {**row, **named, **compared}.get(name) for name in COLUMNS})
    table += [{name: row.get(name) for name in COLUMNS} for row in lost]
    statistics, energies = [], []
    for head, found in _comparisons(ended, runs, known):
        statistics.append(head | _fields(found))
        if found is not None and (head["over"], head["temperature_K"]) == ("converged", None):
            energies += [
                {
                    "material": material,
                    "model": head["model"],
                    "reference_activation_energy_eV": first,
                    "activation_energy_eV": second,
                }
                for material, first, second in found.energies
            ]
    return table, statistics, differences, energies


def _known(rows: Sequence[Row]) -> Iterator[Dynamics]:
    """List what is known of materials at temperatures; a diffusivity that is stated goes first."""
    trajectories = [
        read_dynamics(row, row["path"]) for row in rows if row["kind"] == KIND and row.get("n_ions")
    ]
    stated = [row["reference"] for row in rows if row["kind"] == "md" and row.get("reference")]
    for reference in dict.fromkeys(map(DynamicsReference.model_validate, stated)):
        known = Dynamics(
            material=reference.material,
            temperature=reference.temperature_K,
            msd=reference.msd_A2,
            time=reference.time_ps,
            diffusivity=reference.diffusivity_cm2_per_s,
        )
        if (trajectory := reference_of(known, trajectories)) is not None:
            stated_one = known.diffusivity
            known = trajectory if stated_one is None else replace(trajectory, diffusivity=stated_one)
        if known.msd is not None or known.diffusivity is not None:
            yield known


def _comparisons(
    rows: Sequence[Row], runs: Sequence[Dynamics | None], known: Sequence[Dynamics], *, seed: int = 1
) -> Iterator[tuple[Row, DynamicsComparison | None]]:
    """Of each model, over all temperatures and over each: of the runs without a failure, and of all."""
    pairs = [pair for pair in zip(rows, runs, strict=True) if pair[0].get("reference")]
    for model in dict.fromkeys(row["model"] for row, _ in pairs):
        every = [pair for pair in pairs if pair[0]["model"] == model]
        kelvins = sorted({row["reference"]["temperature_K"] for row, _ in every})
        for kelvin in (None, *kelvins):
            ours = [pair for pair in every if kelvin in (None, pair[0]["reference"]["temperature_K"])]
            failures = count_failures(row.get("failure") for row, _ in ours)
            cases = {"n_cases": len(ours), "failures": failures}
            for over in ("converged", "all"):
                counted = [run for row, run in ours if run and (over == "all" or not row.get("failure"))]
                compared = [run for run in counted if reference_of(run, known)]
                head = {"model": model, "temperature_K": kelvin, "over": over, "n": len(compared), **cases}
                yield head, compare_dynamics(known, compared, seed=seed) if compared else None


def _fields(found: DynamicsComparison | None) -> Row:
    quartiles = (None, None, None)
    if found is not None and found.rdf_quartiles is not None:
        quartiles = tuple(found.rdf_quartiles.tolist())
    return {
        "log10_msd_n": 0 if found is None else found.n_msd,
        "log10_msd_mae": found and found.log10_msd_mae,
        "log10_diffusivity_n": 0 if found is None else found.n_positive,
        "log10_diffusivity_mae": found and found.log10_diffusivity_mae,
        **_errors("diffusivity", "cm2_per_s", None if found is None else found.diffusivity),
        **_errors("activation_energy", "eV", None if found is None else found.activation_energy),
        "rdf_n": 0 if found is None else len(found.rdf),
        **dict(zip(("rdf_mae_lower_A", "rdf_mae_median_A", "rdf_mae_upper_A"), quartiles, strict=True)),
        "immobile": found and ", ".join(found.immobile),
        "negative": found and ", ".join(f"{material} at {kelvin:g} K" for material, kelvin in found.negative),
        "without_energy": found and ", ".join(found.without_energy),
    }


def _errors(quantity: str, unit: str, found: Errors | None) -> Row:
    mae, low, high = statistic(found, "mae")
    return {
        f"{quantity}_n": 0 if found is None else found.n,
        f"{quantity}_mae_{unit}": mae,
        f"{quantity}_mae_{unit}_low": low,
        f"{quantity}_mae_{unit}_high": high,
        f"{quantity}_bias_{unit}": statistic(found, "bias")[0],
        f"{quantity}_r2": statistic(found, "r2")[0],
    }
