"""Milliseconds of energy and forces by a family's own calculator; runs in an environment of peers.

python cost.py FAMILY CHECKPOINT DTYPE STRUCTURE EVALUATIONS THREADS
"""

import json
import statistics
import sys
import time
import warnings

import ase.io
import numpy as np
import torch
from peer import calculator


def main(family: str, checkpoint: str, dtype: str, structure: str, evaluations: str, threads: str) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(threads))
    atoms = ase.io.read(structure)
    atoms.calc = calculator(family, checkpoint, dtype)
    random = np.random.default_rng(0)
    times = []
    for _ in range(1 + int(evaluations)):
        atoms.positions += random.normal(scale=0.01, size=atoms.positions.shape)
        start = time.perf_counter()
        atoms.get_forces()
        times.append(time.perf_counter() - start)
    print(json.dumps({"ms": 1000 * statistics.median(times[1:])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
