"""What an adapter costs beside its model: an evaluation by it against the model's own calculator.

    python benchmarks/adapter_cost.py [MODEL ...]

Each model is measured by the interpreter of its family, both in turn on the same rattled LiFePO4 cells of 28,
56 and 112 atoms, one thread, so that drift of the machine hits both alike. Printed: medians, and the median
of the ratios.
"""

import json
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np
from ase.calculators.calculator import Calculator

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.engine import environment_of
from hopkin.drivers.models.adapters import Adapter, Configuration
from hopkin.drivers.models.model import Model, State
from hopkin.drivers.models.registry import find_model, known_models
from hopkin.drivers.models.service.evaluators import load

WARM_UP, COUNTED = 2, 9
REPEATS = ((1, 1, 1), (1, 2, 1), (1, 2, 2))


def measure(model: Model) -> list[tuple[int, float, float, float]]:
    """Atoms, milliseconds of the adapter and of the calculator, and their ratio."""
    warnings.simplefilter("ignore")
    adapter = load(model, "cpu")
    calculator = model.module.calculator(model, device="cpu")
    return [measure_cell(adapter, calculator, repeats) for repeats in REPEATS]


def measure_cell(
    adapter: Adapter, calculator: Calculator, repeats: tuple[int, int, int]
) -> tuple[int, float, float, float]:
    """Measure a supercell."""
    crystal = build_material("LiFePO4-olivine").repeat(repeats)
    numbers = crystal.numbers.astype(np.int64)
    pairs = []
    for seed in range(WARM_UP + COUNTED):
        atoms = crystal.copy()
        atoms.rattle(0.05, seed=seed)
        asked = Configuration(positions=atoms.positions, cell=atoms.cell.array, numbers=numbers)
        start = time.perf_counter()
        adapter.evaluate(asked)
        between = time.perf_counter()
        atoms.calc = calculator
        atoms.get_stress()
        atoms.get_forces()
        pairs.append((between - start, time.perf_counter() - between))
    counted = pairs[WARM_UP:]
    medians = [1000 * statistics.median(values) for values in zip(*counted, strict=True)]
    ratio = statistics.median(ours / theirs for ours, theirs in counted)
    return len(crystal), medians[0], medians[1], ratio


def main(names: list[str]) -> None:
    models = [find_model(name) for name in names] or [
        model
        for model in known_models().values()
        if model.route == "service" and model.state() == State.READY
    ]
    print("model, atoms, adapter [ms], calculator [ms], ratio")
    for model in models:
        command = [model.interpreter(), __file__, "--here", model.name]
        environment = {**environment_of(model.interpreter()), "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for n_atoms, ours, theirs, ratio in json.loads(ended.stdout.splitlines()[-1]):
            print(f"{model.name:28s} {n_atoms:5d} {ours:8.0f} {theirs:8.0f} {ratio:8.2f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(measure(find_model(sys.argv[2]))))
    else:
        main(sys.argv[1:])
