"""Published numbers that come with hopkin, each with its source.

`cathode_barriers.csv` has DFT barriers of the built-in cathodes; `models.csv` what the published comparison
says of its models.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from hopkin.analysis.comparison.references import Reference, read_references

SOURCE = "10.48550/arXiv.2601.10938"
"""DOI of the published comparison: Guo, Gui, Wang (2026)."""

Range = tuple[float, float]


@cache
def cathode_barriers() -> tuple[Reference, ...]:
    """Known barriers of the built-in cathodes, as far as the literature has them."""
    with resources.as_file(resources.files(__name__) / "cathode_barriers.csv") as file:
        return tuple(read_references(file))


@cache
def published_errors() -> Mapping[str, Mapping[tuple[str, float | None], Range]]:
    """Errors of models in the published comparison.

    Returns
    -------
    mapping
        of each model: for a quantity, named as in the tables, and a temperature [K] or None, the lowest and
        the highest value that is stated; the same where one is
    """
    found: dict[str, dict[tuple[str, float | None], Range]] = {}
    for row in csv.DictReader((resources.files(__name__) / "models.csv").read_text().splitlines()):
        kelvin = float(row["temperature_K"]) if row["temperature_K"] else None
        found.setdefault(row["model"], {})[row["quantity"], kelvin] = float(row["low"]), float(row["high"])
    return MappingProxyType(found)
