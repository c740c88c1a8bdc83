"""Figures of the runs of one material.

Each function takes plain arrays and returns a matplotlib figure that belongs to no global state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hopkin.analysis.trajectories import FloatArray

# Okabe and Ito (2008): eight colours that stay apart for colour-blind readers; black comes last.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#000000",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MAX_POINTS = 400
STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.linewidth": 0.8,
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,  # a label is what somebody called a material: shown as it is
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyProfile:
    """Energies along one path, by one model.

    Attributes
    ----------
    label
        What the curve is called, the model.
    coordinate
        (n_images,) reaction coordinate, 0 to 1, or image index.
    energies
        (n_images,) energies [eV], on any zero; drawn relative to the first image.
    barrier
        Barrier [eV], None where there is none to state.
    failed
        True for a run that did not pass its checks: drawn dashed.
    curve
        (n_points,) coordinates and energies [eV] of the spline through the images; None where there is none.
    """

    label: str
    coordinate: FloatArray
    energies: FloatArray
    barrier: float | None
    failed: bool = False
    curve: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MsdCurve:
    """Mean squared displacements of one run.

    Attributes
    ----------
    label
        What the curve is called.
    times
        (n_frames,) times, or lags [ps].
    single_origin
        (n_frames,) MSD from the first frame [A^2].
    windowed
        (n_frames,) MSD over all origins [A^2].
    """

    label: str
    times: FloatArray
    single_origin: FloatArray
    windowed: FloatArray


def plot_energy_profiles(
    profiles: Sequence[EnergyProfile], *, coordinate_label: str, order: Sequence[str] = ()
) -> Figure:
    """Draw the energy along a path, one curve per model, each barrier of each in the legend.

    The images are joined by the spline through their energies and slopes, or, without one, by straight lines.
    What `order` names looks alike in all figures that are given the same one.
    """
    drawn = styles([profile.label for profile in profiles], order)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of(6.4, 3.6)
        axes.axhline(0.0, color="0.75", linewidth=0.8, zorder=0)
        for profile, style in zip(profiles, drawn, strict=True):
            relative = profile.energies - profile.energies[0]
            saddle = int(np.nanargmax(relative))
            barrier = "no barrier" if profile.barrier is None else f"{profile.barrier:.3f} eV"
            x, y = profile.curve or (profile.coordinate, profile.energies)
            axes.plot(
                x,
                y - y[0],
                markersize=4.5,
                markevery=[int(np.argmin(np.abs(x - image))) for image in profile.coordinate],
                linewidth=1.4,
                linestyle="--" if profile.failed else "-",
                label=f"{profile.label}: {barrier}{', failed' if profile.failed else ''}",
                **style,
            )
            if len(profiles) == 1 and profile.barrier is not None:  # several would overlap
                axes.annotate(
                    barrier,
                    (profile.coordinate[saddle], relative[saddle]),
                    xytext=(0, 7),
                    textcoords="offset points",
                    ha="center",
                    color=style["color"],
                )
        axes.margins(y=0.14)
        axes.set_xlabel(coordinate_label)
        axes.set_ylabel("energy relative to initial image (eV)")
        legend(axes, len(profiles))
        return figure


def plot_msd(curves: Sequence[MsdCurve], *, order: Sequence[str] = ()) -> Figure:
    """Draw the MSD of each run, over all time origins (solid) and from a single one (dashed).

    What `order` names looks alike in all figures that are given the same one.
    """
    drawn = styles([curve.label for curve in curves], order)
    with mpl.rc_context(STYLE):
        figure, axes = figure_of(6.4, 3.6)
        for curve, style in zip(curves, drawn, strict=True):
            colour = style["color"]
            thin = slice(None, None, max(1, len(curve.times) // MAX_POINTS))
            axes.plot(
                curve.times[thin], curve.windowed[thin], color=colour, linewidth=1.5,
                label=curve.label,
            )  # fmt: skip
            axes.plot(
                curve.times[thin], curve.single_origin[thin], color=colour, linewidth=1.0,
                linestyle="--", alpha=0.8,
            )  # fmt: skip
        axes.plot([], [], color="0.35", linewidth=1.5, label="all time origins")
        axes.plot([], [], color="0.35", linewidth=1.0, linestyle="--", label="single origin")
        axes.set_xlim(left=0.0)
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel("time (ps)")
        axes.set_ylabel("mean squared displacement (Å²)")
        legend(axes, len(curves) + 2)
        return figure


def plot_rdf(
    r: FloatArray, curves: Mapping[str, Mapping[str, FloatArray]], *, order: Sequence[str] = ()
) -> Figure:
    """Draw the radial distribution functions, one panel per species pair, one curve per run.

    Parameters
    ----------
    r
        (n_bins,) distances [A].
    curves
        For each pair, such as "Li-S", and each run's label: (n_bins,) g(r).
    order
        Labels that look alike in all figures that are given the same ones.
    """
    n_columns = min(4, len(curves))
    n_rows = -(-len(curves) // n_columns)
    labels = list(dict.fromkeys(label for pair in curves.values() for label in pair))
    looks = dict(zip(labels, styles(labels, order), strict=True))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * n_columns, 1.9 * n_rows + 0.6), layout="constrained")
        panels = figure.subplots(n_rows, n_columns, sharex=True, squeeze=False).ravel()
        for panel, (pair, by_label) in zip(panels, curves.items(), strict=False):
            panel.axhline(1.0, color="0.75", linewidth=0.8, zorder=0)
            for label, g in by_label.items():
                panel.plot(r, g, color=looks[label]["color"], linewidth=1.1, label=label)
            panel.set_title(pair, loc="left", fontweight="bold", pad=3)
            panel.set_xlim(0.0, float(r[-1]))
            panel.set_ylim(bottom=0.0)
        for panel in panels[len(curves) :]:
            panel.set_axis_off()
        for panel in panels[max(0, len(curves) - n_columns) : len(curves)]:
            panel.tick_params(labelbottom=True)  # the lowest of its column
        figure.supxlabel("r (Å)", fontsize=10)
        figure.supylabel("g(r)", fontsize=10)
        if len(labels) > 1:
            lines = [Line2D([], [], color=looks[label]["color"]) for label in labels]
            figure.legend(lines, labels, loc="outside upper center", ncols=min(4, len(labels)))
        return figure


def figure_of(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure of a size [inch] that belongs to no global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def styles(labels: Sequence[str], order: Sequence[str]) -> list[dict[str, Any]]:
    """Give each label its colour and marker: those of its place in the order, or of one after it."""
    places = list(dict.fromkeys([*order, *labels]))
    return [style_of(places.index(label)) for label in labels]


def style_of(index: int) -> dict[str, Any]:
    """Colour and marker of the n-th of several."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index // len(COLOURS) % len(MARKERS)],
    }


def legend(axes: Axes, n_entries: int) -> None:
    """Put the legend beside the axes."""
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), ncols=1 + n_entries // 17)
