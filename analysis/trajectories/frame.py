"""What a frame of a trajectory is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray


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


def atomic_masses(species: ArrayLike) -> FloatArray:
    """Return the (n_atoms,) standard atomic masses [u] of chemical symbols."""
    from ase.data import atomic_masses as mass_of_number
    from ase.data import atomic_numbers

    symbols = np.asarray(species).tolist()
    if unknown := sorted(set(symbols) - set(atomic_numbers)):
        raise TrajectoryError(f"not chemical symbols: {', '.join(unknown)}")
    return np.array([mass_of_number[atomic_numbers[symbol]] for symbol in symbols])
