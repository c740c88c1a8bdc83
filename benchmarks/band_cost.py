"""What a step of a band costs where its ranks share cores, against evaluations alone.

    python benchmarks/band_cost.py RUN_DIR [--cores 1]

Runs 20 steps of the band of a finished barrier run, a rank for each image and end, all bound to the first
cores, and a relaxation of as many steps of one of its images. Ideal: a step of the band takes as long as its
images one by one.
"""

import argparse
import os
import re
import shutil
import tempfile
from pathlib import Path

from hopkin.analysis.comparison.results import read_object
from hopkin.drivers import engine
from hopkin.drivers.models import Model, find_model, lammps_environment

STEPS = 10
ALONE = f"min_style fire\nmin_modify norm two dmax 0.1\nminimize 0.0 0.0 {STEPS} {STEPS}\n"


def seconds_per_step(run: Path, model: Model, *, band: bool) -> float:
    """Time the second ten of twenty steps: the first ones warm up."""
    deck = (run / "neb.in").read_text()
    if band:
        deck = re.sub(r"(?m)^(neb +\S+ \S+) \d+ \d+", rf"\1 {STEPS} {STEPS}", deck)
    else:
        deck = deck.partition("fix             band")[0] + "timestep 0.002\n" + 2 * ALONE
        deck = re.sub(r"(?m)^variable +name .*", "variable name string image_1", deck)
    with tempfile.TemporaryDirectory() as folder:
        images = list(run.glob("image_*.data"))
        for file in (*images, *run.glob("model.*")):
            shutil.copy(file, folder)
        (Path(folder) / "in.lmp").write_text(deck)
        environment, replicas = lammps_environment(model), len(images) if band else 1
        engine.run_deck(Path(folder), "in.lmp", environment=environment, replicas=replicas)
        log = (Path(folder) / ("log.lammps.1" if band else "log.lammps")).read_text()
    return float(re.findall(rf"Loop time of (\S+) .* for {STEPS} steps", log)[1]) / STEPS


def main() -> None:
    """Print both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cores", type=int, default=1)
    asked = parser.parse_args()
    result = read_object(asked.run / "result.json")
    model = find_model(result["model"])
    os.sched_setaffinity(0, range(asked.cores))  # the ranks inherit it
    alone = seconds_per_step(asked.run, model, band=False)
    together = seconds_per_step(asked.run, model, band=True)
    images = result["images"]
    print(f"{result['model']}, {result['n_atoms']} atoms, {images} images on {asked.cores} cores")
    print(f"an image alone {alone:.3f} s, a step of the band {together:.3f} s:")
    print(f"{together / images / alone:.2f} of what its images take one by one on one core")


if __name__ == "__main__":
    main()
