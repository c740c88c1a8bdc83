"""One row for each model: how far its barriers and its dynamics are from what is known, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hopkin.analysis.comparison.published import published_errors
from hopkin.analysis.comparison.results import Row

OF_BARRIERS = ("mae_eV", "bias_eV", "slope", "r2")
OF_DYNAMICS = ("log10_msd_mae", "log10_diffusivity_mae", "activation_energy_mae_eV", "rdf_mae_median_A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a model is.

    Attributes
    ----------
    architecture
        family of the model, such as `MACE`
    training_set
        what it was fitted to
    """

    architecture: str = ""
    training_set: str = ""


def card_of(model: str, cards: Mapping[str, Card]) -> Card:
    """Card of a model by its name, with or without options; an empty one where there is none."""
    return cards.get(model) or cards.get(model.partition(":")[0]) or Card()


def leaderboard_of(tables: Mapping[str, Sequence[Row]], cards: Mapping[str, Card]) -> list[Row]:
    """Return a row for each model of the tables of `collect`, the best barriers first.

    Errors are those of runs that ended without a failure; `barrier_mae_all_eV` is over all that have
    a number. `published_...` are the range that the published comparison states.

    Parameters
    ----------
    cards
        what is known of models, by their names; one that is not here has empty cells
    """
    barriers = tables.get("barriers", ())
    dynamics = [row for row in tables.get("dynamics", ()) if row["kind"] == "md"]
    models = dict.fromkeys(
        row["model"]
        for table in (barriers, dynamics, tables.get("images", ()))
        for row in table
        if row["model"]
    )
    rows = [_row(model, card_of(model, cards), tables, barriers, dynamics) for model in models]
    return sorted(
        rows, key=lambda row: (row["barrier_mae_eV"] is None, row["barrier_mae_eV"] or 0.0, row["model"])
    )


def _row(
    model: str,
    card: Card,
    tables: Mapping[str, Sequence[Row]],
    barriers: Sequence[Row],
    dynamics: Sequence[Row],
) -> Row:
    ours = [row for row in barriers if row["model"] == model]
    runs = [row for row in dynamics if row["model"] == model]
    converged = _of(tables.get("statistics", ()), model=model, family="all", over="converged")
    every = _of(tables.get("statistics", ()), model=model, family="all", over="all")
    row: Row = {"model": model, "architecture": card.architecture, "training_set": card.training_set}
    direct = any(r["conservative"] is False for r in (*ours, *runs))
    failed = sum(bool(r["failure"]) for r in ours)
    n_converged = sum(r["converged"] is True and not r["failure"] for r in ours)
    row |= {
        "forces": "direct: no gradient" if direct else None,
        "n_barriers": len(ours) or None,
        "n_barriers_converged": n_converged,
        "n_barriers_failed": failed,
        "n_barriers_known": converged.get("n", 0),
        "failed_part": failed / (failed + n_converged) if failed + n_converged else None,
    }
    for name in OF_BARRIERS:
        for end in ("", "_low", "_high"):
            row[f"barrier_{name}{end}"] = converged.get(f"{name}{end}")
    row["barrier_mae_all_eV"] = every.get("mae_eV")
    row |= {
        "n_runs": len(runs) or None,
        "n_runs_failed": sum(bool(r["failure"]) for r in runs) if runs else None,
        "n_negative_diffusivities": sum((r["diffusivity_cm2_per_s"] or 0.0) < 0 for r in runs)
        if runs
        else None,
    }
    at_all = _of(tables.get("dynamics_statistics", ()), model=model, over="converged", temperature_K=None)
    row |= {name: at_all.get(name) for name in OF_DYNAMICS}
    row |= {
        "seconds_per_barrier": _median(r["wall_s"] for r in ours if not r["failure"]),
        "ns_per_day": _median(r["ns_per_day"] for r in runs if not r["failure"]),
    }
    published = published_errors().get(model, {})
    for name in ("barrier_mae_eV", "barrier_failures", "activation_energy_mae_eV"):
        low, high = published.get((name, None), (None, None))
        row |= {f"published_{name}": low, f"published_{name}_to": high}
    return row


def _of(table: Sequence[Row], **fields: Any) -> Row:
    """Return the one row with these fields; an empty one where there is none."""
    return next((row for row in table if all(row[name] == value for name, value in fields.items())), {})


def _median(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
