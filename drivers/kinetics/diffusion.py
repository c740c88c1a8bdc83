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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.hops import Joined, components_of
from hopkin.drivers.kinetics.network import (
    Floats,
    Integers,
    Network,
    Rates,
    conductances,
    in_supercell,
)

_MOST_STATES = 6_000
_SMALLER = 3.0
"""Ratio of the states of the two supercells."""
_WIDEST = 1e6
"""Jumps that are faster or slower by more than that than those that decide do not matter."""
_ROUNDING = 1e-9
"""Correlation factors below it are zero: those of a chain, in which no ion passes another."""
_SAME = 0.01
"""How near to the whole diffusivity that of some of the jumps is along an axis that they decide."""
_UNSETTLED = 0.1
"""A correlation factor that is extrapolated by a larger part of itself is not known."""

Pairs = tuple[Integers, Integers]


def vacancy_diffusivity(network: Network, rates: Rates) -> Floats:
    """Diffusivity of the vacancy, averaged over connected parts by their sites: (3, 3) [A^2/s].

    Site after site is eliminated: its bonds become bonds between its neighbours (star and mesh). Nothing is
    subtracted but displacements, so that rates may differ by any factor.
    """
    net = _Net(network.n_sites)
    flow = conductances(network, rates)
    for bond in range(network.n_jumps // 2):
        net.join(network.initial[bond], network.final[bond], flow[bond], network.vectors[bond])
    for site in range(network.n_sites):
        net.eliminate(site)
    return net.heat


class _Net:
    """Sites joined by at most one bond each: its conductance, and the displacement along it.

    `heat` has what is settled: sum of conductance times displacement squared.
    """

    def __init__(self, n_sites: int) -> None:
        self.heat = np.zeros((3, 3))
        self._conductance = np.zeros((n_sites, n_sites))
        self._displacement = np.zeros((n_sites, n_sites, 3))

    def join(self, i: int, j: int, conductance: float, displacement: Floats) -> None:
        """Add a bond; one of a site to itself is heat."""
        if i == j:
            self.heat += conductance * np.outer(displacement, displacement)
            return
        there, back = (np.array([i]), np.array([j])), (np.array([j]), np.array([i]))
        self._merge(there, back, np.array([conductance]), displacement[None])

    def eliminate(self, site: int) -> None:
        """Take a site out; its neighbours are joined as they were through it."""
        neighbours = np.flatnonzero(self._conductance[site])
        conductances = self._conductance[site, neighbours]
        displacements = self._displacement[site, neighbours]
        self._conductance[site] = self._conductance[:, site] = 0.0
        n, m = np.triu_indices(len(neighbours), 1)
        if len(n):
            self._merge(
                (neighbours[n], neighbours[m]),
                (neighbours[m], neighbours[n]),
                conductances[n] * (conductances[m] / conductances.sum()),
                displacements[m] - displacements[n],
            )

    def _merge(self, there: Pairs, back: Pairs, conductance: Floats, displacement: Floats) -> None:
        """Add bonds of different pairs of sites; two in parallel are one, and heat."""
        before = self._conductance[there]
        total = before + conductance
        part = np.divide(conductance, total, out=np.zeros_like(total), where=total > 0)
        apart = displacement - self._displacement[there]
        self.heat += np.einsum("n,na,nb->ab", before * part, apart, apart)
        mean = self._displacement[there] + part[:, None] * apart
        self._conductance[there] = self._conductance[back] = total
        self._displacement[there], self._displacement[back] = mean, -mean


def tracer_diffusivity(network: Network, rates: Rates, cells: Sequence[int]) -> Floats:
    """Diffusivity of one ion in a supercell with one vacancy: (3, 3) [A^2/s].

    Parameters
    ----------
    cells
        primitive cells of the supercell along each vector
    """
    targets = in_supercell(network, cells)
    n_cells = targets.shape[1]
    size = network.n_sites * n_cells
    start, end, per_s, moved = [], [], [], []
    for tracer in range(network.n_sites):
        here = tracer * n_cells  # site of the tracer, in the first cell
        for jump in range(network.n_jumps):
            leaves = network.initial[jump]
            states = tracer * size + leaves * n_cells + np.arange(n_cells)
            reached = tracer * size + targets[jump]
            displaced = np.zeros((n_cells, 3))
            onto = targets[jump] == here  # the tracer: they change places
            # it is then where the vacancy was, and sees it one jump away
            seen = targets[jump, 0] % n_cells
            reached[onto] = leaves * size + here + seen
            displaced[onto] = -network.vectors[jump]
            possible = np.ones(n_cells, dtype=bool)
            if leaves == tracer:
                possible[0] = False  # the vacancy is not where the tracer is
            start.append(states[possible])
            end.append(reached[possible])
            per_s.append(np.full(possible.sum(), rates.per_s[jump]))
            moved.append(displaced[possible])
    weights = np.tile(np.repeat(rates.weights, n_cells), network.n_sites)
    for tracer in range(network.n_sites):
        weights[tracer * size + tracer * n_cells] = 0.0
    return _diffusivity(
        np.concatenate(start),
        np.concatenate(end),
        np.concatenate(per_s),
        np.concatenate(moved),
        weights / weights.sum(),
    )


def along(tensors: Floats, directions: Floats) -> Floats:
    """Components of (..., 3, 3) tensors along (m, 3) unit vectors: (..., m)."""
    components: Floats = np.einsum("ma,...ab,mb->...m", directions, tensors, directions)
    return components


@dataclass(frozen=True, slots=True)
class Principal:
    """A symmetric tensor by its principal axes, as columns, and values; one that is not known is NaN."""

    axes: Floats
    values: Floats

    def along(self, directions: Floats) -> Floats:
        """Components along (m, 3) unit vectors."""
        shares = (directions @ self.axes) ** 2
        known: Floats = np.where(shares > _ROUNDING, shares * self.values, 0.0).sum(axis=1)
        return known

    def times(self, factor: float) -> "Principal":
        """Return a multiple of it."""
        return Principal(self.axes, factor * self.values)


def ion_diffusivity(
    network: Network, rates: Rates, cell: Floats, most_states: int = _MOST_STATES
) -> Principal:
    """Diffusivity of the ions for each vacancy that there is for each ion [A^2/s].

    It is the vacancy's times the correlation factor. Along an axis on which the factor has not converged
    with the size of the supercell it is NaN: in chains that are all but apart, where ions cannot pass one
    another and a vacancy goes far before it changes chains.

    Parameters
    ----------
    cell
        (3, 3) vectors of the primitive cell [A]
    most_states
        of the larger of the two supercells
    """
    flow = conductances(network, rates)
    of_vacancy, axes = np.linalg.eigh(vacancy_diffusivity(network, rates))
    thresholds = _thresholds(network, flow)
    found = np.full(3, np.nan)
    found[of_vacancy <= 0] = 0.0
    for threshold in dict.fromkeys(thresholds):
        # Slow jumps are lost to rounding beside fast ones: those are kept that may decide along some axis.
        within = np.minimum(flow, threshold * _WIDEST)
        within[within < threshold / _WIDEST] = 0.0
        part = replace(rates, per_s=rates.per_s * within / flow)
        diffusivity = vacancy_diffusivity(network, part)
        here = along(diffusivity, axes.T)
        decided = np.isnan(found) & (np.abs(here - of_vacancy) <= _SAME * of_vacancy)
        if not decided.any():
            continue
        large, infinite = (
            along(tensor, axes.T) for tensor in _extrapolated(network, part, cell, diffusivity, most_states)
        )
        settled = np.abs(infinite - large) <= _UNSETTLED * np.maximum(large, infinite)
        found = np.where(decided & settled, infinite, found)
        if len(thresholds) == 1:  # one chain after the other
            found = np.where(decided & (infinite <= _ROUNDING * of_vacancy), 0.0, found)
    return Principal(axes, found)


def _extrapolated(
    network: Network, rates: Rates, cell: Floats, diffusivity: Floats, most_states: int
) -> tuple[Floats, Floats]:
    """Of a supercell with one vacancy, and extrapolated with a smaller one: the error is as 1 / sites."""
    kept = rates.per_s > 0
    found, inverse_size = [], []
    for cells in _two_supercells(cell, network.n_sites, diffusivity, most_states):
        ions = network.n_sites * math.prod(cells) - 1
        found.append(ions * tracer_diffusivity(network, rates, cells))
        inverse_size.append(_inverse_size(network, kept, cells))
    small, large = found
    step = inverse_size[1] / (inverse_size[0] - inverse_size[1])
    return large, large + (large - small) * step


def _two_supercells(
    cell: Floats, n_sites: int, diffusivity: Floats, most_states: int
) -> list[tuple[int, int, int]]:
    """Supercells that a vacancy crosses along each axis in about the same time, the second one larger."""
    widths = np.sqrt(along(diffusivity, _normals(cell)))
    shape = np.maximum(widths, 1e-3 * widths.max()) / _heights(cell)  # cells, but for a factor
    smaller, larger = (_cells(shape, states / n_sites**2) for states in (most_states / _SMALLER, most_states))
    if larger == smaller:
        longest = int(np.argmax(shape / np.array(smaller)))
        a, b, c = (n + 1 if axis == longest else n for axis, n in enumerate(smaller))
        larger = a, b, c
    return [smaller, larger]


def decisive_part(network: Network, rates: Rates) -> float:
    """Part of a vacancy's jumps that are by the slowest that it needs to get on in all its directions."""
    flow = conductances(network, rates)
    return sum(_thresholds(network, flow)[-1:]) / float(flow.sum())


def _thresholds(network: Network, flow: Floats) -> list[float]:
    """Conductances of the slowest jumps that are needed to get on in one, two and three dimensions."""
    joined, found = Joined(), list[float]()
    for jump in np.argsort(-flow[: network.n_jumps // 2], kind="stable"):
        if flow[jump] > 0:
            joined.join((network.initial[jump], network.final[jump], *network.cells[jump]))
            found += [float(flow[jump])] * (joined.directions() - len(found))
    return found


def _inverse_size(network: Network, kept: NDArray[np.bool_], cells: tuple[int, int, int]) -> float:
    """Mean of 1 / (n - 1) over sites that are joined to n - 1 others, with which the vacancy stays."""
    targets = in_supercell(network, cells)
    n_cells = targets.shape[1]
    start, end = network.initial[kept, None] * n_cells + np.arange(n_cells), targets[kept]
    part = components_of(network.n_sites * n_cells, start.ravel(), end.ravel())
    others = np.bincount(part)[part] - 1
    return float(np.mean(1 / others[others > 0]))


def supercell_of(cell: Floats, n_sites: int, wanted: float) -> tuple[int, int, int]:
    """Return cells along each vector of a supercell of so many sites, about as wide in all directions."""
    return _cells(1 / _heights(cell), wanted / n_sites)


def _cells(shape: Floats, wanted: float) -> tuple[int, int, int]:
    """So many cells together, along each vector in these ratios, two at least."""
    fixed = np.zeros(3, dtype=bool)
    for _ in range(3):  # what is two along some vectors is left to the others
        free = shape[~fixed]
        factor = (wanted / 2 ** fixed.sum() / free.prod()) ** (1 / len(free))
        too_few = ~fixed & (factor * shape < 2)
        if not too_few.any():
            break
        fixed |= too_few
        if fixed.all():
            break
    a, b, c = (2 if held else max(2, round(factor * part)) for held, part in zip(fixed, shape, strict=True))
    return a, b, c


def _normals(cell: Floats) -> Floats:
    """Return unit vectors across the faces of a cell, as rows."""
    across = np.cross(np.roll(cell, -1, axis=0), np.roll(cell, -2, axis=0))
    normals: Floats = across / np.linalg.norm(across, axis=1)[:, None]
    return normals


def _heights(cell: Floats) -> Floats:
    """Return the distances of opposite faces of a cell."""
    heights: Floats = np.abs(np.einsum("ia,ia->i", _normals(cell), cell))
    return heights


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
