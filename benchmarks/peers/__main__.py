"""One barrier by hopkin, ASE, matcalc and janus-core: same ends, same criterion, one run, in turn.

    python benchmarks/peers [MODEL ...]

The channel hop of LiFePO4 (55 atoms, 3 images): the two ends as they are cut from the relaxed crystal are
given to each as files; it relaxes them to 0.05 eV/A and converges a climbing band to that. The peers' limit
is the largest force on an atom, hopkin's the norm of all forces of an image: it goes further. Seconds are of
the whole process, imports too; hopkin's gate has been passed before. Environments of the peers are made
below .venv/peers. The table is written to benchmarks/results/peers.md.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io

from hopkin.drivers.crystals import load_structure
from hopkin.drivers.engine import environment_of
from hopkin.drivers.hops import vacancy_endpoints
from hopkin.drivers.models import Model, fetch, find_model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows.barrier import select_hops
from hopkin.drivers.workflows.relaxation import relax_bulk

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "peers.md"
ENVIRONMENTS = HERE.parents[1] / ".venv" / "peers"
PEERS = ("ase", "matcalc", "janus-core")
MATERIAL = "LiFePO4-olivine"
THREADS = 2
ROUNDS = 1


def environment(name: str) -> Path:
    """Python of an environment of peers, made where it is not there."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for what in (["torch==2.13.0"], ["-r", str(HERE / f"requirements-{name}.txt")]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True)
        ready.touch()
    return python


def timed(command: list[str], folder: Path, python: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of a process, and the JSON that it prints last."""
    start = time.perf_counter()
    environment_of_it = {**environment_of(python), "OMP_NUM_THREADS": str(THREADS)}
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment_of_it, check=False
    )
    seconds = time.perf_counter() - start
    if ended.returncode != 0:
        raise RuntimeError(f"{command} failed: {ended.stderr[-500:]}")
    said, _ = json.JSONDecoder().raw_decode(ended.stdout, ended.stdout.index("{"))
    return seconds, said


def write_ends(model: Model, folder: Path) -> None:
    """Cut both ends from the crystal as the model relaxes it."""
    structure = load_structure(MATERIAL)
    asked = BarrierSpecification(model=model.name, images=3, repeats=(1, 2, 1))
    bulk = relax_bulk(structure, model, folder, asked, say=lambda _: None).atoms
    (hop,) = select_hops(structure, "Li", 5.0, "0")
    ends = vacancy_endpoints(bulk, hop.on(bulk), (1, 2, 1))
    for name, end in zip(("initial", "final"), ends, strict=True):
        ase.io.write(folder / f"{name}.extxyz", end)


def compare(model: Model, folder: Path) -> list[str]:
    """Rows of the table for one model."""
    fetch(model)
    write_ends(model, folder)
    hopkin = [str(Path(sys.executable).with_name("hopkin")), "neb", "initial.extxyz", "final.extxyz"]
    hopkin += ["--model", model.name, "--images", "3", "--ion", "Li", "--json", "--out"]
    timed([*hopkin, "first"], folder, Path(sys.executable))  # passes the gate
    # the published M3GNet wants packages that are older than matcalc and janus-core accept
    peers = ("ase",) if model.family == "matgl" else PEERS
    python = {"matgl": model.interpreter, "mace": lambda: environment("mace")}.get(
        model.family, lambda: environment("torch")
    )()
    weights = model.name if model.family == "matgl" else str(model.checkpoint())
    runs: dict[str, list[tuple[float, dict[str, Any]]]] = {who: [] for who in ("hopkin", *peers)}
    for n in range(ROUNDS):
        for who, found in runs.items():
            command = [
                str(python),
                "-P",
                str(HERE / "peer.py"),
                who,
                model.family,
                weights,
                ".",
                str(THREADS),
            ]
            if who == "hopkin":
                found.append(timed([*hopkin, f"run{n}"], folder, Path(sys.executable)))
            else:
                found.append(timed(command, folder, python))
            print(model.name, who, found[-1][0], file=sys.stderr, flush=True)
    rows = []
    for who, found in runs.items():
        seconds = statistics.median(time for time, _ in found)
        pairs = zip(found, runs["hopkin"], strict=True)
        ratio = statistics.median(theirs / ours for (theirs, _), (ours, _) in pairs)
        said = found[-1][1]
        evaluations = said.get("evaluations", said.get("force_evaluations"))
        numbers = (f"{said['barrier_eV']:.3f}", str(evaluations), f"{seconds:.1f}", f"{ratio:.1f}")
        rows.append(f"| {' | '.join((model.name, who, *numbers))} |\n")
    return rows


def main(names: list[str]) -> None:
    rows: dict[str, list[str]] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = compare(find_model(name), Path(folder))
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        ).stdout.strip()
        head = RESULTS.read_text().split("## Notes") if RESULTS.is_file() else [""]
        notes = f"\n## Notes{head[1]}" if len(head) > 1 else ""
        RESULTS.write_text(
            f"# One barrier by hopkin and its peers\n\n`python benchmarks/peers {' '.join(rows)}`, commit"
            f" {commit}, {THREADS} threads of {_processor()}, Python {platform.python_version()};"
            f" rounds: {ROUNDS}.\n\n"
            "| model | by | barrier [eV] | evaluations | wall time [s] | of hopkin's |\n"
            "|---|---|---|---|---|---|\n"
            + "".join(row for of_model in rows.values() for row in of_model)
            + notes
        )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main(sys.argv[1:] or ["sevennet-0", "chgnet-0.3.0", "mace-mp-0-small", "m3gnet-mp-2021.2.8"])
