r"""Jumps of a vacancy on the periodic graph of the sites of an ion, and their rates.

A vacancy moves against the ion. Rates obey detailed balance: sites have weights :math:`\pi_s`, the
stationary distribution of the vacancy, and a jump and its reverse share one conductance,
:math:`\pi_s \omega_{ss'} = \pi_{s'} \omega_{s's}`. Hops that were computed one by one do not agree quite
about the energies of the sites; the weights are the least-squares fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.hops import Bond, components_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Directed jumps of a vacancy, each with its reverse: the first half forward, the second half back.

    Attributes
    ----------
    n_sites
        sites of the primitive cell
    initial, final
        (n,) sites that the vacancy leaves and enters
    cells
        (n, 3) cell of the final site, seen from the initial one
    vectors
        (n, 3) displacement of the vacancy [A]
    hop
        (n,) which of the distinct hops it is
    part
        (n_sites,) number of the connected part of the graph that a site belongs to
    """

    n_sites: int
    initial: Integers
    final: Integers
    cells: Integers
    vectors: Floats
    hop: Integers
    part: Integers

    @property
    def n_jumps(self) -> int:
        """How many, there and back."""
        return len(self.initial)


def network_of(positions: ArrayLike, cell: ArrayLike, bonds: Sequence[Sequence[Bond]]) -> Network:
    """Make the graph of a crystal.

    Parameters
    ----------
    positions
        (n_sites, 3) of the primitive cell [A]
    cell
        (3, 3) its vectors, as rows [A]
    bonds
        of each distinct hop, those that symmetry makes of it, from the initial to the final site of the ion
    """
    places, vectors = np.asarray(positions, dtype=float), np.asarray(cell, dtype=float)
    rows = np.array([bond for of_hop in bonds for bond in of_hop], dtype=int).reshape(-1, 5)
    hop = np.repeat(np.arange(len(bonds)), [len(of_hop) for of_hop in bonds])
    start, end, cells = rows[:, 0], rows[:, 1], rows[:, 2:]  # of the ion
    moved = places[end] + cells @ vectors - places[start]
    return Network(
        n_sites=len(places),
        initial=np.concatenate([end, start]),
        final=np.concatenate([start, end]),
        cells=np.concatenate([-cells, cells]),
        vectors=np.concatenate([-moved, moved]),
        hop=np.concatenate([hop, hop]),
        part=components_of(len(places), start, end),
    )


def in_supercell(network: Network, cells: Sequence[int]) -> Integers:
    """Where each jump leads from each cell of a periodic supercell: (n, n_cells) numbers of sites there.

    Site s of cell c has the number s * n_cells + c; the first cell is number 0.
    """
    shape = tuple(cells)
    at = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    there = np.moveaxis((at + network.cells[:, None]) % np.array(shape), -1, 0)
    targets: Integers = network.final[:, None] * len(at) + np.ravel_multi_index(tuple(there), shape)
    return targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of the jumps of a network.

    Attributes
    ----------
    weights
        (n_sites,) probability of the vacancy at each site; parts that are not joined share it by their sites
    per_s
        (n,) [1/s]
    disagreement
        most by which the logarithm of a rate had to be changed for detailed balance
    """

    weights: Floats
    per_s: Floats
    disagreement: float


def conductances(network: Network, rates: Rates) -> Floats:
    """(n,) how often each jump happens [1/s]: the same for a jump and its reverse."""
    often: Floats = rates.weights[network.initial] * rates.per_s
    return often


def balanced(network: Network, log_forward: ArrayLike, log_reverse: ArrayLike) -> Rates:
    """Rates of all jumps, in detailed balance, from those of the distinct hops.

    Parameters
    ----------
    log_forward, log_reverse
        (n_hops,) natural logarithm of the rate of the ion from the initial site of a hop, and from its final
        one [1/s]
    """
    half = network.n_jumps // 2
    start, end, hop = network.initial[:half], network.final[:half], network.hop[:half]
    there, back = np.asarray(log_forward, dtype=float)[hop], np.asarray(log_reverse, dtype=float)[hop]
    # ln pi_start + there = ln pi_end + back
    site = np.eye(network.n_sites)
    logs_of_weights = np.linalg.lstsq(site[end] - site[start], there - back, rcond=None)[0]
    for part in np.unique(network.part):
        members = network.part == part
        logs_of_weights[members] += np.log(members.mean()) - np.logaddexp.reduce(logs_of_weights[members])
    conductance = (logs_of_weights[start] + there + logs_of_weights[end] + back) / 2
    per_s = np.exp(np.concatenate([conductance - logs_of_weights[start], conductance - logs_of_weights[end]]))
    return Rates(
        weights=np.exp(logs_of_weights),
        per_s=per_s,
        disagreement=float(np.abs(conductance - logs_of_weights[start] - there).max(initial=0.0)),
    )
