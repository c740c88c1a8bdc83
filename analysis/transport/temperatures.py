"""Runs at several temperatures: their diffusivities side by side, and the activation energy."""

from collections.abc import Mapping, Sequence
from typing import Any

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.transport.arrhenius import LEAST_DIFFERENCE_K, Point, Prediction, fit_arrhenius
from hopkin.analysis.transport.conductivity import CHARGES, conductivity

ROOM_TEMPERATURE_K = 300.0
FIT_FIELDS = (
    *("activation_energy_eV", "activation_energy_std", "activation_energy_interval_95"),
    *("prefactor_cm2_per_s", "reduced_chi_squared", "temperatures_K", "excluded_temperatures_K"),
    *("diffusivity_300K_cm2_per_s", "diffusivity_300K_interval_95", "conductivity_300K_S_per_cm"),
    *("extrapolated", "reason"),
)


def arrhenius_table(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Diffusivities and Arrhenius fits of runs of one material at different temperatures.

    Two fits: `paper`, unweighted, of the diffusivities of the paper protocol; `weighted`, of those by
    blocks with their errors, or, where a run is too short for blocks, of the windowed ones with the
    error by the number of hops. Runs that failed are in neither. What is extrapolated to 300 K says so.

    Parameters
    ----------
    results
        One per run: fields of result.json with `temperature_K`, `ion`, `volume_A3`, and those of
        :meth:`TransportResult.as_dict`; where known, `run`, its name, `model`, `model_sha256`, `failure`.

    Returns
    -------
    dict
        `runs`, one row each; `failed`, the failures of those left out, by name; `paper` and `weighted`,
        the fits: all fields None but the `reason` where one is impossible.

    Raises
    ------
    AnalysisError
        If a run has no temperature, all have the same, or they are of different ions, materials
        or models.
    """
    temperatures: list[Any] = [result.get("temperature_K") for result in results]
    if None in temperatures:
        raise AnalysisError(
            f"run {temperatures.index(None) + 1} of {len(results)} has no temperature: give one -T for each "
            "(temperature_K in Python)"
        )
    for name in ("ion", "material", "model", "model_sha256"):
        if len(found := {str(result.get(name)) for result in results}) > 1:
            raise AnalysisError(
                f"no Arrhenius fit over runs of more than one {name}: {', '.join(sorted(found))}"
            )
    if max(temperatures) - min(temperatures) < LEAST_DIFFERENCE_K:
        raise AnalysisError(
            f"no Arrhenius fit: all {len(results)} runs are at {temperatures[0]:g} K; two different "
            "temperatures are needed"
        )
    sound = [result for result in results if not result.get("failure")]
    paper = [
        Point(temperature=result["temperature_K"], diffusivity=result["diffusivity_cm2_per_s"])
        for result in sound
        if result["diffusivity_cm2_per_s"] is not None
    ]
    weighted = [
        Point(
            temperature=row["temperature_K"],
            diffusivity=row["diffusivity_cm2_per_s"],
            standard_error=row["diffusivity_std"],
            degrees_of_freedom=row["n_blocks"] - 1.0 if row["n_blocks"] else float("inf"),
        )
        for row in map(_row, sound)
        if row["diffusivity_cm2_per_s"] is not None
    ]
    return {
        "runs": [_row(result) for result in results],
        "failed": {str(result.get("run")): result["failure"] for result in results if result.get("failure")},
        "paper": _fit(paper, sound),
        "weighted": _fit(weighted, sound),
    }


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the diffusivity of a run that its data support best."""
    by_blocks = result["diffusivity_block_cm2_per_s"] is not None
    source = "block" if by_blocks else "windowed"
    reason = result["diffusivity_tracer_reason"]
    value = None if reason else result[f"diffusivity_{source}_cm2_per_s"]
    return {
        "run": result.get("run"),
        "temperature_K": result["temperature_K"],
        "diffusivity_paper_cm2_per_s": result["diffusivity_cm2_per_s"],
        "diffusivity_cm2_per_s": value,
        "diffusivity_std": None if reason else result[f"diffusivity{'_block' * by_blocks}_std"],
        "diffusivity_interval_95": result["diffusivity_block_interval_95"],
        "n_blocks": result["n_blocks"] if by_blocks else None,
        "source": None if value is None else {"block": "blocks", "windowed": "hop count"}[source],
        "reason": reason,
    }


def _fit(points: Sequence[Point], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    try:
        fit = fit_arrhenius(points)
    except AnalysisError as error:
        return dict.fromkeys(FIT_FIELDS) | {"reason": str(error)}
    room = fit.predict(ROOM_TEMPERATURE_K)
    return {
        "activation_energy_eV": fit.activation_energy,
        "activation_energy_std": fit.standard_error,
        "activation_energy_interval_95": fit.interval and list(fit.interval),
        "prefactor_cm2_per_s": fit.prefactor,
        "reduced_chi_squared": fit.reduced_chi_squared,
        "temperatures_K": [point.temperature for point in fit.points],
        "excluded_temperatures_K": [point.temperature for point in fit.excluded],
        "diffusivity_300K_cm2_per_s": room.diffusivity,
        "diffusivity_300K_interval_95": room.interval and list(room.interval),
        "conductivity_300K_S_per_cm": _conductivity(room, results),
        "extrapolated": room.extrapolated,
        "reason": None,
    }


def _conductivity(room: Prediction, results: Sequence[Mapping[str, Any]]) -> float | None:
    """Nernst-Einstein conductivity [S/cm], at the mean density of the runs; None of unknown charges."""
    if (ion := results[0]["ion"]) not in CHARGES:
        return None
    densities = [result["n_ions"] / result["volume_A3"] for result in results]
    return conductivity(
        room.diffusivity,
        n_ions=1,
        charge=CHARGES[ion],
        volume=len(densities) / sum(densities),
        temperature=room.temperature,
    )
