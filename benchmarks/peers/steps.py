"""A step of LAMMPS by each way to evaluate a model, beside an evaluation by the family's own calculator.

Molecular dynamics of LiFePO4 at 300 K; milliseconds of a step, medians of runs in turn, after steps that warm
up; those of LAMMPS as its log says.
"""

import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import ase.io
import pandas as pd

from benchmarks.peers.calculators import python_of, timed, weights_of
from hopkin.drivers import engine
from hopkin.drivers.crystals import build_material
from hopkin.drivers.models import Model, fetch, find_model, lammps_environment

ROUNDS = 2
SIZES = {28: (1, 1, 1), 112: (1, 2, 2), 448: (2, 2, 4)}
STEPS = {28: 20, 112: 6, 448: 2}
EVALUATIONS = {28: 10, 112: 4, 448: 1}
WARM_UP = 3
THREADS = (1, 2)
WAYS = {  # options by which hopkin evaluates a family; the second is libtorch
    "mace": {"hopkin": ":route=service", "hopkin, libtorch": ":route=native"},
    "sevennet": {"hopkin": ":evaluator=hopkin", "hopkin, libtorch": ":evaluator=libtorch"},
}
COLOURS = {"hopkin": "C0", "hopkin, libtorch": "C1", "its own calculator": "C2"}
DECK = """
units metal
atom_modify map yes
read_data {n_atoms}.data
pair_style {model.pair_style}
pair_coeff * * {file} {elements}
velocity all create 600 1
fix motion all {fix}
timestep 0.001
thermo_style custom step etotal
thermo_modify format float %.10g
thermo {every}
run {warm_up}
run {steps}
"""


def run_lammps(
    directory: Path, model: Model, n_atoms: int, threads: int, *, fix: str, steps: int, every: int
) -> str:
    """Log of LAMMPS: LiFePO4 from 600 K, a few steps that warm up, then these."""
    atoms = build_material("LiFePO4-olivine").repeat(SIZES[n_atoms])
    elements = engine.elements_of(atoms)
    engine.write_structure(directory / f"{n_atoms}.data", atoms, elements)
    said = {"model": model, "file": model.pair_coeff(), "elements": " ".join(elements), "n_atoms": n_atoms}
    deck = DECK.format(**said, fix=fix, every=every, warm_up=WARM_UP, steps=steps)
    (directory / "deck.in").write_text(deck)
    engine.run_deck(directory, "deck.in", threads=threads, environment=lammps_environment(model))
    return (directory / "log.lammps").read_text()


def _by_lammps(directory: Path, model: Model, n_atoms: int, threads: int) -> float:
    steps = STEPS[n_atoms]
    fix = "nvt temp 300 300 0.1"
    log = run_lammps(directory, model, n_atoms, threads, fix=fix, steps=steps, every=1000)
    (seconds,) = re.findall(rf"Loop time of (\S+) .* for {steps} steps", log)
    return 1000 * float(seconds) / steps


def _by_calculator(directory: Path, model: Model, n_atoms: int, threads: int) -> float:
    file = directory / f"{n_atoms}.extxyz"
    ase.io.write(file, build_material("LiFePO4-olivine").repeat(SIZES[n_atoms]))
    how = (model.family, weights_of(model), model.options.get("dtype", "float32"))
    command = ["cost.py", *how, str(file), str(EVALUATIONS[n_atoms]), str(threads)]
    _, said = timed(command, directory, python_of(model), threads)
    return float(said["ms"])


def measure(name: str, sizes: Sequence[int], directory: Path) -> Iterator[dict[str, object]]:
    """Rows of the table: one for each size, number of threads and way."""
    model = find_model(name)
    ways: dict[str, Callable[[int, int], float]] = {}
    for way, option in WAYS.get(model.family, {"hopkin": ""}).items():
        variant = find_model(f"{name}{option}")
        fetch(variant)
        ways[way] = partial(_by_lammps, directory, variant)
    ways["its own calculator"] = partial(_by_calculator, directory, model)
    for n_atoms in sizes:
        for threads in THREADS:
            rounds = [{way: cost(n_atoms, threads) for way, cost in ways.items()} for _ in range(ROUNDS)]
            for way in ways:
                yield {
                    "model": name,
                    "atoms": n_atoms,
                    "threads": threads,
                    "by": way,
                    "ms": statistics.median(times[way] for times in rounds),
                    "of hopkin's": statistics.median(times[way] / times["hopkin"] for times in rounds),
                }
            print(name, n_atoms, threads, rounds[-1], file=sys.stderr, flush=True)


def draw(table: pd.DataFrame, file: Path) -> None:
    """Milliseconds of a step by size, on one thread: a panel for each model."""
    import matplotlib.pyplot as plt

    alone = table[table["threads"] == 1]
    models = list(dict.fromkeys(alone["model"]))
    figure, axes = plt.subplots(1, len(models), figsize=(3.2 * len(models), 3.4), sharey=True, squeeze=False)
    for axis, model in zip(axes[0], models, strict=True):
        for way, rows in alone[alone["model"] == model].groupby("by", sort=False):
            axis.loglog(rows["atoms"], rows["ms"], marker="o", label=way, color=COLOURS[way])
        axis.set(title=model, xlabel="atoms", xticks=list(SIZES), xticklabels=list(SIZES))
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("step on one thread [ms]")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file)
