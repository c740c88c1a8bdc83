"""How much of a campaign is the model: processor time of evaluations over that of all cores while it runs.

    python -m benchmarks.campaign_efficiency [CAMPAIGN.yaml] [--jobs 40]

The model has to be one that a service evaluates. Its gate has been passed, and its service is warm, before.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.page import COMMIT, processor, write_page
from hopkin.drivers.campaigns import load_campaign
from hopkin.drivers.models import find_model, service_of

CAMPAIGN = Path(__file__).parent / "campaigns" / "cathodes.yaml"
TICKS = os.sysconf("SC_CLK_TCK")


def evaluators() -> dict[int, float]:
    """Processor time of each process of a service so far [s]."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"service.broker" not in (folder / "cmdline").read_bytes():
                continue
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(folder.name)] = (int(words[11]) + int(words[12])) / TICKS
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", nargs="?", type=Path, default=CAMPAIGN)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--workers", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--out", type=Path, help="keep the runs of the last number of workers there")
    asked = parser.parse_args()
    model = find_model(load_campaign(asked.campaign).models[0])
    service_of(model)
    cores = len(os.sched_getaffinity(0))
    rows = []
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as scratch:
            content = yaml.safe_load(asked.campaign.read_text())
            structures = [(entry, name) for entry in content["barriers"] for name in entry["structures"]]
            content["barriers"] = [
                {**entry, "structures": [name]} for entry, name in structures[: asked.jobs]
            ]
            path = Path(scratch) / "campaign.yaml"
            path.write_text(yaml.safe_dump(content))
            root = Path(scratch) / "results"
            if asked.out is not None and workers == asked.workers[-1]:
                root = asked.out
            before, spent = evaluators(), evaluators()
            start = time.monotonic()
            command = [Path(sys.executable).with_name("hopkin"), "bench", path, "--no-verify"]
            command += ["--workers", str(workers), "--out", root]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    time.sleep(0.2)
                    spent |= evaluators()
            wall = time.monotonic() - start
            ended = len(list(root.glob("*hop*/result.json")))
        busy = sum(seconds - before.get(number, 0.0) for number, seconds in spent.items())
        rows.append(
            {
                "workers": workers,
                "bands": ended,
                "wall [s]": f"{wall:.0f}",
                "evaluations, of all cores": f"{busy / cores / wall:.2f}",
                "commit": COMMIT,
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    write_page(
        "campaign_efficiency",
        "How much of a campaign is the model",
        f"`python -m benchmarks.campaign_efficiency --jobs {asked.jobs}` on {processor()}, {cores} cores;"
        f" {asked.campaign.name}, {model.name}",
        pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True),
    )


if __name__ == "__main__":
    main()
