"""Pairs of ends of a band, from files: checked, and in one order of atoms."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ase
import numpy as np
from ase.geometry import find_mic
from numpy.typing import NDArray

from hopkin.drivers.bands.paths import CELL_TOLERANCE_A, check_endpoints, displacements, minimum_image
from hopkin.drivers.crystals import (
    ALKALI_METALS,
    Structure,
    checked_structure,
    lammps_orientation,
    load_structure,
    read_with_ase,
)
from hopkin.drivers.errors import StructureError
from hopkin.drivers.hops import SEPARATE_SITES_A

_logger = logging.getLogger(__name__)

Pair = tuple[Structure, Structure]

_AMBIGUITY = 0.5
"""A partner is clear when it is nearer than this part of the way to the next atom of its species."""

FURTHER = 0.75
"""Ends are numbered apart when one atom moves less than this part of what several do, in squares."""


LEAST_SHIFT_A = 0.05
"""A shift of a whole end that is less than this is left as it is [A]."""

_COMMON_A = 0.5
"""Half of the framework is nearer to its common displacement than this [A]: atoms of one site, not of two."""
_STARTS = 8
_ESTIMATES = 20
_SETTLED_A = 1e-3


def load_pair(initial: str, final: str, *, name: str | None = None) -> Pair:
    """Read two structure files as the ends of one band.

    Where the species disagree atom by atom, the final end is put into the order of the initial one; where
    they agree, the given order says which atom goes where. Where several atoms go to other sites by that
    order, but one alone by another and by less in all, the ends were numbered apart (each lacks another
    ion of one list, say): the other order is taken, with a warning. A shift of the final end as a whole is
    taken back, with a note.

    Raises
    ------
    StructureError
        when they cannot be read, do not belong together, or cannot be matched
    """
    first, last = load_structure(initial), load_structure(final)
    ends = replace(first, material=name or first.material), replace(last, material=name or last.material)
    return _pair(*ends)


def read_pairs(path: Path) -> dict[str, tuple[ase.Atoms, ase.Atoms]]:
    """Read the pairs of an extxyz file by name: each frame has `sys_name` and `image`, initial or final.

    They are as they are in the file: `check_pair` makes ends of a band of one.

    Raises
    ------
    StructureError
        when the file cannot be read, a frame lacks one of the two, or an end is missing or given twice
    """
    ends: dict[str, dict[str, ase.Atoms]] = {}
    for number, atoms in enumerate(_frames(path)):
        name, image = atoms.info.get("sys_name"), atoms.info.get("image")
        if name is None or image not in ("initial", "final"):
            raise StructureError(
                f"frame {number} of {path} has sys_name {name!r} and image {image!r};"
                " accepted: a name, and initial or final"
            )
        if image in ends.setdefault(str(name), {}):
            raise StructureError(f"{path} holds the {image} end of {name} twice")
        ends[str(name)][image] = atoms
    lacking = sorted(name for name, both in ends.items() if len(both) < 2)
    if lacking:
        raise StructureError(f"{path} holds one end only of {', '.join(lacking)}")
    return {name: (both["initial"], both["final"]) for name, both in ends.items()}


def _frames(path: Path) -> list[ase.Atoms]:
    if not path.is_file():
        raise StructureError(f"no such file: {path}")
    frames: list[ase.Atoms] = read_with_ase(path, "extxyz")
    return frames


def check_pair(initial: ase.Atoms, final: ase.Atoms, *, name: str, source: str) -> Pair:
    """Make ends of a band of two structures, as `load_pair` does of files; StructureError where it cannot."""
    first, last = (
        checked_structure(atoms, material=name, source=source, named=f"{source}, {end}")
        for atoms, end in ((initial, "initial"), (final, "final"))
    )
    return _pair(first, last)


def _pair(initial: Structure, final: Structure) -> Pair:
    try:
        final = _without_shift(initial, final)
        if _in_other_order(initial.atoms, final.atoms):
            final = replace(final, atoms=final.atoms[match_order(initial.atoms, final.atoms)])
        check_endpoints(initial.atoms, final.atoms)
        if order := _numbered_apart(initial.atoms, final.atoms):
            _logger.warning(
                "%s: atoms of the final end are numbered in another order; taken as the hop of one ion",
                initial.material,
            )
            final = replace(final, atoms=final.atoms[order])
    except StructureError as error:
        raise StructureError(f"{initial.material}: {error}") from error
    return initial, final


def _without_shift(initial: Structure, final: Structure) -> Structure:
    """Take back the shift of the final end as a whole, and note it."""
    shift = rigid_shift(initial.atoms, final.atoms)
    if shift is None:
        return final
    note = f"the final end was shifted as a whole by {np.linalg.norm(shift):.2f} A, which was taken back"
    _logger.warning("%s: %s", initial.material, note)
    atoms = final.atoms.copy()
    atoms.positions -= shift
    return replace(final, atoms=lammps_orientation(atoms), note=note)


def rigid_shift(initial: ase.Atoms, final: ase.Atoms) -> NDArray[np.float64] | None:
    """Find the shift of one end against the other as a whole, as of relaxations that drifted apart.

    It is what most atoms of the framework have in common, the median of their displacements: hops do not
    drag it. Where the given order shows none, atoms are assigned to each other, species by species, anew
    after each estimate.

    Parameters
    ----------
    initial, final
        ends of a band; the framework is all but alkali metals

    Returns
    -------
    (3,) array or None
        shift of the final end [A]; None where it is less than `LEAST_SHIFT_A` or not common to the framework,
        or where the ends are not of the same atoms in the same cell
    """
    if sorted(initial.numbers) != sorted(final.numbers) or _cells_apart(initial, final) > CELL_TOLERANCE_A:
        return None
    if np.array_equal(initial.numbers, final.numbers):
        estimate = _common_shift(initial, final)
        if estimate is not None:
            return _worth_it(estimate, initial, final)
    estimate = np.zeros(3)
    moved = final.copy()
    for _ in range(_ESTIMATES):
        moved.positions = final.positions - estimate
        matched = moved[_assigned(initial, moved)[0]]
        more = _common_shift(initial, matched)
        if more is None:
            return None
        estimate += more
        if np.linalg.norm(more) < _SETTLED_A:
            matched.positions += estimate
            return _worth_it(estimate, initial, matched)
    return None


def _common_shift(initial: ase.Atoms, final: ase.Atoms) -> NDArray[np.float64] | None:
    """(3,) median displacement [A] of the framework between ends in one order; None where most share none."""
    framework = ~np.isin(initial.symbols, ALKALI_METALS)
    if not np.any(framework):
        framework[:] = True
    moved = displacements(initial, final)[framework]
    spread = np.inf
    # Displacements of half a cell come out with either sign: start from those of several atoms.
    for start in moved[:: max(1, len(moved) // _STARTS)]:
        median = start + np.median(minimum_image(moved - start, initial.cell.array), axis=0)
        off = np.linalg.norm(minimum_image(moved - median, initial.cell.array), axis=1)
        if float(np.median(off)) < spread:
            spread, found = float(np.median(off)), median
    return minimum_image(found[None], initial.cell.array)[0] if spread < _COMMON_A else None


def _worth_it(shift: NDArray[np.float64], initial: ase.Atoms, final: ase.Atoms) -> NDArray[np.float64] | None:
    """Return a shift that is no rounding and brings the ends nearer to each other; both are in one order."""
    moved = displacements(initial, final)
    left = minimum_image(moved - shift, initial.cell.array)
    nearer = float((left**2).sum()) < float((moved**2).sum())
    return shift if nearer and np.linalg.norm(shift) > LEAST_SHIFT_A else None


def _cells_apart(initial: ase.Atoms, final: ase.Atoms) -> float:
    return float(np.abs(initial.cell.array - final.cell.array).max())


def _in_other_order(initial: ase.Atoms, final: ase.Atoms) -> bool:
    """Whether two ends with the same cell hold the same species, but not atom by atom."""
    same = sorted(initial.numbers) == sorted(final.numbers)
    return (
        same
        and _cells_apart(initial, final) <= CELL_TOLERANCE_A
        and bool(np.any(initial.numbers != final.numbers))
    )


def _numbered_apart(initial: ase.Atoms, final: ase.Atoms) -> list[int] | None:
    """Return the order by which one atom hops, where by the given one several do, and further in all.

    Ions that push one another on, each to the next site and by 90 degrees or more, go no further in all (by
    the sum of squares) than one that goes all the way. Where all three sites are neighbours, they go twice
    as far.
    """
    given = np.linalg.norm(displacements(initial, final), axis=1)
    if np.count_nonzero(given > SEPARATE_SITES_A) < 2:
        return None
    try:
        order = match_order(initial, final)
    except StructureError:
        return None
    moved = np.linalg.norm(displacements(initial, final[order]), axis=1)
    one = np.count_nonzero(moved > SEPARATE_SITES_A) == 1
    return list(order) if one and (moved**2).sum() < FURTHER * (given**2).sum() else None


def match_order(initial: ase.Atoms, final: ase.Atoms) -> Sequence[int]:
    """Find the order of the final end in which each atom is that of the initial end, but for one that hops.

    Species by species, the assignment of the least total squared displacement; it is refused where it is
    not clear: where more than one atom moves further than half the way to another candidate.

    Parameters
    ----------
    initial, final
        ends with the same cell and species

    Returns
    -------
    sequence of int
        `final[order]` follows the order of `initial`

    Raises
    ------
    StructureError
        when the assignment is not clear
    """
    order, unclear = _assigned(initial, final)
    if len(unclear) > 1:
        atoms = ", ".join(f"{n + 1} ({initial.symbols[n]})" for n in unclear[:4])
        raise StructureError(
            f"the ends hold their atoms in different orders, and the partners of atoms {atoms} are not clear:"
            " give both ends in the same order"
        )
    return order


def _assigned(initial: ase.Atoms, final: ase.Atoms) -> tuple[list[int], list[int]]:
    """Order of the final end by the assignment of `match_order`, and atoms whose partners are not clear."""
    from scipy.optimize import linear_sum_assignment

    order = np.empty(len(initial), dtype=int)
    unclear = list[int]()
    for number in np.unique(initial.numbers):
        here, there = np.flatnonzero(initial.numbers == number), np.flatnonzero(final.numbers == number)
        distances = _distances(initial.positions[here], final.positions[there], initial.cell.array)
        rows, columns = linear_sum_assignment(distances**2)
        order[here[rows]] = there[columns]
        chosen = distances[rows, columns]
        others = distances.copy()
        others[rows, columns] = np.inf
        clear = chosen < _AMBIGUITY * others.min(axis=1, initial=np.inf)
        unclear += here[~clear].tolist()
    return [int(n) for n in order], unclear


def _distances(
    here: NDArray[np.float64], there: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, n) distances [A] between all atoms of one end and of the other, to the nearest image."""
    vectors = there[None, :, :] - here[:, None, :]
    _, lengths = find_mic(vectors.reshape(-1, 3), cell)
    table: NDArray[np.float64] = lengths.reshape(len(here), len(there))
    return table
