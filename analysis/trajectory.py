"""Trajectories: unwrapped positions with their times, cells and species."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hopkin.analysis.arrays import FloatArray
from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.readers import Frame, TornFrameError, read_frames

if TYPE_CHECKING:
    from MDAnalysis import Universe  # type: ignore[import-untyped]

PathArgument = str | os.PathLike[str]

logger = logging.getLogger(__name__)

PS_PER_FS = 1.0e-3
AMBIGUOUS_JUMP = 0.4  # of the cell, between two frames; at 0.5 the image is a guess
SAME_FRAME_A = 1.0e-3


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
    """

    times_ps: FloatArray
    positions: FloatArray
    cells: FloatArray
    species: NDArray[np.str_]

    def __post_init__(self) -> None:
        """Check the shapes, and make the arrays read-only views."""
        n_frames, n_atoms = len(self.times_ps), len(self.species)
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "times_ps": ((n_frames,), np.float64),
            "positions": ((n_frames, n_atoms, 3), np.float64),
            "cells": ((n_frames, 3, 3), np.float64),
            "species": ((n_atoms,), np.str_),
        }
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
    species_of_type: Mapping[int, str] | None = None,
) -> Trajectory:
    """Read a LAMMPS text dump, XDATCAR, vasprun.xml or extended XYZ file, plain or gzipped.

    Wrapped positions are unwrapped by the minimum image between consecutive frames. A last frame
    that a killed run left incomplete is dropped, with a warning in the log.

    Parameters
    ----------
    path
        The file, or several that continue one another. Where a dump goes back to a step that an
        earlier file already holds, as after a restart, the later file wins.
    timestep_fs
        Time between MD steps [fs], for files that count steps but not time: a dump without TIME.
        Overrides POTIM of a vasprun.xml.
    frame_interval_fs
        Time between frames [fs]: for files that count neither, XDATCAR and extended XYZ.
        Overrides what the file says.
    species_of_type
        Chemical symbol of each LAMMPS atom type, for a dump without ``element`` column.

    Raises
    ------
    TrajectoryError
        If a file cannot be read, if the times or the elements are not known, if the atoms change
        from frame to frame, or if there are fewer than two frames.
    """
    if timestep_fs is not None and frame_interval_fs is not None:
        raise TrajectoryError("timestep_fs and frame_interval_fs exclude one another: pass one")
    for name, value in (("timestep_fs", timestep_fs), ("frame_interval_fs", frame_interval_fs)):
        if value is not None and not value > 0:
            raise TrajectoryError(f"{name} is {value:g}; it must be positive")
    given = [path] if isinstance(path, str | os.PathLike) else path
    frames: list[Frame] = []
    for file in map(Path, given):
        _continue(frames, _complete_frames(file, species_of_type), file)
    if len(frames) < 2:
        raise TrajectoryError(
            f"{' '.join(map(str, given))}: {len(frames)} complete frame(s); a trajectory needs two"
        )
    species = frames[0].species
    for index, frame in enumerate(frames):
        if frame.species != species or len(frame.positions) != len(species):
            raise TrajectoryError(
                f"frame {index} holds other atoms than frame 0 "
                f"({len(frame.positions)} against {len(species)}, or in another order)"
            )
    positions = np.array([frame.positions for frame in frames])
    cells = np.array([frame.cell for frame in frames])
    if not all(frame.unwrapped for frame in frames):
        positions = unwrap(positions, cells)
    return Trajectory(
        times_ps=_times(frames, timestep_fs, frame_interval_fs),
        positions=positions,
        cells=cells,
        species=np.array(species),
    )


def unwrap(positions: FloatArray, cells: FloatArray) -> FloatArray:
    """Make positions continuous: between frames, each atom moves to its nearest image.

    Done in fractional coordinates, hence right for triclinic cells, as long as no atom moves
    further than half the distance between opposite faces between two frames; moves that come
    near to it are logged.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) wrapped positions [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors [A].

    Returns
    -------
    NDArray
        (n_frames, n_atoms, 3) unwrapped positions [A]; the first frame is unchanged.
    """
    scaled = positions @ np.linalg.inv(cells)
    moves = np.diff(scaled, axis=0)
    moves -= np.rint(moves)
    largest = float(np.abs(moves).max(initial=0.0))
    if largest > AMBIGUOUS_JUMP:
        logger.warning(
            "an atom moves by %.2f of the cell between two frames: the frames are too far apart "
            "to be unwrapped safely",
            largest,
        )
    unwrapped = scaled[0] + np.concatenate([np.zeros_like(scaled[:1]), np.cumsum(moves, axis=0)])
    return np.asarray(unwrapped @ cells, dtype=np.float64)


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


def atomic_masses(species: ArrayLike) -> FloatArray:
    """Return the (n_atoms,) standard atomic masses [u] of chemical symbols."""
    from ase.data import atomic_masses as mass_of_number
    from ase.data import atomic_numbers

    symbols = np.asarray(species).tolist()
    if unknown := sorted(set(symbols) - set(atomic_numbers)):
        raise TrajectoryError(f"not chemical symbols: {', '.join(unknown)}")
    return np.array([mass_of_number[atomic_numbers[symbol]] for symbol in symbols])


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


def _complete_frames(path: Path, species_of_type: Mapping[int, str] | None) -> list[Frame]:
    frames: list[Frame] = []
    try:
        frames.extend(read_frames(path, species_of_type))
    except (TornFrameError, EOFError):
        logger.warning("%s ends within a frame: frame %d is dropped", path, len(frames))
    except TrajectoryError:
        raise
    except ValueError as error:
        raise TrajectoryError(f"{path}: frame {len(frames)} cannot be read: {error}") from error
    return frames


def _continue(frames: list[Frame], later: list[Frame], path: Path) -> None:
    """Append the frames of a file that continues the ones read so far."""
    if not frames or not later:
        frames.extend(later)
        return
    first = later[0]
    if first.step is not None:
        kept = [f for f in frames if f.step is not None and f.step < first.step]
        if not kept:
            raise TrajectoryError(
                f"{path} starts at step {first.step}, not after the files before it: it does not "
                "continue them"
            )
        if len(kept) < len(frames):
            logger.info("%s replaces %d frames read before", path, len(frames) - len(kept))
        frames[:] = kept + later
        return
    repeated = False
    if first.species == frames[-1].species:
        moved = (first.positions - frames[-1].positions) @ np.linalg.inv(first.cell)
        moved -= np.rint(moved)
        repeated = bool(np.abs(moved @ first.cell).max() < SAME_FRAME_A)
    frames.extend(later[1:] if repeated else later)


def _times(frames: list[Frame], timestep_fs: float | None, frame_interval_fs: float | None) -> FloatArray:
    """(n_frames,) times [ps]."""
    if frame_interval_fs is not None:
        return np.arange(len(frames), dtype=np.float64) * (frame_interval_fs * PS_PER_FS)
    steps = [frame.step for frame in frames if frame.step is not None]
    times = [frame.time for frame in frames if frame.time is not None]
    if timestep_fs is None and len(times) == len(frames):
        return np.array(times)
    if timestep_fs is not None and len(steps) == len(frames):
        return np.array(steps, dtype=np.float64) * (timestep_fs * PS_PER_FS)
    from_file = frames[0].timestep
    if from_file is not None:  # a vasprun.xml, which holds every step
        timestep = from_file if timestep_fs is None else timestep_fs
        return np.arange(len(frames), dtype=np.float64) * (timestep * PS_PER_FS)
    if steps:
        raise TrajectoryError("the file counts steps but not time: pass timestep_fs")
    raise TrajectoryError("the file does not say how far apart its frames are: pass frame_interval_fs")
