"""Drift of the energy and memory of LAMMPS by each way to evaluate SevenNet: its network, and libtorch.

    python -m benchmarks.drift [MODEL]

LiFePO4 on one thread: 28 atoms, 500 steps of NVE of 1 fs from 600 K; the largest memory of a process for 448
atoms. Takes about ten minutes. Writes benchmarks/results/drift.md.
"""

import re
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.page import COMMIT, processor, write_page
from benchmarks.peers.steps import run_lammps
from hopkin.drivers.models import Model, fetch, find_model

WAYS = {
    "hopkin": "evaluator=hopkin",
    "hopkin, double": "evaluator=hopkin:dtype=float64",
    "hopkin, libtorch": "evaluator=libtorch",
}
STEPS = 500


def drift(model: Model) -> tuple[float, float]:
    """Slope of the total energy [meV/atom/ps], and its standard deviation about that [meV/atom]."""
    with tempfile.TemporaryDirectory() as folder:
        log = run_lammps(Path(folder), model, 28, 1, fix="nve", steps=STEPS, every=5)
    _, _, production = log.rpartition("\nrun ")
    rows = [line.split() for line in production.splitlines() if re.fullmatch(r" +\d+ +-[\d.]+ *", line)]
    step, energy = np.array(rows, dtype=float).T
    ps, meV_per_atom = step / 1000, 1000 * energy / 28
    line = np.polyfit(ps, meV_per_atom, 1)
    return float(line[0]), float(np.std(meV_per_atom - np.polyval(line, ps)))


def largest_memory(model: Model) -> float:
    """Largest memory of what this process starts [MB]."""
    with tempfile.TemporaryDirectory() as folder:
        run_lammps(Path(folder), model, 448, 1, fix="nve", steps=1, every=1)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main(name: str) -> None:
    rows = []
    with ProcessPoolExecutor(max_workers=1, max_tasks_per_child=1) as alone:
        for way, options in WAYS.items():
            model = find_model(f"{name}:{options}")
            fetch(model)
            slope, spread = drift(model)
            memory = alone.submit(largest_memory, model).result()
            rows.append((way, slope, spread, memory))
            print(rows[-1], file=sys.stderr, flush=True)
    columns = ["by", "drift [meV/atom/ps]", "about it [meV/atom]", "memory of 448 atoms [MB]"]
    table = pd.DataFrame(rows, columns=columns).to_markdown(index=False, floatfmt=("", ".4f", ".4f", ".0f"))
    made_by = f"`python -m benchmarks.drift {name}` on {processor()}, commit {COMMIT}"
    write_page("drift", f"Drift of the energy, and memory, of {name}", made_by, table)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["sevennet-0"])
