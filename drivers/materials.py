"""Built-in materials: ordered cells from published crystallography (``materials.toml``)."""

import difflib
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import ase
from ase.spacegroup import crystal

from hopkin.drivers.errors import StructureError


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
    space_group: int
    setting: int
    """Setting 1 or 2 as :func:`ase.spacegroup.crystal` counts them."""
    lattice: tuple[float, float, float, float, float, float]
    """a, b, c [A], alpha, beta, gamma [deg] of the conventional cell."""
    sites: tuple[Site, ...]
    authors: str
    journal: str
    year: int
    doi: str
    note: str
    """Setting, and how disorder was ordered where the average structure has any."""

    @property
    def citation(self) -> str:
        """The source in one line."""
        return f"{self.authors}, {self.journal} ({self.year}), doi {self.doi}"


@lru_cache(maxsize=1)
def _materials() -> MappingProxyType[str, Material]:
    text = (files("hopkin.drivers") / "materials.toml").read_text(encoding="utf-8")
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
        No built-in material has this name; the message lists those there are.
    """
    by_folded_name = {known.casefold(): known for known in material_names()}
    if name.casefold() in by_folded_name:
        return _materials()[by_folded_name[name.casefold()]]
    close = difflib.get_close_matches(name.casefold(), by_folded_name, n=1, cutoff=0.5)
    suggestion = f"; did you mean {by_folded_name[close[0]]}?" if close else ""
    names = ", ".join(material_names())
    raise StructureError(f"{name!r} is neither a file nor a built-in material ({names}){suggestion}")


def build_material(name: str) -> ase.Atoms:
    """Build the conventional cell of the built-in material called `name`.

    Raises
    ------
    StructureError
        No built-in material has this name.
    """
    material = find_material(name)
    atoms = crystal(
        symbols=[site.element for site in material.sites],
        basis=[site.coordinates for site in material.sites],
        spacegroup=material.space_group,
        setting=material.setting,
        cellpar=material.lattice,
    )
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
