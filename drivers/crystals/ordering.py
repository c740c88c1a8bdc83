r"""Ordered cells of disordered crystals: the arrangement of the lowest electrostatic energy.

Sites that the crystal shares among elements and vacancies are filled as the occupancies say, so that the
energy of point charges :math:`q_i` (formal oxidation states, a vacancy has none),

.. math::

    E = \sum_{ij} q_i M_{ij} q_j ,

is lowest; *M* from pymatgen's Ewald sum over all sites. All arrangements are compared where they are few,
else they are annealed by exchanges of two occupants (Metropolis). The seed chooses among arrangements of the
same energy, by symmetry or because charges are equal.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import ase
import numpy as np
from ase import units
from numpy.typing import NDArray

from hopkin.drivers.crystals.lattices import cells_in, supercell_matrix
from hopkin.drivers.crystals.structures import lammps_orientation, require_few_atoms
from hopkin.drivers.errors import StructureError

MOST_ENUMERATED = 20_000
MOST_ORDERED = 5_000
"""Atoms; the electrostatic energy needs the square of their number."""
ROUNDING = 0.05
"""A sublattice whose occupancies cannot be met to within this, because its sites are too few, is refused."""

_VACANCY = "vacancy"
_SAME_EV = 1e-6
_ANNEALINGS = 4
_SWEEPS = 200
_HOT_K, _COLD_K = 20_000.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sublattice:
    """Sites that share their occupants.

    Attributes
    ----------
    sites
        numbers of the sites
    occupancies
        fraction of the sites that each element holds, by the file
    counts
        sites that each element, or "vacancy", holds in the ordered cell
    """

    sites: tuple[int, ...]
    occupancies: dict[str, float]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An ordered cell and how it was found; `energy_eV` is electrostatic, of formal charges."""

    atoms: ase.Atoms
    energy_eV: float
    oxidation_states: dict[str, float]
    sublattices: tuple[Sublattice, ...]
    method: Literal["enumeration", "annealing"]
    n_arrangements: int


def order(
    atoms: ase.Atoms,
    *,
    repeats: tuple[int, int, int] = (1, 1, 1),
    oxidation_states: Mapping[str, float] | None = None,
    seed: int = 1,
) -> Ordered:
    """Order a crystal with partially occupied sites.

    Parameters
    ----------
    atoms
        as ASE reads a CIF, occupancies in `info["occupancy"]`
    repeats
        supercell that is ordered
    oxidation_states
        of the elements; guessed by pymatgen from the composition if not given
    seed
        of the annealing, and of the choice among arrangements of the same energy

    Raises
    ------
    StructureError
        when nothing is disordered, the cell is too small for the occupancies, or the charges do not add up
    SpecificationError
        when `repeats` are no repeats, or make a cell of more than `MOST_ORDERED` atoms
    """
    require_few_atoms(len(atoms) * cells_in(supercell_matrix(repeats)), most=MOST_ORDERED)
    cell = atoms.repeat(repeats)
    sublattices = _sublattices(cell, atoms.info.get("occupancy", {}))
    species = np.array(cell.get_chemical_symbols(), dtype=object)
    for sublattice in sublattices:
        species[list(sublattice.sites)] = [e for e, n in sublattice.counts.items() for _ in range(n)]
    states = _oxidation_states([s for s in species if s != _VACANCY], oxidation_states)
    charge_of = {**states, _VACANCY: 0.0}

    rng = np.random.default_rng(seed)
    matrix = _ewald_matrix(cell)
    n_arrangements = math.prod(_multinomial(list(s.counts.values())) for s in sublattices)
    few = n_arrangements <= MOST_ENUMERATED
    find = _enumerate if few else _anneal
    best = find(species, sublattices, matrix, charge_of, rng)
    held = best != _VACANCY
    ordered = ase.Atoms(best[held].tolist(), positions=cell.positions[held], cell=cell.cell, pbc=True)
    return Ordered(
        atoms=lammps_orientation(ordered),
        energy_eV=_energy(matrix, _charges(best, charge_of)),
        oxidation_states=states,
        sublattices=tuple(sublattices),
        method="enumeration" if few else "annealing",
        n_arrangements=n_arrangements,
    )


def _sublattices(cell: ase.Atoms, occupancy: Mapping[str, Mapping[str, float]]) -> list[Sublattice]:
    kinds = cell.arrays.get("spacegroup_kinds", np.array([]))
    found = []
    for kind, shares in occupancy.items():
        sites = tuple(np.flatnonzero(kinds == int(kind)).tolist())
        vacant = 1.0 - sum(shares.values())
        if not sites or (len(shares) == 1 and vacant < 1e-3):  # ASE keeps one entry of those that share
            continue
        wanted = {**shares, **({_VACANCY: vacant} if vacant >= 1e-3 else {})}
        counts = _whole({element: share * len(sites) for element, share in wanted.items()}, len(sites))
        off = {e: abs(counts[e] / len(sites) - share) for e, share in wanted.items()}
        if max(off.values()) > ROUNDING:
            shown = ", ".join(f"{e} {wanted[e]:g}" for e in wanted)
            raise StructureError(
                f"{len(sites)} sites cannot be shared as {shown} to within {ROUNDING:g}:"
                " order a larger cell with --supercell"
            )
        found.append(Sublattice(sites=sites, occupancies=dict(shares), counts=counts))
    if not found:
        raise StructureError("no site is partially occupied: the structure is ordered already")
    return found


def _whole(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Round to whole numbers with the same sum: the largest remainders are rounded up."""
    counts = {element: math.floor(share + 1e-9) for element, share in shares.items()}
    by_remainder = sorted(shares, key=lambda element: counts[element] - shares[element])
    for element in by_remainder[: total - sum(counts.values())]:
        counts[element] += 1
    return counts


def _oxidation_states(symbols: Sequence[str], given: Mapping[str, float] | None) -> dict[str, float]:
    composition = {element: symbols.count(element) for element in dict.fromkeys(symbols)}
    formula = " ".join(f"{element}{n}" for element, n in composition.items())
    states = dict(given) if given is not None else _guessed(composition)
    if not states:
        raise StructureError(
            f"pymatgen knows no oxidation states that balance {formula}: give them, as in --oxidation Li=1,"
            " or order another cell with --supercell, whose rounded occupancies balance"
        )
    if missing := composition.keys() - states.keys():
        raise StructureError(f"no oxidation state of {', '.join(sorted(missing))} was given")
    charge = sum(n * states[element] for element, n in composition.items())
    if abs(charge) > 1e-6:
        raise StructureError(
            f"the charge of {formula} is {charge:+g}, wanted 0: give other oxidation states, or order another"
            " cell with --supercell, whose rounded occupancies balance"
        )
    return {element: float(states[element]) for element in composition}


def _guessed(composition: Mapping[str, int]) -> dict[str, float]:
    from pymatgen.core.composition import Composition

    guesses = Composition(dict(composition)).reduced_composition.oxi_state_guesses()
    return dict(guesses[0]) if guesses else {}


def _ewald_matrix(cell: ase.Atoms) -> NDArray[np.float64]:
    """(n_sites, n_sites) energies [eV] of unit charges at the sites."""
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core.structure import Structure

    charged = Structure(cell.cell.array, ["H+"] * len(cell), cell.get_scaled_positions())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the cell is charged: its occupants will balance
        matrix: NDArray[np.float64] = np.array(EwaldSummation(charged).total_energy_matrix)
    return (matrix + matrix.T) / 2


def _charges(species: NDArray[np.object_], charge_of: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([charge_of[s] for s in species])


def _energy(matrix: NDArray[np.float64], charges: NDArray[np.float64]) -> float:
    return float(charges @ matrix @ charges)


def _multinomial(counts: Sequence[int]) -> int:
    return math.factorial(sum(counts)) // math.prod(map(math.factorial, counts))


def _enumerate(
    species: NDArray[np.object_],
    sublattices: Sequence[Sublattice],
    matrix: NDArray[np.float64],
    charge_of: Mapping[str, float],
    rng: np.random.Generator,
) -> NDArray[np.object_]:
    arrangements = list(_arrangements(species, sublattices))
    charges = np.array([_charges(arrangement, charge_of) for arrangement in arrangements])
    energies = np.einsum("ai,ij,aj->a", charges, matrix, charges, optimize=True)
    lowest = np.flatnonzero(energies < energies.min() + _SAME_EV)
    return arrangements[int(rng.choice(lowest))]


def _arrangements(
    species: NDArray[np.object_], sublattices: Sequence[Sublattice]
) -> Iterator[NDArray[np.object_]]:
    """Every way to fill the sublattices."""
    if not sublattices:
        yield species
        return
    first, *others = sublattices
    for filled in _fillings(species, first.sites, list(first.counts.items())):
        yield from _arrangements(filled, others)


def _fillings(
    species: NDArray[np.object_], sites: tuple[int, ...], counts: list[tuple[str, int]]
) -> Iterator[NDArray[np.object_]]:
    if not counts:
        yield species
        return
    (element, n), *others = counts
    for chosen in combinations(sites, n):
        filled = species.copy()
        filled[list(chosen)] = element
        rest = tuple(site for site in sites if site not in chosen)
        yield from _fillings(filled, rest, others)


def _anneal(
    species: NDArray[np.object_],
    sublattices: Sequence[Sublattice],
    matrix: NDArray[np.float64],
    charge_of: Mapping[str, float],
    rng: np.random.Generator,
) -> NDArray[np.object_]:
    found = [_annealed(species, sublattices, matrix, charge_of, rng) for _ in range(_ANNEALINGS)]
    return min(found, key=lambda arrangement: _energy(matrix, _charges(arrangement, charge_of)))


def _annealed(
    species: NDArray[np.object_],
    sublattices: Sequence[Sublattice],
    matrix: NDArray[np.float64],
    charge_of: Mapping[str, float],
    rng: np.random.Generator,
) -> NDArray[np.object_]:
    """Anneal once, from a random arrangement, and go down to where no exchange lowers the energy."""
    species = species.copy()
    for sublattice in sublattices:
        species[list(sublattice.sites)] = rng.permutation(species[list(sublattice.sites)])
    charges = _charges(species, charge_of)
    potential = matrix @ charges
    pairs = [pair for sublattice in sublattices for pair in combinations(sublattice.sites, 2)]
    n_sites = sum(len(sublattice.sites) for sublattice in sublattices)

    def change(i: int, j: int) -> float:
        d = charges[j] - charges[i]
        return float(
            2 * d * (potential[i] - potential[j]) + d * d * (matrix[i, i] + matrix[j, j] - 2 * matrix[i, j])
        )

    def exchange(i: int, j: int) -> None:
        nonlocal potential
        potential = potential + (charges[j] - charges[i]) * (matrix[:, i] - matrix[:, j])
        charges[[i, j]], species[[i, j]] = charges[[j, i]], species[[j, i]]

    for kelvin in np.geomspace(_HOT_K, _COLD_K, _SWEEPS):
        for n in rng.integers(len(pairs), size=n_sites):
            i, j = pairs[n]
            if species[i] != species[j] and rng.random() < math.exp(
                -max(0.0, change(i, j)) / (units.kB * kelvin)
            ):
                exchange(i, j)
    while True:
        best = min(pairs, key=lambda pair: change(*pair))
        if change(*best) > -_SAME_EV:
            return species
        exchange(*best)
