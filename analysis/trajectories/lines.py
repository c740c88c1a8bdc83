"""Lines of trajectory files: opened, counted, and read as numbers."""

import gzip
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import TornFrameError


def open_binary(path: Path) -> BinaryIO:
    """Open a file, plain or gzipped, to read bytes."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if is_gzip else path.open("rb")


def next_lines(file: BinaryIO, count: int) -> list[bytes]:
    """Return the next lines, each ended by a newline: without it, its last number may be cut."""
    lines = list(islice(file, count))
    if len(lines) < count or not lines[-1].endswith(b"\n"):
        raise TornFrameError
    return lines


def split_table(path: Path, lines: list[bytes]) -> tuple[list[bytes], int]:
    """Words of lines of atoms, row after row, and their number per row."""
    words = b"".join(lines).split()
    n_columns = len(lines[0].split())
    if len(words) != n_columns * len(lines) or not words:
        raise TrajectoryError(f"{path}: a line of atoms cannot be read: not as many columns as in the first")
    return words, n_columns


def numbers(path: Path, words: list[bytes], n_columns: int, columns: list[int]) -> FloatArray:
    """(n_rows, len(columns)) numbers of some columns of :func:`split_table`."""
    table = np.empty((len(words) // n_columns, len(columns)))
    try:
        for k, column in enumerate(columns):
            table[:, k] = np.fromiter(map(float, words[column::n_columns]), np.float64, len(table))
    except (ValueError, IndexError) as error:
        raise TrajectoryError(f"{path}: a line of atoms cannot be read: {error}") from error
    return table
