"""What a command costs before its first useful line, as a process of its own, at several commits in turn.

Each commit's Python files are laid over the hopkin that is installed here. Commands of all commits take
turns, so that other work on the machine meets them alike; compare the processor times where there is any.

    python benchmarks/startup.py COMMIT [COMMIT ...] [--repeats 5] [--output benchmarks/results/startup.md]
"""

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np

# What is aimed at, to the first line [s]
COMMANDS: dict[str, tuple[str, float]] = {
    "`--help`": ("--help", 0.5),
    "`materials`": ("materials", 1.5),
    "`models list`": ("models list", 1.5),
    "`hops`, of a material": ("hops LiFePO4-olivine", 1.5),
    "`analyze`, 50 frames of 100 atoms": ("analyze walk.extxyz -T 600 --frame-interval-fs 100", 2.0),
    "refused: no such model": ("barrier LiFePO4-olivine --model sevenet-0", 1.0),
    "refused: a temperature of -1 K": ("md LiFePO4-olivine --model sevennet-0 -T -1", 1.0),
    "refused: no such option": ("barrier LiFePO4-olivine --modle sevennet-0", 1.0),
}
PARTS = ("drivers", "analysis", "lammps_inputs", "models")


def overlay(commit: str, folder: Path) -> str:
    """Lay out a commit as a folder for PYTHONPATH, and give its short name."""
    package = folder / "hopkin"
    archive = subprocess.run(["git", "archive", commit, *PARTS], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(package, filter="data")
    (package / "lib").symlink_to(str(resources.files("hopkin").joinpath("lib")))
    command = ["git", "rev-parse", "--short", commit]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def walk(path: Path) -> None:
    """Write a random walk of 40 ions among 60 anions."""
    rng = np.random.default_rng(0)
    sites = rng.uniform(0.0, 12.0, (100, 3))
    species = ["Li"] * 40 + ["S"] * 60
    with path.open("w") as file:
        for _ in range(50):
            sites[:40] += rng.normal(scale=0.2, size=(40, 3))
            file.write('100\nLattice="12 0 0 0 12 0 0 0 12" Properties=species:S:1:pos:R:3 pbc="T T T"\n')
            for name, (x, y, z) in zip(species, sites, strict=True):
                file.write(f"{name} {x:.6f} {y:.6f} {z:.6f}\n")


def measure(words: str, pythonpath: Path, folder: Path) -> tuple[float, float]:
    """Wall time to the first line, and processor time of the whole process [s]."""
    script = Path(sys.executable).parent / "hopkin"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with subprocess.Popen(
        [script, *words.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(pythonpath), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wall = time.perf_counter() - start
        process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        walk(folder / "walk.extxyz")
        paths = {
            overlay(commit, folder / f"at-{n}"): folder / f"at-{n}"
            for n, commit in enumerate(arguments.commits)
        }
        rows = []
        for name, (words, aim) in COMMANDS.items():
            measured: dict[str, list[tuple[float, float]]] = {commit: [] for commit in paths}
            for path in paths.values():
                measure(words, path, folder)  # fills the caches: bytecode, and files
            for _ in range(arguments.repeats):
                for commit, path in paths.items():
                    measured[commit].append(measure(words, path, folder))
            for commit, times in measured.items():
                wall, user = (statistics.median(part) for part in zip(*times, strict=True))
                least = min(wall for wall, _ in times)
                rows.append(f"| {name} | {commit} | {user:.2f} | {wall:.2f} | {least:.2f} | {aim:g} |")
                print(rows[-1], flush=True)
    table = "\n".join(
        [
            "| command | commit | processor [s] | wall [s] | least wall [s] | aim, wall [s] |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )
    load = os.getloadavg()[0]
    text = (
        "# Start-up of the commands\n\n"
        f"`python benchmarks/startup.py {' '.join(paths)}`\n\n"
        f"Time to the first line of output, and processor time of the whole process, medians of"
        f" {arguments.repeats}, the commits in turn; {os.cpu_count()} processors, load {load:.0f} with other"
        f" work.\n\n{table}\n"
    )
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
