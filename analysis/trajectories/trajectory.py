"""Trajectories: unwrapped positions with their times, cells and species."""

import logging
import math
import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import TornFrameError, atomic_masses, check_frame
from hopkin.analysis.trajectories.frames import FrameStack, unwrap_in_place
from hopkin.analysis.trajectories.readers import read_frames

if TYPE_CHECKING:
    from MDAnalysis import Universe  # type: ignore[import-untyped]

PathArgument = str | os.PathLike[str]

logger = logging.getLogger(__name__)

PS_PER_FS = 1.0e-3
_TIMESTEP = "--timestep-fs (timestep_fs in Python)"
_INTERVAL = "--frame-interval-fs (frame_interval_fs in Python)"
CELL_JUMP = 0.05  # relative; barostats stay below it between two frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """A trajectory in memory, read-only.

    Attributes
    ----------
    times_ps
        (n_frames,) times [ps].
    positions
        (n_frames, n_atoms, 3) unwrapped Cartesian positions [A], in double precision.
    cells
        (n_frames, 3, 3) cells, rows are vectors [A].
    species
        (n_atoms,) chemical symbols.
    velocities
        (n_frames, n_atoms, 3) velocities [A/ps], None where they were not asked for.
    """

    times_ps: FloatArray
    positions: FloatArray
    cells: FloatArray
    species: NDArray[np.str_]
    velocities: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check the shapes, and make the arrays read-only views."""
        n_frames, n_atoms = len(self.times_ps), len(self.species)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "times_ps": ((n_frames,), np.float64),
            "positions": ((n_frames, n_atoms, 3), np.float64),
            "cells": ((n_frames, 3, 3), np.float64),
            "species": ((n_atoms,), np.str_),
        }
        if self.velocities is not None:
            expected["velocities"] = expected["positions"]
        for name, (shape, dtype) in expected.items():
            array: NDArray[Any] = np.asarray(getattr(self, name), dtype=dtype).view()
            if array.shape != shape:
                raise TrajectoryError(f"{name} has shape {array.shape}; expected {shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)


def read_trajectory(
    path: PathArgument | Sequence[PathArgument],
    *,
    timestep_fs: float | None = None,
    frame_interval_fs: float | None = None,
    species: Sequence[str] | None = None,
    with_velocities: bool = False,
) -> Trajectory:
    """Read a LAMMPS text dump, XDATCAR, vasprun.xml, extended XYZ file or ASE trajectory.

    Each may be compressed by gzip, bzip2, xz or zstandard.

    Wrapped positions are unwrapped by the nearest image between consecutive frames. A last frame
    that a killed run left incomplete is dropped, with a warning in the log. Frames are kept in one
    array that grows in place: the memory needed is that of the trajectory in double precision.

    Parameters
    ----------
    path
        The file, or several that continue one another. Where a dump goes back to a step that it
        or an earlier file already holds, as after a restart, the later frames win.
    timestep_fs
        Time between MD steps [fs], for files that count steps but not time: a dump without TIME.
        Overrides POTIM of a vasprun.xml.
    frame_interval_fs
        Time between frames [fs]: for files that count neither, XDATCAR, extended XYZ and ASE trajectories.
        Overrides what the file says.
    species
        Chemical symbols of the atom types 1, 2, ... of a dump, or of the counts of an XDATCAR in their
        order: for files that do not say them. Overrides what the file says.
    with_velocities
        Keep the velocities of the file as well.

    Raises
    ------
    TrajectoryError
        If a file cannot be read, if the times or the elements are not known, if the atoms change
        from frame to frame, if the cell jumps, if frames are too far apart to be unwrapped, if
        velocities are asked for that are not there, or if there are fewer than two frames.
    """
    if timestep_fs is not None and frame_interval_fs is not None:
        raise TrajectoryError(f"{_TIMESTEP} and {_INTERVAL} exclude one another: give one")
    for name, value in ((_TIMESTEP, timestep_fs), (_INTERVAL, frame_interval_fs)):
        if value is not None and not 0 < value < math.inf:
            raise TrajectoryError(f"{name} is {value:g}; it must be positive and finite")
    if species:
        atomic_masses(species)  # refuses what is no chemical symbol
    given = [path] if isinstance(path, str | os.PathLike) else path
    frames = FrameStack(with_velocities=with_velocities)
    for file in map(Path, given):
        _append(frames, file, species)
    if frames.n < 2:
        raise TrajectoryError(
            f"{' '.join(map(str, given))}: {frames.n} complete frame(s); a trajectory needs two"
        )
    positions, cells = frames.positions, frames.cells
    _check_cells(cells)
    if not frames.unwrapped:
        unwrap_in_place(positions, cells)
    return Trajectory(
        times_ps=_times(frames, timestep_fs, frame_interval_fs),
        positions=positions,
        cells=cells,
        species=np.array(frames.species),
        velocities=frames.velocities,
    )


def to_universe(trajectory: Trajectory) -> "Universe":
    """Return the trajectory as an in-memory MDAnalysis universe, for the tools built on it.

    MDAnalysis describes a cell by lengths and angles, with a along x and b in the xy plane, and
    keeps positions in single precision. The positions are rotated to that orientation; the
    unwrapped ones stay unwrapped.

    Parameters
    ----------
    trajectory
        Its frames must lie at equal time intervals.
    """
    import MDAnalysis
    from MDAnalysis.lib.mdamath import (  # type: ignore[import-untyped]
        triclinic_box,
        triclinic_vectors,
    )

    times = trajectory.times_ps
    dimensions = np.array([triclinic_box(*cell) for cell in trajectory.cells])
    standard = np.array([triclinic_vectors(box, dtype=np.float64) for box in dimensions])
    positions = trajectory.positions @ np.linalg.inv(trajectory.cells) @ standard
    universe = MDAnalysis.Universe.empty(len(trajectory.species), trajectory=True)
    for attribute in ("names", "types", "elements"):
        universe.add_TopologyAttr(attribute, trajectory.species.astype(object))
    universe.add_TopologyAttr("masses", atomic_masses(trajectory.species))
    universe.load_new(
        positions.astype(np.float32),
        order="fac",
        dimensions=dimensions,
        dt=frame_interval(times),
        time_offset=float(times[0]),
    )
    return universe


def frame_interval(times: FloatArray) -> float:
    """Return the time between frames [ps].

    Parameters
    ----------
    times
        (n_frames,) times [ps].

    Raises
    ------
    TrajectoryError
        If the intervals differ, or are not positive.
    """
    intervals = np.diff(times)
    if intervals.min() <= 0 or np.ptp(intervals) > 1e-3 * intervals.mean():
        raise TrajectoryError(
            "the frames do not lie at equal, positive time intervals: they range from "
            f"{intervals.min():g} to {intervals.max():g} ps"
        )
    return float(intervals.mean())


def _append(frames: FrameStack, path: Path, species: Sequence[str] | None) -> None:
    """Append the frames of a file, which continues the ones read so far."""
    n_read = 0
    try:
        with np.errstate(all="ignore"):  # check_frame finds what overflows
            for frame in read_frames(path, species):
                check_frame(frame, f"{path}: frame {n_read}")
                if frame.step is not None and frames.steps and frame.step <= frames.steps[-1]:
                    if frame.step <= frames.steps[0]:
                        raise TrajectoryError(
                            f"{path} starts at step {frame.step}, not after the files before it: it does "
                            "not continue them"
                        )
                    logger.info("%s goes back to step %d", path, frame.step)
                    frames.truncate(bisect_left(frames.steps, frame.step))
                if n_read or frame.step is not None or not frames.repeats_last(frame):
                    frames.append(frame)
                n_read += 1
    except TornFrameError:
        logger.warning("%s ends within a frame: frame %d is dropped", path, n_read)
    except TrajectoryError:
        raise
    except ValueError as error:
        raise TrajectoryError(f"{path}: frame {n_read} cannot be read: {error}") from error


def _check_cells(cells: FloatArray) -> None:
    lengths = np.linalg.norm(cells[:-1], axis=-1).min(axis=-1)
    jumps = np.abs(np.diff(cells, axis=0)).max(axis=(1, 2)) / lengths
    if jumps.max() > CELL_JUMP:
        k = int(jumps.argmax())
        raise TrajectoryError(
            f"the cell changes by {100 * jumps[k]:.0f} % between frames {k} and {k + 1}: these are not "
            "frames of one run; analyse them apart"
        )


def _times(frames: FrameStack, timestep_fs: float | None, frame_interval_fs: float | None) -> FloatArray:
    """(n_frames,) times [ps]."""
    count = np.arange(frames.n, dtype=np.float64)
    if frame_interval_fs is not None:
        return count * (frame_interval_fs * PS_PER_FS)
    if timestep_fs is None and len(frames.times) == frames.n:
        return np.array(frames.times)
    if timestep_fs is not None and len(frames.steps) == frames.n:
        return np.array(frames.steps, dtype=np.float64) * (timestep_fs * PS_PER_FS)
    if frames.timestep is not None:  # a vasprun.xml, which holds every step
        return count * ((frames.timestep if timestep_fs is None else timestep_fs) * PS_PER_FS)
    if frames.steps:
        raise TrajectoryError(f"the file counts steps but not time: give {_TIMESTEP}")
    raise TrajectoryError(f"the file does not say how far apart its frames are: give {_INTERVAL}")
