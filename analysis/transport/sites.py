r"""Hops of ions between sites.

An ion is at a site while it is within a radius of it, the nearest site winning; between sites it still
belongs to the one that it left last. A hop is the arrival at another site, so that a vibration across
a border is none. From the :math:`n_{ij}` hops of *N* ions over the distances :math:`a_{ij}` in the time
*t* follow the jump diffusivity and the correlation factor,

.. math:: D_J = \frac{1}{6 N t} \sum_{ij} n_{ij} a_{ij}^2 , \qquad f = D^* / D_J .

Van der Ven, Ceder, Asta, Tepesch, Phys. Rev. B 64, 184307 (2001), doi:10.1103/PhysRevB.64.184307.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories import FloatArray, frozen
from hopkin.analysis.transport.diffusion import CM2_PER_S_IN_A2_PER_PS, DIMENSIONS

SITE_RADIUS_A = 1.0
NOWHERE = -1
SAME_CELL = 0.1  # of products of lengths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HopStatistics:
    """Hops between sites.

    Attributes
    ----------
    n_hops
        Number of hops of all ions together.
    rate
        Hops per ion and time [1/ps].
    mean_length
        Mean distance of a hop [A]; None without hops.
    jump_diffusivity
        Diffusivity if hops were uncorrelated [cm^2/s].
    occupancy
        (n_sites,) mean number of ions at each site.
    fraction_between
        Fraction of the time that ions are at no site.
    counts
        (n_sites, n_sites) hops from the site of the row to that of the column.
    """

    n_hops: int
    rate: float
    mean_length: float | None
    jump_diffusivity: float
    occupancy: FloatArray
    fraction_between: float
    counts: NDArray[np.int64]


def repeat_sites(sites: FloatArray, cell: FloatArray, supercell: FloatArray) -> FloatArray:
    """Sites of a crystal in a supercell of it, whatever its orientation.

    Parameters
    ----------
    sites
        (n_sites, 3) sites, in fractions of the crystal's cell.
    cell, supercell
        (3, 3) cells, rows are vectors [A].

    Returns
    -------
    NDArray
        (n, 3) sites, in fractions of the supercell.

    Raises
    ------
    AnalysisError
        If the supercell is no whole multiple of the cell, to within 5 %.
    """
    repeats = np.rint(np.linalg.norm(supercell, axis=1) / np.linalg.norm(cell, axis=1))
    multiple = cell * repeats[:, None]
    lengths = np.linalg.norm(supercell, axis=1)
    if (repeats < 1).any() or (
        np.abs(multiple @ multiple.T - supercell @ supercell.T) > SAME_CELL * np.outer(lengths, lengths)
    ).any():
        raise AnalysisError(
            f"the cell of the trajectory ({' '.join(f'{x:.2f}' for x in lengths)} A) is no multiple of that "
            f"of the sites ({' '.join(f'{x:.2f}' for x in np.linalg.norm(cell, axis=1))} A)"
        )
    shifts = np.array(list(np.ndindex(*repeats.astype(int))))
    return np.asarray(((sites[:, None] + shifts) / repeats).reshape(-1, 3))


def site_of_ions(
    positions: FloatArray, cells: FloatArray, sites: FloatArray, *, radius: float = SITE_RADIUS_A
) -> NDArray[np.int64]:
    """Site at which each ion is in each frame.

    Parameters
    ----------
    positions
        (n_frames, n_ions, 3) positions, wrapped or not, without drift [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors [A].
    sites
        (n_sites, 3) sites, in fractions of the cell.
    radius
        Farthest distance from a site [A].

    Returns
    -------
    NDArray
        (n_frames, n_ions) indices of sites, -1 between them.
    """
    from scipy.spatial import cKDTree

    cell = cells.mean(axis=0)
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int)
    images = np.array(list(np.ndindex(*(2 * reach + 1)))) - reach
    lattice = ((sites % 1.0)[:, None] + images).reshape(-1, 3)  # around the cell, site after site
    tree = cKDTree(lattice @ cell)
    scaled = positions @ np.linalg.inv(cells) % 1.0
    _, found = tree.query((scaled @ cell).reshape(-1, 3), distance_upper_bound=radius)
    indices = np.where(found == tree.n, NOWHERE, found // len(images))
    return np.asarray(indices.reshape(positions.shape[:2]), dtype=np.int64)


def hop_statistics(
    positions: FloatArray,
    cells: FloatArray,
    sites: FloatArray,
    interval: float,
    *,
    radius: float = SITE_RADIUS_A,
) -> HopStatistics:
    """Count the hops of ions between sites.

    Parameters
    ----------
    positions
        (n_frames, n_ions, 3) positions, wrapped or not, without drift [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors [A].
    sites
        (n_sites, 3) sites, in fractions of the cell.
    interval
        Time between frames [ps].
    radius
        Radius of a site [A].

    Raises
    ------
    AnalysisError
        If no ion is ever at a site: the sites are those of another cell.
    """
    at = site_of_ions(positions, cells, sites, radius=radius)
    if (at == NOWHERE).all():
        raise AnalysisError(
            f"no ion comes within {radius:g} A of any of the {len(sites)} sites: are they of this cell?"
        )
    n_frames, n_ions = at.shape
    steps = np.where(at == NOWHERE, 0, np.arange(n_frames)[:, None])
    last = np.take_along_axis(at, np.maximum.accumulate(steps, axis=0), axis=0)  # site left last
    hops = (last[1:] != last[:-1]) & (last[:-1] != NOWHERE)
    origin, target = last[:-1][hops], last[1:][hops]
    counts = np.zeros((len(sites), len(sites)), dtype=np.int64)
    np.add.at(counts, (origin, target), 1)
    lengths = _distances(sites[origin], sites[target], cells.mean(axis=0))
    time = interval * (n_frames - 1)
    return HopStatistics(
        n_hops=len(origin),
        rate=len(origin) / (n_ions * time),
        mean_length=float(lengths.mean()) if len(lengths) else None,
        jump_diffusivity=float(
            (lengths**2).sum() / (2 * DIMENSIONS * n_ions * time) * CM2_PER_S_IN_A2_PER_PS
        ),
        occupancy=frozen(np.bincount(at[at != NOWHERE], minlength=len(sites)) / n_frames),
        fraction_between=float((at == NOWHERE).mean()),
        counts=counts,
    )


def _distances(first: FloatArray, second: FloatArray, cell: FloatArray) -> FloatArray:
    """(n,) distances to the nearest image between scaled sites [A]."""
    moves = second - first
    moves -= np.rint(moves)
    images = np.array(list(np.ndindex(3, 3, 3))) - 1
    return np.asarray(np.linalg.norm((moves[:, None] + images) @ cell, axis=-1).min(axis=1, initial=np.inf))
