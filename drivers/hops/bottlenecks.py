"""Room on a straight path: distances to the framework less its ionic radii (``ionic_radii.toml``)."""

import tomllib
from functools import lru_cache
from importlib.resources import files

import ase
import numpy as np
from ase.data import covalent_radii

from hopkin.drivers.crystals import Floats, neighbours

BOND_FRACTION = 1.25
"""Two atoms are bonded when closer than this times the sum of their covalent radii."""

REACHES_A = (3.0, 4.5, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0)
"""How far from a path the framework is looked for, one after the other until it is found [A]."""


@lru_cache(maxsize=1)
def _shannon() -> tuple[dict[str, float], dict[str, float]]:
    table = tomllib.loads((files("hopkin.drivers.hops") / "ionic_radii.toml").read_text(encoding="utf-8"))
    return table["anions"], table["cations"]


def ionic_radii(atoms: ase.Atoms) -> Floats:
    """Return the (n_atoms,) effective ionic radii [A] of Shannon (1976).

    A nonmetal is taken for an anion unless it is bonded to a more electronegative one, as S is in sulfate. An
    element without such a radius has its covalent one (Cordero et al., Dalton Trans. 2832 (2008)).
    """
    anions, cations = _shannon()
    electronegativity = {symbol: -rank for rank, symbol in enumerate(anions)}
    symbols = list(atoms.symbols)
    oxidized = np.zeros(len(atoms), dtype=bool)
    nonmetals = np.flatnonzero(np.isin(symbols, list(anions)))
    if len({symbols[n] for n in nonmetals}) > 1:
        bond = BOND_FRACTION * covalent_radii[atoms.numbers[nonmetals]]
        positions = atoms.positions[nonmetals]
        i, j, _, vectors = neighbours(atoms.cell.array, positions, positions, 2.0 * float(bond.max()))
        bonded = np.linalg.norm(vectors, axis=1) < bond[i] + bond[j]
        rank = np.array([electronegativity[symbols[n]] for n in nonmetals])
        oxidized[nonmetals[i[bonded & (rank[j] > rank[i])]]] = True
    radii = [
        (anions if symbol in anions and not cation else cations).get(symbol, covalent_radii[number])
        for symbol, cation, number in zip(symbols, oxidized, atoms.numbers, strict=True)
    ]
    return np.array(radii)


def bottleneck_radii(atoms: ase.Atoms, ion: str, starts: Floats, vectors: Floats) -> Floats:
    """Return the largest radius that gets along straight paths without touching the framework.

    Parameters
    ----------
    atoms
        The crystal; its framework is everything but the ion.
    starts, vectors
        (n_paths, 3) where the paths begin, and from there to their ends [A].

    Returns
    -------
    (n_paths,) array
        Least distance from the path to an atom of the framework, less its ionic radius [A]; infinite
        without a framework up to the last of `REACHES_A`.
    """
    widest = np.full(len(vectors), np.inf)
    framework = ~(atoms.symbols == ion)
    if not framework.any() or len(vectors) == 0:
        return widest
    radii, positions = ionic_radii(atoms)[framework], atoms.positions[framework]
    halves = 0.5 * vectors
    lengths = np.linalg.norm(vectors, axis=1)
    for reach in REACHES_A:
        path, atom, _, apart = neighbours(
            atoms.cell.array, starts + halves, positions, 0.5 * float(lengths.max()) + reach
        )
        half = halves[path]
        along = np.clip(np.einsum("ij,ij->i", apart, half) / np.einsum("ij,ij->i", half, half), -1.0, 1.0)
        distances = np.linalg.norm(apart - along[:, None] * half, axis=1)
        np.minimum.at(widest, path, distances - radii[atom])
        # An atom that was not looked at is farther from the path than the reach.
        unknown = widest > reach - radii.max()
        if not unknown.any():
            return widest
    widest[unknown] = np.inf
    return widest
