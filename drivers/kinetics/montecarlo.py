"""Kinetic Monte Carlo of vacancies on the graph of sites: at any concentration, where ions block one another.

Many small crystals are simulated side by side, one jump each at a time, by the residence-time algorithm
(Bortz, Kalos, Lebowitz, J. Comput. Phys. 17, 10 (1975)). It is the check of the master equation at low
concentration, and what there is at others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hopkin.drivers.kinetics.network import Floats, Integers, Network, Rates, in_supercell

_VACANT, _BLOCKED = -1, -2
"""What is at a site, where it is no ion that may move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Diffusivities from displacements, each (3, 3), with their standard errors over the crystals [A^2/s].

    Attributes
    ----------
    charge, charge_error
        of the sum of the displacements of all vacancies, for each vacancy
    ions, ions_error
        of single ions, times ions for each vacancy: as `diffusion.ion_diffusivity`
    """

    charge: Floats
    charge_error: Floats
    ions: Floats
    ions_error: Floats


def walk(
    network: Network,
    rates: Rates,
    cells: Sequence[int],
    n_vacancies: int,
    *,
    n_blocked: int = 0,
    n_jumps: int,
    n_crystals: int = 500,
    seed: int = 1,
) -> Walk:
    """Let vacancies walk.

    Parameters
    ----------
    cells
        primitive cells of each crystal along each vector; two at least
    n_vacancies
        in each crystal
    n_blocked
        sites of each, drawn anew, that no vacancy enters: held by an ion that stays
    n_jumps
        of each crystal, after a tenth of that to forget where the vacancies began
    """
    rng = np.random.default_rng(seed)
    targets, per_s, vectors = _jumps_from(network, rates, cells)
    n_sites = len(targets)
    crystals = np.arange(n_crystals)
    occupant = np.tile(np.arange(n_sites), (n_crystals, 1))
    weights = np.repeat(rates.weights, math.prod(cells))
    blocked = np.argsort(rng.random((n_crystals, n_sites)), axis=1)[:, :n_blocked]
    keys = np.log(rng.random((n_crystals, n_sites))) / np.maximum(weights, 1e-300)
    np.put_along_axis(keys, blocked, -np.inf, axis=1)
    vacancies = np.argsort(keys, axis=1)[:, n_sites - n_vacancies :]  # drawn by their weights
    np.put_along_axis(occupant, blocked, _BLOCKED, axis=1)
    np.put_along_axis(occupant, vacancies, _VACANT, axis=1)
    moved = np.zeros((n_crystals, n_sites, 3))  # of each ion
    time = np.zeros(n_crystals)
    for jump in range(-(n_jumps // 10), n_jumps):
        if jump == 0:
            moved[:], time[:] = 0.0, 0.0
        reach = targets[vacancies]
        free = np.take_along_axis(occupant, reach.reshape(n_crystals, -1), axis=1).reshape(reach.shape) >= 0
        chances = (per_s[vacancies] * free).reshape(n_crystals, -1)
        sums = np.cumsum(chances, axis=1)
        total = sums[:, -1]
        chosen = (sums <= (rng.random(n_crystals) * total)[:, None]).sum(axis=1) % sums.shape[1]
        which, way = np.divmod(chosen, targets.shape[1])
        left, entered = vacancies[crystals, which], reach[crystals, which, way]
        ion = occupant[crystals, entered]
        goes = total > 0  # in the others all ways are blocked
        moved[crystals[goes], ion[goes]] -= vectors[left, way][goes]
        occupant[crystals[goes], left[goes]] = ion[goes]
        occupant[crystals[goes], entered[goes]] = _VACANT
        vacancies[crystals[goes], which[goes]] = entered[goes]
        time[goes] += 1 / total[goes]
    together = moved.sum(axis=1)
    time = np.where(time > 0, time, np.inf)
    charge = np.einsum("na,nb->nab", together, together) / (2 * n_vacancies * time)[:, None, None]
    ions = np.einsum("nia,nib->nab", moved, moved) / (2 * n_vacancies * time)[:, None, None]
    error = math.sqrt(n_crystals)
    return Walk(
        charge=charge.mean(axis=0),
        charge_error=charge.std(axis=0, ddof=1) / error,
        ions=ions.mean(axis=0),
        ions_error=ions.std(axis=0, ddof=1) / error,
    )


def _jumps_from(network: Network, rates: Rates, cells: Sequence[int]) -> tuple[Integers, Floats, Floats]:
    """Jumps from each site of a supercell: where to (n, z), their rates (n, z), displacements (n, z, 3)."""
    reached = in_supercell(network, cells)
    n_cells = reached.shape[1]
    most = int(np.bincount(network.initial, minlength=network.n_sites).max())
    targets = np.zeros((network.n_sites, n_cells, most), dtype=int)
    per_s = np.zeros((network.n_sites, n_cells, most))
    vectors = np.zeros((network.n_sites, n_cells, most, 3))
    for site in range(network.n_sites):
        for way, jump in enumerate(np.flatnonzero(network.initial == site)):
            targets[site, :, way] = reached[jump]
            per_s[site, :, way] = rates.per_s[jump]
            vectors[site, :, way] = network.vectors[jump]
    n = network.n_sites * n_cells
    return targets.reshape(n, most), per_s.reshape(n, most), vectors.reshape(n, most, 3)
