"""The symmetry that a CIF states: the operations that it lists, or else the space group that it names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.crystals.ciftags import ANGLES, Tags, number, stated
from hopkin.drivers.errors import StructureError

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAME = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full")
_NUMBER = ("_space_group_it_number", "_symmetry_int_tables_number")

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


def symmetries(tags: Tags, source: str) -> list[Symmetry]:
    """Return the symmetry of a crystal; by both origins where a name leaves open which one is meant.

    Listed operations come first, then the Hall symbol, the Hermann-Mauguin symbol and the number. Without any
    of them all atoms are taken to be listed.

    Raises
    ------
    StructureError
        An operation cannot be read, or nobody knows the space group; the message begins with the `source`.
    """
    if listed := stated(tags, *_OPERATIONS):
        try:
            operations = [gemmi.Op(re.sub(r"[\s'\"]", "", triplet)) for triplet in listed]
        except RuntimeError as error:
            raise StructureError(
                f"{source} lists an operation that cannot be read: {error}; accepted: x,y,z and the like"
            ) from error
        return [_symmetry("the operations that it lists", operations)]
    for hall in stated(tags, *_HALL):
        try:
            return [_symmetry(f"the Hall symbol {hall}", gemmi.symops_from_hall(hall))]
        except (RuntimeError, ValueError):
            continue  # its other names will tell
    names, numbers = stated(tags, *_NAME), stated(tags, *_NUMBER)
    if not names and not numbers:
        return [_symmetry("no symmetry", [gemmi.Op()])]
    angles = number(tags, ANGLES[0], source), number(tags, ANGLES[2], source)
    groups = [g for name in names for g in _by_name(name, angles)]
    groups = groups or [g for n in numbers for g in _by_number(n, angles)]
    if not groups:
        raise StructureError(
            f"{source} lists no operations, and its space group {(names or numbers)[0]!r} is not known"
        )
    return [_symmetry(f"the space group {g.xhm()}", g.operations()) for g in groups]


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
