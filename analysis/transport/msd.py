r"""Mean squared displacements from unwrapped positions.

With :math:`\mathbf r_i(t)` the unwrapped position of atom *i* in frame *t* of *N*,

.. math::

    \mathrm{MSD}^\text{single}_i(t) = |\mathbf r_i(t) - \mathbf r_i(0)|^2, \qquad
    M_{i,ab}(m) = \frac{1}{N - m} \sum_{k=0}^{N-m-1}
        [\mathbf r_i(k + m) - \mathbf r_i(k)]_a \, [\mathbf r_i(k + m) - \mathbf r_i(k)]_b ,

and the windowed MSD is the trace of *M*.

============================  ==================
symbol                        variable
============================  ==================
:math:`\mathbf r_i(t)`        ``positions[t, i]``
lag *m*, in frames            first axis of the result
============================  ==================
"""

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.trajectories import FloatArray, frozen

ATOMS_AT_A_TIME = 32  # bounds the memory of the transforms
PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def drift(positions: FloatArray, masses: FloatArray, framework: NDArray[np.bool_]) -> FloatArray:
    """Displacement of the framework's centre of mass.

    A thermostat, or a potential whose forces do not sum to zero, lets the whole crystal slide;
    an ion that rides on it does not diffuse.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions [A].
    masses
        (n_atoms,) atomic masses [u].
    framework
        (n_atoms,) True for the atoms whose centre of mass is held at its place in frame 0. Where
        no atom is, there is no drift.

    Returns
    -------
    NDArray
        (n_frames, 3) displacement from frame 0 [A], to be subtracted.
    """
    if not framework.any():
        return frozen(np.zeros((len(positions), 3)))
    weights = np.where(framework, masses, 0.0) / masses[framework].sum()
    centre = np.einsum("tix,i->tx", positions, weights)
    return frozen(centre - centre[0])


def single_origin_msd(positions: FloatArray) -> FloatArray:
    """Squared displacement of every atom from its place in the first frame.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions [A].

    Returns
    -------
    NDArray
        (n_frames, n_atoms) squared displacements [A^2]; the mean over atoms is the MSD.
    """
    displacements = positions - positions[0]
    return frozen(np.einsum("tix,tix->ti", displacements, displacements))


def windowed_msd(positions: FloatArray) -> FloatArray:
    """Squared displacement of every atom, averaged over all time origins, for every lag.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions at equal time intervals [A].

    Returns
    -------
    NDArray
        (n_frames, n_atoms) windowed squared displacements [A^2]; row *m* is lag *m*.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n_frames, n_atoms, _ = positions.shape
    msd = np.empty((n_atoms, n_frames))
    for atoms in _batches(n_atoms):
        path = _centred(positions[:, atoms])
        size = next_fast_len(2 * n_frames, real=True)
        power = (np.abs(rfft(path, n=size)) ** 2).sum(axis=0)
        msd[atoms] = _from_correlation((path**2).sum(axis=0), 2.0 * irfft(power, n=size)[:, :n_frames])
    return frozen(np.maximum(msd, 0.0).T)  # round-off of an atom at rest


def windowed_msd_tensor(positions: FloatArray) -> FloatArray:
    """Products of displacements along each two directions, averaged over atoms and time origins.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions at equal time intervals [A].

    Returns
    -------
    NDArray
        (n_frames, 3, 3) tensors [A^2], symmetric; their trace is the windowed MSD.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n_frames, n_atoms, _ = positions.shape
    squares, correlation = np.zeros((6, n_frames)), np.zeros((6, n_frames))
    for atoms in _batches(n_atoms):
        path = _centred(positions[:, atoms])
        size = next_fast_len(2 * n_frames, real=True)
        spectra = rfft(path, n=size)
        for k, (a, b) in enumerate(PAIRS):
            squares[k] += np.einsum("it,it->t", path[a], path[b])
            power = np.einsum("iw,iw->w", spectra[a], spectra[b].conj())
            correlation[k] += 2.0 * irfft(power.real, n=size)[:n_frames]
    products = _from_correlation(squares, correlation) / n_atoms
    tensor = np.empty((n_frames, 3, 3))
    for k, (a, b) in enumerate(PAIRS):
        tensor[:, a, b] = tensor[:, b, a] = products[k]
    return frozen(tensor)


def collective_positions(positions: FloatArray) -> FloatArray:
    """(n_frames, 1, 3) sum of all positions over the root of their number [A].

    Its MSD is that of the sum of all displacements, per atom; where the atoms move independently of one
    another it equals that of the atoms.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions at equal time intervals [A].
    """
    return np.asarray(positions.sum(axis=1, keepdims=True) / np.sqrt(positions.shape[1]))


def _batches(n_atoms: int) -> list[slice]:
    return [slice(k, k + ATOMS_AT_A_TIME) for k in range(0, n_atoms, ATOMS_AT_A_TIME)]


def _centred(positions: FloatArray) -> FloatArray:
    """(3, n_atoms, n_frames) positions about their means: the split below cancels large numbers."""
    path = np.ascontiguousarray(positions.transpose(2, 1, 0))
    path -= path.mean(axis=-1, keepdims=True)
    return path


def _from_correlation(squares: FloatArray, correlation: FloatArray) -> FloatArray:
    """Mean products of displacements from products at equal times and symmetric correlations.

    The sum over origins is split into squares and an autocorrelation, and the latter is taken by
    FFT, in O(N log N): Calandrini et al., Collection SFN 12, 201 (2011), section 4.2,
    doi:10.1051/sfn/201112010.

    Parameters
    ----------
    squares
        (..., n_frames) products of two components at each time.
    correlation
        (..., n_frames) sums over origins of their products at every lag, in both orders.
    """
    n = squares.shape[-1]
    head, tail = np.zeros_like(squares), np.zeros_like(squares)
    head[..., 1:] = np.cumsum(squares[..., :-1], axis=-1)  # the first m
    tail[..., 1:] = np.cumsum(squares[..., :0:-1], axis=-1)  # the last m
    sums = 2.0 * squares.sum(axis=-1, keepdims=True) - head - tail
    result = (sums - correlation) / np.arange(n, 0, -1)
    result[..., 0] = 0.0
    return np.asarray(result)
