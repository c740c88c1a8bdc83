"""Images of a band on one GPU: as one batch, as the evaluation service has them, against a process for each.

    python benchmarks/gpu.py [--device cuda:0] [--images 1 3 5 9 17] [MODEL ...]

Milliseconds of a step of a band of LiFePO4 with a vacancy (55 atoms), medians: the images as one batch; by a
process of its own for each, all at the same time, as without the service; one after the other. The same for
sixteen crystals of 50 atoms that are not alike, as trajectories of a campaign are. Runs in the environment of
the models' family; `--device cpu` tries the script where there is no GPU.
"""

import argparse
import multiprocessing
import statistics
import time
import warnings
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
TRAJECTORIES = 16


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


def trajectories() -> list[Configuration]:
    crystals = [build_material(name) for name in ("Li10GeP2S12", "Li6PS5Cl")]
    return [configuration(rattled(crystals[n % 2], seed=n)) for n in range(TRAJECTORIES)]


def median_ms(evaluate: Any) -> float:
    times = []
    for _ in range(WARM_UP + COUNTED):
        start = time.perf_counter()
        evaluate()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def alone(name: str, device: str, asked: Configuration, together: Barrier, said: Any) -> None:
    """Be one process for one image: all begin a step at the same time, and wait for the last."""
    warnings.simplefilter("ignore")
    adapter = load(find_model(name), device)

    def step() -> None:
        together.wait()
        adapter.evaluate(asked)
        together.wait()

    said.put(median_ms(step))


def by_processes(name: str, device: str, asked: list[Configuration]) -> float:
    context = multiprocessing.get_context("spawn")
    together, said = context.Barrier(len(asked)), context.Queue()
    processes = [
        context.Process(target=alone, args=(name, device, one, together, said), daemon=True) for one in asked
    ]
    for process in processes:
        process.start()
    times = [said.get() for _ in processes]
    for process in processes:
        process.join()
    return max(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["chgnet-0.3.0"])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--images", type=int, nargs="+", default=[1, 3, 5, 9, 17])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("model, what, batch [ms], a process each [ms], one by one [ms], batch / process each")
    for name in given.models:
        adapter: Any = load(find_model(name), given.device)
        cases = {f"{n} images": band(n) for n in given.images}
        if given.device != "cpu":
            cases[f"{TRAJECTORIES} crystals"] = trajectories()
        for what, asked in cases.items():
            batch = median_ms(partial(adapter.evaluate_together, asked))
            one_by_one = median_ms(partial(Adapter.evaluate_batch, adapter, asked))
            apart = by_processes(name, given.device, asked)
            times = f"{batch:8.1f} {apart:8.1f} {one_by_one:8.1f} {batch / apart:6.2f}"
            print(f"{name:24} {what:12} {times}", flush=True)


if __name__ == "__main__":
    main()
