"""Built-in materials: ordered cells, measured or relaxed by DFT, with their sources (``materials.toml``)."""

import difflib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import ase

from hopkin.drivers.errors import StructureError

Family = Literal["layered", "olivine", "maricite", "electrolyte"]

WITHOUT_COORDINATES = ("Na11Sn2PS12",)
"""Materials of the published benchmark that no source at hand gives coordinates of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One crystallographic orbit, fully occupied."""

    element: str
    label: str
    wyckoff: str
    """Multiplicity and letter, ``"4a"``."""
    coordinates: tuple[float, float, float]
    """Fractional coordinates of one atom of the orbit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A crystal structure with its source."""

    name: str
    formula: str
    family: Family
    space_group: int
    setting: int
    """Setting 1 or 2 as :func:`ase.spacegroup.crystal` counts them."""
    lattice: tuple[float, float, float, float, float, float]
    """a, b, c [A], alpha, beta, gamma [deg] of the conventional cell."""
    sites: tuple[Site, ...]
    note: str
    """Setting, and how disorder was ordered where the average structure has any."""
    materials_project: str = ""
    """Entry that lattice and coordinates are those of; none: they are from the publication."""
    substitution: str = ""
    """How the cell was derived from that entry; none: it is that of the entry."""
    authors: str = "Jain et al."
    journal: str = "APL Materials 1, 011002"
    year: int = 2013
    doi: str = "10.1063/1.4812323"

    @property
    def space_group_symbol(self) -> str:
        """Hermann-Mauguin symbol, ``"P n m a"``."""
        from ase.spacegroup import Spacegroup

        symbol: str = Spacegroup(self.space_group, self.setting).symbol
        return symbol

    @property
    def citation(self) -> str:
        """The source in one line."""
        publication = f"{self.authors}, {self.journal} ({self.year}), doi {self.doi}"
        if not self.materials_project:
            return publication
        entry = f"Materials Project {self.materials_project}; {publication}"
        if not self.substitution:
            return entry
        return f"a starting model, to be relaxed: {self.substitution} in {entry}"


@lru_cache(maxsize=1)
def _materials() -> MappingProxyType[str, Material]:
    text = (files("hopkin.drivers.crystals") / "materials.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _material(name, x) for name, x in tomllib.loads(text).items()})


def _material(name: str, entry: dict[str, Any]) -> Material:
    sites = tuple(Site(**{**site, "coordinates": tuple(site["coordinates"])}) for site in entry["sites"])
    return Material(**{**entry, "name": name, "lattice": tuple(entry["lattice"]), "sites": sites})


def material_names() -> tuple[str, ...]:
    """Return the names of the built-in materials, in the order of the table."""
    return tuple(_materials())


def is_material(name: str) -> bool:
    """Tell whether `name` is a built-in material; upper and lower case are the same."""
    return name.casefold() in (known.casefold() for known in material_names())


def find_material(name: str) -> Material:
    """Return the built-in material called `name`; upper and lower case are the same.

    Raises
    ------
    StructureError
        No built-in material has this name; the message names the closest ones.
    """
    by_folded_name = {known.casefold(): known for known in material_names()}
    if name.casefold() in by_folded_name:
        return _materials()[by_folded_name[name.casefold()]]
    for missing in WITHOUT_COORDINATES:
        if name.casefold() == missing.casefold():
            raise StructureError(
                f"{missing} has no coordinates in hopkin; give a file of your own, such as {missing}.cif"
            )
    close = [folded for folded in by_folded_name if folded.startswith(name.casefold())]
    close = close or difflib.get_close_matches(name.casefold(), by_folded_name, n=1, cutoff=0.5)
    suggestion = f"; did you mean {' or '.join(by_folded_name[folded] for folded in close)}?" if close else ""
    raise StructureError(
        f"{name!r} is neither a file nor one of the {len(by_folded_name)} built-in materials "
        f"(`hopkin materials` lists them){suggestion}"
    )


def build_material(name: str) -> ase.Atoms:
    """Build the conventional cell of the built-in material called `name`.

    Raises
    ------
    StructureError
        No built-in material has this name.
    """
    from ase.spacegroup import crystal

    material = find_material(name)
    atoms = crystal(
        symbols=[site.element for site in material.sites],
        basis=[site.coordinates for site in material.sites],
        spacegroup=material.space_group,
        setting=material.setting,
        cellpar=material.lattice,
    )
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
