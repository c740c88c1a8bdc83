"""Lines of trajectory files: decompressed, counted, and read as numbers."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from zstandard import ZstdDecompressor, ZstdError

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import TornFrameError

MOST_ATOMS = 10_000_000

_CHUNK = 1 << 17


class _Zstandard(RawIOBase):
    """What zstandard compressed; EOFError where it is cut, of which the package's own reader says nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._part = ZstdDecompressor().decompressobj()
        self._is_whole, self._packed, self._plain = True, b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            packed = self._packed or self._file.read(_CHUNK)
            if not packed and not self._is_whole:
                raise EOFError
            if not packed:
                return 0
            self._plain = memoryview(self._part.decompress(packed))
            self._is_whole, self._packed = self._part.eof, self._part.unused_data
            if self._is_whole:  # another part may follow
                self._part = ZstdDecompressor().decompressobj()
        n = min(len(buffer), len(self._plain))
        buffer[:n], self._plain = self._plain[:n], self._plain[n:]
        return n


def _zstandard(file: BinaryIO) -> BufferedReader:
    return BufferedReader(_Zstandard(file), _CHUNK)


_DECOMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {  # by the first bytes
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstandard,
}


def is_compressed(start: bytes) -> bool:
    """Whether a file starts as gzip, bzip2, xz or zstandard files do."""
    return start.startswith(tuple(_DECOMPRESSED))


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read bytes: plain, or compressed by gzip, bzip2, xz or zstandard.

    Raises
    ------
    TornFrameError
        While it is read, if its compressed part ends too early.
    TrajectoryError
        If it cannot be read.
    """
    try:
        with path.open("rb") as raw:
            start = raw.read(8)
            raw.seek(0)
            decompressed = next((f for magic, f in _DECOMPRESSED.items() if start.startswith(magic)), None)
            if decompressed is None:
                yield raw
            else:
                with decompressed(raw) as file:
                    yield file
    except EOFError as error:
        raise TornFrameError from error
    except (OSError, zlib.error, lzma.LZMAError, ZstdError) as error:
        raise TrajectoryError(f"cannot read {path}: {error}") from error


def next_lines(file: BinaryIO, count: int) -> list[bytes]:
    """Return the next lines, each ended by a newline: without it, its last number may be cut."""
    lines = list(islice(file, count))
    if len(lines) < count or not lines[-1].endswith(b"\n"):
        raise TornFrameError
    return lines


def count_of_atoms(path: Path, words: bytes | str) -> int:
    """Read a number of atoms, for which there is memory."""
    try:
        count = int(words)
    except ValueError:
        count = 0
    if not 0 < count <= MOST_ATOMS:
        shown = (words.decode(errors="replace") if isinstance(words, bytes) else words).strip()
        raise TrajectoryError(
            f"{path} holds {shown[:40]!r} atoms; accepted: whole numbers from 1 to {MOST_ATOMS}"
        )
    return count


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


def integers(path: Path, words: list[bytes]) -> NDArray[np.int64]:
    """Whole numbers of a column of :func:`split_table`."""
    try:
        return np.array(words, dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise TrajectoryError(f"{path}: a line of atoms cannot be read: {error}") from error


def vectors(path: Path, lines: list[bytes], *, n_columns: tuple[int, ...]) -> FloatArray:
    """(3, n_columns) numbers of three lines that tell the cell."""
    try:
        array = np.array([line.split() for line in lines], dtype=np.float64)
        if array.shape[1] in n_columns:
            return array
    except (ValueError, IndexError):  # words, or lines of different length
        pass
    shown = " / ".join(line.decode(errors="replace").strip()[:60] for line in lines)
    raise TrajectoryError(f"{path}: a cell cannot be read: {shown}")
