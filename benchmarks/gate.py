"""What the parity gate takes for the next crystal of a model: its own Python started anew, or kept.

    python -m benchmarks.gate sevennet-0 mace-mp-0-small

writes benchmarks/results/gate.md. Both in turn, of the same crystals, on one core, as workers of a campaign.
"""

import os
import sys
import time
from statistics import median

from benchmarks.page import COMMIT, processor, table, write_page
from hopkin.drivers.crystals import load_structure
from hopkin.drivers.models import fetch, find_model, lammps_environment, worker
from hopkin.drivers.workflows.parity import verify

CRYSTALS = ("LiCoO2-layered", "NaTiS2-layered-O3", "LiFePO4-olivine", "NaMnPO4-olivine", "LiNiPO4-maricite")


def seconds(name: str, crystal: str) -> float:
    """Time the gate of a crystal."""
    model, atoms = find_model(name), load_structure(crystal).atoms
    start = time.perf_counter()
    verify(model, atoms)
    return time.perf_counter() - start


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = []
    for name in sys.argv[1:]:
        fetch(find_model(name))
        lammps_environment(find_model(name))  # its service
        kept, anew = [], []
        for crystal in CRYSTALS:
            seconds(name, crystal)  # what the service makes for these elements
            kept.append(seconds(name, crystal))
            worker.end_idle()
            anew.append(seconds(name, crystal))
        rows.append(
            {
                "model": name,
                "anew [s]": median(anew),
                "kept [s]": median(kept),
                "kept/anew": median(kept) / median(anew),
                "commit": COMMIT,
            }
        )
    body = table(rows, 2)
    write_page("gate", "The gate for the next crystal", f"`python -m benchmarks.gate` on {processor()}", body)
    print(body)


if __name__ == "__main__":
    main()
