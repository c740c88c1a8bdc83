"""Frames collected into arrays, and positions made continuous across the faces of the cell."""

from itertools import product

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import Frame

SAME_FRAME_A = 1.0e-3
GROWTH = 1.5
SAFE_RATIO = 2.0 / 3.0  # of the distances to the nearest and the next image
NEIGHBOURS = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.float64)


class FrameStack:
    """Frames of one trajectory, in arrays that grow in place as they arrive.

    Attributes
    ----------
    n
        Number of frames.
    species
        Chemical symbols, the same in all frames.
    unwrapped
        True if the positions of all frames are continuous in their files.
    steps, times
        MD steps, and times [ps], of the frames that have them.
    timestep
        Time between MD steps [fs] that the first file tells.
    """

    def __init__(self, *, with_velocities: bool = False) -> None:
        self.n = 0
        self.species: tuple[str, ...] = ()
        self.unwrapped = True
        self.steps: list[int] = []
        self.times: list[float] = []
        self.timestep: float | None = None
        self._with_velocities = with_velocities
        self._arrays: list[FloatArray] = []

    @property
    def positions(self) -> FloatArray:
        """(n_frames, n_atoms, 3) positions [A]."""
        return self._arrays[0][: self.n]

    @property
    def cells(self) -> FloatArray:
        """(n_frames, 3, 3) cells [A]."""
        return self._arrays[1][: self.n]

    @property
    def velocities(self) -> FloatArray | None:
        """(n_frames, n_atoms, 3) velocities [A/ps], if they were asked for."""
        return self._arrays[2][: self.n] if self._with_velocities else None

    def append(self, frame: Frame) -> None:
        """Take up the next frame.

        Raises
        ------
        TrajectoryError
            If it holds other atoms than the first, or no velocities where they are asked for.
        """
        if self.n == 0:
            self.species, self.timestep = frame.species, frame.timestep
        elif frame.species != self.species or frame.positions.shape != self._arrays[0].shape[1:]:
            raise TrajectoryError(
                f"frame {self.n} holds other atoms than frame 0 "
                f"({len(frame.positions)} against {len(self.species)}, or in another order)"
            )
        parts = [frame.positions, frame.cell]
        if self._with_velocities:
            if frame.velocities is None:
                raise TrajectoryError(f"frame {self.n} has no velocities: dump vx vy vz as well")
            parts.append(frame.velocities)
        if not self._arrays:
            self._arrays = [np.empty((64, *part.shape)) for part in parts]
        for array, part in zip(self._arrays, parts, strict=True):
            if self.n == len(array):
                array.resize((int(GROWTH * self.n), *array.shape[1:]), refcheck=False)  # no view is held
            array[self.n] = part
        self.n += 1
        self.unwrapped &= frame.unwrapped
        if frame.step is not None:
            self.steps.append(frame.step)
        if frame.time is not None:
            self.times.append(frame.time)

    def truncate(self, n: int) -> None:
        """Forget all frames but the first `n`."""
        self.n = n
        del self.steps[n:], self.times[n:]

    def repeats_last(self, frame: Frame) -> bool:
        """Whether a frame is the last one once more, up to lattice vectors."""
        if self.n == 0 or frame.species != self.species:
            return False
        moved = (frame.positions - self._arrays[0][self.n - 1]) @ np.linalg.inv(frame.cell)
        moved -= np.rint(moved)
        return bool(np.abs(moved @ frame.cell).max() < SAME_FRAME_A)


def unwrap(positions: FloatArray, cells: FloatArray) -> FloatArray:
    """Make positions continuous: between frames, each atom moves to its nearest image.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) wrapped positions [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors, of any shape [A].

    Returns
    -------
    NDArray
        (n_frames, n_atoms, 3) unwrapped positions [A]; the first frame is unchanged.

    Raises
    ------
    TrajectoryError
        If an atom may have moved to another image nearly as near (by 2/3 of its distance or more):
        where it went is then a guess.
    """
    unwrapped = positions.copy()
    unwrap_in_place(unwrapped, cells)
    return unwrapped


def unwrap_in_place(positions: FloatArray, cells: FloatArray) -> None:
    """Do as :func:`unwrap` does, in the array itself.

    Moves are rounded in a Minkowski-reduced basis, where that finds the nearest image of all that
    move less than half the distance between opposite faces; the others are compared with all images.
    """
    from ase.geometry import minkowski_reduce

    bases = np.rint(minkowski_reduce(cells[0])[1]) @ cells
    inverses = np.linalg.inv(bases)
    face_distances = 1.0 / np.linalg.norm(inverses, axis=1).max(axis=-1)  # the smallest of the three
    previous = positions[0] @ inverses[0]
    current = previous.copy()
    for k in range(1, len(positions)):
        scaled = positions[k] @ inverses[k]
        moves = scaled - previous
        moves -= np.rint(moves)
        squares = ((moves @ bases[k]) ** 2).sum(axis=-1)
        if squares.max() > (SAFE_RATIO / (1.0 + SAFE_RATIO) * face_distances[k]) ** 2:
            far = np.flatnonzero(squares > (SAFE_RATIO / (1.0 + SAFE_RATIO) * face_distances[k]) ** 2)
            moves[far] = _nearest(moves[far], bases[k], k)
        previous = scaled
        current += moves
        positions[k] = current @ bases[k]


def _nearest(moves: FloatArray, basis: FloatArray, k: int) -> FloatArray:
    """(n, 3) shortest images of scaled moves, where they are clearly shorter than the next ones."""
    images = moves[:, None] + NEIGHBOURS
    distances = np.linalg.norm(images @ basis, axis=-1)
    order = np.argsort(distances, axis=1)
    nearest, following = np.take_along_axis(distances, order[:, :2], axis=1).T
    if (guess := nearest > SAFE_RATIO * following).any():
        worst = int(np.argmax(np.where(guess, nearest / following, 0.0)))
        raise TrajectoryError(
            f"between frames {k - 1} and {k} an atom moves by {nearest[worst]:.2f} A, or by "
            f"{following[worst]:.2f} A to another image: too far apart to be unwrapped; write frames "
            "more often, or unwrapped positions (xu yu zu)"
        )
    return np.asarray(images[np.arange(len(moves)), order[:, 0]])
