"""Tags of a CIF, whichever version of the dictionary it follows, and what they say."""

from collections.abc import Mapping

import gemmi
import numpy as np

from hopkin.drivers.errors import StructureError

FRACTIONAL = tuple(f"_atom_site_fract_{x}" for x in "xyz")
CARTESIAN = tuple(f"_atom_site_cartn_{x}" for x in "xyz")
ANGLES = tuple(f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma"))

Tags = Mapping[str, list[str]]
"""Values of each tag, one or a column: in lower case, with ``_`` for the points of later versions."""

_SILENT = ("", "?", ".")


def last_crystal(text: str, source: str) -> Tags:
    """Return the tags of the last block with atoms.

    Raises
    ------
    StructureError
        The text is no CIF, or has no atoms; the message begins with its `source`.
    """
    document = gemmi.cif.Document()
    try:
        document.parse_string(text.lstrip("\ufeff").replace("\N{MINUS SIGN}", "-").replace("\xa0", " "))
    except (ValueError, RuntimeError) as error:
        place, _, reason = str(error).removeprefix("string:").partition(" ")
        line = place.split(":")[0]
        raise StructureError(f"{source} is cut off, damaged, or no CIF: line {line}, {reason}") from error
    crystals = [tags for tags in map(_tags, document) if any(tags.get(x[0]) for x in (FRACTIONAL, CARTESIAN))]
    if not crystals:
        raise StructureError(f"{source} holds no atoms: a crystal has a loop with _atom_site_fract_x, _y, _z")
    return crystals[-1]


def _tags(block: gemmi.cif.Block) -> Tags:
    found: dict[str, list[str]] = {}
    for item in block:
        columns: dict[str, list[str]] = {}
        if item.pair is not None:
            columns = {item.pair[0]: [item.pair[1]]}  # type: ignore[index]
        elif item.loop is not None:
            width, values = item.loop.width(), item.loop.values
            columns = {tag: values[n::width] for n, tag in enumerate(item.loop.tags)}
        for tag, column in columns.items():
            found[tag.lower().replace(".", "_")] = [
                value if value in _SILENT else gemmi.cif.as_string(value).strip() for value in column
            ]
    return found


def stated(tags: Tags, *names: str) -> list[str]:
    """Return the values of the first of the tags that says something; none where none does."""
    for name in names:
        if any(value not in _SILENT for value in tags.get(name, [])):
            return tags[name]
    return []


def number(tags: Tags, tag: str, source: str) -> float:
    """Return the one number of a tag, without its uncertainty; StructureError where there is none."""
    values = stated(tags, tag)
    if not values:
        raise StructureError(
            f"{source} lacks {tag}: a crystal has three lengths and three angles of its cell"
        )
    value: float = gemmi.cif.as_number(values[0])
    if not np.isfinite(value):
        raise StructureError(f"{source} has {tag} {values[0]!r}; accepted: a number")
    return value
