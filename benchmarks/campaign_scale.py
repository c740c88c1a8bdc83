"""What a campaign itself costs: planned, run, resumed and tabulated, from a hundred jobs to ten thousand.

    python -m benchmarks.campaign_scale [--jobs 100 1000 10000]

A job is a toy: it makes its run directory and its result as a band does, and LAMMPS is not started. What is
left is the campaign: Parsl, run directories, the record, the tables. Seconds are of a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.page import processor, write_page

COUNTS = (100, 1000, 10000)


def campaign(folder: Path, n_jobs: int) -> Path:
    """Write a campaign of pairs of ends."""
    import ase
    import ase.io

    frames = []
    for n in range(n_jobs):
        for image, shift in (("initial", 0.0), ("final", 1.5)):
            atoms = ase.Atoms(
                "LiO", positions=[[1e-4 * n + shift, 2, 2], [0, 0, 0]], cell=3 * [6.0], pbc=True
            )
            atoms.info = {"sys_name": f"pair{n}", "image": image}
            frames.append(atoms)
    ase.io.write(folder / "ends.extxyz", frames)
    path = folder / "campaign.yaml"
    path.write_text(
        "name: toy\nmodels: ['ase:ase.calculators.emt:EMT']\npairs: [{endpoints: ends.extxyz, ion: Li}]\n"
    )
    return path


def part(name: str, path: Path, root: Path) -> dict[str, float]:
    """Do a part of the life of a campaign in this process: seconds, and most memory."""
    from hopkin.analysis.comparison import write_tables
    from hopkin.drivers.campaigns import bench, load_campaign, load_executor, plan
    from hopkin.drivers.models import find_model
    from hopkin.drivers.workflows import band, barrier

    found = {
        "energies_eV": [0.0, 0.3, 0.5, 0.3, 0.0],
        "forward_barrier_eV": 0.5,
        "reverse_barrier_eV": 0.5,
        "barrier_eV": 0.5,
        "converged": True,
        "attempts": [],
        "failure": None,
    }
    barrier.relaxed_band = lambda *_, **__: band.NO_BAND | found  # LAMMPS's part
    asked = load_campaign(path)
    models = [find_model(model) for model in asked.models]
    start = time.perf_counter()
    jobs = plan(asked, path.parent, models)
    if name != "plan":
        start = time.perf_counter()
        if name == "tables":
            write_tables(root)
        else:
            bench.run_campaign(
                asked.name, jobs, root, load_executor("local", 2), verify=False, show=lambda _: None
            )
    return {
        "seconds": time.perf_counter() - start,
        "memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", nargs="+", type=int, default=COUNTS)
    parser.add_argument("--part", nargs=3)
    asked = parser.parse_args()
    if asked.part:
        name, path, root = asked.part
        print(json.dumps(part(name, Path(path), Path(root))))
        return
    rows = []
    for n_jobs in asked.jobs:
        with tempfile.TemporaryDirectory() as scratch:
            path = campaign(Path(scratch), n_jobs)
            for name in ("plan", "run", "resume", "tables"):
                command = [sys.executable, "-m", "benchmarks.campaign_scale"]
                command += ["--part", name, str(path), str(Path(scratch) / "results")]
                ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found = json.loads(ended.stdout.splitlines()[-1])
                per_thousand = 1000 * found["seconds"] / n_jobs
                rows.append(
                    {
                        "jobs": n_jobs,
                        "part": name,
                        "s": f"{found['seconds']:.3g}",
                        "s per thousand": f"{per_thousand:.3g}",
                        "memory [MB]": f"{found['memory_MB']:.0f}",
                    }
                )
                print(rows[-1], file=sys.stderr, flush=True)
    table = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    write_page(
        "campaign_scale",
        "What a campaign itself costs",
        f"`python -m benchmarks.campaign_scale` on {processor()}, two workers",
        f"Jobs are toys: LAMMPS is not started, all else is as in a band.\n\n{table}",
    )


if __name__ == "__main__":
    main()
