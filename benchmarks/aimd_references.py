"""Diffusivities of the ab initio trajectories in ../shared/data/aimd, with errors, beside other packages.

pip install site-analysis pymatgen-analysis-diffusion     # counted and fitted by others, on the same frames
python benchmarks/aimd_references.py [--data ../shared/data/aimd] [--output FILE.md]
"""

import argparse
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import atomic_masses
from hopkin.analysis.trajectories.trajectory import Trajectory, read_trajectory
from hopkin.analysis.transport.density import find_sites
from hopkin.analysis.transport.sites import hop_statistics
from hopkin.analysis.transport.transport import analyze, density_of_ions, framework_drift

K_B = 8.617333e-5  # eV/K
U_A2_PER_PS2_IN_EV = 1.036427e-4
CM_PER_THZ = 33.356  # wavenumbers
SITE_RADIUS = 0.75  # A: half the least distance of two sites, so that spheres do not overlap
HOP_STRIDE = 5  # site_analysis takes minutes for all frames
LGPS_CLAIMED_FS, LGPS_FS = 40.0, 4.0
ARGYRODITE_FS = 100.0


def frame_interval_by_equipartition(trajectory: Trajectory, temperature: float) -> dict[str, float]:
    """Time between frames [fs] at which the moves of each species have the temperature: m v^2 = 3 k T."""
    moves = (np.diff(trajectory.positions, axis=0) ** 2).sum(axis=-1).mean(axis=0)
    masses = atomic_masses(trajectory.species) * U_A2_PER_PS2_IN_EV
    return {
        name: 1000
        * float(np.sqrt((moves * masses)[trajectory.species == name].mean() / (3 * K_B * temperature)))
        for name in np.unique(trajectory.species).tolist()
    }


def highest_line(trajectory: Trajectory, name: str) -> float:
    """Frequency of the strongest line of a species [1/frame]."""
    moves = np.diff(trajectory.positions[:, trajectory.species == name], axis=0).reshape(
        len(trajectory.times_ps) - 1, -1
    )
    power = (np.abs(np.fft.rfft(moves * np.hanning(len(moves))[:, None], axis=0)) ** 2).sum(axis=1)
    return float(np.fft.rfftfreq(len(moves))[power.argmax()])


def by_pymatgen(trajectory: Trajectory, temperature: float, interval_fs: float) -> str:
    """Diffusivity and its error [cm^2/s] with the settings of the argyrodites' author: min_obs 50."""
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Structure

    structures = _structures(trajectory, Structure)
    try:
        found = DiffusionAnalyzer.from_structures(
            structures, "Li", temperature, time_step=interval_fs, step_skip=1, min_obs=50, smoothed="max"
        )
    except ValueError as error:
        return f"refused: {error}"
    return _pm(found.diffusivity, found.diffusivity_std_dev)


def hops_by_site_analysis(ions: FloatArray, cells: FloatArray, sites: FloatArray) -> int:
    """Arrivals at another of the same spheres, found by site_analysis.

    (Its own `transitions` are those from sphere to sphere without a frame between them.)
    """
    from pymatgen.core import Lattice, Structure
    from site_analysis.atom import Atom
    from site_analysis.spherical_site import SphericalSite
    from site_analysis.trajectory import Trajectory as Sites

    spheres = [SphericalSite(frac_coords=site % 1.0, rcut=SITE_RADIUS) for site in sites]
    counted = Sites(sites=spheres, atoms=[Atom(index=k) for k in range(ions.shape[1])])
    for frame, cell in zip(ions, cells, strict=True):
        scaled = frame @ np.linalg.inv(cell) % 1.0
        counted.append_timestep(Structure(Lattice(cell), ["Li"] * len(frame), scaled))
    visits = [[site for site in atom.trajectory if site is not None] for atom in counted.atoms]
    return sum(here != there for sites_of_ion in visits for here, there in pairwise(sites_of_ion))


def _structures(trajectory: Trajectory, structure: Any) -> list[Any]:
    species = trajectory.species.tolist()
    return [
        structure(cell, species, frame @ np.linalg.inv(cell) % 1.0)
        for frame, cell in zip(trajectory.positions, trajectory.cells, strict=True)
    ]


def _pm(value: float | None, error: float | None) -> str:
    return "refused" if value is None else f"{value:.2e} +- {error:.1e}"


def rows_of(name: str, trajectory: Trajectory, temperature: float, interval_fs: float) -> list[str]:
    numbers = analyze(trajectory, "Li", temperature_K=temperature, with_posterior=True).as_dict()
    ions = trajectory.positions[:, trajectory.species == "Li"] - framework_drift(trajectory, "Li")[:, None]
    sites = find_sites(density_of_ions(trajectory, "Li"), trajectory.cells.mean(axis=0))
    every = slice(None, None, HOP_STRIDE)
    hops = hop_statistics(
        ions[every], trajectory.cells[every], sites, HOP_STRIDE * interval_fs / 1000, radius=SITE_RADIUS
    )
    windowed = _pm(numbers["diffusivity_windowed_cm2_per_s"], numbers["diffusivity_std"])
    block = _pm(numbers["diffusivity_block_cm2_per_s"], numbers["diffusivity_block_std"])
    kinisi = _pm(numbers["diffusivity_kinisi_cm2_per_s"], numbers["diffusivity_kinisi_std"])
    sigma = numbers["conductivity_nernst_einstein_S_per_cm"]
    facts = {
        "run": f"{numbers['time_ps']:.2f} ps, {numbers['n_ions']} Li, {temperature:g} K",
        "MSD at the end [A^2]": f"{numbers['msd_A2_final']:.2f}",
        "slope of ln MSD against ln t": f"{numbers['log_log_slope']:.2f}",
        "MSD of the framework at the end [A^2]": f"{numbers['framework_msd_A2']:.2f}",
        "D, paper protocol [cm^2/s]": f"{numbers['diffusivity_cm2_per_s']:.2e}",
        "D, windowed, error by hop count": windowed,
        "D by blocks": block,
        "D, kinisi": kinisi,
        "D, pymatgen, its own error": by_pymatgen(trajectory, temperature, interval_fs),
        "Nernst-Einstein conductivity [mS/cm]": "-" if sigma is None else f"{1000 * sigma:.3g}",
        "sites in the density": str(len(sites)),
        f"hops between them (spheres of 0.75 A, every {HOP_STRIDE}th frame)": str(hops.n_hops),
        "the same, sites found by site_analysis": str(
            hops_by_site_analysis(ions[every], trajectory.cells[every], sites)
        ),
        "time between sites": f"{100 * hops.fraction_between:.0f} %",
    }
    if numbers["diffusivity_windowed_cm2_per_s"] is None:
        facts["why there is no windowed D"] = numbers["diffusivity_windowed_reason"]
    if numbers["diffusivity_block_cm2_per_s"] is None:
        facts["why there is none by blocks"] = numbers["diffusivity_block_reason"]
    return [
        f"### {name}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in facts.items()),
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/aimd"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    lgps = read_trajectory(arguments.data / "Li10GeP2S12_600K.extxyz", frame_interval_fs=LGPS_FS)
    times = frame_interval_by_equipartition(lgps, 600.0)
    line = highest_line(lgps, "P")
    lines = [
        "Time between the frames of Li10GeP2S12_600K.extxyz, by equipartition at 600 K: "
        + ", ".join(f"{name} {fs:.2f} fs" for name, fs in times.items())
        + f". Strongest line of P: {line:.4f} per frame, which is "
        + ", ".join(
            f"{1000 * line / fs * CM_PER_THZ:.0f} cm^-1 at {fs:g} fs" for fs in (LGPS_FS, LGPS_CLAIMED_FS)
        )
        + ".",
        "",
        *rows_of("Li10GeP2S12, 4 fs per frame", lgps, 600.0, LGPS_FS),
    ]
    for exchange in ("0p", "100p"):
        files = sorted((arguments.data / f"Li6PS5Cl_500K_{exchange}").glob("run*_XDATCAR.gz"))
        argyrodite = read_trajectory(files, frame_interval_fs=ARGYRODITE_FS)
        name = f"Li6PS5Cl, {exchange.rstrip('p')} % of S and Cl exchanged"
        lines += rows_of(name, argyrodite, 500.0, ARGYRODITE_FS)
    text = "\n".join(lines)
    print(text, flush=True)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
