"""Structures as LAMMPS needs them: checked, oriented, repeated."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import ArrayLike

from hopkin.drivers.crystals.cells import check_cell, check_room
from hopkin.drivers.crystals.files import read_structure
from hopkin.drivers.crystals.lattices import cells_in, cells_of, perpendicular_heights, supercell_matrix
from hopkin.drivers.crystals.materials import build_material, find_material, is_material
from hopkin.drivers.crystals.overlaps import OVERLAP_FRACTION, overlaps
from hopkin.drivers.errors import SpecificationError, StructureError

MOST_ATOMS = 100_000
"""More atoms than any model of the registry takes on one device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A checked crystal structure and where it came from."""

    atoms: ase.Atoms
    """Species, positions [A] inside the cell, and a right-handed cell [A] with a along x and b in
    the xy plane; nothing else of what the file held (constraints, velocities, results)."""
    material: str
    """Name of the built-in material, or the stem of the file name."""
    source: str
    """Citation of the built-in material, or the file name as given."""
    note: str | None = None
    """What was changed of what the file holds, and has to be known beside the result; None: nothing."""


def load_structure(structure: str) -> Structure:
    """Read and check a structure: a built-in material, or any file that :func:`read_structure` reads.

    Of a file with several frames the last one is taken. A built-in name wins over a file of the
    same name: write ``./name`` for the file.

    Raises
    ------
    StructureError
        The structure cannot be found, read, or used; see :func:`check_crystal`.
    """
    if is_material(structure):
        material = find_material(structure)
        name, source, atoms = material.name, material.citation, build_material(structure)
    else:
        name, source, atoms = Path(structure).stem, structure, read_structure(structure)
    return checked_structure(atoms, material=name, source=source, named=structure)


def checked_structure(atoms: ase.Atoms, *, material: str, source: str, named: str | None = None) -> Structure:
    """Check a crystal, and turn it as LAMMPS needs it; see :func:`check_crystal` for errors.

    Parameters
    ----------
    named
        its name in messages; None: the source
    """
    check_crystal(atoms, source=named or source)
    return Structure(atoms=lammps_orientation(atoms), material=material, source=source)


def check_crystal(atoms: ase.Atoms, *, source: str) -> None:
    """Refuse what is not an ordered crystal with atoms apart from each other.

    Parameters
    ----------
    atoms
        What was read.
    source
        Its name in the messages.

    Raises
    ------
    StructureError
        No atoms; not periodic in three dimensions; a cell that no crystal has (`check_cell`); partially
        occupied sites; atoms that are nowhere or have no room (`check_room`); two atoms closer than
        `OVERLAP_FRACTION` allows.
    """
    if len(atoms) == 0:
        raise StructureError(f"{source} holds no atoms")
    if not all(atoms.pbc):
        axes = "".join("T" if periodic else "F" for periodic in atoms.pbc)
        raise StructureError(
            f"{source} is not periodic in three dimensions (pbc {axes}); a crystal is needed"
        )
    check_cell(atoms.cell.array, source=source)
    partial = _partial_occupancies(atoms)
    if partial:
        raise StructureError(
            f"{source} has partially occupied sites ({', '.join(partial)}); give an ordered cell, "
            "in which every site is held by one whole atom: `hopkin order` makes one"
        )
    check_room(atoms, source=source)
    _check_distances(atoms, source=source)


def _partial_occupancies(atoms: ase.Atoms) -> list[str]:
    """Describe the partially occupied sites, as ASE notes them in ``info["occupancy"]``."""
    sites = atoms.info.get("occupancy", {}).values()
    return sorted(
        {
            " + ".join(f"{element} {fraction:g}" for element, fraction in sorted(site.items()))
            for site in sites
            if len(site) > 1 or abs(sum(site.values()) - 1.0) > 1e-3
        }
    )


def _check_distances(atoms: ase.Atoms, *, source: str) -> None:
    i, j, distance, image = overlaps(atoms)
    if len(i) == 0:
        return
    closest = int(np.argmin(distance))
    a, b = int(i[closest]), int(j[closest])
    symbols, radii = list(atoms.symbols), OVERLAP_FRACTION * covalent_radii[atoms.numbers]
    other = f"atom {b + 1} ({symbols[b]})"
    if np.any(image[closest]):
        other = f"a periodic image of {other}"
    raise StructureError(
        f"{source} has overlapping atoms: atom {a + 1} ({symbols[a]}) and {other} are "
        f"{distance[closest]:.3f} A apart (accepted: at least {radii[a] + radii[b]:.2f} A)"
    )


def lammps_orientation(atoms: ase.Atoms) -> ase.Atoms:
    """Rotate a crystal so that a lies along x and b in the xy plane, and wrap it into its cell.

    The crystal itself stays the same: a left-handed cell is first replaced by the cell of the
    vectors -a, -b, -c, which spans the same lattice.
    """
    cell = atoms.cell.array * np.sign(np.linalg.det(atoms.cell.array))
    scaled = np.linalg.solve(cell.T, atoms.positions.T).T
    oriented, _ = Cell(cell).standard_form()
    scaled -= np.floor(scaled + 1e-9)
    return ase.Atoms(numbers=atoms.numbers, scaled_positions=scaled, cell=oriented, pbc=True)


def require_ion(atoms: ase.Atoms, ion: str) -> None:
    """Refuse an `ion` that is no element symbol or that `atoms` does not hold.

    Raises
    ------
    StructureError
        No such element, or none of it in the structure.
    """
    if ion not in atomic_numbers or ion == "X":
        raise StructureError(f"{ion!r} is not an element symbol; give the ion as Li, Na, K, ...")
    present = sorted(set(atoms.symbols))
    if ion not in present:
        raise StructureError(f"the structure holds no {ion}; it holds {', '.join(present)}")


ALKALI_METALS = ("Li", "Na", "K", "Rb", "Cs")


def mobile_ion(symbols: Iterable[str], source: str) -> str:
    """Return the ion that moves where nobody says which: the alkali metal of a structure.

    Raises
    ------
    StructureError
        There is none, or more than one; the message names the `source`.
    """
    held = set(symbols)
    present = [alkali for alkali in ALKALI_METALS if alkali in held]
    if len(present) != 1:
        raise StructureError(
            f"{source} holds {', '.join(present) or 'no alkali metal'}: say which ion moves, by --ion (ion in"
            " a campaign)"
        )
    return present[0]


def supercell(atoms: ase.Atoms, repeats: ArrayLike) -> ase.Atoms:
    """Repeat a cell ``(n1, n2, n3)`` times along its vectors, or to a (3, 3) integer matrix of new vectors.

    Atom ``i`` of the cell shifted by ``m1 a + m2 b + m3 c`` is atom ``cell_index(repeats, m) n_atoms + i`` of
    the supercell; that index is ``(m1 n2 + m2) n3 + m3`` for repeats. Atoms are inside the supercell, which
    is oriented as LAMMPS needs it.

    Raises
    ------
    SpecificationError
        `repeats` are neither three positive integers nor such a matrix with a determinant above 0, or the
        supercell would have more than `MOST_ATOMS` atoms.
    """
    matrix = supercell_matrix(repeats)
    require_few_atoms(len(atoms) * cells_in(matrix))
    shifts = cells_of(matrix) @ atoms.cell.array
    positions = (shifts[:, None] + atoms.positions).reshape(-1, 3)
    numbers = np.tile(atoms.numbers, len(shifts))
    cell = matrix @ atoms.cell.array
    return lammps_orientation(ase.Atoms(numbers=numbers, positions=positions, cell=cell, pbc=True))


def require_few_atoms(n_atoms: int, *, most: int = MOST_ATOMS) -> None:
    """Refuse a supercell of more atoms than `most`, before memory is taken for it."""
    if n_atoms > most:
        raise SpecificationError(
            f"the supercell has {n_atoms} atoms; accepted: at most {most}: ask for fewer repeats or a"
            " smaller distance"
        )


def choose_repeats(cell: ArrayLike, min_length_A: float) -> tuple[int, int, int]:
    """Choose the fewest repeats whose supercell is nowhere thinner than a length.

    Parameters
    ----------
    cell
        (3, 3) cell vectors as rows [A].
    min_length_A
        Least distance between opposite faces of the supercell [A].

    Raises
    ------
    SpecificationError
        `min_length_A` is not a positive, finite length.
    """
    if not 0.0 < min_length_A < float("inf"):
        raise SpecificationError(f"the least supercell length is {min_length_A} A; accepted: > 0")
    n1, n2, n3 = np.ceil(min_length_A / perpendicular_heights(cell) - 1e-9).astype(int)
    return max(int(n1), 1), max(int(n2), 1), max(int(n3), 1)
