"""Drift of the energy and memory of LAMMPS by each way to evaluate SevenNet: its network, and libtorch.

    python benchmarks/drift.py [MODEL]

LiFePO4, 28 atoms, 1 ps of NVE by steps of 1 fs from 600 K, one thread; memory of a cell of 448 atoms.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hopkin.drivers import engine
from hopkin.drivers.crystals import build_material
from hopkin.drivers.models import Model, fetch, find_model, lammps_environment

WAYS = ("evaluator=libtorch", "evaluator=hopkin", "dtype=float64")
DECK = """
units metal
atom_modify map yes
read_data crystal.data
pair_style {model.pair_style}
pair_coeff * * {file} {elements}
velocity all create 600 1
fix nve all nve
timestep 0.001
thermo 10
thermo_style custom step etotal temp
thermo_modify format float %.10g
run {steps}
"""


def run(model: Model, repeats: tuple[int, int, int], steps: int) -> tuple[str, float]:
    """Log of a run, and the largest memory of a process of it [MB]."""
    atoms = build_material("LiFePO4-olivine").repeat(repeats)
    elements = engine.elements_of(atoms)
    with tempfile.TemporaryDirectory() as folder:
        engine.write_structure(Path(folder) / "crystal.data", atoms, elements)
        said = {"model": model, "file": model.pair_coeff(), "elements": " ".join(elements), "steps": steps}
        (Path(folder) / "deck.in").write_text(DECK.format(**said))
        environment = {**os.environ, **lammps_environment(model), "OMP_NUM_THREADS": "1"}
        command = ["/usr/bin/time", "-f", "%M", *engine.command("deck.in")]
        ended = subprocess.run(
            command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, check=True
        )
        return (Path(folder) / "log.lammps").read_text(), int(ended.stderr.split()[-1]) / 1024


def main(name: str) -> None:
    """Print both for each way."""
    for way in WAYS:
        model = find_model(f"{name}:{way}")
        fetch(model)
        log, _ = run(model, (1, 1, 1), 1000)
        rows = [line.split() for line in log.splitlines() if re.fullmatch(r" +\d+( +[-\d.]+){2} *", line)]
        step, energy, _ = np.array(rows, dtype=float).T
        slope = np.polyfit(step, energy, 1)[0] * 1e6 / 28
        spread = 1e3 * np.std(energy - np.polyval(np.polyfit(step, energy, 1), step)) / 28
        _, memory = run(model, (2, 2, 4), 1)
        print(f"{way}: drift {slope:.4f} meV/atom/ps, about it {spread:.4f} meV/atom; {memory:.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["sevennet-0"])
