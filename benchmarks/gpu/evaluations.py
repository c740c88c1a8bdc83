"""Images of a band on one GPU: as one batch, as the evaluation service has them, against a process for each.

    python benchmarks/gpu/evaluations.py [--device cuda:0] [--images 1 3 5 9 17] [MODEL ...]

Milliseconds of a step of a band of LiFePO4 with a vacancy (55 atoms), medians: the images as one batch; by a
process of its own for each, all at the same time, as without the service; one after the other. The same for
sixteen crystals of 50 atoms that are not alike, as trajectories of a campaign are. Runs in the environment of
the models' family; `--device cpu` tries the script where there is no GPU.
"""

import argparse
import dataclasses
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np
from ase import Atoms

from hopkin.drivers.crystals import build_material
from hopkin.drivers.models import find_model
from hopkin.drivers.models.adapters import Adapter, Configuration
from hopkin.drivers.models.service.evaluators import load

WARM_UP, COUNTED = 3, 10

Evaluate = Callable[[Sequence[Configuration]], object]


def configuration(atoms: Atoms) -> Configuration:
    numbers = atoms.numbers.astype(np.int64)
    return Configuration(positions=atoms.positions, cell=atoms.cell.array, numbers=numbers)


def rattled(atoms: Atoms, seed: int) -> Atoms:
    """Copy with displaced atoms; the environment of a family need not have what workflows import."""
    copy = atoms.copy()
    copy.rattle(0.05, seed=seed)
    return copy


def band(n_images: int) -> list[Configuration]:
    """Images that differ as those of a band do."""
    crystal = build_material("LiFePO4-olivine").repeat((1, 2, 1))
    del crystal[0]
    return [configuration(rattled(crystal, seed=n)) for n in range(n_images)]


def trajectories(number: int) -> list[Configuration]:
    """Crystals that are not alike, as those of a campaign are."""
    crystals = [build_material(name) for name in ("Li10GeP2S12", "Li6PS5Cl")]
    return [configuration(rattled(crystals[n % 2], seed=n)) for n in range(number)]


def largest_difference(adapter: Adapter, asked: list[Configuration]) -> str:
    """Say how far a batch is from one by one: energies and forces."""
    together, apart = adapter.evaluate_together(asked), [adapter.evaluate(one) for one in asked]
    pairs = list(zip(together, apart, strict=True))
    energy = max(abs(a.energy - b.energy) / len(a.forces) for a, b in pairs)
    force = max(np.abs(a.forces - b.forces).max() for a, b in pairs)
    return f"(differs by {energy:.0e} eV/atom, {force:.0e} eV/A)"


def moved(asked: Sequence[Configuration], step: int) -> list[Configuration]:
    """Configurations a step later: a calculator knows those that it has seen."""
    shift = 1e-3 * (step + 1) * np.array([1.0, -1.0, 0.5])
    return [
        dataclasses.replace(one, positions=one.positions + shift * np.sin(one.positions)) for one in asked
    ]


def median_ms(evaluate: Callable[[int], object]) -> float:
    times = []
    for step in range(WARM_UP + COUNTED):
        start = time.perf_counter()
        evaluate(step)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def alone(name: str, device: str, n: int, cases: list[list[Configuration]], together: Barrier) -> None:
    """Be the process of configuration n of each case: all begin a step together, and wait for the last."""
    warnings.simplefilter("ignore")
    adapter = load(find_model(name), device)
    for asked in cases:
        for step in range(WARM_UP + COUNTED):
            together.wait()
            for one in moved(asked[n : n + 1], step):
                adapter.evaluate(one)
            together.wait()


def by_processes(name: str, device: str, cases: list[list[Configuration]]) -> list[float]:
    """Median time of a step of each case, a process for each configuration."""
    context = multiprocessing.get_context("spawn")
    most = max(len(asked) for asked in cases)
    together = context.Barrier(most + 1)
    for n in range(most):
        context.Process(target=alone, args=(name, device, n, cases, together), daemon=True).start()

    def step(_: int) -> None:
        together.wait()
        together.wait()

    return [median_ms(step) for _ in cases]


def step_of(evaluate: Evaluate, asked: Sequence[Configuration], step: int) -> None:
    evaluate(moved(asked, step))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["chgnet-0.3.0"])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 3, 5, 9, 17])
    parser.add_argument("--trajectories", type=int, default=16)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = {f"{n} images": band(n) for n in given.images}
    cases[f"{given.trajectories} crystals"] = trajectories(given.trajectories)
    print("model, what, batch [ms], a process each [ms], one by one [ms], batch / process each")
    for name in given.models:
        adapter: Any = load(find_model(name), given.device)
        apart = by_processes(name, given.device, list(cases.values()))
        for (what, asked), by_process in zip(cases.items(), apart, strict=True):
            batch = median_ms(partial(step_of, adapter.evaluate_together, asked))
            one_by_one = median_ms(partial(step_of, partial(Adapter.evaluate_batch, adapter), asked))
            times = f"{batch:8.1f} {by_process:8.1f} {one_by_one:8.1f} {batch / by_process:6.2f}"
            print(f"{name:24} {what:12} {times}  {largest_difference(adapter, asked)}", flush=True)


if __name__ == "__main__":
    main()
