"""The symmetry that a CIF states: the operations that it lists, or else the space group that it names.

Its operations have to keep the lengths and angles of the cell.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import gemmi
import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from hopkin.drivers.crystals.ciftags import ANGLES, Tags, number, stated
from hopkin.drivers.errors import StructureError

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAME = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full")
_NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")
_MAGNETIC = "_space_group_symop_magn_operation_xyz"
_MAGNETIC_CENTERINGS = "_space_group_symop_magn_centering_xyz"
_IN_MAGNETIC = ("_space_group_magn_", "_space_group_symop_magn_", "_magnetic_space_group_")
_IN_MODULATED = re.compile("_space_group_.*ssg_|_superspace_|_cell_(modulation|wave_vector|subsystem)")

SAME_METRIC = 0.003
"""An operation may change lengths by this part: parameters of cells are rounded."""

_ORIGIN = re.compile(
    r"[\s:(]*(?:o(?:rigin)?[\s_]*(?:choice)?[\s_]*(?P<number>[12])|(?P<letter>[SZ]))[\s)]*$", re.IGNORECASE
)
"""How names say which origin is meant, beside ``:1`` and ``:2``: S and Z of ICSD, or in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symmetry:
    """Operations of a crystal, x' = W x + w in fractional coordinates."""

    source: str
    """Where they come from, in words."""
    rotations: NDArray[np.float64]
    """(n_operations, 3, 3) W."""
    translations: NDArray[np.float64]
    """(n_operations, 3) w."""


def symmetries(tags: Tags, cell: Cell, source: str) -> list[Symmetry]:
    """Return the symmetry of a crystal; by both origins where a name leaves open which one is meant.

    Listed operations come first, those of a magnetic crystal before others, then the Hall symbol, the
    Hermann-Mauguin symbol and the number. Without any of them all atoms are taken to be listed.

    Raises
    ------
    StructureError
        An operation cannot be read or does not fit the cell, nobody knows the space group, or the crystal is
        modulated; the message begins with the `source`.
    """
    modulated = [tag for tag in tags if _IN_MODULATED.match(tag) and set(stated(tags, tag)) - {"0"}]
    if modulated:
        raise StructureError(
            f"{source} is of a modulated crystal ({modulated[0]}); accepted: one that is periodic in three"
            " dimensions, such as an approximant"
        )

    def fits(symmetry: Symmetry) -> bool:
        return _keeps_metric(symmetry, cell)

    found = _stated_symmetries(tags, fits, source)
    if fitting := list(filter(fits, found)):
        return fitting
    shown = ", ".join(f"{x:g}" for x in cell.cellpar())
    raise StructureError(
        f"{source} has a cell with lengths [A] and angles {shown}, which"
        f" does not have the symmetry of {found[0].source}: correct what is wrong of the two"
    )


def _keeps_metric(symmetry: Symmetry, cell: Cell) -> bool:
    """Tell whether W^T G W = G for all rotations, G the scalar products of the cell's vectors."""
    metric, lengths = cell.array @ cell.array.T, cell.lengths()
    turned = np.swapaxes(symmetry.rotations, 1, 2) @ metric @ symmetry.rotations
    # Each vector turns into a sum of vectors, whose errors add up.
    reach = lengths @ np.abs(symmetry.rotations)
    error = np.einsum("ni,nj->nij", reach, reach) + np.outer(lengths, lengths)
    return bool(np.all(np.abs(turned - metric) <= SAME_METRIC * error))


def _stated_symmetries(tags: Tags, fits: Callable[[Symmetry], bool], source: str) -> list[Symmetry]:
    if magnetic := stated(tags, _MAGNETIC):
        # Time reversal turns moments, and leaves atoms where they are.
        centerings = _operations(stated(tags, _MAGNETIC_CENTERINGS) or ["x,y,z"], source, magnetic=True)
        operations = _operations(magnetic, source, magnetic=True)
        return [_symmetry("the operations that it lists", [c * op for op in operations for c in centerings])]
    if listed := stated(tags, *_OPERATIONS):
        return [_symmetry("the operations that it lists", _operations(listed, source))]
    if unlisted := [tag for tag in tags if tag.startswith(_IN_MAGNETIC) and stated(tags, tag)]:
        raise StructureError(
            f"{source} is of a magnetic space group ({unlisted[0]}) and lacks its operations; accepted: a"
            " file that lists them, as _space_group_symop_magn_operation.xyz"
        )
    halls, names, numbers = stated(tags, *_HALL), stated(tags, *_NAME), stated(tags, *_NUMBER)
    for hall in halls:
        try:
            return [_symmetry(f"the Hall symbol {hall}", gemmi.symops_from_hall(hall))]
        except (RuntimeError, ValueError):
            continue  # its other names will tell
    if not (halls or names or numbers):
        return [_symmetry("no symmetry", [gemmi.Op()])]
    angles = number(tags, ANGLES[0], source), number(tags, ANGLES[2], source)
    groups = [g for name in names for g in _by_name(name, angles)]
    groups = groups or [g for n in numbers for g in _by_number(n, angles)]
    if not groups:
        raise StructureError(
            f"{source} lists no operations, and its space group {(names or numbers or halls)[0]!r} is not"
            " known"
        )
    found = [_of_group(g) for g in groups]
    return found if any(map(fits, found)) else _other_setting(groups[0], names, fits, source) or found


def _operations(triplets: list[str], source: str, *, magnetic: bool = False) -> list[gemmi.Op]:
    operations = []
    for triplet in triplets:
        plain = re.sub(r"[\s'\"]", "", triplet)
        try:
            operations.append(gemmi.Op(re.sub(r",[+-]?1$", "", plain) if magnetic else plain))
        except (RuntimeError, ValueError) as error:
            raise StructureError(
                f"{source} lists an operation that cannot be read: {triplet}; accepted: x,y,z and the like"
            ) from error
    return operations


def _other_setting(
    group: gemmi.SpaceGroup, names: list[str], fits: Callable[[Symmetry], bool], source: str
) -> list[Symmetry]:
    """Return the setting of the group that fits the cell, where a short name or the number leaves it open.

    A short name, P 21/a, has no places of axes; a number means no larger cell than it needs, P and not C.
    """
    short = {re.sub(r"[\s_]", "", name).lower() for name in names}

    def meant(g: gemmi.SpaceGroup) -> bool:
        if g.number != group.number:
            return False
        if short:
            return g.hm.replace(" 1", "").replace(" ", "").lower() in short
        return (g.hm[0] == "P") == (group.hm[0] == "P")

    fitting = [g for g in gemmi.spacegroup_table() if meant(g) and fits(_of_group(g))]
    if len(fitting) > 1:
        raise StructureError(
            f"{source} leaves open which setting of space group {group.number} it is in:"
            f" {', '.join(g.xhm() for g in fitting)} fit its cell; name the one that is meant"
        )
    return [_of_group(g) for g in fitting]


def _of_group(group: gemmi.SpaceGroup) -> Symmetry:
    return _symmetry(f"the space group {group.xhm()}", group.operations())


def _symmetry(source: str, operations: Iterable[gemmi.Op]) -> Symmetry:
    rotations, translations = zip(*((op.rot, op.tran) for op in operations), strict=True)
    return Symmetry(
        source=source,
        rotations=np.array(rotations) / gemmi.Op.DEN,
        translations=np.array(translations) / gemmi.Op.DEN,
    )


def _by_name(name: str, angles: tuple[float, float]) -> list[gemmi.SpaceGroup]:
    spelt = _ORIGIN.sub(_number_of_origin, name)
    for trial in (spelt, spelt.replace("_", "")):
        if group := gemmi.find_spacegroup_by_name(trial, *angles):
            return [group] if spelt.endswith(":1") else _both_origins(group)
    return []


def _number_of_origin(found: re.Match[str]) -> str:
    letter = found["letter"]
    return f" :{found['number'] or '1' if letter is None else '1' if letter in 'sS' else '2'}"


def _by_number(told: str, angles: tuple[float, float]) -> list[gemmi.SpaceGroup]:
    if not (told.isdecimal() and 1 <= int(told) <= 230):
        return []
    # By its name once more: the angles tell hexagonal from rhombohedral axes.
    standard = gemmi.find_spacegroup_by_number(int(told))
    return _both_origins(gemmi.find_spacegroup_by_name(standard.hm, *angles))


def _both_origins(group: gemmi.SpaceGroup) -> list[gemmi.SpaceGroup]:
    if group.ext != "1":
        return [group]
    return [g for g in gemmi.spacegroup_table() if (g.number, g.hm) == (group.number, group.hm)]
