"""What a frame of a trajectory is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray

LARGEST = 1.0e6  # A, and A/ps: half the speed of light
LEAST_VOLUME_A3 = 1.0  # of an atom: hydrogen has as much at 400 GPa
LEAST_WIDTH_A = 1.0  # of a cell, between opposite faces


class TornFrameError(Exception):
    """The file ends within a frame."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame of a trajectory file.

    Attributes
    ----------
    positions
        (n_atoms, 3) Cartesian positions [A].
    cell
        (3, 3) cell, rows are vectors [A].
    species
        (n_atoms,) chemical symbols.
    velocities
        (n_atoms, 3) velocities [A/ps], None where the file has none.
    unwrapped
        True if the positions are continuous across the cell's faces in the file itself.
    step
        MD step, None where the format does not count them.
    time
        Time [ps], None where the file does not tell.
    timestep
        Time between MD steps [fs], None where the file does not tell.
    """

    positions: FloatArray
    cell: FloatArray
    species: tuple[str, ...]
    velocities: FloatArray | None = None
    unwrapped: bool = False
    step: int | None = None
    time: float | None = None
    timestep: float | None = None


def check_frame(frame: Frame, name: str) -> None:
    """Refuse numbers that no frame of a crystal can hold.

    Raises
    ------
    TrajectoryError
        If a number is not finite or beyond all measure, or the cell has no room for the atoms.
    """
    found = {"cell vector": frame.cell, "position": frame.positions, "velocity": frame.velocities}
    for quantity, array in found.items():
        if array is not None and not (usual := np.abs(array) < LARGEST).all():
            unit = "A/ps" if quantity == "velocity" else "A"
            raise TrajectoryError(
                f"{name} has a {quantity} with the component {array[~usual][0]:g} {unit}; accepted: finite "
                f"numbers below {LARGEST:g}"
            )
    if frame.time is not None and not np.isfinite(frame.time):
        raise TrajectoryError(f"{name} is at the time {frame.time:g} ps; accepted: finite numbers")
    if frame.step is not None and abs(frame.step) > np.iinfo(np.int64).max:
        raise TrajectoryError(f"{name} is at step {frame.step:.3e}; accepted: integers of 64 bits")
    volume = abs(float(np.linalg.det(frame.cell)))
    faces = np.linalg.norm(np.cross(np.roll(frame.cell, -1, axis=0), np.roll(frame.cell, -2, axis=0)), axis=1)
    if volume < max(LEAST_WIDTH_A * faces.max(), LEAST_VOLUME_A3 * len(frame.positions)):
        lengths = ", ".join(f"{length:.4g}" for length in np.linalg.norm(frame.cell, axis=1))
        raise TrajectoryError(
            f"{name} has a cell without room for {len(frame.positions)} atoms: vectors of {lengths} A that "
            f"span {volume:.4g} A^3"
        )


def atomic_masses(species: ArrayLike) -> FloatArray:
    """Return the (n_atoms,) standard atomic masses [u] of chemical symbols."""
    from ase.data import atomic_masses as mass_of_number
    from ase.data import atomic_numbers

    symbols = np.asarray(species).tolist()
    if unknown := sorted(set(symbols) - set(atomic_numbers)):
        raise TrajectoryError(f"not chemical symbols: {', '.join(unknown)}")
    return np.array([mass_of_number[atomic_numbers[symbol]] for symbol in symbols])
