"""Damaged inputs through the command line: each has to end with a result, or with exit code 2 and one
sentence.

    python benchmarks/fuzz.py                          2000 inputs, the same ones every time
    python benchmarks/fuzz.py --inputs 300 --seed 7 --keep failing

Small inputs of every kind (CIF, POSCAR, XDATCAR, LAMMPS dumps, extended XYZ, campaigns and tables of
references) are made here, damaged in one to three places and given to `hopkin hops`, `analyze` or `bench
--dry-run`, one process each, with 20 s and 4 GB. A traceback, another exit code, a message of several
lines, no JSON, a hang or a file left behind by a command that failed is a finding: they are listed by kind,
and the exit code is 1.
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: processes fork

import ase.io
import numpy as np
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from hopkin.drivers import cli
from hopkin.drivers.crystals import build_material

TIME_LIMIT_S = 20.0
MEMORY_LIMIT_BYTES = 4 << 30
CRASHED = 70
N_FRAMES = 20
LOGGED = re.compile(r"hopkin(\.\w+)+: ")  # such as a torn last frame, which is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A sound input: the words of a command, the file that is damaged, and the files beside it."""

    name: str
    words: tuple[str, ...]
    content: bytes
    beside: Mapping[str, bytes]


# What is sound


def seeds() -> list[Seed]:
    """Make one input of every kind."""
    crystal, layered = (build_material(name) for name in ("LiFePO4-olivine", "LiTiS2-layered"))
    hops = ("hops", "{input}", "--ion", "Li", "--json")
    analyze = ("analyze", "{input}", "--ion", "Li", "--out", "tables", "--json")
    per_frame, per_step = ("--frame-interval-fs", "100"), ("--timestep-fs", "2")
    cif = written(crystal, "cif")
    known = b"system,hop,mechanism,barrier_eV,functional,source\nLiTiS2-layered,0,vacancy,0.5,PBE,here\n"
    walk = frames(layered)
    found = [
        Seed(name="plain.cif", words=hops, content=cif, beside={}),
        Seed(name="symmetric.cif", words=hops, content=symmetric_cif(crystal), beside={}),
        Seed(name="POSCAR", words=hops, content=written(layered, "vasp"), beside={}),
        Seed(name="cell.extxyz", words=hops, content=written(layered, "extxyz"), beside={}),
        Seed(name="XDATCAR", words=(*analyze, *per_frame), content=xdatcar(walk), beside={}),
        Seed(name="md.dump", words=(*analyze, *per_step), content=dump(walk), beside={}),
        Seed(name="md.extxyz", words=(*analyze, *per_frame), content=written(walk, "extxyz"), beside={}),
    ]
    beside = {"mine.cif": cif, "known.csv": known, "campaign.yaml": CAMPAIGN}
    bench = ("bench", "{campaign}", "--dry-run", "--json")
    for name in ("campaign.yaml", "known.csv"):
        others = {other: content for other, content in beside.items() if other != name}
        found.append(Seed(name=name, words=bench, content=beside[name], beside=others))
    return found


CAMPAIGN = b"""name: mine
models: [chgnet-0.3.0, mattersim-v1.0.0-1m]
workers: 2
defaults: {images: 5, preset: quick, force_tolerance_eV_per_A: 0.05}
barriers:
  - {structures: [LiTiS2-layered, mine.cif], hops: 1, family: layered}
  - structures: [LiTiS2-layered]
    hops: all
    mechanism: divacancy
    supercell: [3, 3, 2]
    max_length_A: 4.5
references: known.csv
dynamics:
  - structures: [LiTiS2-layered]
    temperatures_K: [800, 1200]
    seeds: 2
    time_ps: 20.5
    min_edge_A: 9
"""


def written(atoms: ase.Atoms | Sequence[ase.Atoms], kind: str) -> bytes:
    """Write as ASE writes a file of this kind."""
    file = io.BytesIO() if kind == "cif" else io.StringIO()
    ase.io.write(file, atoms, format=kind)
    text = file.getvalue()
    return text if isinstance(text, bytes) else text.encode()


def symmetric_cif(atoms: ase.Atoms) -> bytes:
    """Write a CIF with the operations of its space group."""
    return str(CifWriter(AseAtomsAdaptor.get_structure(atoms), symprec=0.01)).encode()


def frames(crystal: ase.Atoms) -> list[ase.Atoms]:
    """Let the atoms of two cells along each vector walk at random."""
    rng = np.random.default_rng(0)
    now, walk = crystal.repeat(2), []
    for _ in range(N_FRAMES):
        now = now.copy()
        now.positions += rng.normal(scale=0.1, size=now.positions.shape)
        walk.append(now)
    return walk


def xdatcar(walk: Sequence[ase.Atoms]) -> bytes:
    """Write as VASP does."""
    text = io.StringIO()
    ase.io.write(text, [atoms[np.argsort(atoms.numbers)] for atoms in walk], format="vasp-xdatcar")
    return text.getvalue().encode()


def dump(walk: Sequence[ase.Atoms]) -> bytes:
    """Write as LAMMPS does, of the orthogonal box around the cell."""
    parts = []
    for number, atoms in enumerate(walk):
        lengths = atoms.cell.lengths()
        box = "\n".join(f"0 {length:.6f}" for length in lengths)
        scaled = atoms.get_scaled_positions(wrap=False) * lengths
        rows = "\n".join(
            f"{n + 1} {atoms.numbers[n]} {atoms.symbols[n]} {x:.5f} {y:.5f} {z:.5f}"
            for n, (x, y, z) in enumerate(scaled.tolist())
        )
        parts.append(
            f"ITEM: TIMESTEP\n{50 * number}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n"
            f"ITEM: BOX BOUNDS pp pp pp\n{box}\nITEM: ATOMS id type element xu yu zu\n{rows}\n"
        )
    return "".join(parts).encode()


# What is damaged

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
WORDS = (
    *(b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-320", b"99999999999999999999", b"-1", b"0", b"1e5"),
    *(b"", b"2024-13-45", b"!!float x", b"[" * 3000),
)
STRANGE = (
    b"\xff\xfe",
    b"\xc3\xa9",
    b"\xe2\x80\x93",
    b"\x00",
    b"\x1b[31m",
    b"\r",
    b"\x0c",
    b"\t",
    b"\xef\xbb\xbf",
    b"'",
)


def cut(rng: random.Random, content: bytes) -> bytes:
    """End it early."""
    return content[: rng.randrange(len(content) + 1)]


def lines_changed(rng: random.Random, content: bytes) -> bytes:
    """Drop, double or swap lines; most damage is done near the beginning."""
    lines = content.splitlines(keepends=True) or [b""]
    first, second = (min(int(rng.expovariate(0.1)), len(lines) - 1) for _ in range(2))
    match rng.randrange(4):
        case 0:
            del lines[first]
        case 1:
            lines.insert(second, lines[first])
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case _:
            del lines[first : first + rng.randrange(1, 9)]
    return b"".join(lines)


def number_changed(rng: random.Random, content: bytes) -> bytes:
    """Put a huge, negative, empty or missing number in the place of one."""
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    near = min(int(rng.expovariate(0.05)), len(found) - 1)
    chosen = found[near] if rng.random() < 0.7 else rng.choice(found)
    return content[: chosen.start()] + rng.choice(WORDS) + content[chosen.end() :]


def word_changed(rng: random.Random, content: bytes) -> bytes:
    """Put one word of it in the place of another."""
    found = list(re.finditer(rb"[^\s,:\[\]{}]+", content)) or [re.match(b"", content)]
    there, taken = rng.choice(found), rng.choice(found)
    assert there is not None
    assert taken is not None
    return content[: there.start()] + taken.group() + content[there.end() :]


def bytes_added(rng: random.Random, content: bytes) -> bytes:
    """Add control characters, or bytes beyond ASCII."""
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.choice(STRANGE) + content[place + rng.randrange(2) :]


def emptied(rng: random.Random, _: bytes) -> bytes:
    """Leave nothing, or next to nothing."""
    return rng.choice((b"", b"\n", b" ", b"{}", b"[]", b"null\n", b"\x00" * 64))


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(cut, lines_changed, number_changed, word_changed, bytes_added),
)


def damaged(seed: int, number: int, sound: Sequence[Seed]) -> tuple[Seed, bytes]:
    """Choose a sound input and damage it; the first of each kind stays sound."""
    rng = random.Random(f"{seed} {number}")
    chosen = sound[number % len(sound)]
    if number < len(sound):
        return chosen, chosen.content
    if rng.random() < 0.02:
        return chosen, emptied(rng, chosen.content)
    content = chosen.content
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(rng, content)
    return chosen, content


# What becomes of it


def child(words: Sequence[str], folder: Path) -> None:
    """Be the command line, in the folder `work`."""
    os.chdir(folder / "work")
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), stream)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = ["hopkin", *words]
    code: object = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = CRASHED
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def judged(code: int | None, folder: Path, *, sound: bool) -> str | None:
    """Say in one line what is wrong with how a command ended; None: nothing."""
    out, err = ((folder / name).read_text(errors="replace") for name in ("out", "err"))
    said = [line for line in err.splitlines() if line.strip() and not LOGGED.match(line)]
    left = sorted(str(file.relative_to(folder / "work")) for file in (folder / "work").rglob("*"))
    if code is None:
        return f"hang: no end within {TIME_LIMIT_S:g} s"
    if code == CRASHED:
        places = re.findall(r'File ".*/hopkin/(\S+)", line (\d+)', err)
        return f"traceback: {said[-1][:150]} [{':'.join(places[-1]) if places else '?'}]"
    if code not in (0, 2):
        return f"exit code {code}: {said[-1][:150] if said else 'nothing said'}"
    if code == 2 and sound:
        return f"a sound input is refused: {said[-1][:150]}"
    if code == 2 and (warning := re.search(r"^\S+:\d+: (\w*Warning: .*)$", err, re.MULTILINE)):
        return f"a warning of Python before the sentence: {warning[1][:150]} [{said[-1][:100]}]"
    if code == 2 and (len(said) != 1 or not said[0].startswith("hopkin: ")):
        return f"no single sentence: {len(said)} lines, the last: {said[-1][:150] if said else 'nothing'}"
    if code == 2 and re.search(r"[\x00-\x08\x0b-\x1f\x7f]", err):
        return "control characters in the message"
    if code == 2 and left:
        return f"files left behind by a command that failed: {', '.join(left)}"
    if code == 0:
        try:
            json.loads(out, parse_constant=refuse)
        except ValueError as error:
            return f"no JSON: {error}"
    return None


def refuse(constant: str) -> float:
    """Refuse what Python writes and no other reader of JSON takes."""
    raise ValueError(f"{constant} in it")


@dataclass(slots=True, kw_only=True)
class Trial:
    """An input that is being tried."""

    number: int
    seed: Seed
    folder: Path
    process: multiprocessing.process.BaseProcess
    end_by: float


def tried(inputs: int, seed: int, workers: int, root: Path) -> Iterator[tuple[Trial, str | None]]:
    """Run every input, some side by side; yield each with what is wrong."""
    sound, fork = seeds(), multiprocessing.get_context("fork")
    waiting, running = iter(range(inputs)), list[Trial]()
    while True:
        while len(running) < workers and (number := next(waiting, None)) is not None:
            chosen, content = damaged(seed, number, sound)
            folder = root / f"{number:05d}-{chosen.name}"
            (folder / "work").mkdir(parents=True)
            (folder / "given").mkdir()
            for name, what in {**chosen.beside, chosen.name: content}.items():
                (folder / "given" / name).write_bytes(what)
            given = {"input": folder / "given" / chosen.name, "campaign": folder / "given" / "campaign.yaml"}
            words = [word.format(**given) for word in chosen.words]
            (folder / "command").write_text(" ".join(["hopkin", *words]) + "\n")
            process = fork.Process(target=child, args=(words, folder))
            process.start()
            end_by = time.monotonic() + TIME_LIMIT_S
            running.append(Trial(number=number, seed=chosen, folder=folder, process=process, end_by=end_by))
        if not running:
            return
        time.sleep(0.01)
        for trial in [*running]:
            late = time.monotonic() > trial.end_by
            if trial.process.is_alive() and not late:
                continue
            if late:
                trial.process.kill()
            trial.process.join()
            running.remove(trial)
            code = None if late else trial.process.exitcode
            yield trial, judged(code, trial.folder, sound=trial.number < len(sound))


def main() -> None:
    """Try the inputs, list the findings by kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that are findings")
    asked = parser.parse_args()
    findings: dict[str, list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="hopkin-fuzz-") as scratch:
        warm_up()
        for trial, wrong in tried(asked.inputs, asked.seed, asked.workers, Path(scratch)):
            if wrong is not None:
                name = trial.folder.name
                # numbers, and the sentence after a warning, differ within one kind
                kind = re.sub(r" \[hopkin: .*|0x[0-9a-f]+|(?<![\w.:])\d[\d.e+-]*", _blanked, wrong)
                findings[f"{trial.seed.words[0]}: {kind}"].append(name)
                print(f"{name}: {wrong}", flush=True)
                if asked.keep is not None:
                    shutil.copytree(trial.folder, asked.keep / name, dirs_exist_ok=True)
            shutil.rmtree(trial.folder)
    print()
    for kind, names in sorted(findings.items(), key=lambda item: -len(item[1])):
        print(f"{len(names):5d}  {kind}    such as {names[0]}")
    total = sum(map(len, findings.values()))
    print(f"{asked.inputs} inputs (seed {asked.seed}): {total} findings of {len(findings)} kinds")
    sys.exit(1 if findings else 0)


def _blanked(found: re.Match[str]) -> str:
    return "" if found.group().startswith(" [") else "N"


def warm_up() -> None:
    """Import what the commands import, once for all processes."""
    import hopkin.analysis.comparison
    import hopkin.analysis.transport
    import hopkin.drivers.campaigns
    import hopkin.drivers.terminal
    import hopkin.drivers.workflows  # noqa: F401


if __name__ == "__main__":
    main()
