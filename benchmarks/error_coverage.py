"""How often the error bars of a diffusivity, and of an activation energy, hold the truth.

Ions whose diffusivity is known move in four ways; each seed is one run, analysed as `hopkin analyze` does.

    python benchmarks/error_coverage.py [--seeds 100] [--kinisi-seeds 30] [--output FILE.md]
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.transport.arrhenius import Point, fit_arrhenius
from hopkin.analysis.transport.conductivity import BOLTZMANN_EV_PER_K
from hopkin.analysis.transport.diffusion import fit_windowed
from hopkin.analysis.transport.msd import windowed_msd_tensor
from hopkin.analysis.transport.uncertainty import (
    Estimate,
    choose_blocks,
    estimate_by_blocks,
    kinisi_posterior,
)

INTERVAL = 0.1  # ps
SITE_DISTANCE = 3.0  # A
VIBRATION = 0.3  # A, of each coordinate about its site
A2_PER_PS = 1.0e-4  # cm^2/s
PLANTED_ENERGY = 0.25  # eV
TEMPERATURES = (700.0, 850.0, 1000.0, 1200.0)


@dataclass(frozen=True)
class Motion:
    """Ions of a known diffusivity [A^2/ps]; `walk` makes their positions from a random generator."""

    name: str
    diffusivity: float
    walk: Callable[[np.random.Generator], FloatArray]


def brownian(rng: np.random.Generator, *, diffusivity: float, n_frames: int, n_ions: int) -> FloatArray:
    steps = rng.normal(scale=np.sqrt(2 * diffusivity * INTERVAL), size=(n_frames, n_ions, 3))
    return np.cumsum(steps, axis=0)


def hopping(
    rng: np.random.Generator, *, diffusivity: float, n_frames: int, n_ions: int, string: int = 1
) -> FloatArray:
    """Hops on a simple cubic lattice, of `string` ions together, with vibrations about the sites."""
    n_strings = n_ions // string
    rate = 6 * diffusivity / SITE_DISTANCE**2 * INTERVAL  # hops of an ion between two frames
    hops = rng.poisson(rate / 6, size=(n_frames, n_strings, 3, 2)) * [SITE_DISTANCE, -SITE_DISTANCE]
    places = np.cumsum(hops.sum(axis=-1), axis=0)
    return np.repeat(places, string, axis=1) + rng.normal(scale=VIBRATION, size=(n_frames, n_ions, 3))


MOTIONS = (
    Motion(
        "Brownian, 64 ions, 50 ps, D 2.5e-5", 0.25,
        lambda rng: brownian(rng, diffusivity=0.25, n_frames=501, n_ions=64),
    ),
    Motion(
        "hops on a lattice, 64 ions, 50 ps, D 2.5e-5", 0.25,
        lambda rng: hopping(rng, diffusivity=0.25, n_frames=501, n_ions=64),
    ),
    Motion(
        "hops of four ions together, 64 ions, 50 ps, D 2.5e-5", 0.25,
        lambda rng: hopping(rng, diffusivity=0.25, n_frames=501, n_ions=64, string=4),
    ),
    Motion(
        "few ions: hops, 10 ions, 100 ps, D 2.5e-5", 0.25,
        lambda rng: hopping(rng, diffusivity=0.25, n_frames=1001, n_ions=10),
    ),
    Motion(
        "slow: hops, 64 ions, 50 ps, D 5e-6", 0.05,
        lambda rng: hopping(rng, diffusivity=0.05, n_frames=501, n_ions=64),
    ),
)  # fmt: skip


def estimates(positions: FloatArray, *, with_kinisi: bool, seed: int) -> dict[str, Estimate]:
    """Tracer diffusivities with 95 % intervals, by name."""
    times = INTERVAL * np.arange(len(positions))
    msd = np.einsum("tii->t", windowed_msd_tensor(positions))
    fit = fit_windowed(times, msd, positions.shape[1])
    found = {"blocks": estimate_by_blocks(positions, INTERVAL, choose_blocks(msd))}
    if fit.diffusivity is not None and fit.standard_deviation is not None:
        half = 2 * fit.standard_deviation
        interval = (fit.diffusivity - half, fit.diffusivity + half)
        found["hop count (He, Zhu, Mo), 2 s"] = Estimate(
            diffusivity=fit.diffusivity, standard_error=fit.standard_deviation, interval=interval
        )
        found["least squares of the MSD, 2 s"] = _least_squares(times, msd, fit.window)
        if with_kinisi:
            found["kinisi"] = kinisi_posterior(positions, INTERVAL, fit.window[0], seed=seed)
    return found


def _least_squares(times: FloatArray, msd: FloatArray, window: tuple[float, float]) -> Estimate:
    """What a straight-line fit says of its own slope, as if the points of an MSD were independent."""
    inside = (times >= window[0]) & (times <= window[1])
    (slope, _), covariance = np.polyfit(times[inside], msd[inside], 1, cov=True)
    value, error = slope / 6 * A2_PER_PS, np.sqrt(covariance[0, 0]) / 6 * A2_PER_PS
    return Estimate(diffusivity=value, standard_error=error, interval=(value - 2 * error, value + 2 * error))


def measure(motion: Motion, n_seeds: int, *, n_kinisi: int) -> Iterator[str]:
    """Table rows: how each error bar did over the seeds."""
    truth = motion.diffusivity * A2_PER_PS
    found: dict[str, list[Estimate]] = {}
    for seed in range(n_seeds):
        positions = motion.walk(np.random.default_rng(seed))
        for name, estimate in estimates(positions, with_kinisi=seed < n_kinisi, seed=seed).items():
            if estimate.diffusivity is not None:
                found.setdefault(name, []).append(estimate)
    for name, all_estimates in sorted(found.items()):
        values = np.array([e.diffusivity for e in all_estimates]) / truth
        errors = np.array([e.standard_error for e in all_estimates]) / truth
        inside = sum(low <= truth <= high for low, high in (e.interval for e in all_estimates))
        yield (
            f"| {motion.name} | {name} | {len(values)} | {values.mean():.3f} | {values.std():.3f} "
            f"| {errors.mean():.3f} | {inside}/{len(values)} |"
        )


def measure_collective(n_seeds: int) -> str:
    """Table row: the collective diffusivity of strings of four, which is four times the tracer's."""
    truth, values, inside = 4 * 0.25 * A2_PER_PS, [], 0
    errors = []
    for seed in range(n_seeds):
        positions = MOTIONS[2].walk(np.random.default_rng(seed))
        msd = np.einsum("tii->t", windowed_msd_tensor(positions))
        together = positions.sum(axis=1, keepdims=True) / np.sqrt(positions.shape[1])
        estimate = estimate_by_blocks(together, INTERVAL, choose_blocks(msd))
        if estimate.diffusivity is not None:
            values.append(estimate.diffusivity / truth)
            errors.append(estimate.standard_error / truth)
            inside += estimate.interval[0] <= truth <= estimate.interval[1]
    return (
        f"| the same, collective | blocks | {len(values)} | {np.mean(values):.3f} | {np.std(values):.3f} "
        f"| {np.mean(errors):.3f} | {inside}/{len(values)} |"
    )


def measure_arrhenius(n_seeds: int, string: int) -> str:
    """Table row: the interval of the activation energy from four temperatures, weighted by blocks."""
    energies, errors, inside = [], [], 0
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        points = []
        for kelvin in TEMPERATURES:
            inverse = 1 / kelvin - 1 / max(TEMPERATURES)
            diffusivity = 0.6 * np.exp(-PLANTED_ENERGY / BOLTZMANN_EV_PER_K * inverse)
            positions = hopping(rng, diffusivity=diffusivity, n_frames=1001, n_ions=64, string=string)
            msd = np.einsum("tii->t", windowed_msd_tensor(positions))
            block = estimate_by_blocks(positions, INTERVAL, choose_blocks(msd))
            if block.diffusivity is not None:
                points.append(
                    Point(
                        temperature=kelvin,
                        diffusivity=block.diffusivity,
                        standard_error=block.standard_error,
                        degrees_of_freedom=block.n_blocks - 1,
                    )
                )
        try:
            fit = fit_arrhenius(points)
        except AnalysisError:
            continue
        energies.append(fit.activation_energy)
        errors.append(fit.standard_error)
        inside += fit.interval[0] <= PLANTED_ENERGY <= fit.interval[1]
    return (
        f"| {string} | {len(energies)} | {np.mean(energies):.4f} | {np.std(energies):.4f} "
        f"| {np.mean(errors):.4f} | {inside}/{len(energies)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--kinisi-seeds", type=int, default=30)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines = [
        "| motion | error bar | runs with a number | mean D / true | spread | mean stated error "
        "| truth inside 95 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for motion in MOTIONS:
        for row in measure(motion, arguments.seeds, n_kinisi=arguments.kinisi_seeds):
            lines.append(row)
            print(row, file=sys.stderr, flush=True)
    lines.append(measure_collective(arguments.seeds))
    lines += [
        "",
        f"Activation energy, planted {PLANTED_ENERGY} eV, 64 ions, 100 ps at 700, 850, 1000 and 1200 K:",
        "",
        "| ions that hop together | fits | mean Ea [eV] | spread | mean stated error | truth inside 95 % |",
        "|---|---|---|---|---|---|",
        measure_arrhenius(arguments.seeds, 1),
        measure_arrhenius(arguments.seeds, 4),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
