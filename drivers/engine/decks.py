"""LAMMPS decks: templates of `hopkin.lammps_inputs` rendered, structures written and read back."""

import re
from collections.abc import Sequence
from functools import cache
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from hopkin.drivers.engine.rundirectory import writing_to
from hopkin.drivers.errors import DeckError, RunError

if TYPE_CHECKING:
    import jinja2

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.]+")
# What has a meaning in LAMMPS's input language: the end of a line and its continuation, quotes, variables,
# comments. What is not ASCII it drops.
_SYNTAX = re.compile(r"""[^\x20-\x7e]+|["#$&'`\\]+""")


class Potential(Protocol):
    """What a deck says of a potential."""

    @property
    def pair_style(self) -> str:
        """LAMMPS pair style that runs it."""
        ...

    def pair_coeff(self) -> str:
        """First argument of pair_coeff after `* *`."""
        ...

    def file(self) -> Path | None:
        """File or folder whose path that argument holds; None where it holds none."""
        ...


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("hopkin.lammps_inputs", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: object) -> str:
    """Render a deck template.

    Text in the values, also within lists, is text in the deck: what LAMMPS would take for more becomes `_`.

    Raises
    ------
    DeckError
        when there is no such template, or a value is missing
    """
    import jinja2

    try:
        return _environment().get_template(f"{template}.in.j2").render(_plain(values))
    except jinja2.TemplateNotFound as error:
        raise DeckError(f"no deck template '{error.name}' in hopkin.lammps_inputs") from error
    except jinja2.UndefinedError as error:
        raise DeckError(f"deck {template}.in: {error}") from error


def _plain(value: object) -> Any:
    """Return a value with text that means nothing to LAMMPS."""
    if value is None or isinstance(value, Real | np.bool):
        return value
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return _SYNTAX.sub("_", str(value))


def write_deck(
    directory: Path, template: str, potential: Potential, elements: Sequence[str], **values: object
) -> str:
    """Render `TEMPLATE.in` for a potential into a directory, with a link to the potential's file beside it.

    Parameters
    ----------
    elements
        chemical symbols of the LAMMPS types
    values
        what the template needs beside the model

    Returns
    -------
    str
        name of the deck

    Raises
    ------
    DeckError
        when the potential's name has characters that a deck cannot hold
    """
    deck = f"{template}.in"
    coefficient = _linked(potential, directory)
    text = render(
        template, elements=elements, pair_style=potential.pair_style, pair_coeff=coefficient, **values
    )
    (directory / deck).write_text(text)
    return deck


def _linked(potential: Potential, directory: Path) -> str:
    """Return the argument of pair_coeff, its file named by a link: paths may have any characters."""
    coefficient, file = potential.pair_coeff(), potential.file()
    if file is not None:
        link = directory / f"model{_NOT_PLAIN.sub('', file.suffix)[:9]}"
        with writing_to(link):
            link.unlink(missing_ok=True)
            link.symlink_to(file.absolute())
        coefficient = coefficient.replace(str(file), link.name)
    if _SYNTAX.search(coefficient):
        raise DeckError(
            f"a deck cannot hold the name {coefficient!r}: accepted are ASCII characters but quotes, #, $, &,"
            " ` and backslashes"
        )
    return coefficient


def elements_of(atoms: Atoms) -> tuple[str, ...]:
    """Chemical symbols in the order of their first atom: the LAMMPS types 1, 2, ..."""
    return tuple(dict.fromkeys(atoms.get_chemical_symbols()))


def is_triclinic(atoms: Atoms) -> bool:
    """Whether the cell, in LAMMPS orientation, has tilt factors."""
    cell = atoms.cell.array
    return bool(np.any(np.abs(cell[np.tril_indices(3, -1)]) > 1e-8))


def write_structure(path: Path, atoms: Atoms, elements: Sequence[str]) -> None:
    """Write a LAMMPS data file.

    Parameters
    ----------
    atoms
        atoms in LAMMPS orientation (a along x, b in the xy plane); atom IDs follow their order
    elements
        chemical symbols of the LAMMPS types
    """
    from ase.io.lammpsdata import write_lammps_data

    cell = atoms.cell.array
    if np.any(np.abs(cell[np.triu_indices(3, 1)]) > 1e-8):
        raise DeckError("a LAMMPS cell has a along x and b in the xy plane; received another orientation")
    plain = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=cell, pbc=True)
    with path.open("w") as file:
        write_lammps_data(
            file,
            plain,
            specorder=list(elements),
            masses=True,
            units="metal",
            atom_style="atomic",
            reduce_cell=False,
            force_skew=is_triclinic(atoms),
        )


def read_state(path: Path) -> Atoms:
    """Read a dump with `id type element xu yu zu fx fy fz`: cell, positions and forces.

    The box of LAMMPS keeps its origin in the file; positions are returned relative to it. Forces [eV/A] are
    in `atoms.arrays["forces"]`, shape (n_atoms, 3).

    Raises
    ------
    RunError
        when it is missing or torn: atoms, columns or the end of its last line are missing
    """
    try:
        return _state(path.read_text())
    except FileNotFoundError as error:
        raise RunError(f"there is no {path}") from error
    except (ValueError, LookupError, StopIteration) as error:
        raise RunError(f"{path} is torn: {str(error) or 'its header is not whole'}") from error


def _state(text: str) -> Atoms:
    if not text.endswith("\n"):
        raise ValueError("its last line has no end")
    lines = text.splitlines()
    n_atoms = int(lines[1 + next(i for i, line in enumerate(lines) if line == "ITEM: NUMBER OF ATOMS")])
    box = next(i for i, line in enumerate(lines) if line.startswith("ITEM: BOX BOUNDS"))
    header = next(i for i, line in enumerate(lines) if line.startswith("ITEM: ATOMS"))
    columns = lines[header].split()[2:]
    rows = [line.split() for line in lines[header + 1 :]]
    if len(rows) != n_atoms:
        raise ValueError(f"it holds {len(rows)} of {n_atoms} atoms")
    if short := next((row for row in rows if len(row) != len(columns)), None):
        raise ValueError(f"an atom has {len(short)} of {len(columns)} columns")
    cell, origin = _box(np.array([line.split() for line in lines[box + 1 : box + 4]], dtype=np.float64))
    table = {name: [row[column] for row in rows] for column, name in enumerate(columns)}

    def vectors(*names: str) -> NDArray[np.float64]:
        return np.array([table[name] for name in names], dtype=np.float64).T

    atoms = Atoms(table["element"], positions=vectors("xu", "yu", "zu") - origin, cell=cell, pbc=True)
    atoms.set_array("forces", vectors("fx", "fy", "fz"))
    return atoms


def _box(bounds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cell (3, 3) and origin (3,) of a dump's `xlo_bound xhi_bound xy` lines (LAMMPS Howto_triclinic)."""
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    lx, ly, lz = high - low
    return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]), low
