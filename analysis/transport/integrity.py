r"""Whether a crystal is still the crystal that it was: polyanions whole, framework in its place.

*Decomposed*: more than `LOST_BONDS` of the anions around the centres of the polyanions (P in PS4, B in
BH4, S in SO4) are gone. Anions that another took the place of are not missed.

*Melted*: by the criterion of Lindemann (Phys. Z. 11, 609 (1910)), every framework element *e* has left its
sites,

.. math::

    \langle |\Delta\mathbf r_i|^2 \rangle_{i \in e}^{1/2} > \delta\, d_e ,

:math:`d_e` the shortest distance between two atoms of the element in the crystal. Crystals melt at a
vibration of 0.1 to 0.2 of it; :math:`\delta` = `LINDEMANN` lies above. Every element: the anions of a
polyanion that turns leave their sites, its centre does not; and anions exchange and let ions through without
being damaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from hopkin.analysis.trajectories import FloatArray, frozen
from hopkin.analysis.transport.neighbours import pairs_within

LOST_BONDS = 0.25
LINDEMANN = 0.3
BOND_LENGTH = 1.25
"""Two atoms of a polyanion are bonded within this multiple of the sum of their covalent radii (Cordero
et al., Dalton Trans. 2832 (2008)) ..."""
BROKEN_LENGTH = 1.4
"""... and no more beyond this multiple of the longest such bond of the crystal: past all vibrations, and
before the next shell."""

_ANIONS = frozenset(("H", "N", "O", "F", "S", "Cl", "Se", "Br", "I"))
_CENTRES = {
    **dict.fromkeys(("B", "C", "Al", "Si", "P", "Ga", "Ge", "As", "In", "Sn", "Sb"), _ANIONS),
    **dict.fromkeys(("N", "S", "Cl", "Se", "Br", "I"), frozenset("O")),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Framework:
    """What holds a crystal together, as it is at the start of a run.

    Attributes
    ----------
    species
        (n_atoms,) chemical symbols.
    ion
        The species that does not belong to it.
    scaled
        (n_atoms, 3) fractional positions.
    spacings
        Shortest distance between two atoms of each framework element [A].
    bonds
        Longest bond of each kind of polyanion, by centre and anion [A].
    coordination
        (n_atoms,) anions around each centre; 0 for other atoms.
    """

    species: NDArray[np.str_]
    ion: str
    scaled: FloatArray
    spacings: dict[str, float]
    bonds: dict[tuple[str, str], float]
    coordination: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What became of a crystal, and a sentence that says how it shows."""

    kind: Literal["decomposed", "melted"]
    evidence: str


def find_framework(positions: FloatArray, cell: FloatArray, species: Sequence[str], ion: str) -> Framework:
    """Find what holds a crystal together.

    Parameters
    ----------
    positions
        (n_atoms, 3) positions [A].
    cell
        (3, 3) cell, rows are vectors [A].
    species
        (n_atoms,) chemical symbols.
    ion
        Symbol of the mobile ion.
    """
    symbols = np.asarray(species)
    elements = [element for element in dict.fromkeys(species) if element != ion]
    kinds = {
        (centre, anion): BOND_LENGTH * sum(covalent_radii[atomic_numbers[e]] for e in (centre, anion))
        for centre in elements
        for anion in sorted(_CENTRES.get(centre, frozenset()) & set(elements))
        if centre != anion
    }
    i, _, distances, kind = _pairs(positions, cell, symbols, kinds)
    bonds = {k: float(distances[kind == n].max()) for n, k in enumerate(kinds) if np.any(kind == n)}
    return Framework(
        species=symbols,
        ion=ion,
        scaled=frozen(positions @ np.linalg.inv(cell)),
        spacings={element: _spacing(positions[symbols == element], cell) for element in elements},
        bonds=bonds,
        coordination=np.bincount(i, minlength=len(symbols)),
    )


def find_damage(framework: Framework, positions: FloatArray, cell: FloatArray) -> Damage | None:
    """Compare a crystal with what it was.

    Parameters
    ----------
    positions
        (n_atoms, 3) positions, unwrapped since the start [A].
    cell
        (3, 3) cell, rows are vectors [A].
    """
    reach = {kind: BROKEN_LENGTH * length for kind, length in framework.bonds.items()}
    i, *_ = _pairs(positions, cell, framework.species, reach)
    found = np.bincount(i, minlength=len(positions))
    n_bonds = int(framework.coordination.sum())
    lost = int(np.maximum(framework.coordination - found, 0).sum())
    if lost > LOST_BONDS * n_bonds:
        kinds = ", ".join("-".join(kind) for kind in framework.bonds)
        return Damage(kind="decomposed", evidence=f"{lost} of {n_bonds} bonds {kinds} are broken")

    is_framework = framework.species != framework.ion
    moves = (positions @ np.linalg.inv(cell) - framework.scaled) @ cell
    moves -= moves[is_framework].mean(axis=0) if is_framework.any() else 0.0
    vibrations = {
        element: float(np.sqrt((moves[framework.species == element] ** 2).sum(axis=1).mean()))
        for element in framework.spacings
    }
    if vibrations and all(vibrations[e] > LINDEMANN * d for e, d in framework.spacings.items()):
        said = ", ".join(f"{e} {vibrations[e]:.1f} A of {d:.1f} A" for e, d in framework.spacings.items())
        return Damage(kind="melted", evidence=f"the framework has left its sites: {said} between them")
    return None


def _pairs(
    positions: FloatArray,
    cell: FloatArray,
    species: NDArray[np.str_],
    reach: dict[tuple[str, str], float],
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray, NDArray[np.intp]]:
    """Centres and anions closer than `reach` says: their indices, distance, and number of the kind."""
    kind_of = {element: n for n, element in enumerate(dict.fromkeys(species.tolist()))}
    number = np.full((len(kind_of), len(kind_of)), -1)
    limit = np.zeros(number.shape)
    for n, ((centre, anion), length) in enumerate(reach.items()):
        number[kind_of[centre], kind_of[anion]] = n
        limit[kind_of[centre], kind_of[anion]] = length
    i, j, distances = pairs_within(positions, cell, max(reach.values(), default=0.1))
    index = np.array([kind_of[element] for element in species.tolist()])
    bonded = distances < limit[index[i], index[j]]
    return i[bonded], j[bonded], distances[bonded], number[index[i], index[j]][bonded]


def _spacing(positions: FloatArray, cell: FloatArray) -> float:
    """Shortest distance between two of the atoms, or one and its own image."""
    shortest = float(np.linalg.norm(cell, axis=1).min())
    _, _, distances = pairs_within(positions, cell, 1.001 * shortest)
    return float(np.min(distances, initial=shortest))
