"""Frames of trajectory files, as they stand in the file.

Small parsers of our own where the libraries fall short. MDAnalysis keeps positions in single
precision, expects a fixed number of header lines in a LAMMPS dump (no TIME or UNITS section),
drops its element column, and unwraps triclinic cells wrongly by image flags; it does not know
XDATCAR. ASE does not read XDATCAR.gz frame by frame, and does not say when a last frame is torn.
"""

import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO
from xml.etree import ElementTree

import ase.io
import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.arrays import FloatArray
from hopkin.analysis.errors import TrajectoryError

PS_PER_TIME_UNIT = {"metal": 1.0, "real": 1.0e-3}  # LAMMPS unit styles with lengths in A


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
    unwrapped: bool = False
    step: int | None = None
    time: float | None = None
    timestep: float | None = None


def read_frames(path: Path, species_of_type: Mapping[int, str] | None = None) -> Iterator[Frame]:
    """Yield the frames of a file, plain or gzipped, whose format is told from its content.

    Parameters
    ----------
    path
        LAMMPS text dump, XDATCAR, vasprun.xml or extended XYZ.
    species_of_type
        Chemical symbol of each LAMMPS atom type, for a dump without ``element`` column.

    Raises
    ------
    TrajectoryError
        If the format is unknown or a frame cannot be understood.
    TornFrameError
        If the file ends within a frame, after the frames before it were yielded.
    """
    try:
        with _open(path) as file:
            head = list(islice(file, 8))
    except (OSError, EOFError) as error:
        raise TrajectoryError(f"cannot read {path}: {error}") from error
    if head and head[0].startswith("ITEM:"):
        return _read_dump(path, species_of_type)
    if head and head[0].startswith("<?xml"):
        return _read_vasprun(path)
    if len(head) > 1 and head[0].strip().isdigit() and "Lattice=" in head[1]:
        return _read_extxyz(path)
    if len(head) > 7 and head[7].lower().startswith("direct configuration"):
        return _read_xdatcar(path)
    raise TrajectoryError(
        f"{path} is none of the accepted formats: LAMMPS text dump, XDATCAR, vasprun.xml, "
        "extended XYZ with Lattice (each also gzipped)"
    )


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", errors="replace") if is_gzip else path.open(errors="replace")


def _lines(file: TextIO, count: int) -> list[str]:
    """Return the next lines, each ended by a newline: without it, its last number may be cut."""
    lines = list(islice(file, count))
    if len(lines) < count or not lines[-1].endswith("\n"):
        raise TornFrameError
    return lines


def _table(path: Path, lines: list[str], columns: list[int]) -> FloatArray:
    try:
        return np.loadtxt(lines, usecols=columns, ndmin=2)
    except (ValueError, IndexError) as error:
        raise TrajectoryError(f"{path}: a line of atoms cannot be read: {error}") from error


def _read_dump(path: Path, species_of_type: Mapping[int, str] | None) -> Iterator[Frame]:
    units, time, step, n_atoms = "metal", None, None, 0
    cell, origin = np.eye(3), np.zeros(3)
    species: tuple[str, ...] | None = None
    with _open(path) as file:
        while header := file.readline():
            if not header.endswith("\n"):
                raise TornFrameError
            section = header.removeprefix("ITEM: ").strip()
            if section == "UNITS":
                units = _lines(file, 1)[0].strip()
                if units not in PS_PER_TIME_UNIT:
                    raise TrajectoryError(f"{path} is in LAMMPS units {units!r}; accepted: metal, real")
            elif section == "TIME":
                time = float(_lines(file, 1)[0]) * PS_PER_TIME_UNIT[units]
            elif section == "TIMESTEP":
                step = int(_lines(file, 1)[0])
            elif section == "NUMBER OF ATOMS":
                n_atoms = int(_lines(file, 1)[0])
            elif section.startswith("BOX BOUNDS"):
                cell, origin = _dump_cell(_lines(file, 3))
            elif section.startswith("ATOMS"):
                columns = section.split()[1:]
                lines = _lines(file, n_atoms)
                ids = _table(path, lines, [_column(path, columns, "id")])[:, 0]
                order = np.argsort(ids, kind="stable")
                if species is None:
                    species = _dump_species(path, columns, lines, order, species_of_type)
                positions, unwrapped = _dump_positions(path, columns, lines, cell, origin)
                yield Frame(
                    positions=positions[order],
                    cell=cell,
                    species=species,
                    unwrapped=unwrapped,
                    step=step,
                    time=time,
                )
            else:
                raise TrajectoryError(f"{path}: unexpected line {header.strip()!r} in the dump")


def _dump_cell(lines: list[str]) -> tuple[FloatArray, FloatArray]:
    """Cell and origin from the three lines of BOX BOUNDS: LAMMPS manual, Howto_triclinic."""
    bounds = np.array([line.split() for line in lines], dtype=np.float64)
    if bounds.shape[1] == 4:  # general triclinic: a vector and a component of the origin per line
        return bounds[:, :3], bounds[:, 3]
    lo, hi = bounds[:, 0], bounds[:, 1]
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    origin = lo - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    lengths = hi - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0] - origin
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, origin


def _dump_positions(
    path: Path, columns: list[str], lines: list[str], cell: FloatArray, origin: FloatArray
) -> tuple[FloatArray, bool]:
    """Positions relative to the origin of the cell, and whether they are unwrapped.

    The least ambiguous columns win: unwrapped ones, then image flags, then wrapped ones.
    """

    def has(*names: str) -> bool:
        return all(name in columns for name in names)

    def read(*names: str) -> FloatArray:
        return _table(path, lines, [columns.index(name) for name in names])

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


def _dump_species(
    path: Path,
    columns: list[str],
    lines: list[str],
    order: NDArray[np.intp],
    species_of_type: Mapping[int, str] | None,
) -> tuple[str, ...]:
    rows = [lines[k].split() for k in order]
    if "element" in columns:
        column = columns.index("element")
        return tuple(row[column] for row in rows)
    column = _column(path, columns, "type")
    types = [int(row[column]) for row in rows]
    known = species_of_type or {}
    if unknown := sorted(set(types) - set(known)):
        raise TrajectoryError(
            f"{path} has no element column, and the elements of its atom types {unknown} are "
            "not known: pass species_of_type, such as {1: 'Li', 2: 'S'}"
        )
    return tuple(known[t] for t in types)


def _column(path: Path, columns: list[str], name: str) -> int:
    if name not in columns:
        raise TrajectoryError(f"{path} has no column {name!r} among {' '.join(columns)}")
    return columns.index(name)


def _read_xdatcar(path: Path) -> Iterator[Frame]:
    cell = np.eye(3)
    species: tuple[str, ...] = ()
    with _open(path) as file:
        while line := file.readline():
            if line.lower().startswith("direct configuration"):
                scaled = _table(path, _lines(file, len(species)), [0, 1, 2])
                yield Frame(positions=scaled @ cell, cell=cell, species=species)
            elif line.strip():  # a header, repeated before each frame where the cell varies
                scale, *vectors, symbols, counts = _lines(file, 6)
                elements = [re.split(r"[_/]", symbol)[0] for symbol in symbols.split()]
                try:
                    cell = np.array([v.split() for v in vectors], dtype=np.float64)
                    factor = float(scale)
                    numbers = [int(n) for n in counts.split()]
                except ValueError:
                    numbers = []
                if len(numbers) != len(elements) or not all(map(str.isalpha, elements)):
                    raise TrajectoryError(f"{path}: not the header of a VASP 5 or 6 XDATCAR")
                if factor < 0:  # VASP wiki, POSCAR: a negative factor is the cell's volume
                    factor = (-factor / abs(np.linalg.det(cell))) ** (1 / 3)
                cell = cell * factor
                species = tuple(np.repeat(elements, numbers).tolist())


def _read_vasprun(path: Path) -> Iterator[Frame]:
    species: tuple[str, ...] = ()
    settings: dict[str, float] = {}

    def array(element: ElementTree.Element, name: str) -> FloatArray:
        rows = element.findall(f"structure//varray[@name='{name}']/v")
        return np.array([(row.text or "").split() for row in rows], dtype=np.float64)

    with _open(path) as file:
        try:
            for _, element in ElementTree.iterparse(file):
                if element.tag == "i" and element.get("name") in ("POTIM", "IBRION"):
                    settings[str(element.get("name"))] = float(element.text or "nan")
                elif element.tag == "atominfo":
                    cells = element.findall("array[@name='atoms']/set/rc/c[1]")
                    species = tuple((c.text or "").strip() for c in cells)
                elif element.tag == "calculation":
                    cell, scaled = array(element, "basis"), array(element, "positions")
                    yield Frame(
                        positions=scaled @ cell,
                        cell=cell,
                        species=species,
                        timestep=settings.get("POTIM") if settings.get("IBRION") == 0 else None,
                    )
                    element.clear()
        except ElementTree.ParseError as error:
            raise TornFrameError from error


def _read_extxyz(path: Path) -> Iterator[Frame]:
    with _open(path) as file:
        while line := file.readline():
            if not line.strip():
                continue
            if not line.endswith("\n"):
                raise TornFrameError
            try:
                lines = _lines(file, int(line) + 1)
                atoms = next(ase.io.iread(io.StringIO("".join([line, *lines])), format="extxyz"))
            except (ValueError, OSError) as error:
                raise TrajectoryError(f"{path}: a frame cannot be read: {error}") from error
            if atoms.cell.rank < 3:
                raise TrajectoryError(f"{path}: a frame has no three-dimensional cell")
            yield Frame(
                positions=atoms.positions,
                cell=atoms.cell.array,
                species=tuple(map(str, atoms.symbols)),
            )
