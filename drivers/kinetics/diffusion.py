r"""Diffusivities of a vacancy, and of the ions that it moves, from the master equation on the graph.

With the stationary distribution :math:`\pi`, rates :math:`\omega` and displacements :math:`\delta` of the
jumps between states, the diffusivity is

.. math::

    D = \tfrac12 \sum_{s s'} \pi_s \omega_{ss'} \delta_{ss'} \otimes \delta_{ss'} - B^T (-W)^{+} B,
    \quad W_{ss'} = \sqrt{\pi_s} \omega_{ss'} / \sqrt{\pi_{s'}},
    \quad B_s = \sqrt{\pi_s} \sum_{s'} \omega_{ss'} \delta_{ss'}:

the mean square of single jumps, less what jumps that come back take away. States of the vacancy are its
sites; states of a tracer, one of the ions, are where the vacancy is seen from it (Koiwa, Ishioka, Philos.
Mag. A 47, 927 (1983); Trinkle, Philos. Mag. 97, 2514 (2017)), in a periodic supercell: the correlation factor
of an infinite crystal is extrapolated from two of them.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from hopkin.drivers.hops import components_of
from hopkin.drivers.kinetics.network import Floats, Integers, Network, Rates

_MOST_STATES = 6_000
_SMALLER = 3.0
"""Ratio of the states of the two supercells."""


def vacancy_diffusivity(network: Network, rates: Rates) -> Floats:
    """Diffusivity of the vacancy, averaged over connected parts by their sites: (3, 3) [A^2/s]."""
    share = np.bincount(network.part)[network.part] / network.n_sites
    return _diffusivity(network.initial, network.final, rates.per_s, network.vectors, rates.weights * share)


def tracer_diffusivity(network: Network, rates: Rates, cells: Sequence[int]) -> Floats:
    """Diffusivity of one ion in a supercell with one vacancy: (3, 3) [A^2/s].

    Parameters
    ----------
    cells
        primitive cells of the supercell along each vector
    """
    shape = np.asarray(cells)
    n_cells = int(shape.prod())
    at = np.stack(np.unravel_index(np.arange(n_cells), shape), axis=1)
    size = network.n_sites * n_cells
    share = np.bincount(network.part)[network.part] / network.n_sites
    weight = rates.weights * share
    start, end, per_s, moved = [], [], [], []
    for tracer in range(network.n_sites):
        for jump in range(network.n_jumps):
            leaves, enters, cell = network.initial[jump], network.final[jump], network.cells[jump]
            there = (at + cell) % shape
            states = tracer * size + leaves * n_cells + np.arange(n_cells)
            reached = tracer * size + enters * n_cells + np.ravel_multi_index(tuple(there.T), tuple(shape))
            displaced = np.zeros((n_cells, 3))
            onto = np.flatnonzero((enters == tracer) & ~there.any(axis=1))  # the tracer: they change places
            # it is then where the vacancy was, and sees it one jump away
            seen = np.ravel_multi_index(tuple(cell % shape), tuple(shape))
            reached[onto] = leaves * size + tracer * n_cells + seen
            displaced[onto] = -network.vectors[jump]
            possible = np.ones(n_cells, dtype=bool)
            if leaves == tracer:
                possible[0] = False  # the vacancy is not where the tracer is
            start.append(states[possible])
            end.append(reached[possible])
            per_s.append(np.full(possible.sum(), rates.per_s[jump]))
            moved.append(displaced[possible])
    here = np.tile(np.repeat(weight, n_cells), network.n_sites)
    for tracer in range(network.n_sites):
        here[tracer * size + tracer * n_cells] = 0.0
    return _diffusivity(
        np.concatenate(start),
        np.concatenate(end),
        np.concatenate(per_s),
        np.concatenate(moved),
        here / here.sum(),
    )


def ion_diffusivity(network: Network, rates: Rates, cell: Floats, most_states: int = _MOST_STATES) -> Floats:
    """Diffusivity of the ions for each vacancy, which is the vacancy's times the correlation factor.

    (3, 3) [A^2/s], to be multiplied by the vacant part of the sites.

    Parameters
    ----------
    cell
        (3, 3) vectors of the primitive cell [A]
    most_states
        of the larger of the two supercells
    """
    found, inverse_size = [], []
    for states in (most_states / _SMALLER, most_states):
        cells = _supercell(cell, network.n_sites, states)
        ions = network.n_sites * math.prod(cells) - 1
        found.append(ions * tracer_diffusivity(network, rates, cells))
        inverse_size.append(_inverse_size(network, cells))
    small, large = found
    step = inverse_size[1] / (inverse_size[0] - inverse_size[1])
    extrapolated: Floats = large + (large - small) * step
    return extrapolated


def _inverse_size(network: Network, cells: tuple[int, int, int]) -> float:
    """Mean of 1 / (n - 1) over sites that are joined to n - 1 others, with which the vacancy stays."""
    n_cells = math.prod(cells)
    at = np.stack(np.unravel_index(np.arange(n_cells), cells), axis=1)
    half = network.n_jumps // 2
    start = network.initial[:half, None] * n_cells + np.arange(n_cells)
    reached = np.moveaxis((at + network.cells[:half, None]) % np.array(cells), -1, 0)
    end = network.final[:half, None] * n_cells + np.ravel_multi_index(tuple(reached), cells)
    part = components_of(network.n_sites * n_cells, start.ravel(), end.ravel())
    others = np.bincount(part)[part] - 1
    return float(np.mean(1 / others[others > 0]))


def _supercell(cell: Floats, n_sites: int, states: float) -> tuple[int, int, int]:
    """Primitive cells along each vector of a supercell about as wide in all directions, of so many states."""
    volume = abs(np.linalg.det(cell))
    heights = volume / np.linalg.norm(np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0)), axis=1)
    width = (states / n_sites**2 * math.prod(heights)) ** (1 / 3)
    a, b, c = (max(2, round(width / height)) for height in heights)
    return a, b, c


def _diffusivity(start: Integers, end: Integers, per_s: Floats, moved: Floats, weights: Floats) -> Floats:
    """Solve the master equation; see the module."""
    n = len(weights)
    scale = per_s.max(initial=0.0)
    if scale == 0.0:
        return np.zeros((3, 3))
    flow = weights[start] * per_s / scale
    single = 0.5 * np.einsum("n,na,nb->ab", flow, moved, moved)
    # in terms of x with W x' = B: x' = sqrt(pi) x, so that the matrix is that of conductances, a Laplacian
    bias = np.stack([np.bincount(start, flow * moved[:, axis], n) for axis in range(3)], axis=1)
    laplacian = coo_matrix((np.r_[flow, -flow], (np.r_[start, start], np.r_[start, end])), (n, n)).tocsc()
    _, part = connected_components(coo_matrix((np.ones(len(start)), (start, end)), (n, n)), directed=False)
    _, grounded = np.unique(part, return_index=True)  # one state of each part: only differences count
    free = np.setdiff1d(np.arange(n), grounded)
    back = np.zeros((n, 3))
    if len(free):
        back[free] = splu(laplacian[free][:, free]).solve(bias[free])
    found: Floats = scale * (single - bias.T @ back)
    return (found + found.T) / 2
