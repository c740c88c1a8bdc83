r"""Mean squared displacements from unwrapped positions.

With :math:`\mathbf r_i(t)` the unwrapped position of atom *i* in frame *t* of *N*,

.. math::

    \mathrm{MSD}^\text{single}_i(t) = |\mathbf r_i(t) - \mathbf r_i(0)|^2, \qquad
    \mathrm{MSD}^\text{windowed}_i(m) =
        \frac{1}{N - m} \sum_{k=0}^{N-m-1} |\mathbf r_i(k + m) - \mathbf r_i(k)|^2 .

============================  ==================
symbol                        variable
============================  ==================
:math:`\mathbf r_i(t)`        ``positions[t, i]``
lag *m*, in frames            first axis of the result
============================  ==================
"""

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.arrays import FloatArray, frozen


def remove_drift(positions: FloatArray, masses: FloatArray, framework: NDArray[np.bool_]) -> FloatArray:
    """Subtract the displacement of the framework's centre of mass.

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
        no atom is, the positions are returned as they are.

    Returns
    -------
    NDArray
        (n_frames, n_atoms, 3) positions in the frame of the framework [A].
    """
    if not framework.any():
        return positions
    weights = masses[framework] / masses[framework].sum()
    centre = np.einsum("tix,i->tx", positions[:, framework], weights)
    return frozen(positions - (centre - centre[0])[:, None, :])


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

    The sum over origins is split into squares and an autocorrelation, and the latter is taken by
    FFT, in O(N log N): Calandrini et al., Collection SFN 12, 201 (2011), section 4.2,
    doi:10.1051/sfn/201112010.

    Parameters
    ----------
    positions
        (n_frames, n_atoms, 3) unwrapped positions at equal time intervals [A].

    Returns
    -------
    NDArray
        (n_frames, n_atoms) windowed squared displacements [A^2]; row *m* is lag *m*.
    """
    n_frames, n_atoms, _ = positions.shape
    centred = positions - positions.mean(axis=0)  # small numbers: the split cancels S1 against S2
    n_origins = np.arange(n_frames, 0, -1)[:, None]

    squares = np.einsum("tix,tix->ti", centred, centred)
    head = np.zeros((n_frames, n_atoms))
    head[1:] = np.cumsum(squares[:-1], axis=0)  # head[m]: sum of the first m squares
    tail = np.zeros((n_frames, n_atoms))
    tail[1:] = np.cumsum(squares[:0:-1], axis=0)  # tail[m]: sum of the last m squares
    sum_of_squares = 2.0 * squares.sum(axis=0) - head - tail

    correlation = np.zeros((n_frames, n_atoms))
    for axis in range(3):
        spectrum = np.fft.rfft(centred[:, :, axis], n=2 * n_frames, axis=0)
        power = (spectrum * spectrum.conj()).real
        correlation += np.fft.irfft(power, n=2 * n_frames, axis=0)[:n_frames]

    msd = (sum_of_squares - 2.0 * correlation) / n_origins
    msd[0] = 0.0
    return frozen(np.maximum(msd, 0.0))  # round-off of an atom at rest
