"""Figures of barriers and of saddles."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hopkin.analysis.comparison import Card, Row, card_of
from hopkin.analysis.report.panels import (
    Figure,
    Panel,
    Series,
    Tables,
    boxes_of,
    by_model,
    interval_of,
    parity,
    points_of,
)


def failures(tables: Tables) -> Figure:
    """Count the failures of each model, by class."""
    panels = []
    for title, table in (("barriers", "barriers"), ("molecular dynamics", "dynamics")):
        rows = [row for row in tables.get(table, ()) if row.get("kind", "md") == "md"]  # no references
        counts = Counter((row["model"], row["failure"]) for row in rows if row["failure"])
        models = sorted({model for model, _ in counts})
        classes = sorted({failure for _, failure in counts})
        bars = [
            Series(label=name.replace("_", " "), mark="bar", x=models, y=[counts[m, name] for m in models])
            for name in classes
        ]
        if bars:
            panels.append(Panel(title=title, y_label="runs that failed", series=bars, bars="stacked"))
    return Figure(
        name="failures",
        title="Failures",
        caption="Runs without a result that can be compared, by class. Models without any are not drawn.",
        panels=panels,
    )


def barrier_errors(board: Sequence[Row]) -> Figure:
    """Set the errors of models side by side, by architecture, with the training set as colour."""
    known = [row for row in board if row["barrier_mae_eV"] is not None]
    known.sort(key=lambda row: (row["architecture"], row["barrier_mae_eV"]))
    series = []
    for training in dict.fromkeys(row["training_set"] for row in known):
        rows = [row for row in known if row["training_set"] == training]
        label = training or "training set unknown"
        series.append(
            Series(
                label=label,
                mark="bar",
                x=[row["model"] for row in rows],
                **interval_of(rows, "barrier_mae_eV"),
            )
        )
    every = [row for row in known if row["barrier_mae_all_eV"] not in (None, row["barrier_mae_eV"])]
    if every:
        x, y = [row["model"] for row in every], [row["barrier_mae_all_eV"] for row in every]
        series.append(Series(label="all that have a number", x=x, y=y))
    published = [row for row in known if row["published_barrier_mae_eV"] is not None]
    if published:
        ends = [(row["published_barrier_mae_eV"], row["published_barrier_mae_eV_to"]) for row in published]
        series.append(
            Series(
                label="published",
                x=[row["model"] for row in published],
                y=[(low + high) / 2 for low, high in ends],
                low=[low for low, _ in ends],
                high=[high for _, high in ends],
            )
        )
    panel = Panel(
        y_label="MAE of barriers (eV)",
        series=series,
        bars="overlaid",
        categories=[row["model"] for row in known],
    )
    return Figure(
        name="barrier_errors",
        title="Errors of barriers, by architecture and training set",
        caption="Mean absolute error of the runs that converged, with its 95 % bootstrap interval over the"
        " cases. Published: of Guo, Gui, Wang (2026), over their own references; a range where they give one"
        " for a group.",
        panels=[panel] if series else [],
    )


def barrier_parity(tables: Tables, cards: Mapping[str, Card]) -> Figure:
    """Set computed against known barriers, a panel for each architecture."""
    rows = [row for row in tables.get("barriers", ()) if row["error_eV"] is not None]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(card_of(row["model"], cards).architecture, []).append(row)
    panels = [
        parity(
            "barrier (eV)",
            title=architecture,
            series=[
                points_of(
                    ours,
                    "reference_eV",
                    lambda row: row["reference_eV"] + row["error_eV"],
                    model=model,
                    label=f"{model}{_fit_of(tables, model)}",
                    hover=_hop_of,
                )
                for model, ours in by_model(members)
            ],
        )
        for architecture, members in sorted(groups.items())
    ]
    return Figure(
        name="barrier_parity",
        title="Computed against known barriers",
        caption="Dashed: equality. Open: runs that failed and have a number all the same; MAE and R² are of"
        " the others.",
        panels=panels,
    )


def _fit_of(tables: Tables, model: str) -> str:
    for row in tables.get("statistics", ()):
        if (row["model"], row["family"], row["over"]) == (model, "all", "converged") and row[
            "mae_eV"
        ] is not None:
            r2 = "" if row["r2"] is None else f", R² {row['r2']:.2f}"
            return f": MAE {row['mae_eV']:.3f} eV{r2}"
    return ""


def transition_states(tables: Tables) -> Figure:
    """Show energies, forces across the path and stresses at the saddles of DFT."""
    rows = [row for row in tables.get("images", ()) if row["saddle_energy_eV"] is not None]
    panels = []
    if rows:
        panels.append(
            parity(
                "energy at the saddle (eV)",
                series=[
                    points_of(
                        ours,
                        "saddle_reference_energy_eV",
                        lambda row: row["saddle_energy_eV"],
                        model=model,
                    )
                    for model, ours in by_model(rows)
                ],
            )
        )
    for name, label in (
        ("saddle_normal_force_mae_eV_per_A", "MAE of forces across the path (eV/Å)"),
        ("saddle_stress_mae_GPa", "MAE of stresses (GPa)"),
    ):
        if boxes := boxes_of(rows, name):
            panels.append(Panel(y_label=label, series=boxes))
    return Figure(
        name="transition_states",
        title="At the saddles of DFT",
        caption="Nothing is relaxed. Energies above the mean of the ends.",
        panels=panels,
    )


def softening(board: Sequence[Row]) -> Figure:
    """Show bias and slope of the barriers of each model."""
    panels = []
    for name, label, level in (
        ("barrier_bias_eV", "bias of barriers (eV)", 0.0),
        ("barrier_slope", "slope, computed against known", 1.0),
    ):
        rows = [row for row in board if row[name] is not None]
        if rows:
            points = Series(label="converged", x=[row["model"] for row in rows], **interval_of(rows, name))
            panels.append(Panel(y_label=label, series=[points], level=level))
    return Figure(
        name="softening",
        title="Softening: bias and slope",
        caption="Below the line, barriers are too low, or spread too little. 95 % bootstrap intervals.",
        panels=panels,
    )


def cost(board: Sequence[Row]) -> Figure:
    """Set the error of the barriers of each model against what one of them takes."""
    rows = [r for r in board if None not in (r["barrier_mae_eV"], r["seconds_per_barrier"])]
    series = [
        Series(
            label=r["model"],
            model=r["model"],
            x=[r["seconds_per_barrier"]],
            y=[r["barrier_mae_eV"]],
            hover=[r["model"]],
        )
        for r in rows
        if r["seconds_per_barrier"] > 0
    ]
    panel = Panel(
        x_label="median wall time of a barrier (s)", y_label="MAE of barriers (eV)", series=series, log_x=True
    )
    return Figure(
        name="cost",
        title="Cost against accuracy",
        caption="Down and to the left is better. Wall times are those of the machines that ran them.",
        panels=[panel],
    )


def _hop_of(row: Row) -> str:
    hop = "" if row["hop_index"] is None else f", hop {row['hop_index']}"
    mechanism = f", {row['mechanism']}" if row["mechanism"] else ""
    failure = f", {row['failure']}" if row["failure"] else ""
    return f"{row['material']}{hop}{mechanism}{failure}"
