"""What changed between two campaigns: the same cases, pair by pair, with the interval of each difference."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hopkin.analysis.comparison.metrics import LEVEL
from hopkin.analysis.comparison.results import Row
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.trajectories import FloatArray

BARRIER_CASE = ("material", "ion", "mechanism", "hop_index")  # its length is that of the relaxed crystal
DYNAMICS_CASE = ("material", "ion", "temperature_K", "seed")

Tables = Mapping[str, Sequence[Row]]

_logger = logging.getLogger(__name__)


def compare_campaigns(first: Tables, second: Tables) -> list[Row]:
    """Compare the models of two campaigns, over the cases that ended without a failure in both.

    Models of the same name are compared; where there is none, and each campaign has one model, these two.

    Returns
    -------
    list
        for each model and quantity: `n` cases in common; the `mean_change` from the first to the second, with
        its 95 % interval (Student's t over the cases; a bootstrap's is too narrow where these are few), and
        the `largest_change`; `significant` where zero lies outside it, None for one case; `failed_before` and
        `failed_after`: of the cases that both were asked for. Where a barrier is known, also the change of
        the absolute error: negative is better.

    Raises
    ------
    ResultsError
        when they have no model or no case in common
    """
    found = [
        row
        for table, case, quantities in (
            ("barriers", BARRIER_CASE, {"barrier_eV": "barrier_eV", "error_eV": "absolute_error_eV"}),
            (
                *("dynamics", DYNAMICS_CASE),
                {"log10_msd_A2_final": "log10_msd", "log10_diffusivity_cm2_per_s": "log10_diffusivity"},
            ),
        )
        for before, after in _models(first.get(table, ()), second.get(table, ()))
        for row in _changes(
            [row for row in first.get(table, ()) if row["model"] == before],
            [row for row in second.get(table, ()) if row["model"] == after],
            case,
            quantities,
            before if before == after else f"{before} to {after}",
        )
    ]
    if not found:
        raise ResultsError("the two have no case of the same model in common")
    return found


def _models(first: Sequence[Row], second: Sequence[Row]) -> list[tuple[str, str]]:
    before, after = ({row["model"]: None for row in rows} for rows in (first, second))
    common = [(model, model) for model in before if model in after]
    if common or not (len(before) == len(after) == 1):
        return common
    return [(next(iter(before)), next(iter(after)))]


def _changes(
    first: Sequence[Row],
    second: Sequence[Row],
    case: Sequence[str],
    quantities: Mapping[str, str],
    model: str,
) -> list[Row]:
    def by_case(rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
        cases = {tuple(row[name] for name in case): row for row in rows}
        if len(cases) < len(rows):
            more = len(rows) - len(cases)
            _logger.warning("%s: %d rows are of cases that others are of; the last one counts", model, more)
        return cases

    before, after = by_case(first), by_case(second)
    common = [(before[key], after[key]) for key in before if key in after]
    failed = [sum(bool(pair[side]["failure"]) for pair in common) for side in (0, 1)]
    whole = [pair for pair in common if not (pair[0]["failure"] or pair[1]["failure"])]
    table: list[Row] = []
    for field, name in quantities.items():
        values = [(_value(a, field), _value(b, field)) for a, b in whole]
        differences = np.array([b - a for a, b in values if a is not None and b is not None])
        if len(differences) or (common and not table):  # where all have failed, that is what changed
            table.append(
                {"model": model, "quantity": name, "n": len(differences)}
                | _statistics(differences)
                | {"failed_before": failed[0], "failed_after": failed[1]}
            )
    return table


def _value(row: Row, field: str) -> float | None:
    """Return the number to compare: the absolute value of an error, the logarithm of what spans orders."""
    value = row[field.removeprefix("log10_")]
    if value is None:
        return None
    if field.startswith("log10_"):
        return float(np.log10(value)) if value > 0 else None
    return abs(value) if field == "error_eV" else float(value)


def _statistics(differences: FloatArray) -> Row:
    from scipy.special import stdtrit  # the quantiles of Student's t

    n = len(differences)
    low = high = None
    if n > 1:
        reach = stdtrit(n - 1, (1 + LEVEL) / 2) * differences.std(ddof=1) / np.sqrt(n)
        low, high = float(differences.mean() - reach), float(differences.mean() + reach)
    return {
        "mean_change": float(differences.mean()) if n else None,
        "mean_change_low": low,
        "mean_change_high": high,
        "largest_change": float(differences[np.argmax(np.abs(differences))]) if n else None,
        "significant": None if low is None or high is None else not low <= 0.0 <= high,
    }
