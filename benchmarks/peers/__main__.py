"""hopkin beside the families' own calculators, and beside ASE, matcalc and janus-core: one run, in turn.

    python -m benchmarks.peers [MODEL ...] [--only steps|barriers] [--sizes 28 112]

Steps: `steps.py`. Barriers: the channel hop of LiFePO4 (55 atoms, 3 images). Its two ends as they are cut
from the relaxed crystal are given to each as files; it relaxes them to 0.05 eV/A and converges a climbing
band to that. Bands start by IDPP, matcalc's from a straight line. The peers' limit is the largest force on
an atom, hopkin's the norm of all forces of an image: it goes further. Seconds are of the whole process,
imports too; hopkin's gate has been passed before. "Served" is with the model warm, as in a campaign or by
`hopkin serve`. Takes about an hour; models that are named alone are measured anew, and the rows of others
kept. Writes benchmarks/results/peers.md, and its figure.
"""

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import pandas as pd

from benchmarks.page import COMMIT, RESULTS, processor, read_table, write_page
from benchmarks.peers.calculators import python_of, served, timed, weights_of
from benchmarks.peers.steps import SIZES, draw, measure
from hopkin.drivers.crystals import load_structure
from hopkin.drivers.hops import vacancy_endpoints
from hopkin.drivers.models import Model, fetch, find_model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows.barrier import select_hops
from hopkin.drivers.workflows.relaxation import relax_bulk

TABLES, FIGURE = (RESULTS / f"peers{ending}" for ending in ("_{}.csv", ".svg"))
MODELS = (
    "sevennet-0",
    "mace-mp-0-small",
    "mace-mp-0-small:dtype=float64",
    "chgnet-0.3.0",
    "m3gnet-mp-2021.2.8",
)
PEERS = ("ase", "matcalc", "janus-core")
MATERIAL = "LiFePO4-olivine"
THREADS = 2
ROUNDS = 1
SERVICE_ENDS_S = 4  # after which that of the run before has ended


def write_ends(model: Model, folder: Path) -> None:
    """Cut both ends from the crystal as the model relaxes it."""
    fetch(model)
    structure = load_structure(MATERIAL)
    asked = BarrierSpecification(model=model.name, images=3, repeats=(1, 2, 1))
    bulk = relax_bulk(structure, model, folder, asked, say=lambda _: None).atoms
    (hop,) = select_hops(structure, "Li", 5.0, "0")
    ends = vacancy_endpoints(bulk, hop.on(bulk), (1, 2, 1))
    for name, end in zip(("initial", "final"), ends, strict=True):
        ase.io.write(folder / f"{name}.extxyz", end)


def barriers(name: str, folder: Path) -> Iterator[dict[str, object]]:
    """Rows of the table of barriers for one model."""
    model = find_model(name)
    write_ends(model, folder)
    ours = [
        "hopkin",
        "neb",
        "initial.extxyz",
        "final.extxyz",
        "--model",
        name,
        "--images",
        "3",
        "--ion",
        "Li",
    ]
    own = partial(timed, folder=folder, python=Path(sys.executable), threads=THREADS)
    own([*ours, "--json", "--out", "first"])  # passes the gate
    python = python_of(model)
    how = (model.family, weights_of(model), model.options.get("dtype", "float32"), str(THREADS))
    runs: dict[str, list[tuple[float, dict[str, Any]]]] = {who: [] for who in ("hopkin", *PEERS)}
    if model.family == "matgl":  # the published M3GNet wants older packages than the others accept
        runs = {who: runs[who] for who in ("hopkin", "ase")}
    if model.route == "service":
        runs = {"hopkin": runs["hopkin"], "hopkin, served": [], **runs}
    for n in range(ROUNDS):
        for who, found in runs.items():
            if who == "hopkin":
                time.sleep(SERVICE_ENDS_S)  # that of this process is another: its PYTHONPATH is
                found.append(own([*ours, "--json", "--out", f"run{n}"]))
            elif who == "hopkin, served":
                with served(model, Path(sys.executable), THREADS):
                    own([*ours, "--json", "--out", f"warm{n}"])
                    found.append(own([*ours, "--json", "--out", f"served{n}"]))
            else:
                found.append(timed(["peer.py", who, *how], folder, python, THREADS))
            print(name, who, found[-1][0], file=sys.stderr, flush=True)
    for who, found in runs.items():
        pairs = zip(found, runs["hopkin"], strict=True)
        said = found[-1][1]
        yield {
            "model": name,
            "by": who,
            "barrier [eV]": said["barrier_eV"],
            "evaluations": said.get("evaluations", said.get("force_evaluations")),
            "wall time [s]": statistics.median(seconds for seconds, _ in found),
            "of hopkin's": statistics.median(theirs / ours for (theirs, _), (ours, _) in pairs),
        }


def keep(what: str, rows: list[dict[str, object]]) -> pd.DataFrame:
    """Put the rows of a model into a table on disk, in place of older ones."""
    file = Path(str(TABLES).format(what))
    table = pd.DataFrame(rows).assign(commit=COMMIT)
    if file.is_file():
        case = ["model", *({"atoms"} & set(table))]
        before = read_table(file)
        anew = before.set_index(case).index.isin(table.set_index(case).index)
        table = pd.concat([before[~anew], table])
    table = table.sort_values("model", key=lambda names: names.map((*MODELS, *names).index), kind="stable")
    table.to_csv(file, index=False, float_format="%.6g")
    return table


def write_tables() -> None:
    """Write the page from the tables."""
    steps, bands = (read_table(str(TABLES).format(what)) for what in ("steps", "barriers"))
    draw(steps, FIGURE)
    bands["barrier [eV]"] = bands["barrier [eV]"].map("{:.3f}".format)
    for table, column in ((steps, "ms"), (bands, "wall time [s]")):
        table[column] = table[column].map("{:.3g}".format)
        table["of hopkin's"] = table["of hopkin's"].map("{:.1f}".format)
    barrier, step = (table.to_markdown(index=False, disable_numparse=True) for table in (bands, steps))
    body = (
        "## A barrier\n\nThe channel hop of LiFePO4, 55 atoms, 3 images;"
        f" {THREADS} threads; rounds: {ROUNDS}."
        f"\n\n{barrier}\n\n## A step\n\nLiFePO4, molecular dynamics.\n\n"
        f"![Milliseconds of a step]({FIGURE.name})\n\n{step}"
    )
    made_by = f"`python -m benchmarks.peers` on {processor()}, Python {platform.python_version()}, two cores"
    write_page("peers", "hopkin beside its peers", made_by, body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--only", choices=("steps", "barriers"))
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=tuple(SIZES))
    asked = parser.parse_args()
    for name in asked.models:
        with tempfile.TemporaryDirectory() as folder:
            if asked.only != "barriers":
                keep("steps", list(measure(name, asked.sizes, Path(folder))))
            if asked.only != "steps":
                keep("barriers", list(barriers(name, Path(folder))))
        write_tables()


if __name__ == "__main__":
    main()
