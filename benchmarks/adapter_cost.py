"""What an adapter costs beside its model: an evaluation by it against the model's own calculator.

    python -m benchmarks.adapter_cost [MODEL ...]

Each model is measured by the interpreter of its family, both in turn on the same rattled LiFePO4 cells of 28,
56 and 112 atoms, one thread, so that drift of the machine hits both alike. Printed: medians, that of the
ratios, what the matrix products of an evaluation by the adapter need [GFLOP], and how near that comes to the
speed of one large product in the same process. Writes benchmarks/results/adapter_cost.md, its notes kept.
"""

import json
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import replace

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


def measure(model: Model) -> list[dict[str, float]]:
    """Rows of the table, one for each cell."""
    warnings.simplefilter("ignore")
    adapter = load(model, "cpu")
    calculator = model.module.calculator(model, device="cpu")
    peak = gflop_per_s()
    return [measure_cell(adapter, calculator, repeats, peak) for repeats in REPEATS]


def gflop_per_s(size: int = 1024) -> float:
    """Speed of a product of square matrices in single precision."""
    import torch

    factor = torch.rand(size, size)
    times = []
    for _ in range(WARM_UP + COUNTED):
        start = time.perf_counter()
        factor @ factor
        times.append(time.perf_counter() - start)
    return 2e-9 * size**3 / statistics.median(times[WARM_UP:])


def measure_cell(
    adapter: Adapter, calculator: Calculator, repeats: tuple[int, int, int], peak: float
) -> dict[str, float]:
    """Measure a supercell."""
    from torch.utils.flop_counter import FlopCounterMode

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
    ours, theirs = (1000 * statistics.median(values) for values in zip(*counted, strict=True))
    # calculators of ASE remember what was just asked
    moved = replace(asked, positions=asked.positions + np.sin(asked.positions) / 100)
    with FlopCounterMode(display=False) as counter:
        adapter.evaluate(moved)
    gflop = 1e-9 * counter.get_total_flops()
    return {
        "atoms": len(crystal),
        "adapter [ms]": ours,
        "calculator [ms]": theirs,
        "ratio": statistics.median(ours / theirs for ours, theirs in counted),
        "products [GFLOP]": gflop,
        "of the peak": 1000 * gflop / ours / peak,
    }


def main(names: list[str]) -> None:
    import pandas as pd  # what the families' environments need not have

    from benchmarks.page import COMMIT, processor, write_page

    models = [find_model(name) for name in names] or [
        model
        for model in known_models().values()
        if model.route == "service" and model.state() == State.READY
    ]
    rows = []
    for model in models:
        command = [model.interpreter(), __file__, "--here", model.name]
        environment = {**environment_of(model.interpreter()), "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        rows += [{"model": model.name, **row} for row in json.loads(ended.stdout.splitlines()[-1])]
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows).to_markdown(index=False, floatfmt=".3g")
    made_by = (
        f"`python -m benchmarks.adapter_cost {' '.join(names)}` on {processor()}, commit {COMMIT}, one thread"
    )
    write_page(
        "adapter_cost", "An evaluation by an adapter, and by the model's own calculator", made_by, table
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        print(json.dumps(measure(find_model(sys.argv[2]))))
    else:
        main(sys.argv[1:])
