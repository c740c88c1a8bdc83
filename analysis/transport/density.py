"""Density of ions in the cell: where they are, on a grid, for a look in VESTA or OVITO."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories import FloatArray, frozen

SPACING_A = 0.25
SMOOTHING_A = 0.4
SITE_DISTANCE_A = 1.5
LEAST_OCCUPANCY = 0.1
LEAST_PEAK = 0.01  # of the highest


def ion_density(positions: FloatArray, cells: FloatArray, *, spacing: float = SPACING_A) -> FloatArray:
    """Mean density of ions on a grid over the cell.

    Parameters
    ----------
    positions
        (n_frames, n_ions, 3) positions, wrapped or not, without drift [A].
    cells
        (n_frames, 3, 3) cells, rows are vectors [A].
    spacing
        Largest distance between grid points [A].

    Returns
    -------
    NDArray
        (n_a, n_b, n_c) densities [1/A^3] at the fractions i/n_a, j/n_b, k/n_c of the cell; their mean
        times the volume is the number of ions.
    """
    cell = cells.mean(axis=0)
    shape = np.ceil(np.linalg.norm(cell, axis=1) / spacing - 1e-9).astype(int)
    counts = np.zeros(int(np.prod(shape)))
    for frame, frame_cell in zip(positions, cells, strict=True):
        points = np.rint(frame @ np.linalg.inv(frame_cell) * shape).astype(int) % shape
        counts += np.bincount(np.ravel_multi_index(tuple(points.T), tuple(shape)), minlength=len(counts))
    voxel = abs(np.linalg.det(cell)) / len(counts)
    return frozen(counts.reshape(shape) / (len(positions) * voxel))


def find_sites(
    density: FloatArray,
    cell: FloatArray,
    *,
    smoothing: float = SMOOTHING_A,
    least_distance: float = SITE_DISTANCE_A,
    least_occupancy: float = LEAST_OCCUPANCY,
) -> FloatArray:
    """Sites of the ions: peaks of their smoothed density, the highest first.

    Parameters
    ----------
    density
        (n_a, n_b, n_c) density on a grid over the cell [1/A^3].
    cell
        (3, 3) cell, rows are vectors [A].
    smoothing
        Standard deviation of the Gaussian that smooths the density, along each cell vector [A].
    least_distance
        Two sites are at least so far apart [A]: of two peaks that are closer, the higher is kept.
    least_occupancy
        Least number of ions within half that distance of a site.

    Returns
    -------
    NDArray
        (n_sites, 3) sites, in fractions of the cell.

    Raises
    ------
    AnalysisError
        If there is none.
    """
    from scipy.ndimage import gaussian_filter

    shape = np.array(density.shape)
    steps = np.linalg.norm(cell, axis=1) / shape
    smooth = gaussian_filter(density, smoothing / steps, mode="wrap")
    peaks = np.argwhere((smooth == _largest_nearby(smooth)) & (smooth > LEAST_PEAK * smooth.max()))
    peaks = peaks[np.argsort(-smooth[tuple(peaks.T)], kind="stable")] / shape
    voxel = abs(np.linalg.det(cell)) / density.size
    grid = np.argwhere(density > 0)
    weights = density[tuple(grid.T)] * voxel
    sites: list[NDArray[np.float64]] = []
    for peak in peaks:
        if sites and _distance(np.array(sites) - peak, cell).min() < least_distance:
            continue
        if weights[_distance(grid / shape - peak, cell) < 0.5 * least_distance].sum() < least_occupancy:
            continue
        sites.append(peak)
    if not sites:
        raise AnalysisError("the density of the ions has no peak: they are at no sites")
    return np.array(sites)


def write_cube(
    path: Path, density: FloatArray, cell: FloatArray, positions: FloatArray, numbers: Sequence[int]
) -> None:
    """Write a density as a Gaussian cube file, with the atoms of one frame.

    Parameters
    ----------
    path
        The file; one that is there already is replaced.
    density
        (n_a, n_b, n_c) density over the cell [1/A^3], written in this unit; lengths are written in Bohr.
    cell
        (3, 3) cell, rows are vectors [A].
    positions
        (n_atoms, 3) atoms to be shown [A].
    numbers
        (n_atoms,) atomic numbers.
    """
    from ase import Atoms
    from ase.io.cube import write_cube as write

    atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=True)
    with path.open("w") as file:
        write(file, atoms, data=density, comment="density of ions, 1/A^3; hopkin")


def _largest_nearby(values: FloatArray) -> FloatArray:
    """Largest of each value and its 26 neighbours on the periodic grid."""
    for axis in range(3):
        values = np.maximum(values, np.maximum(np.roll(values, 1, axis), np.roll(values, -1, axis)))
    return values


def _distance(scaled: FloatArray, cell: FloatArray) -> FloatArray:
    scaled = scaled - np.rint(scaled)
    return np.asarray(np.linalg.norm(scaled @ cell, axis=-1))
