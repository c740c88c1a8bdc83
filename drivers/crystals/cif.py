"""Crystals from CIF, as databases write it.

The operations that a file lists count before the name of its space group, and what they make of its sites has
to agree with its formula.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import ase
import gemmi
import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers
from numpy.typing import NDArray

from hopkin.drivers.crystals.cells import FARTHEST_A, LONGEST_EDGE_A, check_cell, check_room
from hopkin.drivers.crystals.cifsymmetry import Symmetry, symmetries
from hopkin.drivers.crystals.ciftags import ANGLES, CARTESIAN, FRACTIONAL, Tags, last_crystal, number, stated
from hopkin.drivers.crystals.lattices import perpendicular_heights
from hopkin.drivers.crystals.overlaps import overlaps
from hopkin.drivers.errors import StructureError

SAME_SITE_A = 0.05
"""Sites closer than this are one: coordinates are rounded, 1/3 to 0.3333."""

FLAT_DEG = 0.01
"""Angles this near to those of a flat cell enclose none."""

SAME_FORMULA = 0.05
"""An element's count may differ from the formula by this part: occupancies are rounded, too."""

_VACANCY = re.compile("vac|va(?![a-z])", re.IGNORECASE)
_TERM = re.compile(r"([A-Z][a-z]?)(?:\s*(\d+(?:\.\d*)?|\.\d+))?\s*")
_COMPARED_A = 5.973
_COMPARED_TO_A = 0.01
_CELL = (*(f"_cell_length_{x}" for x in "abc"), *ANGLES)
_FORMULA, _UNITS = "_chemical_formula_sum", "_cell_formula_units_z"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Sites that a file lists."""

    symbols: list[str]
    scaled: Floats
    """(n_sites, 3) fractional coordinates."""
    occupancies: list[float] | None
    """Of each site; None where the file says nothing of them."""


def read_cif(text: str, source: str) -> ase.Atoms:
    """Return the last crystal of a CIF.

    Occupancies, where the file has them, are where ASE puts them: ``info["occupancy"]`` has the fraction of
    each element by kind of site, and ``arrays["spacegroup_kinds"]`` the kind of each atom.

    Parameters
    ----------
    text
        What the file holds.
    source
        Its name in the messages.

    Raises
    ------
    StructureError
        The file is torn or holds no crystal, or its symmetry is not known, or makes another crystal of its
        sites than its formula says, or two crystals, one by either origin.
    """
    tags = last_crystal(text, source)
    cell = _cell([number(tags, tag, source) for tag in _CELL], source)
    sites = _sites(tags, cell, source)
    return _the_one(
        [(found, _crystal(sites, found, cell)) for found in symmetries(tags, cell, source)], tags, source
    )


def _cell(parameters: list[float], source: str) -> Cell:
    lengths, angles = parameters[:3], parameters[3:]
    a, b, c = sorted(angles)
    # Three angles enclose a cell where none is as large as the other two, and they go around less than once.
    flat = a < FLAT_DEG or min(a + b - c, 180.0 - c, 360.0 - a - b - c) < FLAT_DEG
    if flat or min(lengths) <= 0.0:
        shown = ", ".join(f"{x:g}" for x in parameters)
        raise StructureError(f"{source} has lengths [A] and angles {shown}, which enclose no cell")
    if max(lengths) > LONGEST_EDGE_A:
        raise StructureError(
            f"{source} has a cell vector of {max(lengths):g} A; accepted: at most {LONGEST_EDGE_A:g} A long"
        )
    cell: Cell = Cell.fromcellpar(parameters)
    check_cell(cell.array, source=source)
    return cell


# Sites


def _sites(tags: Tags, cell: Cell, source: str) -> Sites:
    names = stated(tags, "_atom_site_type_symbol", "_atom_site_label")
    labels = tags.get("_atom_site_label", names)
    columns = FRACTIONAL if tags.get(FRACTIONAL[0]) else CARTESIAN
    if not names or not all(len(tags.get(tag, [])) == len(names) for tag in columns):
        raise StructureError(f"{source} lists atoms without their elements, or without one of x, y and z")
    rows = list(zip(*(tags[tag] for tag in columns), strict=True))
    positions = np.array([[gemmi.cif.as_number(value) for value in row] for row in rows])
    for label, row, position in zip(labels, rows, positions, strict=False):
        if not np.all(np.abs(position) <= FARTHEST_A):
            raise StructureError(
                f"{source} puts atom {label} at {', '.join(row)}; accepted: three numbers,"
                f" up to {FARTHEST_A:g}"
            )
    fractions = tags.get("_atom_site_occupancy")
    return Sites(
        symbols=[_element(name, source) for name in names],
        scaled=positions if columns == FRACTIONAL else cell.scaled_positions(positions),
        occupancies=None if fractions is None else [_occupancy(x, source) for x in fractions],
    )


def _element(name: str, source: str) -> str:
    """Return the element of a symbol or label: ``Fe2+``, ``Li1``, ``NA1``, ``OW``; D is hydrogen."""
    if _VACANCY.match(name):
        raise StructureError(
            f"{source} has a vacancy {name!r} among its atoms; accepted: atoms, vanadium by the symbol V"
        )
    letters = re.sub("[^A-Za-z].*", "", name)
    for symbol in (letters[:2].capitalize(), letters[:1].upper()):
        if symbol == "D":
            return "H"
        if symbol != "X" and symbol in atomic_numbers:
            return symbol
    raise StructureError(
        f"{source} has an atom {name!r}; accepted: what begins with the symbol of an element"
    )


def _occupancy(fraction: str, source: str) -> float:
    value = 1.0 if fraction in ("?", ".", "") else gemmi.cif.as_number(fraction)
    if not np.isfinite(value):
        raise StructureError(f"{source} has an occupancy {fraction!r}; accepted: a number")
    return value


# The crystal


def _crystal(sites: Sites, symmetry: Symmetry, cell: Cell) -> ase.Atoms:
    """Make all atoms of the cell: orbit after orbit, in the order of the sites and of the operations."""
    orbits = [_orbit(point, symmetry, cell) for point in sites.scaled]
    shares: dict[int, dict[str, float]] = {}
    shared = sites.occupancies is not None
    occupancies = sites.occupancies or [1.0] * len(sites.symbols)
    rows = zip(sites.symbols, occupancies, _on_orbits(sites.scaled, orbits, cell), strict=True)
    for n, (symbol, fraction, on) in enumerate(rows):
        here = [kind for kind in on if kind in shares]
        # Without occupancies nothing shares a site: two elements at one place are two atoms, and overlap.
        kind = next((kind for kind in here if shared or symbol in shares[kind]), None)
        if kind is None:
            shares[n] = {symbol: fraction}
        elif symbol not in shares[kind]:
            shares[kind][symbol] = fraction
        elif _same(sites.scaled[n], sites.scaled[kind], cell) and shares[kind][symbol] + fraction < 1.001:
            shares[kind][symbol] += fraction  # two charges of one element: Mn3+ 0.5, Mn4+ 0.5
    kinds = [kind for kind in shares for _ in orbits[kind]]
    # Of equal shares the last one, as ASE has it.
    most = {kind: sorted(held.items(), key=lambda share: share[1])[-1][0] for kind, held in shares.items()}
    scaled = np.concatenate([orbits[kind] for kind in shares])
    atoms = ase.Atoms([most[kind] for kind in kinds], scaled_positions=scaled, cell=cell, pbc=True)
    atoms.set_array("spacegroup_kinds", np.array(kinds))
    if shared:
        atoms.info["occupancy"] = {str(kind): held for kind, held in shares.items()}
    return atoms


def _orbit(point: Floats, symmetry: Symmetry, cell: Cell) -> Floats:
    images = (symmetry.rotations @ point + symmetry.translations) % 1.0
    orbit = images[:1]
    for image in images[1:]:
        if not np.any(_same(image, orbit, cell)):
            orbit = np.vstack([orbit, image])
    return orbit


def _on_orbits(points: Floats, orbits: list[Floats], cell: Cell) -> list[list[int]]:
    """Tell for each point the orbits that it is on, in their order."""
    from scipy.spatial import cKDTree

    # In units of the distances between the faces, no coordinate is farther apart than the points are.
    with np.errstate(over="ignore"):  # of a cell without room, which is refused with the atoms in it
        heights = perpendicular_heights(cell.array)

    def wrapped(scaled: Floats) -> Floats:
        inside = scaled % 1.0 * heights
        return np.where(inside < heights, inside, 0.0)  # -1e-20 % 1.0 is 1.0

    owners = np.repeat(np.arange(len(orbits)), [len(orbit) for orbit in orbits])
    images = np.concatenate(orbits)
    near = cKDTree(wrapped(images), boxsize=heights).query_ball_point(wrapped(points), SAME_SITE_A, p=np.inf)
    return [
        np.unique(owners[found][_same(point, images[found], cell)]).tolist()
        for point, found in zip(points, near, strict=True)
    ]


def _same(point: Floats, others: Floats, cell: Cell) -> NDArray[np.bool_]:
    apart = point - others
    apart -= np.rint(apart)
    same: NDArray[np.bool_] = np.linalg.norm(apart @ cell.array, axis=-1) < SAME_SITE_A
    return same


# Which crystal it is


def _the_one(candidates: list[tuple[Symmetry, ase.Atoms]], tags: Tags, source: str) -> ase.Atoms:
    """Return the crystal that agrees with the formula, and whose atoms keep apart where there is a choice."""
    wrong = [_against_formula(atoms, symmetry, tags, source) for symmetry, atoms in candidates]
    left = [candidate for candidate, error in zip(candidates, wrong, strict=True) if error is None]
    if not left:
        raise StructureError(next(filter(None, wrong)))
    for _, atoms in left:
        check_room(atoms, source=source)
    if len(left) > 1 and any(apart := [len(overlaps(atoms)[0]) == 0 for _, atoms in left]):
        left = [candidate for candidate, good in zip(left, apart, strict=True) if good]
    (first, atoms), *others = left
    for other, crystal in others:
        if not _alike(atoms, crystal):
            raise StructureError(
                f"{source} lists no operations, and leaves open which of two origins it is in, which makes"
                f" different crystals ({_held(atoms)} by {first.source}, {_held(crystal)} by {other.source}):"
                " name the one that is meant"
            )
    return atoms


def _distances(atoms: ase.Atoms) -> Floats:
    """(n, 3) pairs of elements and their distances [A]: the same of a crystal moved, turned or mirrored."""
    from ase.neighborlist import neighbor_list

    i, j, distance = neighbor_list("ijd", atoms, _COMPARED_A)
    table = np.column_stack([atoms.numbers[i], atoms.numbers[j], distance])
    sorted_table: Floats = table[np.lexsort(table.T[::-1])]
    return sorted_table


def _alike(one: ase.Atoms, other: ase.Atoms) -> bool:
    if len(one) != len(other):
        return False
    a, b = _distances(one), _distances(other)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) < _COMPARED_TO_A)


def _composition(atoms: ase.Atoms) -> dict[str, float]:
    shares = atoms.info.get("occupancy", {})
    held: dict[str, float] = {}
    for symbol, kind in zip(atoms.symbols, atoms.arrays["spacegroup_kinds"], strict=True):
        for element, share in shares.get(str(kind), {symbol: 1.0}).items():
            held[element] = held.get(element, 0.0) + share
    return {element: count for element, count in held.items() if count > 0.0}


def _held(atoms: ase.Atoms) -> str:
    return " ".join(f"{element}{count:.4g}" for element, count in _composition(atoms).items())


def _against_formula(atoms: ase.Atoms, symmetry: Symmetry, tags: Tags, source: str) -> str | None:
    """Say how a crystal differs from the formula that the file states; None where it does not."""
    formula, held = _formula(tags), _composition(atoms)
    if not formula:
        return None
    units = stated(tags, _UNITS)
    z = gemmi.cif.as_number(units[0]) if units else np.nan
    # Some programs write the formula of the whole cell, and the number of units in it.
    factors = [z, 1.0] if z in (np.gcd.reduce([round(n) for n in formula.values()]), 1.0) else [z]
    if not z > 0:
        factors = [sum(held.values()) / sum(formula.values())]
    if any(_agree(held, {element: factor * n for element, n in formula.items()}) for factor in factors):
        return None
    of = f" with {units[0]} formula units in the cell" if units else ""
    return (
        f"{source} states {stated(tags, _FORMULA)[0]}{of}, but its sites and {symmetry.source}"
        f" make {_held(atoms)}: correct what is wrong of the two"
    )


def _agree(held: Mapping[str, float], formula: Mapping[str, float]) -> bool:
    elements = held.keys() | formula.keys()
    pairs = [(held.get(element, 0.0), formula.get(element, 0.0)) for element in elements]
    return all(abs(a - b) <= max(SAME_FORMULA * max(a, b), 0.25) for a, b in pairs)


def _formula(tags: Tags) -> dict[str, float]:
    """Elements of the formula that a file states; none where it can be read in no way, or in two: SIO2."""
    text = " ".join(stated(tags, _FORMULA)).strip()
    in_capitals = text == text.upper() and any(
        pair.capitalize() in atomic_numbers for pair in re.findall("(?=([A-Z]{2}))", text)
    )
    if in_capitals or not re.fullmatch(f"({_TERM.pattern})+", text):
        return {}
    found: dict[str, float] = {}
    for symbol, count in _TERM.findall(text):
        element = "H" if symbol in ("D", "T") else symbol
        found[element] = found.get(element, 0.0) + float(count or 1.0)
    known = found.keys() <= atomic_numbers.keys() - {"X"}
    return found if known and sum(found.values()) > 0.0 else {}
