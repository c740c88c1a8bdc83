r"""Diffusivities of a vacancy, and of the ions that it moves, from the master equation on the graph.

With the stationary distribution :math:`\pi`, rates :math:`\omega` and displacements :math:`\delta` of the
jumps between states, the diffusivity is

.. math::

    D = \tfrac12 \sum_{s s'} \pi_s \omega_{ss'} \Delta_{ss'} \otimes \Delta_{ss'},
    \quad \Delta_{ss'} = \delta_{ss'} + y_{s'} - y_s,
    \quad \sum_{s'} \pi_s \omega_{ss'} \Delta_{ss'} = 0:

the mean square of jumps, less what those that come back take away; as the heat in a net of resistors. States
of the vacancy are its sites; states of a tracer, one of the ions, are where the vacancy is seen from it
(Koiwa, Ishioka, Philos. Mag. A 47, 927 (1983); Trinkle, Philos. Mag. 97, 2514 (2017)), in a periodic
supercell: the correlation factor of an infinite crystal is extrapolated from two of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.hops import Joined, components_of
from hopkin.drivers.kinetics.network import Floats, Integers, Network, Rates

_MOST_STATES = 6_000
_SMALLER = 3.0
"""Ratio of the states of the two supercells."""
_WIDEST = 1e6
"""Jumps that are faster or slower by more than that than those that decide do not matter."""
_ROUNDING = 1e-9
"""Correlation factors below it are zero: those of a chain, in which no ion passes another."""


def vacancy_diffusivity(network: Network, rates: Rates) -> Floats:
    """Diffusivity of the vacancy, averaged over connected parts by their sites: (3, 3) [A^2/s].

    Site after site is eliminated: its bonds become bonds between its neighbours (star and mesh). Nothing is
    subtracted but displacements, so that rates may differ by any factor.
    """
    net = _Net(network.n_sites)
    half = network.n_jumps // 2
    flow = _weights(network, rates)[network.initial] * rates.per_s
    for bond in range(half):
        net.join(network.initial[bond], network.final[bond], flow[bond], network.vectors[bond])
    for site in range(network.n_sites):
        net.eliminate(site)
    return net.heat


def _weights(network: Network, rates: Rates) -> Floats:
    """Stationary distribution over all sites, of parts that are not joined by the number of their sites."""
    shares: Floats = rates.weights * np.bincount(network.part)[network.part] / network.n_sites
    return shares


class _Net:
    """Sites joined by at most one bond each: its conductance, and the displacement along it.

    `heat` has what is settled: sum of conductance times displacement squared.
    """

    def __init__(self, n_sites: int) -> None:
        self.heat = np.zeros((3, 3))
        self._conductance = np.zeros((n_sites, n_sites))
        self._displacement = np.zeros((n_sites, n_sites, 3))

    def join(self, i: int, j: int, conductance: float, displacement: Floats) -> None:
        """Add a bond: one of a site to itself is heat; two in parallel are one, and heat."""
        if i == j:
            self.heat += conductance * np.outer(displacement, displacement)
            return
        before = self._conductance[i, j]
        total = before + conductance
        if total == 0.0:
            return
        apart = displacement - self._displacement[i, j]
        self.heat += before * conductance / total * np.outer(apart, apart)
        mean = self._displacement[i, j] + conductance / total * apart
        self._conductance[i, j] = self._conductance[j, i] = total
        self._displacement[i, j], self._displacement[j, i] = mean, -mean

    def eliminate(self, site: int) -> None:
        """Take a site out; its neighbours are joined as they were through it."""
        neighbours = np.flatnonzero(self._conductance[site])
        conductances = self._conductance[site, neighbours]
        displacements = self._displacement[site, neighbours]
        self._conductance[site] = self._conductance[:, site] = 0.0
        for n, i in enumerate(neighbours):
            for m in range(n):
                self.join(
                    i,
                    neighbours[m],
                    conductances[n] * conductances[m] / conductances.sum(),
                    displacements[m] - displacements[n],
                )


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
    weight = _weights(network, rates)
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
    conductances = _weights(network, rates)[network.initial] * rates.per_s
    thresholds = _thresholds(network, conductances)
    if not thresholds:
        return np.zeros((3, 3))
    low, high = thresholds[-1] / _WIDEST, thresholds[-1] * _WIDEST
    if low <= conductances.min() and conductances.max() <= high:
        return _extrapolated(network, rates, cell, most_states)
    # Slow jumps are lost to rounding beside fast ones. With the fast ones slower, and without the slowest,
    # the diffusivity is less, but for the axis along which the jumps between decide.
    found = np.zeros(3)
    _, axes = np.linalg.eigh(vacancy_diffusivity(network, rates))
    for threshold in dict.fromkeys(thresholds):
        within = np.minimum(conductances, threshold * _WIDEST)
        within[within < threshold / _WIDEST] = 0.0
        part = replace(rates, per_s=rates.per_s * within / conductances)
        bound, vacancy = (
            np.einsum("ai,ab,bi->i", axes, tensor, axes)
            for tensor in (
                _extrapolated(network, part, cell, most_states),
                vacancy_diffusivity(network, part),
            )
        )
        found = np.maximum(found, np.where(bound > _ROUNDING * vacancy, bound, 0.0))
    ions: Floats = (axes * found) @ axes.T
    return ions


def _extrapolated(network: Network, rates: Rates, cell: Floats, most_states: int) -> Floats:
    """Extrapolate to an infinite crystal from two supercells with a vacancy: the error is as 1 / sites."""
    kept = rates.per_s > 0
    found, inverse_size = [], []
    for states in (most_states / _SMALLER, most_states):
        cells = supercell_of(cell, network.n_sites, states / network.n_sites)
        ions = network.n_sites * math.prod(cells) - 1
        found.append(ions * tracer_diffusivity(network, rates, cells))
        inverse_size.append(_inverse_size(network, kept, cells))
    small, large = found
    step = inverse_size[1] / (inverse_size[0] - inverse_size[1])
    extrapolated: Floats = large + (large - small) * step
    return extrapolated


def _thresholds(network: Network, conductances: Floats) -> list[float]:
    """Conductances of the slowest jumps that are needed to get on in one, two and three dimensions."""
    joined, found = Joined(), list[float]()
    for jump in np.argsort(-conductances[: network.n_jumps // 2], kind="stable"):
        if conductances[jump] > 0:
            joined.join((network.initial[jump], network.final[jump], *network.cells[jump]))
            found += [float(conductances[jump])] * (joined.dimension - len(found))
    return found


def _inverse_size(network: Network, kept: NDArray[np.bool_], cells: tuple[int, int, int]) -> float:
    """Mean of 1 / (n - 1) over sites that are joined to n - 1 others, with which the vacancy stays."""
    n_cells = math.prod(cells)
    at = np.stack(np.unravel_index(np.arange(n_cells), cells), axis=1)
    start = network.initial[kept, None] * n_cells + np.arange(n_cells)
    reached = np.moveaxis((at + network.cells[kept, None]) % np.array(cells), -1, 0)
    end = network.final[kept, None] * n_cells + np.ravel_multi_index(tuple(reached), cells)
    part = components_of(network.n_sites * n_cells, start.ravel(), end.ravel())
    others = np.bincount(part)[part] - 1
    return float(np.mean(1 / others[others > 0]))


def supercell_of(cell: Floats, n_sites: int, wanted: float) -> tuple[int, int, int]:
    """Return cells along each vector of a supercell of so many sites, about as wide in all directions."""
    volume = abs(np.linalg.det(cell))
    heights = volume / np.linalg.norm(np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0)), axis=1)
    width = (wanted / n_sites * math.prod(heights)) ** (1 / 3)
    a, b, c = (max(2, round(width / height)) for height in heights)
    return a, b, c


def _diffusivity(start: Integers, end: Integers, per_s: Floats, moved: Floats, weights: Floats) -> Floats:
    """Solve the equations of the module as they stand: rates may differ by a factor of 1e10."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    n = len(weights)
    scale = per_s.max(initial=0.0)
    if scale == 0.0:
        return np.zeros((3, 3))
    kept = per_s > 0
    start, end, per_s, moved = start[kept], end[kept], per_s[kept], moved[kept]
    flow = weights[start] * per_s / scale
    bias = np.stack([np.bincount(start, flow * moved[:, axis], n) for axis in range(3)], axis=1)
    laplacian = coo_matrix((np.r_[flow, -flow], (np.r_[start, start], np.r_[start, end])), (n, n)).tocsc()
    _, grounded = np.unique(components_of(n, start, end), return_index=True)  # only differences count
    free = np.setdiff1d(np.arange(n), grounded)
    level = np.zeros((n, 3))
    if len(free):
        # pivots of a net of resistors are on its diagonal
        solver = splu(
            laplacian[free][:, free],
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        level[free] = solver.solve(bias[free])
    # a sum of squares, which the errors of the solution change in second order
    net = moved + level[end] - level[start]
    found: Floats = 0.5 * scale * np.einsum("n,na,nb->ab", flow, net, net)
    return found
