"""Tables of numbers beside a run, such as msd.csv: written and read."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hopkin.analysis.errors import ResultsError
from hopkin.analysis.trajectories import FloatArray


def read_table(path: Path) -> dict[str, FloatArray]:
    """Read a table of numbers, such as msd.csv, as a mapping from column names to columns.

    Raises
    ------
    ResultsError
        If the table cannot be read.
    """
    try:
        with path.open(newline="") as file:
            names, *rows = csv.reader(file)
        columns = np.array(rows, dtype=np.float64).reshape(-1, len(names)).T
    except (OSError, ValueError) as error:
        raise ResultsError(f"cannot read the table {path}: {error}") from error
    return dict(zip(names, columns, strict=True))


def write_table(path: Path, names: Sequence[str], rows: Iterable[Iterable[float]]) -> None:
    """Write a table of numbers, to eight digits; one that is there already is replaced."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"{value:.8g}" for value in row] for row in rows)
