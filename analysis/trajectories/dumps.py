"""LAMMPS text dumps (`dump custom`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.elements import elements_of_types
from hopkin.analysis.trajectories.frame import Frame, TornFrameError
from hopkin.analysis.trajectories.lines import (
    count_of_atoms,
    integers,
    next_lines,
    numbers,
    open_binary,
    split_table,
    vectors,
)

PS_PER_TIME_UNIT = {"metal": 1.0, "real": 1.0e-3}  # LAMMPS unit styles with lengths in A


def read_dump(path: Path, given: Sequence[str] | None) -> Iterator[Frame]:
    """Yield the frames of a dump, the atoms in the order of their IDs.

    Parameters
    ----------
    path
        The dump, plain or compressed.
    given
        Chemical symbols of the atom types 1, 2, ..., where the user says them.
    """
    units, time, step, n_atoms = "metal", None, None, 0
    cell, origin = np.eye(3), np.zeros(3)
    order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
    ids: list[bytes] = []
    species: tuple[str, ...] | None = None
    with open_binary(path) as file:
        while header := file.readline():
            if not header.endswith(b"\n"):
                raise TornFrameError
            section = header.removeprefix(b"ITEM: ").strip().decode()
            if section == "UNITS":
                units = next_lines(file, 1)[0].strip().decode()
                if units not in PS_PER_TIME_UNIT:
                    raise TrajectoryError(f"{path} is in LAMMPS units {units!r}; accepted: metal, real")
            elif section == "TIME":
                time = float(next_lines(file, 1)[0]) * PS_PER_TIME_UNIT[units]
            elif section == "TIMESTEP":
                step = int(next_lines(file, 1)[0])
            elif section == "NUMBER OF ATOMS":
                n_atoms = count_of_atoms(path, next_lines(file, 1)[0])
            elif section.startswith("BOX BOUNDS"):
                cell, origin = _cell(vectors(path, next_lines(file, 3), n_columns=(2, 3, 4)))
            elif section.startswith("ATOMS"):
                if not n_atoms:
                    raise TrajectoryError(f"{path}: its atoms come before ITEM: NUMBER OF ATOMS")
                columns = section.split()[1:]
                words, n_columns = split_table(path, next_lines(file, n_atoms))
                if n_columns != len(columns):
                    raise TrajectoryError(
                        f"{path}: a line of atoms cannot be read: not {len(columns)} columns"
                    )
                if (found := words[_column(path, columns, "id") :: n_columns]) != ids:
                    ids, order = found, np.argsort(integers(path, found), kind="stable")
                if species is None:
                    species = _species(path, columns, words, order, given)
                positions, unwrapped = _positions(path, columns, words, cell, origin)
                velocities = None
                if {"vx", "vy", "vz"} <= set(columns):
                    indices = [columns.index(name) for name in ("vx", "vy", "vz")]
                    velocities = numbers(path, words, n_columns, indices)[order] / PS_PER_TIME_UNIT[units]
                yield Frame(
                    positions=positions[order],
                    cell=cell,
                    species=species,
                    velocities=velocities,
                    unwrapped=unwrapped,
                    step=step,
                    time=time,
                )
            else:
                raise TrajectoryError(f"{path}: unexpected line {section!r} in the dump")


def _cell(bounds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cell and origin from the three lines of BOX BOUNDS: LAMMPS manual, Howto_triclinic."""
    if bounds.shape[1] == 4:  # general triclinic: a vector and a component of the origin per line
        return bounds[:, :3], bounds[:, 3]
    lo, hi = bounds[:, 0], bounds[:, 1]
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    origin = lo - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    lengths = hi - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0] - origin
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, origin


def _positions(
    path: Path, columns: list[str], words: list[bytes], cell: FloatArray, origin: FloatArray
) -> tuple[FloatArray, bool]:
    """Positions relative to the origin of the cell, and whether they are unwrapped.

    The least ambiguous columns win: unwrapped ones, then image flags, then wrapped ones.
    """

    def has(*names: str) -> bool:
        return all(name in columns for name in names)

    def read(*names: str) -> FloatArray:
        return numbers(path, words, len(columns), [columns.index(name) for name in names])

    if has("xu", "yu", "zu"):
        return read("xu", "yu", "zu") - origin, True
    if has("xsu", "ysu", "zsu"):
        return read("xsu", "ysu", "zsu") @ cell, True
    if has("x", "y", "z"):
        positions = read("x", "y", "z") - origin
    elif has("xs", "ys", "zs"):
        positions = read("xs", "ys", "zs") @ cell
    else:
        raise TrajectoryError(
            f"{path} has no positions among its columns ({' '.join(columns)}); dump xu yu zu"
        )
    if has("ix", "iy", "iz"):
        return positions + read("ix", "iy", "iz") @ cell, True
    return positions, False


def _species(
    path: Path,
    columns: list[str],
    words: list[bytes],
    order: NDArray[np.intp],
    given: Sequence[str] | None,
) -> tuple[str, ...]:
    def column(name: str) -> list[bytes]:
        return words[columns.index(name) :: len(columns)] if name in columns else []

    if not {"type", "element"} & set(columns):
        _column(path, columns, "type")
    elements = elements_of_types(
        path,
        integers(path, column("type")).tolist(),
        given=given,
        written=[word.decode() for word in column("element")],
        masses=[float(word) for word in column("mass")],
    )
    return tuple(elements[k] for k in order)


def _column(path: Path, columns: list[str], name: str) -> int:
    if name not in columns:
        raise TrajectoryError(f"{path} has no column {name!r} among {' '.join(columns)}")
    return columns.index(name)
