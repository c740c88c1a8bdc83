"""Time and memory of a full analysis of a long trajectory, beside the classes of MDAnalysis on the same file.

A LAMMPS dump of 25,000 frames (50 ps at 2 fs) of 400 atoms is made, read and analysed: windowed and
single-origin MSD of every species, D with its errors, RDF of all pairs to 10 A from frames every 0.2 ps of
the last 20 ps, as the published protocol has it. Each part runs in a process of its own.

    pip install tidynamics                        # what MDAnalysis takes its fast MSD from
    python benchmarks/analysis_speed.py [--frames 25000] [--output benchmarks/results/analysis_speed.md]
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

SPECIES = ["Li"] * 192 + ["P"] * 32 + ["S"] * 144 + ["Cl"] * 32
BOX = 20.0  # A
TIMESTEP = 0.002  # ps
DIFFUSIVITY = 0.3  # A^2/ps
TYPES = {"Cl": 1, "Li": 2, "P": 3, "S": 4}
RDF_STRIDE, RDF_START = 100, 0.6  # 0.2 ps; the last 40 %


def write_dump(path: Path, n_frames: int) -> None:
    rng = np.random.default_rng(0)
    n = len(SPECIES)
    ions = np.array([name == "Li" for name in SPECIES])
    rows = "".join(f"{i + 1} {TYPES[name]} {name} %.6f %.6f %.6f\n" for i, name in enumerate(SPECIES))
    box = f"ITEM: BOX BOUNDS pp pp pp\n0 {BOX}\n0 {BOX}\n0 {BOX}\n"
    sites = rng.uniform(0.0, BOX, (n, 3))
    with path.open("w") as file:
        for k in range(n_frames):
            sites[ions] += rng.normal(scale=np.sqrt(2 * DIFFUSIVITY * TIMESTEP), size=(ions.sum(), 3))
            positions = sites + rng.normal(scale=0.1, size=(n, 3))
            file.write(f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n{n}\n{box}")
            file.write("ITEM: ATOMS id type element xu yu zu\n" + rows % tuple(positions.ravel()))


def with_hopkin(path: Path) -> str:
    from hopkin.analysis.trajectories.trajectory import read_trajectory
    from hopkin.analysis.transport.transport import analyze

    result = analyze(read_trajectory(path, timestep_fs=1000 * TIMESTEP), "Li", temperature_K=800.0)
    block = result.block
    return f"D {block.diffusivity:.3g} +- {block.standard_error:.1g} cm^2/s, {block.n_blocks} blocks"


def with_hopkin_reading(path: Path) -> str:
    from hopkin.analysis.trajectories.trajectory import read_trajectory

    return f"{len(read_trajectory(path, timestep_fs=1000 * TIMESTEP).times_ps)} frames"


def _universe(path: Path):
    warnings.simplefilter("ignore")
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(len(SPECIES), trajectory=False)
    universe.add_TopologyAttr("elements", SPECIES)
    return universe.load_new(str(path), format="LAMMPSDUMP", lammps_coordinate_convention="unwrapped")


def with_mdanalysis_reading(path: Path) -> str:
    return f"{sum(1 for _ in _universe(path).trajectory)} frames"


def with_mdanalysis_msd(path: Path) -> str:
    from MDAnalysis.analysis.msd import EinsteinMSD

    msd = EinsteinMSD(_universe(path), select="element Li", fft=True).run().results.timeseries
    return f"MSD {msd[len(msd) // 2]:.4f} A^2 at half the run"


def with_mdanalysis_rdf(path: Path) -> str:
    from MDAnalysis.analysis.rdf import InterRDF

    universe = _universe(path)
    groups = {name: universe.select_atoms(f"element {name}") for name in sorted(TYPES)}
    start = int(RDF_START * len(universe.trajectory))
    for a, b in itertools.combinations_with_replacement(groups, 2):
        exclusion = (1, 1) if a == b else None
        InterRDF(groups[a], groups[b], nbins=200, range=(0.0, 10.0), exclusion_block=exclusion).run(
            start=start, step=RDF_STRIDE
        )
    return "10 pairs, nearest images only"


PARTS = {
    "hopkin, everything": with_hopkin,
    "hopkin, reading alone": with_hopkin_reading,
    "MDAnalysis, reading alone": with_mdanalysis_reading,
    "MDAnalysis, EinsteinMSD (fft) of Li": with_mdanalysis_msd,
    "MDAnalysis, InterRDF of 10 pairs": with_mdanalysis_rdf,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=25_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--dump", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        start = time.monotonic()
        said = PARTS[arguments.part](arguments.dump)
        wall = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
        print(f"| {arguments.part} | {wall:.1f} | {cpu:.1f} | {memory:.2f} | {said} |")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.dump or Path(folder) / "trajectory.dump"
        if not path.exists():
            write_dump(path, arguments.frames)
        lines = [
            f"{arguments.frames} frames of {len(SPECIES)} atoms, {path.stat().st_size / 1e6:.0f} MB of text; "
            f"{os.process_cpu_count() if hasattr(os, 'process_cpu_count') else len(os.sched_getaffinity(0))} "
            f"processors, load {os.getloadavg()[0]:.0f} from other work.",
            "",
            "| what | wall [s] | processor [s] | peak memory [GiB] | result |",
            "|---|---|---|---|---|",
        ]
        for part in PARTS:
            command = [sys.executable, __file__, "--part", part, "--dump", str(path)]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            lines.append(said.stdout.strip())
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
