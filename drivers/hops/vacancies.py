"""The two ends of a vacancy hop in a supercell."""

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.crystals import (
    cell_index,
    choose_repeats,
    choose_supercell,
    image_distance,
    neighbours,
    supercell,
    supercell_matrix,
)
from hopkin.drivers.errors import StructureError
from hopkin.drivers.hops.find import Hop
from hopkin.drivers.specification import Mechanism

MINIMUM_IMAGE_TOLERANCE_A = 0.01
"""How much shorter than every periodic image of it a hop has to be in a supercell [A]."""

RELAXATION_A = 0.2
"""How much smaller the image distance may become when the crystal relaxes [A]."""

Site = tuple[int, tuple[int, int, int]]
"""Index of an atom of the cell, and the cell in which it is meant."""


def vacant_sites(atoms: ase.Atoms, hop: Hop, mechanism: Mechanism) -> tuple[Site, ...]:
    """Return the sites that the ion may use: the two ends and, for a di-vacancy, a second vacant site.

    That is the ion site nearest to the straight path; of several, the one nearest to its middle; of these,
    the first. In a layered host it is a common neighbour of both ends, and the ion bows through the
    tetrahedral site between the three (Van der Ven, Ceder, Electrochem. Solid-State Lett. 3, 301 (2000)).
    """
    ends: tuple[Site, ...] = ((hop.initial_site, (0, 0, 0)), (hop.final_site, hop.image))
    return ends if mechanism == "vacancy" else (*ends, _nearest_to_path(atoms, hop, ends))


def _nearest_to_path(atoms: ase.Atoms, hop: Hop, ends: tuple[Site, ...]) -> Site:
    ions = np.flatnonzero(atoms.symbols == hop.ion)
    half = 0.5 * np.array(hop.vector)
    middle = atoms.positions[hop.initial_site] + half
    radius = hop.length_A
    while True:
        _, ion, cells, vectors = neighbours(atoms.cell.array, middle[None], atoms.positions[ions], radius)
        along = np.clip(vectors @ half / (half @ half), -1.0, 1.0)
        aside = np.linalg.norm(vectors - along[:, None] * half, axis=1)
        sites: list[Site] = [
            (int(ions[n]), (int(cell[0]), int(cell[1]), int(cell[2])))
            for n, cell in zip(ion, cells, strict=True)
        ]
        order = sorted(
            (round(float(aside[k]), 3), round(float(np.linalg.norm(vectors[k])), 3), site)
            for k, site in enumerate(sites)
            if site not in ends
        )
        # Farther than the radius from the middle is farther than this from every point of the path.
        if order and order[0][0] < radius - 0.5 * hop.length_A:
            return order[0][2]
        radius *= 1.5


def supercell_for(
    atoms: ase.Atoms, hop: Hop, sites: tuple[Site, ...], min_image_distance_A: float
) -> NDArray[np.int64]:
    """Choose a supercell that keeps a vacancy from its images, and that the hop fits into."""
    enough = _extent(atoms, hop, sites) + RELAXATION_A
    return choose_supercell(atoms.cell.array, max(min_image_distance_A, enough))


def _extent(atoms: ase.Atoms, hop: Hop, sites: tuple[Site, ...]) -> float:
    """Image distance [A] above which a hop is the shortest of its images and no vacant sites coincide."""
    positions = np.array([atoms.positions[site] + cell @ atoms.cell.array for site, cell in sites])
    spread = np.linalg.norm(positions[:, None] - positions, axis=-1).max()
    return max(2.0 * hop.length_A, float(spread)) + MINIMUM_IMAGE_TOLERANCE_A


def vacancy_endpoints(
    atoms: ase.Atoms, hop: Hop, repeats: ArrayLike, sites: tuple[Site, ...] | None = None
) -> tuple[ase.Atoms, ase.Atoms]:
    """Build the two ends of a vacancy hop in a supercell.

    Both hold every atom of the supercell, in its order, but for the ions of the vacant sites; then, as
    the last atom, the migrating ion: at the initial site in the first structure (the others are vacant),
    and displaced by the vector of the hop in the second. That position may lie outside the cell, so that
    the path is the plain difference of positions.

    Parameters
    ----------
    atoms
        The cell in which :func:`find_hops` found the hop.
    hop
        The hop.
    repeats
        Repeats of the cell along its vectors, or the (3, 3) integer matrix of the supercell.
    sites
        What :func:`vacant_sites` returned; the two ends of the hop if not given.

    Raises
    ------
    StructureError
        The supercell is so small that vacant sites are periodic images of each other, or that another
        image of the final site is as near as the one meant.
    SpecificationError
        `repeats` do not describe a supercell.
    """
    matrix = supercell_matrix(repeats)
    crystal = supercell(atoms, matrix)
    sites = sites or vacant_sites(atoms, hop, "vacancy")
    vacant = [cell_index(matrix, cell) * len(atoms) + site for site, cell in sites]
    lattice = matrix @ atoms.cell.array
    if len(set(vacant)) < len(vacant) or not _is_shortest(lattice, hop):
        enough = choose_repeats(atoms.cell.array, _extent(atoms, hop, sites))
        raise StructureError(
            f"hop {hop.index} ({hop.label}) does not fit into a supercell whose images are "
            f"{image_distance(lattice):.2f} A apart: an image of one of its sites is as near to the ion, or "
            f"is the ion itself; {'x'.join(map(str, enough))} is enough"
        )
    others = np.setdiff1d(np.arange(len(crystal)), vacant)
    initial_end = crystal[[*others, vacant[0]]]
    final_end = initial_end[:]
    final_end.positions[-1] += np.linalg.solve(lattice.T, hop.vector) @ crystal.cell.array
    return initial_end, final_end


def _is_shortest(lattice: NDArray[np.float64], hop: Hop) -> bool:
    """Tell whether the end of a hop is nearer to its start than all images of it are."""
    reach = hop.length_A + MINIMUM_IMAGE_TOLERANCE_A
    _, _, cells, _ = neighbours(lattice, np.zeros((1, 3)), np.array([hop.vector]), reach)
    return len(cells) == 1 and not cells.any()
