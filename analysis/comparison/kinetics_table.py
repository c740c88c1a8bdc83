"""Diffusivities from hops (`hopkin kinetics`): of each run and axis at 300 K, and at each temperature."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hopkin.analysis.comparison.results import Row

ROOM_K = 300.0
FIELDS = (
    *("material", "ion", "model", "axis", "vacancy_300K_cm2_per_s", "vacancy_300K_at_most_cm2_per_s"),
    *("believed_300K_cm2_per_s", "believed_300K_low_cm2_per_s", "believed_300K_high_cm2_per_s"),
    *("ion_300K_cm2_per_s", "vacant_part", "conductivity_300K_S_per_cm", "activation_energy_eV"),
    *(
        "believed_activation_energy_eV",
        "believed_activation_energy_eV_low",
        "believed_activation_energy_eV_high",
    ),
    *("not_believed", "failure", "verified", "directory", "message"),
)
_AT_ROOM = {
    "vacancy_300K_cm2_per_s": "vacancy_diffusivity_cm2_per_s",
    "vacancy_300K_at_most_cm2_per_s": "vacancy_diffusivity_at_most_cm2_per_s",
    "believed_300K_cm2_per_s": "believed_diffusivity_cm2_per_s",
    "believed_300K_low_cm2_per_s": "believed_low_cm2_per_s",
    "believed_300K_high_cm2_per_s": "believed_high_cm2_per_s",
    "ion_300K_cm2_per_s": "ion_diffusivity_cm2_per_s",
    "conductivity_300K_S_per_cm": "conductivity_S_per_cm",
}


def kinetics_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of all kinetics; one that failed has one row."""
    return [made for row in rows if row["kind"] == "kinetics" for made in _rows(row)]


def kinetics_temperatures(rows: Sequence[Row]) -> list[Row]:
    """Return a row for each temperature of all kinetics: means over the directions of space."""
    table = []
    for row in rows:
        if row["kind"] != "kinetics" or row.get("failure") or not row.get("axes"):
            continue
        means = np.trace(np.array(row["vacancy_tensors_cm2_per_s"]), axis1=1, axis2=2) / 3
        part = row["vacant_part"]
        table += [
            {name: row.get(name) for name in ("material", "ion", "model", "vacant_part")}
            | {"temperature_K": kelvin, "vacancy_cm2_per_s": float(mean)}
            | {"charge_cm2_per_s": float(part / (1 - part) * mean)}
            for kelvin, mean in zip(row["temperatures_K"], means, strict=True)
        ]
    return table


def _rows(row: Row) -> Iterator[Row]:
    blank = {name: row.get(name) for name in FIELDS} | {"axis": None, "activation_energy_eV": None}
    blank |= dict.fromkeys(name for name in FIELDS if name.startswith("believed_activation"))
    if row.get("failure") or not row.get("axes"):
        yield blank
        return
    for n, axis in enumerate(row["axes"]):
        at_room = {name: _at(row["temperatures_K"], row.get(field), n) for name, field in _AT_ROOM.items()}
        energies = (row.get("believed_activation_energy_eV") or [None] * len(row["axes"]))[n]
        low, middle, high = energies or (None, None, None)
        yield (
            blank
            | at_room
            | {
                "axis": axis,
                "activation_energy_eV": row["activation_energy_eV"][n],
                "believed_activation_energy_eV": middle,
                "believed_activation_energy_eV_low": low,
                "believed_activation_energy_eV_high": high,
            }
        )


def _at(kelvin: Sequence[float], table: Any, axis: int) -> float | None:
    """Return the value at room temperature, between two of a table by the law of Arrhenius."""
    known = [(1 / t, row[axis]) for t, row in zip(kelvin, table or (), strict=False) if row[axis] is not None]
    colder = min((pair for pair in known if pair[0] >= 1 / ROOM_K - 1e-9), default=None)
    warmer = max((pair for pair in known if pair[0] <= 1 / ROOM_K + 1e-9), default=None)
    if colder is None or warmer is None:
        return None
    (x, cold), (y, warm) = colder, warmer
    if x - y < 1e-9 or cold <= 0 or warm <= 0:
        return float(min(cold, warm))
    return float(np.exp(np.interp(1 / ROOM_K, (y, x), np.log((warm, cold)))))
