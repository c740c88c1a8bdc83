"""Which element an atom type of LAMMPS is, where the dump says only its number."""

import logging
from collections.abc import Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.frame import TornFrameError
from hopkin.analysis.trajectories.lines import open_binary

logger = logging.getLogger(__name__)

MASS_TOLERANCE_U = 0.1  # masses are written with few digits; cobalt and nickel lie 0.24 u apart
DATA_FILES = ("*.data", "*.data.*", "data.*", "*.lmp", "*.lmp.*")
HEADER_LINES = 200  # of a data file, to the masses
LONGEST_LINE = 1000
LAMMPS_DEFAULT = {"C"}  # what an element column says where `dump_modify element` was not given

_UNSTABLE = {0, 43, 61, *range(84, 90), *range(93, 119)}  # without a standard mass: tables have one isotope's


def element_of_mass(mass: float) -> str | None:
    """Return the one element of this standard mass [u], None where there is none, or more than one."""
    from ase.data import atomic_masses, chemical_symbols

    found = [
        symbol
        for number, (symbol, standard) in enumerate(zip(chemical_symbols, atomic_masses, strict=True))
        if number not in _UNSTABLE and abs(mass - standard) < MASS_TOLERANCE_U
    ]
    return found[0] if len(found) == 1 else None


def elements_of_types(
    path: Path,
    types: Sequence[int],
    *,
    given: Sequence[str] | None,
    written: Sequence[str] | None,
    masses: Sequence[float] | None,
) -> list[str]:
    """Tell the element of each atom of a dump.

    What is given counts before what the dump says; then its elements, its masses, and those of a data
    file beside it.

    Parameters
    ----------
    path
        The dump.
    types
        (n_atoms,) atom types, empty where the dump has no such column.
    given
        Chemical symbols of the types 1, 2, ..., by the user.
    written
        (n_atoms,) chemical symbols in the dump.
    masses
        (n_atoms,) masses in the dump [u].

    Raises
    ------
    TrajectoryError
        If the elements stay unknown, or those that are given do not fit the types.
    """
    kinds = sorted(set(types))
    if given and not types:
        raise TrajectoryError(
            f"{path} says its elements, and has no column 'type': leave out --species (species in Python), "
            "which names the types 1, 2, ..."
        )
    if given:
        if kinds[0] < 1 or kinds[-1] > len(given):
            raise TrajectoryError(
                f"{path} has the atom types {_listed(kinds)}, but --species (species in Python) names "
                f"{len(given)}, {' '.join(given)}: it takes one symbol for each of the types 1, 2, ..."
            )
        return [given[number - 1] for number in types]
    if written and not (len(kinds) > 1 and set(written) == LAMMPS_DEFAULT):
        return list(written)
    known: Mapping[int, str] = {}
    if types and masses:
        known = _by_mass(dict(zip(types, masses, strict=True)))
    if types and not set(kinds) <= set(known):
        known = _by_data_file(path, kinds, len(types))
    if types and set(kinds) <= set(known):
        return [known[number] for number in types]
    raise TrajectoryError(
        f"{path} does not say which elements its atom types {_listed(kinds)} are: give --species with a "
        "symbol for each of the types 1, 2, ..., such as --species 'Li P S' (species=['Li', 'P', 'S'] in "
        "Python)"
    )


def _listed(kinds: Sequence[int]) -> str:
    shown = ", ".join(map(str, kinds[:8]))
    return f"{shown}, ..." if len(kinds) > 8 else shown


def _by_mass(mass_of_type: Mapping[int, float]) -> dict[int, str]:
    found = {kind: element_of_mass(mass) for kind, mass in mass_of_type.items()}
    return {kind: element for kind, element in found.items() if element is not None}


def _by_data_file(path: Path, kinds: Sequence[int], n_atoms: int) -> dict[int, str]:
    """Elements by the data files beside a dump, where there are some, and they agree."""
    found: dict[Path, dict[int, str]] = {}
    for file in sorted({file for pattern in DATA_FILES for file in path.parent.glob(pattern)} - {path}):
        known = _of_data_file(file, n_atoms)
        if set(kinds) <= set(known):
            found[file] = {kind: known[kind] for kind in kinds}
    told = next(iter(found.items()), None)
    if told is None or any(other != told[1] for other in found.values()):
        return {}
    file, elements = told
    logger.warning("%s: atom types by the masses in %s: %s", path, file.name, elements)
    return elements


def _of_data_file(path: Path, n_atoms: int) -> dict[int, str]:
    """Element of each atom type in a LAMMPS data file of at least so many atoms: its manual, read_data."""
    try:
        with open_binary(path) as file:
            head = [file.readline(LONGEST_LINE).decode(errors="replace") for _ in range(HEADER_LINES)]
        lines = (line.replace("#", " # ").split() for line in head)
        header = list(takewhile(lambda words: words[:1] != ["Masses"], lines))
        counts = [int(words[0]) for words in header if words[1:2] == ["atoms"] and words[2:3] in ([], ["#"])]
        if not counts or counts[0] < n_atoms:
            return {}
        rows = takewhile(bool, dropwhile(lambda words: not words, lines))  # they end with an empty line
        found = {int(number): _element(float(mass), comment[1:2]) for number, mass, *comment in rows}
    except (TornFrameError, TrajectoryError, ValueError):
        return {}  # no data file
    return {kind: element for kind, element in found.items() if element is not None}


def _element(mass: float, named: list[str]) -> str | None:
    """Element by its mass, or by the word behind it; None where they contradict one another."""
    from ase.data import atomic_numbers

    by_mass = element_of_mass(mass)
    by_name = named[0] if named and named[0] in atomic_numbers else None
    return None if by_mass and by_name and by_mass != by_name else by_name or by_mass
