"""Frames of trajectory files, as they stand in the file, one after another.

Small parsers of our own where the libraries fall short. MDAnalysis keeps positions in single
precision, expects a fixed number of header lines in a LAMMPS dump (no TIME or UNITS section),
drops its element column, and unwraps triclinic cells wrongly by image flags; it does not know
XDATCAR. ASE does not read XDATCAR.gz frame by frame, takes milliseconds for a frame of extended XYZ,
and does not say when a last frame is torn. MDAnalysis remains the API (`to_universe`)
and the oracle of the tests.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from xml.etree import ElementTree

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.dumps import read_dump
from hopkin.analysis.trajectories.frame import Frame, TornFrameError, atomic_masses
from hopkin.analysis.trajectories.lines import (
    count_of_atoms,
    is_compressed,
    next_lines,
    numbers,
    open_binary,
    split_table,
    vectors,
)
from hopkin.analysis.trajectories.refusals import ACCEPTED, NUMBER, look_of

LONGEST_LINE = 65536
MOST_COLUMNS = 1000
HEAD_LINES = 60
ULM = b"- of Ulm"  # first bytes of an ASE trajectory


def read_frames(path: Path, given: Sequence[str] | None = None) -> Iterator[Frame]:
    """Yield the frames of a file, plain or compressed, whose format is told from its content.

    Parameters
    ----------
    path
        LAMMPS text dump, XDATCAR, vasprun.xml, extended XYZ, or ASE trajectory. One path: a reader of a
        format that has a second file finds it beside the first.
    given
        Chemical symbols of the atom types of a dump, or of the counts of an XDATCAR, by the user.

    Raises
    ------
    TrajectoryError
        If the format is unknown or a frame cannot be understood.
    TornFrameError
        If the file ends within a frame, after the frames before it were yielded.
    """
    head: list[bytes] = []
    try:
        with open_binary(path) as file:
            for line in islice(iter(lambda: file.readline(LONGEST_LINE), b""), HEAD_LINES):
                head.append(line)  # one by one: a torn file keeps those before
    except TornFrameError as error:
        if not head:
            raise TrajectoryError(f"{path} is compressed, and cut off in its first line") from error
    if head and head[0].startswith(b"ITEM:"):
        return read_dump(path, given)
    if any(line.lower().startswith(b"direct configuration") for line in head[6:8]):
        return _read_xdatcar(path, given)
    if given:
        raise TrajectoryError(
            f"{path} says its elements: leave out --species (species in Python), which is for LAMMPS dumps "
            "and XDATCAR"
        )
    if head and head[0].startswith(b"<?xml"):
        return _read_vasprun(path)
    if head and head[0].startswith(ULM):
        return _read_ase_trajectory(path)
    if len(head) > 1 and head[0].strip().isdigit() and b"Lattice=" in head[1]:
        return _read_extxyz(path)
    raise TrajectoryError(f"{path} {look_of(head)}; it is none of the accepted formats: {ACCEPTED}")


def _read_xdatcar(path: Path, given: Sequence[str] | None) -> Iterator[Frame]:
    cell = np.eye(3)
    species: tuple[str, ...] = ()
    after_blank = False
    with open_binary(path) as file:
        while line := file.readline():
            if line.lower().startswith(b"direct configuration"):
                if not species:
                    raise TrajectoryError(f"{path}: a configuration comes before the header of the XDATCAR")
                words, n_columns = split_table(path, next_lines(file, len(species)))
                scaled = numbers(path, words, n_columns, [0, 1, 2])
                yield Frame(positions=scaled @ cell, cell=cell, species=species)
            elif line.strip():  # a header, repeated before each frame where the cell varies
                # The title is that of the POSCAR: it may be blank, and then the scale stands here.
                untitled = after_blank and re.fullmatch(NUMBER, line.strip())
                scale = line if untitled else next_lines(file, 1)[0]
                *rows, last = next_lines(file, 4)
                symbols = last.decode().split()
                is_vasp_4 = bool(symbols) and symbols[0].isdigit()
                counts = last if is_vasp_4 else next_lines(file, 1)[0]
                cell = vectors(path, rows, n_columns=(3,))
                n_atoms = [count_of_atoms(path, count) for count in counts.split()]
                try:
                    factor = float(scale)
                except ValueError as error:
                    raise TrajectoryError(f"{path}: not the header of an XDATCAR: {error}") from error
                if factor < 0:  # VASP wiki, POSCAR: a negative factor is the cell's volume
                    factor = (-factor / abs(np.linalg.det(cell))) ** (1 / 3)
                cell = cell * factor
                species = tuple(
                    np.repeat(_elements(path, [] if is_vasp_4 else symbols, n_atoms, given), n_atoms).tolist()
                )
            after_blank = not line.strip()


def _elements(path: Path, written: list[str], n_atoms: list[int], given: Sequence[str] | None) -> list[str]:
    """Chemical symbol of each count of an XDATCAR."""
    if given:
        elements = list(given)
    elif written:
        elements = [re.split(r"[_/]", word)[0] for word in written]
    else:
        raise TrajectoryError(
            f"{path} is an XDATCAR of VASP 4, which names no elements: give --species with one for each of "
            f"its counts {' '.join(map(str, n_atoms))}, such as --species 'Li P S' (species=['Li', 'P', 'S'] "
            "in Python)"
        )
    if len(elements) != len(n_atoms) or not all(map(str.isalpha, elements)):
        raise TrajectoryError(
            f"{path}: {len(elements)} elements, {' '.join(elements)}, for {len(n_atoms)} counts of atoms, "
            f"{' '.join(map(str, n_atoms))}; one is needed for each"
        )
    return elements


def _read_vasprun(path: Path) -> Iterator[Frame]:
    species: tuple[str, ...] = ()
    settings: dict[str, float] = {}

    def array(element: ElementTree.Element, name: str) -> FloatArray:
        rows = element.findall(f"structure//varray[@name='{name}']/v")
        return np.array([(row.text or "").split() for row in rows], dtype=np.float64)

    with open_binary(path) as file:
        try:
            for _, element in ElementTree.iterparse(file):
                if element.tag == "i" and element.get("name") in ("POTIM", "IBRION"):
                    settings[str(element.get("name"))] = float(element.text or "nan")
                elif element.tag == "atominfo":
                    cells = element.findall("array[@name='atoms']/set/rc/c[1]")
                    species = tuple((c.text or "").strip() for c in cells)
                elif element.tag == "scstep":  # electronic steps, most of the file
                    element.clear()
                elif element.tag == "calculation":
                    cell, scaled = array(element, "basis"), array(element, "positions")
                    if cell.shape != (3, 3) or scaled.shape != (len(species), 3) or not species:
                        raise TrajectoryError(
                            f"{path}: a calculation has no cell, or not the positions of {len(species)} atoms"
                        )
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
    species: tuple[str, ...] = ()
    symbols: list[bytes] = []
    with open_binary(path) as file:
        while line := file.readline():
            if not line.strip():
                continue
            if not line.endswith(b"\n"):
                raise TornFrameError
            try:
                n_atoms = count_of_atoms(path, line)
                comment, *lines = next_lines(file, n_atoms + 1)
                cell = _lattice(comment.decode())
                columns = _columns(comment.decode())
                words, n_columns = split_table(path, lines)
                positions = numbers(path, words, n_columns, columns["pos"])
            except TrajectoryError:
                raise
            except (ValueError, KeyError) as error:
                raise TrajectoryError(f"{path}: a frame cannot be read: {error}") from error
            if cell is None:
                raise TrajectoryError(f"{path}: a frame has no three-dimensional cell")
            if (found := words[columns["species"][0] :: n_columns]) != symbols:
                symbols, species = found, tuple(symbol.decode() for symbol in found)
            velocities = None
            if "momenta" in columns:
                momenta = numbers(path, words, n_columns, columns["momenta"])
                velocities = _velocities(momenta, species)
            yield Frame(positions=positions, cell=cell, species=species, velocities=velocities)


def _lattice(comment: str) -> FloatArray | None:
    found = re.search(r'Lattice="([^"]*)"', comment)
    vectors = np.array(found[1].split() if found else [], dtype=np.float64)
    return vectors.reshape(3, 3) if vectors.size == 9 and np.linalg.det(vectors.reshape(3, 3)) else None


def _columns(comment: str) -> dict[str, list[int]]:
    """Columns of each property of an extended XYZ frame, by its name."""
    found = re.search(r'Properties="?([^\s"]*)', comment)
    parts = (found[1] if found else "species:S:1:pos:R:3").split(":")
    counts = [int(count) for count in parts[2::3]]
    ends = np.cumsum([min(max(count, 0), MOST_COLUMNS) for count in counts]).tolist()
    columns = {
        name: list(range(end - count, end))
        for name, count, end in zip(parts[::3], counts, ends, strict=True)
        if 0 < count < MOST_COLUMNS
    }
    if len(columns.get("pos", [])) != 3 or len(columns.get("species", [])) != 1:
        raise ValueError(f"Properties {':'.join(parts)[:80]} without species:S:1 and pos:R:3")
    return columns


def _velocities(momenta: FloatArray, species: tuple[str, ...]) -> FloatArray:
    """Velocities [A/ps] from momenta in the units of ASE."""
    from ase import units

    return np.asarray(momenta / atomic_masses(species)[:, None] * (1000.0 * units.fs))


@contextmanager
def _decompressed(path: Path) -> Iterator[Path]:
    """Have a plain file on disk: ASE reads it back and forth."""
    with path.open("rb") as file:
        plain = not is_compressed(file.read(8))
    if plain:
        yield path
        return
    with NamedTemporaryFile(suffix=".traj") as copy:
        with suppress(TornFrameError), open_binary(path) as file:
            shutil.copyfileobj(file, copy)
        copy.flush()
        yield Path(copy.name)


def _read_ase_trajectory(path: Path) -> Iterator[Frame]:
    from ase.io.trajectory import Trajectory

    with _decompressed(path) as plain:
        try:
            with Trajectory(plain) as file:
                for k in range(len(file)):
                    atoms = file[k]
                    species = tuple(map(str, atoms.symbols))
                    yield Frame(
                        positions=atoms.positions,
                        cell=atoms.cell.array,
                        species=species,
                        velocities=_velocities(atoms.get_momenta(), species)
                        if atoms.has("momenta")
                        else None,
                    )
        except (OSError, ValueError, IndexError, TypeError) as error:  # what ASE raises on a torn file
            raise TornFrameError from error
