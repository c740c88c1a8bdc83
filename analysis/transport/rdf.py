r"""Radial distribution functions over all periodic images.

For species *a* and *b* with :math:`N_a` and :math:`N_b` atoms in a cell of volume *V*,

.. math::

    g_{ab}(r) = \left\langle \frac{n_{ab}(r)\, V}{N_{ab}\, v(r)} \right\rangle , \qquad
    N_{ab} = \begin{cases} N_a N_b & a \ne b \\ N_a (N_a - 1)/2 & a = b, \end{cases}

where :math:`n_{ab}` counts, in the shell of volume *v*, the pairs of *different* atoms over *all*
periodic images of the second one, not just the nearest: r_max may exceed half the cell.

An atom and its own images are left out of the count and of the normalisation. Their distances
are the lattice vectors: they hold no information on the structure, and as spikes that no
vibration broadens they would make two cells that differ by 0.05 A look different. For two
different atoms placed at random, the images of the second are uniform in space about the first
with density 1/V; so this normalisation makes the ideal gas exactly 1 in expectation, at all r,
in any cell. (For large N_a it is the usual density N_a/V.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories import FloatArray, frozen
from hopkin.analysis.transport.neighbours import pairs_within

SMOOTHING_BINS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RadialDistribution:
    """Radial distribution function of every pair of species.

    Attributes
    ----------
    r
        (n_bins,) centres of the bins [A].
    pairs
        (n_pairs,) names such as "Li-S", the species in alphabetical order.
    g
        (n_pairs, n_bins) radial distribution functions.
    edges
        (n_bins + 1,) edges of the bins [A].
    n_atoms
        Number of atoms of each species.
    density
        Mean of 1/V over the frames [1/A^3].
    """

    r: FloatArray
    pairs: tuple[str, ...]
    g: FloatArray
    edges: FloatArray
    n_atoms: Mapping[str, int]
    density: float

    def coordination_numbers(self, centre: str, neighbour: str) -> FloatArray:
        """Mean number of neighbours of another atom up to the outer edge of each bin.

        Parameters
        ----------
        centre, neighbour
            Chemical symbols.

        Returns
        -------
        NDArray
            (n_bins,) numbers; exact where the volume does not change.

        Raises
        ------
        AnalysisError
            If there is no such pair.
        """
        pair = "-".join(sorted((centre, neighbour)))
        if pair not in self.pairs:
            raise AnalysisError(f"no pair {pair} of different atoms; there are {', '.join(self.pairs)}")
        others = self.n_atoms[neighbour] - (centre == neighbour)
        shells = 4.0 / 3.0 * np.pi * np.diff(self.edges**3)
        return np.asarray(np.cumsum(self.g[self.pairs.index(pair)] * shells) * others * self.density)

    def first_shell(self, centre: str, neighbour: str) -> float | None:
        """Coordination number up to the first minimum after the first peak; None where there is none."""
        numbers = self.coordination_numbers(centre, neighbour)
        g = self.g[self.pairs.index("-".join(sorted((centre, neighbour))))]
        smooth = np.convolve(g, np.ones(SMOOTHING_BINS) / SMOOTHING_BINS, mode="same")
        above = np.flatnonzero(smooth > 1.0)
        below = np.flatnonzero(smooth[above[0] :] < 1.0) if above.size else above
        if not below.size:
            return None
        start = int(above[0] + below[0])
        again = np.flatnonzero(smooth[start:] > 1.0)
        if not again.size:
            return None
        return float(numbers[start + int(np.argmin(smooth[start : start + int(again[0])]))])


def radial_distribution(
    positions: FloatArray,
    cells: FloatArray,
    species: Sequence[str],
    *,
    r_max: float = 10.0,
    bin_width: float = 0.05,
) -> RadialDistribution:
    """Average the radial distribution functions of all species pairs over the frames.

    A species with one atom in the cell has no pair with itself.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) positions, wrapped or not [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors [A]; they may differ between frames.
    species
        (n_atoms,) chemical symbols.
    r_max
        Largest distance [A].
    bin_width
        Width of the bins [A]; made slightly smaller where it does not divide r_max.
    """
    names, species_index = np.unique(np.asarray(species), return_inverse=True)
    n_species = len(names)
    n_bins = int(np.ceil(r_max / bin_width - 1e-9))
    edges = np.linspace(0.0, r_max, n_bins + 1)
    shell_volumes = 4.0 / 3.0 * np.pi * np.diff(edges**3)

    density = np.zeros((n_species * n_species, n_bins))  # sum over frames of n_ab(r) V
    for frame, cell in zip(positions, cells, strict=True):
        i, j, distances = pairs_within(frame, cell, r_max)
        once = i < j
        kinds = np.sort([species_index[i[once]], species_index[j[once]]], axis=0)
        pair = kinds[0] * n_species + kinds[1]
        bins = np.minimum((distances[once] * (n_bins / r_max)).astype(np.intp), n_bins - 1)
        counts = np.bincount(pair * n_bins + bins, minlength=density.size)
        density += counts.reshape(density.shape) * abs(np.linalg.det(cell))

    n_atoms = np.bincount(species_index)
    pairs, curves = [], []
    for a in range(n_species):
        for b in range(a, n_species):
            n_pairs = n_atoms[a] * n_atoms[b] if a != b else n_atoms[a] * (n_atoms[a] - 1) / 2
            if n_pairs:
                pairs.append(f"{names[a]}-{names[b]}")
                total = density[a * n_species + b]
                curves.append(total / (len(positions) * n_pairs * shell_volumes))
    return RadialDistribution(
        r=frozen(0.5 * (edges[1:] + edges[:-1])),
        pairs=tuple(pairs),
        g=frozen(np.array(curves).reshape(len(pairs), n_bins)),
        edges=frozen(edges),
        n_atoms=dict(zip(names.tolist(), n_atoms.tolist(), strict=True)),
        density=float((1.0 / np.abs(np.linalg.det(cells))).mean()),
    )


def mae_rdf(r: FloatArray, reference: FloatArray, g: FloatArray) -> float:
    """Integral of |g_ref - g| dr [A], as the benchmark of Guo, Gui and Wang has it.

    Parameters
    ----------
    r
        (n_bins,) centres of the bins, equally spaced [A].
    reference, g
        (n_bins,) radial distribution functions.
    """
    return float(np.abs(reference - g).sum() * (r[1] - r[0]))


def wasserstein_distance(r: FloatArray, reference: FloatArray, g: FloatArray) -> float:
    """Mean distance by which one g(r), normalised to 1, must be moved to become the other [A].

    Unlike :func:`mae_rdf` it grows with how far a peak is off, not only until the peaks are apart.
    """
    first, second = (np.cumsum(curve) / curve.sum() for curve in (reference, g))
    return float(np.abs(first - second).sum() * (r[1] - r[0]))
