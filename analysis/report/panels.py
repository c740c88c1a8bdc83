"""Panels of a figure: what is drawn where, as plain numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hopkin.analysis.comparison import Row
from hopkin.analysis.trajectories import FloatArray

Tables = Mapping[str, Sequence[Row]]

OUTER_FENCE = 3.0  # times the distance of the quartiles
STRETCHED = 2.0  # times the bulk: outliers within it are drawn where they are
MARGIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one entry of the legend stands for.

    Attributes
    ----------
    label
        its name
    model
        the model that it is of, by which it is coloured alike everywhere; empty where it is of several
    x, y
        (n,) numbers, or names where an axis has categories; of boxes, the category of each y
    mark
        how they are drawn
    hover
        (n,) what each point is; none where the axes say it
    hollow
        (n,) whether a point is of a run that failed; none: no point
    low, high
        (n,) ends of the interval of y; none where there is none
    """

    label: str
    x: Sequence[float | str]
    y: Sequence[float]
    model: str = ""
    mark: Literal["bar", "point", "line", "box"] = "point"
    hover: Sequence[str] = ()
    hollow: Sequence[bool] = ()
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A pair of axes.

    Attributes
    ----------
    log_x, log_y
        logarithmic axes; all numbers are positive then
    ends
        of both axes, where a line marks equality; None: each has its own. What lies outside is drawn at the
        edge, and counted.
    bars
        of one category stand beside one another, on one another, or there is one alone
    categories
        names on the x axis, in their order; none: as the series have them
    level
        y that is marked by a line, such as the ideal
    """

    title: str = ""
    x_label: str = ""
    y_label: str = ""
    series: Sequence[Series] = ()
    log_x: bool = False
    log_y: bool = False
    ends: tuple[float, float] | None = None
    bars: Literal["beside", "stacked", "overlaid"] = "beside"
    categories: Sequence[str] = ()
    level: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Panels under one heading.

    Attributes
    ----------
    name
        of its files
    """

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]


def by_model(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Give the rows of each model, in the order of their names."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["model"], []).append(row)
    yield from sorted(grouped.items())


def points_of(
    rows: Sequence[Row],
    known: str,
    computed: Callable[[Row], float],
    *,
    model: str,
    hover: Callable[[Row], str] = lambda row: str(row["material"]),
    label: str = "",
) -> Series:
    """Return the known and the computed numbers of a model as a series."""
    return Series(
        label=label or model,
        model=model,
        x=[row[known] for row in rows],
        y=[computed(row) for row in rows],
        hover=[hover(row) for row in rows],
        hollow=[bool(row.get("failure")) for row in rows],
    )


def boxes_of(
    rows: Iterable[Row], field: str, hover: Callable[[Row], str] = lambda row: str(row["material"])
) -> list[Series]:
    """Return the numbers of each model in a column, for a box with all of them."""
    return [
        Series(
            label=model,
            model=model,
            mark="box",
            x=[model] * len(ours),
            y=[row[field] for row in ours],
            hover=[hover(row) for row in ours],
        )
        for model, ours in by_model(row for row in rows if row[field] is not None)
    ]


def bars_by_group(
    rows: Sequence[Row], quantities: Iterable[tuple[str, str]], group: Callable[[Row], str]
) -> list[Panel]:
    """Make a panel for each quantity, a column and its label: bars of each model, one for each group."""
    panels = []
    for field, label in quantities:
        known = [row for row in rows if row[field] is not None]
        bars = []
        for name in dict.fromkeys(map(group, known)):
            ours = [row for row in known if group(row) == name]
            bars.append(
                Series(
                    label=name, mark="bar", x=[row["model"] for row in ours], y=[row[field] for row in ours]
                )
            )
        if bars:
            panels.append(Panel(y_label=label, series=bars))
    return panels


def interval_of(rows: Sequence[Row], name: str) -> dict[str, Any]:
    """Return y, low and high of a series, from a column and those of its interval."""
    return {
        "y": [row[name] for row in rows],
        "low": [row[f"{name}_low"] for row in rows],
        "high": [row[f"{name}_high"] for row in rows],
    }


def parity(quantity: str, *, series: Sequence[Series], title: str = "", log: bool = False) -> Panel:
    """Set known numbers against computed ones."""
    every = np.array([float(value) for one in series for value in (*one.x, *one.y)])
    return Panel(
        title=title,
        x_label=f"known {quantity}",
        y_label=f"computed {quantity}",
        series=series,
        log_x=log,
        log_y=log,
        ends=_limits(every, log=log),
    )


def _limits(values: FloatArray, *, log: bool) -> tuple[float, float]:
    """Choose the ends of an axis: of all values, or of the bulk where the others would stretch it twofold.

    The bulk is what lies within three times the distance of the quartiles of them (Tukey's outer fences).
    """
    if len(values) == 0:
        return (0.1, 1.0) if log else (0.0, 1.0)
    shown = np.log10(values) if log else values
    first, last = np.quantile(shown, [0.25, 0.75])
    reach = OUTER_FENCE * (last - first)
    bulk = shown[(shown >= first - reach) & (shown <= last + reach)]
    if not log:  # the origin is on the axis
        shown, bulk = np.append(shown, 0.0), np.append(bulk, 0.0)
    chosen = bulk if 0 < STRETCHED * np.ptp(bulk) < np.ptp(shown) else shown
    low, high = float(chosen.min()), float(chosen.max())
    margin = MARGIN * (high - low) or 0.5
    return (10 ** (low - margin), 10 ** (high + margin)) if log else (low - margin, high + margin)
