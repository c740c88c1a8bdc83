"""Transport of one ion species: from a trajectory to numbers and curves."""

import numpy as np

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories import FloatArray, Trajectory, atomic_masses, frame_interval, frozen
from hopkin.analysis.transport.density import SPACING_A, ion_density
from hopkin.analysis.transport.diffusion import (
    HOP_LENGTH_A,
    WindowedFit,
    fit_diffusivity,
    fit_paper_protocol,
    fit_windowed,
    log_log_slope,
)
from hopkin.analysis.transport.msd import collective_positions, drift, single_origin_msd, windowed_msd_tensor
from hopkin.analysis.transport.rdf import RadialDistribution, radial_distribution
from hopkin.analysis.transport.result import TransportResult
from hopkin.analysis.transport.sites import HopStatistics, hop_statistics
from hopkin.analysis.transport.uncertainty import (
    Estimate,
    choose_blocks,
    estimate_by_blocks,
    kinisi_posterior,
)

RDF_INTERVAL_PS = 0.2
RDF_LEAST_FRAMES = 50  # a run too short for that many at this interval is sampled more often
RDF_FRACTION = 0.4  # 30 to 50 ps of the 50 ps run of the protocol
HOP_INTERVAL_PS = 0.05  # of the frames in which hops are looked for
NOT_ASKED = Estimate(reason="not asked for")


def analyze(
    trajectory: Trajectory,
    ion: str,
    *,
    temperature_K: float | None = None,
    sites: FloatArray | None = None,
    with_posterior: bool = False,
    seed: int = 0,
    hop_length: float = HOP_LENGTH_A,
    r_max: float = 10.0,
) -> TransportResult:
    """Analyse the transport of one ion species.

    Parameters
    ----------
    trajectory
        Unwrapped trajectory, its frames at equal time intervals.
    ion
        Chemical symbol of the diffusing species.
    temperature_K
        Temperature, for conductivities.
    sites
        (n_sites, 3) sites of the ions in fractions of the cell, to count hops between.
    with_posterior
        Sample the posterior by kinisi, with `seed`.
    hop_length
        Distance between neighbouring sites [A], for the number of hops and the fit window.
    r_max
        Largest distance of the radial distribution functions [A].

    Raises
    ------
    TrajectoryError
        If the ion does not occur, the frames are not equally spaced, or there are too few.
    MissingPackageError
        If the posterior is asked for without kinisi.
    """
    slide = framework_drift(trajectory, ion)
    is_ion = trajectory.species == ion
    interval = frame_interval(trajectory.times_ps)
    times = interval * np.arange(len(trajectory.times_ps), dtype=np.float64)

    framework, of_species = np.zeros(len(times)), {}
    for name in np.unique(trajectory.species[~is_ion]).tolist():
        atoms = _positions_of(trajectory, name, slide)
        framework += single_origin_msd(atoms).sum(axis=1)
        of_species[name] = frozen(np.einsum("tii->t", windowed_msd_tensor(atoms)))
    ions = _positions_of(trajectory, ion, slide)
    single, tensor = single_origin_msd(ions).mean(axis=1), windowed_msd_tensor(ions)
    windowed = frozen(np.maximum(np.einsum("tii->t", tensor), 0.0))
    of_species[ion] = windowed
    fit = fit_windowed(times, windowed, ions.shape[1], hop_length=hop_length)
    together = collective_positions(ions)
    blocks = choose_blocks(windowed, hop_length=hop_length)
    return TransportResult(
        ion=ion,
        n_ions=ions.shape[1],
        volume=float(np.abs(np.linalg.det(trajectory.cells)).mean()),
        temperature=temperature_K,
        times=frozen(times),
        msd_single_origin=frozen(single),
        msd_windowed=windowed,
        msd_tensor=tensor,
        msd_collective=frozen(np.einsum("tii->t", windowed_msd_tensor(together))),
        msd_of_species=of_species,
        framework_msd=frozen(framework / max(1, int((~is_ion).sum()))),
        paper=fit_paper_protocol(times, single),
        windowed=fit,
        tensor=_diffusivity_tensor(times, tensor, fit),
        block=estimate_by_blocks(ions, interval, blocks),
        collective=estimate_by_blocks(together, interval, blocks),
        posterior=_posterior(ions, interval, fit, seed) if with_posterior else NOT_ASKED,
        hops=None if sites is None else _hops(ions, trajectory.cells, sites, interval),
        log_log_slope=log_log_slope(times, windowed),
        rdf=_rdf(trajectory, times, r_max),
    )


def framework_drift(trajectory: Trajectory, ion: str) -> FloatArray:
    """(n_frames, 3) displacement of all atoms but the ions, as one [A].

    Raises
    ------
    TrajectoryError
        If the ion does not occur.
    """
    is_ion = trajectory.species == ion
    if not is_ion.any():
        raise TrajectoryError(
            f"no {ion} in the trajectory; it holds {', '.join(np.unique(trajectory.species))}"
        )
    return drift(trajectory.positions, atomic_masses(trajectory.species), ~is_ion)


def density_of_ions(trajectory: Trajectory, ion: str, *, spacing: float = SPACING_A) -> FloatArray:
    """(n_a, n_b, n_c) mean density of the ions over the cell, in the frame of the framework [1/A^3]."""
    ions = _positions_of(trajectory, ion, framework_drift(trajectory, ion))
    return ion_density(ions, trajectory.cells, spacing=spacing)


def _positions_of(trajectory: Trajectory, name: str, slide: FloatArray) -> FloatArray:
    """(n_frames, n, 3) positions of a species without drift [A]."""
    positions = trajectory.positions[:, trajectory.species == name]
    positions -= slide[:, None]
    return positions


def _diffusivity_tensor(times: FloatArray, tensor: FloatArray, fit: WindowedFit) -> FloatArray | None:
    if fit.window is None:
        return None
    inside = (times >= fit.window[0]) & (times <= fit.window[1])
    slopes = [fit_diffusivity(times[inside], m[inside], dimensions=1) for m in tensor.reshape(-1, 9).T]
    return frozen(np.array(slopes).reshape(3, 3))


def _posterior(ions: FloatArray, interval: float, fit: WindowedFit, seed: int) -> Estimate:
    if fit.window is None:
        return Estimate(reason=fit.reason)
    return kinisi_posterior(ions, interval, fit.window[0], seed=seed)


def _hops(ions: FloatArray, cells: FloatArray, sites: FloatArray, interval: float) -> HopStatistics:
    stride = max(1, round(HOP_INTERVAL_PS / interval))
    return hop_statistics(ions[::stride], cells[::stride], sites, interval * stride)


def _rdf(trajectory: Trajectory, times: FloatArray, r_max: float) -> RadialDistribution:
    start = int(np.searchsorted(times, (1 - RDF_FRACTION) * times[-1] - 1e-9 * times[-1]))
    stride = min(round(RDF_INTERVAL_PS / times[1]), (len(times) - start) // RDF_LEAST_FRAMES)
    sampled = slice(start, None, max(1, stride))
    return radial_distribution(
        trajectory.positions[sampled],
        trajectory.cells[sampled],
        trajectory.species.tolist(),
        r_max=r_max,
    )
