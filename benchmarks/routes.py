"""A step of LAMMPS by the two ways to evaluate a model: libtorch, and what hopkin takes in its place.

    python benchmarks/routes.py [MODEL ...]         such as mace-mp-0-small:dtype=float64

Molecular dynamics of LiFePO4; milliseconds of a step, medians of runs in turn, each the difference of a long
run and a short one. The first run of all exports and compiles, and is not counted.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from hopkin.drivers import engine
from hopkin.drivers.crystals import build_material
from hopkin.drivers.models import Model, fetch, find_model, lammps_environment

REPEATS = 3
SIZES = {28: (1, 1, 1), 112: (1, 2, 2), 448: (2, 2, 4)}
STEPS = {28: (5, 25), 112: (2, 8), 448: (1, 3)}
WAYS = {
    "mace": ("route=native", "route=service"),  # libtorch, symmetrix-xl
    "sevennet": ("evaluator=libtorch", "evaluator=hopkin"),
}
DECK = """
units metal
atom_modify map yes
read_data {n_atoms}.data
pair_style {model.pair_style}
pair_coeff * * {file} {elements}
velocity all create 600 1
fix nvt all nvt temp 300 300 0.1
timestep 0.001
thermo 1000
run {steps}
"""


def seconds(directory: Path, model: Model, n_atoms: int, steps: int, threads: int) -> float:
    atoms = build_material("LiFePO4-olivine").repeat(SIZES[n_atoms])
    elements = engine.elements_of(atoms)
    engine.write_structure(directory / f"{n_atoms}.data", atoms, elements)
    said = {"model": model, "file": model.pair_coeff(), "elements": " ".join(elements)}
    (directory / "deck.in").write_text(DECK.format(**said, n_atoms=n_atoms, steps=steps))
    environment = lammps_environment(model)
    start = time.perf_counter()
    engine.run_deck(directory, "deck.in", threads=threads, environment=environment)
    return time.perf_counter() - start


def step_ms(directory: Path, model: Model, n_atoms: int, threads: int) -> float:
    short, long = STEPS[n_atoms]
    times = [seconds(directory, model, n_atoms, steps, threads) for steps in (short, long)]
    return 1000 * (times[1] - times[0]) / (long - short)


def main(names: list[str]) -> None:
    print("model, atoms, threads: by libtorch [ms], by what takes its place [ms], ratio")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            models = [find_model(f"{name}:{way}") for way in WAYS[find_model(name).family]]
            for model in models:
                fetch(model)
                seconds(Path(folder), model, 28, 1, 1)
            for n_atoms in SIZES:
                for threads in (1, 2):
                    pairs = [
                        [step_ms(Path(folder), model, n_atoms, threads) for model in models]
                        for _ in range(REPEATS)
                    ]
                    by_torch, by_other = (statistics.median(times) for times in zip(*pairs, strict=True))
                    ratio = statistics.median(other / torch for torch, other in pairs)
                    print(
                        f"{name}, {n_atoms}, {threads}: {by_torch:.0f}, {by_other:.0f}, {ratio:.3f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main(sys.argv[1:] or ["sevennet-0", "mace-mp-0-small", "mace-mp-0-small:dtype=float64"])
