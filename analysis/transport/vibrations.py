r"""Vibrational density of states from velocities.

The power spectrum of the mass-weighted velocities, which is the Fourier transform of their
autocorrelation (Wiener and Khinchin), averaged over overlapping parts of the run (Welch),

.. math:: g(\nu) \propto \sum_i m_i \, |\hat{\mathbf v}_i(\nu)|^2 , \qquad \int g \, d\nu = 1 ,

Dickey and Paskin, Phys. Rev. 188, 1407 (1969), doi:10.1103/PhysRev.188.1407. At zero frequency it is
the diffusivity: an ion that diffuses has a density of states there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories import FloatArray, Trajectory, atomic_masses, frame_interval, frozen
from hopkin.analysis.transport.tables import write_table

RESOLUTION_THZ = 0.2
LARGEST_INTERVAL_PS = 0.0121  # 41 THz at least: beyond that of all bonds without hydrogen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensityOfStates:
    """Vibrational density of states.

    Attributes
    ----------
    frequencies
        (n_frequencies,) [THz].
    species
        (n_species,) chemical symbols.
    by_species
        (n_species, n_frequencies) their parts [1/THz]; the integral of their sum is 1.
    """

    frequencies: FloatArray
    species: tuple[str, ...]
    by_species: FloatArray


def density_of_states(trajectory: Trajectory, *, resolution: float = RESOLUTION_THZ) -> DensityOfStates:
    """Vibrational density of states of each species.

    Parameters
    ----------
    trajectory
        With velocities, at equal time intervals.
    resolution
        Width that lines have at least [THz]; less than 1 over the length of the run is not to be had.

    Raises
    ------
    TrajectoryError
        If there are no velocities, or the frames are too far apart for vibrations.
    """
    if trajectory.velocities is None:
        raise TrajectoryError(
            "a vibrational density of states needs velocities: read the trajectory with them "
            "(with_velocities=True in Python)"
        )
    interval = frame_interval(trajectory.times_ps)
    if interval > LARGEST_INTERVAL_PS:
        raise TrajectoryError(
            f"frames every {1000 * interval:g} fs do not resolve vibrations; "
            f"{1000 * LARGEST_INTERVAL_PS:.0f} fs or less do"
        )
    from scipy.signal import welch

    length = min(len(trajectory.times_ps), round(1.0 / (resolution * interval)))
    names = np.unique(trajectory.species)
    masses = atomic_masses(trajectory.species)
    spectra = []
    for name in names:
        atoms = np.flatnonzero(trajectory.species == name)
        total: FloatArray = np.zeros(0)
        for atom in atoms:
            frequencies, power = welch(
                trajectory.velocities[:, atom], fs=1.0 / interval, nperseg=length, axis=0, detrend=False
            )
            total = (total if total.size else 0.0) + masses[atom] * power.sum(axis=1)
        spectra.append(total)
    by_species = np.array(spectra)
    step = frequencies[1] - frequencies[0]
    return DensityOfStates(
        frequencies=frozen(frequencies),
        species=tuple(names.tolist()),
        by_species=frozen(by_species / (by_species.sum() * step)),
    )


def write_density_of_states(states: DensityOfStates, path: Path) -> None:
    """Write the density of states of each species as a table."""
    names = ("frequency_THz", *(f"{name}_per_THz" for name in states.species))
    write_table(path, names, np.column_stack([states.frequencies, *states.by_species]))
