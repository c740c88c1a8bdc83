"""Transport of one ion species: from a trajectory to numbers, curves and tables."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.arrays import FloatArray, frozen
from hopkin.analysis.diffusion import (
    HOP_LENGTH_A,
    PaperFit,
    WindowedFit,
    fit_paper_protocol,
    fit_windowed,
    log_log_slope,
)
from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.msd import remove_drift, single_origin_msd, windowed_msd
from hopkin.analysis.rdf import RadialDistribution, radial_distribution
from hopkin.analysis.trajectory import Trajectory, atomic_masses, frame_interval

RDF_INTERVAL_PS = 0.2
RDF_LEAST_FRAMES = 50  # a run too short for that many at this interval is sampled more often
RDF_FRACTION = 0.4  # 30 to 50 ps of the 50 ps run of the protocol


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransportResult:
    """What a trajectory says about the transport of one ion species.

    Attributes
    ----------
    ion
        Chemical symbol of the ion; all other atoms are the framework, whose drift is removed.
    n_ions
        Number of ions.
    times
        (n_frames,) times, or lags, from 0 [ps].
    msd_single_origin
        (n_frames,) MSD of the ions from the first frame [A^2].
    msd_windowed
        (n_frames,) MSD of the ions over all origins [A^2].
    framework_msd
        (n_frames,) MSD of the framework from the first frame [A^2]; zero without framework.
    paper
        Diffusivity by the paper protocol.
    windowed
        Diffusivity by the rule of He, Zhu and Mo, or the reason why there is none.
    log_log_slope
        Slope of ln MSD against ln t, None where it is undefined.
    rdf
        Radial distribution functions of all species pairs over the last 40 % of the run.
    """

    ion: str
    n_ions: int
    times: FloatArray
    msd_single_origin: FloatArray
    msd_windowed: FloatArray
    framework_msd: FloatArray
    paper: PaperFit
    windowed: WindowedFit
    log_log_slope: float | None
    rdf: RadialDistribution

    def as_dict(self) -> dict[str, Any]:
        """Return the scalar results, under the names and units of result.json."""
        return {
            "n_ions": self.n_ions,
            "time_ps": float(self.times[-1]),
            "msd_A2_final": float(self.msd_single_origin[-1]),
            "diffusivity_cm2_per_s": self.paper.diffusivity,
            "paper_fit_window_ps": list(self.paper.window),
            "paper_fit_rule": self.paper.rule,
            "diffusivity_windowed_cm2_per_s": self.windowed.diffusivity,
            "diffusivity_windowed_reason": self.windowed.reason,
            "windowed_fit_window_ps": self.windowed.window and list(self.windowed.window),
            "diffusivity_std": self.windowed.standard_deviation,
            "n_hops": self.windowed.n_hops,
            "log_log_slope": self.log_log_slope,
            "framework_msd_A2": float(self.framework_msd[-1]),
        }


def analyze(
    trajectory: Trajectory, ion: str, *, hop_length: float = HOP_LENGTH_A, r_max: float = 10.0
) -> TransportResult:
    """Analyse the transport of one ion species.

    Parameters
    ----------
    trajectory
        Unwrapped trajectory, its frames at equal time intervals.
    ion
        Chemical symbol of the diffusing species.
    hop_length
        Distance between neighbouring sites [A], for the number of hops and the fit window.
    r_max
        Largest distance of the radial distribution functions [A].

    Raises
    ------
    TrajectoryError
        If the ion does not occur, the frames are not equally spaced, or there are too few.
    """
    is_ion = trajectory.species == ion
    if not is_ion.any():
        raise TrajectoryError(
            f"no {ion} in the trajectory; it holds {', '.join(np.unique(trajectory.species))}"
        )
    interval = frame_interval(trajectory.times_ps)
    times = interval * np.arange(len(trajectory.times_ps), dtype=np.float64)
    positions = remove_drift(trajectory.positions, atomic_masses(trajectory.species), ~is_ion)

    single = single_origin_msd(positions[:, is_ion]).mean(axis=1)
    windowed = windowed_msd(positions[:, is_ion]).mean(axis=1)
    framework = single_origin_msd(positions[:, ~is_ion])
    n_ions = int(is_ion.sum())

    start = int(np.searchsorted(times, (1 - RDF_FRACTION) * times[-1] - 1e-9 * times[-1]))
    stride = min(round(RDF_INTERVAL_PS / interval), (len(times) - start) // RDF_LEAST_FRAMES)
    sampled = slice(start, None, max(1, stride))
    return TransportResult(
        ion=ion,
        n_ions=n_ions,
        times=frozen(times),
        msd_single_origin=frozen(single),
        msd_windowed=frozen(windowed),
        framework_msd=frozen(framework.sum(axis=1) / max(1, framework.shape[1])),
        paper=fit_paper_protocol(times, single),
        windowed=fit_windowed(times, windowed, n_ions, hop_length=hop_length),
        log_log_slope=log_log_slope(times, windowed),
        rdf=radial_distribution(
            trajectory.positions[sampled],
            trajectory.cells[sampled],
            trajectory.species.tolist(),
            r_max=r_max,
        ),
    )


def write_tables(result: TransportResult, directory: Path) -> None:
    """Write msd.csv and rdf.csv into a directory.

    Parameters
    ----------
    result
        Result of :func:`analyze`.
    directory
        An existing directory; tables that are there already are replaced.
    """
    _write_csv(
        directory / "msd.csv",
        ("time_ps", "msd_single_origin_A2", "msd_windowed_A2", "framework_msd_A2"),
        zip(
            result.times,
            result.msd_single_origin,
            result.msd_windowed,
            result.framework_msd,
            strict=True,
        ),
    )
    _write_csv(
        directory / "rdf.csv",
        ("r_A", *result.rdf.pairs),
        np.column_stack([result.rdf.r, *result.rdf.g]),
    )


def _write_csv(path: Path, names: tuple[str, ...], rows: Iterable[Iterable[float]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"{value:.8g}" for value in row] for row in rows)
