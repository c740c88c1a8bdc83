"""LAMMPS with the evaluation service on a GPU: steps of bands, and of trajectories at once against one alone.

    python benchmarks/gpu/runs.py [--images 1 3 5 9 17] [--trajectories 16] [MODEL ...]

Milliseconds of a step of LAMMPS `neb` (FIRE; LiFePO4 with a vacancy, 55 atoms), ends beside the images; of
NVT of crystals of 50 and 52 atoms, one trajectory alone and all at the same time. Each is the difference of a
long run and a short one. `HOPKIN_DEVICE=cpu` tries the script where there is no GPU.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ase import Atoms

from hopkin.drivers import engine
from hopkin.drivers.crystals import build_material
from hopkin.drivers.models import find_model, lammps_environment

SHORT, LONG = 10, 60

HEAD = """
units metal
atom_modify map yes
read_data {data}
pair_style hopkin
pair_coeff * * {model} {elements}
"""
BAND = """
fix band all neb 1.0 parallel neigh
min_style fire
timestep 0.002
thermo 1000
neb 0.0 1e-9 {steps} 0 {steps} none
"""
NVT = """
velocity all create 800 {seed}
fix nvt all nvt temp 800 800 0.1
timestep 0.001
thermo 1000
run {steps}
"""


def write_data(directory: Path, name: str, atoms: Atoms) -> str:
    elements = engine.decks.elements_of(atoms)
    engine.decks.write_structure(directory / name, atoms, elements)
    return " ".join(elements)


def seconds(directory: Path, deck: str, model: str, *, replicas: int = 1) -> float:
    """Wall time of a deck."""
    directory.mkdir(exist_ok=True)
    (directory / "deck.in").write_text(deck)
    environment = lammps_environment(find_model(model))
    start = time.perf_counter()
    engine.run_deck(directory, "deck.in", replicas=replicas, environment=environment)
    return time.perf_counter() - start


def band(scratch: Path, model: str, n_images: int) -> float:
    """Milliseconds of a step of a band."""
    replicas = n_images + 2
    crystal = build_material("LiFePO4-olivine").repeat((1, 2, 1))
    del crystal[0]
    directory = scratch / f"band{n_images}"
    directory.mkdir()
    for n in range(replicas):
        image = crystal.copy()
        image.rattle(0.05, seed=n)
        elements = write_data(directory, f"{n}.data", image)
    head = f"variable n world {' '.join(map(str, range(replicas)))}\n" + HEAD.format(
        data="${n}.data", model=model, elements=elements
    )
    short, long = (
        seconds(directory, head + BAND.format(steps=steps), model, replicas=replicas)
        for steps in (SHORT, LONG)
    )
    return 1000 * (long - short) / (LONG - SHORT)


def trajectories(scratch: Path, model: str, number: int) -> float:
    """Milliseconds of a step of all of them."""
    crystals = [build_material(name) for name in ("Li10GeP2S12", "Li6PS5Cl")]

    def run(n: int, steps: int) -> float:
        directory = scratch / f"md{n}"
        directory.mkdir(exist_ok=True)
        elements = write_data(directory, "cell.data", crystals[n % 2])
        head = HEAD.format(data="cell.data", model=model, elements=elements)
        return seconds(directory, head + NVT.format(seed=n + 1, steps=steps), model)

    times = []
    with ThreadPoolExecutor(number) as threads:
        for steps in (SHORT, LONG):
            start = time.perf_counter()
            list(threads.map(run, range(number), [steps] * number))
            times.append(time.perf_counter() - start)
    return 1000 * (times[1] - times[0]) / (LONG - SHORT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["chgnet-0.3.0"])
    parser.add_argument("--images", type=int, nargs="+", default=[1, 3, 5, 9, 17])
    parser.add_argument("--trajectories", type=int, default=16)
    given = parser.parse_args()
    for name in given.models:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            for n in given.images:
                print(f"{name}: {n} images and 2 ends, a step {band(scratch, name, n):.1f} ms", flush=True)
            alone = trajectories(scratch, name, 1)
            together = trajectories(scratch, name, given.trajectories)
            ratio = together / (given.trajectories * alone)
            print(
                f"{name}: a step of one trajectory {alone:.1f} ms, of {given.trajectories} at once"
                f" {together:.1f} ms, ratio to one after the other {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
