"""Which element an atom type of LAMMPS is, where the dump says only its number."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, islice, takewhile
from pathlib import Path

from hopkin.analysis.errors import TrajectoryError

logger = logging.getLogger(__name__)

MASS_TOLERANCE_U = 0.1  # masses are written with few digits; cobalt and nickel lie 0.24 u apart
DATA_FILES = ("*.data", "data.*", "*.lmp")
HEADER_LINES = 200  # of a data file, to the masses
LAMMPS_DEFAULT = {"C"}  # what an element column says where `dump_modify element` was not given


def element_of_mass(mass: float) -> str | None:
    """Return the one element of this standard mass [u], None where there is none, or more than one."""
    from ase.data import atomic_masses, chemical_symbols

    found = [
        symbol
        for symbol, standard in zip(chemical_symbols[1:], atomic_masses[1:], strict=True)
        if abs(mass - standard) < MASS_TOLERANCE_U
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
        If the elements stay unknown.
    """
    kinds = sorted(set(types))
    if given and types:
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
        known = _by_mass(_masses(file, n_atoms))
        if set(kinds) <= set(known):
            found[file] = {kind: known[kind] for kind in kinds}
    told = next(iter(found.items()), None)
    if told is None or any(other != told[1] for other in found.values()):
        return {}
    file, elements = told
    logger.warning("%s: atom types by the masses in %s: %s", path, file.name, elements)
    return elements


def _masses(path: Path, n_atoms: int) -> dict[int, float]:
    """Mass of each atom type in a LAMMPS data file of at least so many atoms: its manual, read_data."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = (line.partition("#")[0].split() for line in islice(file, HEADER_LINES))
            header = list(takewhile(lambda words: words != ["Masses"], lines))
            counts = [int(words[0]) for words in header if words[1:] == ["atoms"]]
            if not counts or counts[0] < n_atoms:
                return {}
            return dict(_rows(lines))
    except (OSError, ValueError):
        return {}  # no data file


def _rows(lines: Iterator[list[str]]) -> Iterator[tuple[int, float]]:
    """Rows of the Masses section, which ends with an empty line."""
    for words in takewhile(bool, dropwhile(lambda words: not words, lines)):
        yield int(words[0]), float(words[1])
