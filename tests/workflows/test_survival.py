"""What campaigns survive: one another, machines that fail, kills. Nothing is lost, or done twice."""

import csv
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ase.io
import landscapes
import pytest
import yaml
from bands import lithium_at, silent
from test_campaign import campaign, endpoints

from hopkin.analysis.comparison import read_ended
from hopkin.drivers import engine
from hopkin.drivers.campaigns import bench
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.costs import known_cost, measure
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.jobs import Outcome
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.errors import BusyError, CampaignError, MachineError
from hopkin.drivers.models.registry import find_model

HOPKIN = str(Path(sys.executable).with_name("hopkin"))


def many(folder: Path, n_jobs: int, models: tuple[str, ...] = ("TwoWells",)) -> Path:
    """A campaign of bands that differ in where they start."""
    ends = {f"band{n}": (0.002 * n, 0.5) for n in range(n_jobs)}
    endpoints(folder / "ends.extxyz", **ends)
    return campaign(folder, list(models), pairs=[{"endpoints": "ends.extxyz"}])


def command(path: Path, root: Path, *words: str) -> list[str]:
    return [HOPKIN, *words, "bench", str(path), "--no-verify", "--out", str(root), "--workers", "2"]


def table(root: Path) -> list[dict[str, str]]:
    """The table of barriers, without how long each took."""
    with (root / "barriers.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name != "wall_s"} for row in csv.DictReader(file)
        ]


def run(path: Path, root: Path, *, workers: int = 2) -> list[Outcome]:
    asked = load_campaign(path)
    jobs = plan(asked, path.parent, [find_model(name) for name in asked.models])
    where = load_executor("local", workers)
    return bench.run_campaign(asked.name, jobs, root, where, verify=False, show=silent)


def test_two_campaigns_on_one_folder_share_the_work(tmp_path: Path, private_cache: Path) -> None:
    """Each job is done by one of them, and both end with the results of all."""
    path, root = many(tmp_path, 6), tmp_path / "results"
    both = [
        subprocess.Popen(
            command(path, root, "--verbose"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    started = Counter(re.findall(r"launch: (\S*): .*-in (\w+\.in)", "\n".join(said)))
    assert {directory.name for directory, _ in map(_of_run, started)} == {
        p.parent.name for p in root.glob("*/run.json")
    }
    assert set(started.values()) == {1}, started
    assert all(re.search(r"launch: .*results/", text) for text in said), "one of them has done nothing"
    assert [row["failure"] for row in table(root)] == [""] * 6


def _of_run(start: tuple[str, str]) -> tuple[Path, str]:
    """Run directory of a start of LAMMPS, which may have been in a folder of it."""
    directory = Path(start[0])
    return (directory.parent if directory.name.startswith("ends") else directory), start[1]


def test_what_the_machine_did_is_tried_again(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice; then it is an error of the machine, and the others have their results."""
    path, real, starts = many(tmp_path, 2), engine.run_deck, Counter[str]()

    def unlucky(directory: Path, *words: Any, **settings: Any) -> float:
        starts["band0"] += "band0" in str(directory)
        if "band0" in str(directory) and starts["band0"] <= lost:
            raise MachineError("LAMMPS was killed, signal 9 (SIGKILL)")
        return real(directory, *words, **settings)

    monkeypatch.setattr(engine, "run_deck", unlucky)
    monkeypatch.setattr(bench, "_LOST_S", 0.01)
    for lost, failures in ((99, ["MachineError", None]), (2, [None, None])):
        starts.clear()
        outcomes = run(path, tmp_path / "results")
        assert [outcome.failure for outcome in outcomes] == failures
        assert starts["band0"] == (3 if lost == 99 else 4)  # three times at its ends; at its band, too
    lines = [
        json.loads(line) for line in (tmp_path / "results" / "ended.jsonl").read_text().split("\n") if line
    ]
    assert [line["failure"] for line in lines].count("MachineError") == 1
    assert [row["failure"] for row in table(tmp_path / "results")] == ["", ""]


def test_a_band_waits_for_the_one_that_it_starts_from(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that was lost, or another hopkin is at work on it, until it has ended after all."""
    path, real, lost = many(tmp_path, 1, ("TwoWells", "Bow")), engine.run_deck, Counter[str]()
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"start_from": content["models"][1]}))

    def unlucky(directory: Path, *words: Any, **settings: Any) -> float:
        if "Bow" in str(directory) and not lost["once"]:
            lost["once"] += 1
            raise kind("not now")
        return real(directory, *words, **settings)

    monkeypatch.setattr(engine, "run_deck", unlucky)
    monkeypatch.setattr(bench, "_LOST_S", 0.1)
    monkeypatch.setattr(bench, "_BUSY_S", 0.01)
    for kind in (MachineError, BusyError):
        lost.clear()
        band, base = run(path, tmp_path / kind.__name__)
        assert base.failure is band.failure is None
        assert band.result is not None
        assert band.result["attempts"][0]["start"].startswith("shape of the band of")


Start = Callable[[Path, str], None]


@pytest.fixture
def at_start_of_band1(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have something happen once, when LAMMPS is to start for band1, or for the second that comes."""

    def happens(start: Start, *, whichever: bool = False) -> None:
        real, waiting, seen = engine.run_deck, ["once"], set[str]()

        def run_deck(directory: Path, deck: str, **settings: Any) -> float:
            seen.update(re.findall(r"band\d", str(directory)))
            if waiting and (len(seen) > 1 if whichever else "band1" in str(directory)):
                waiting.pop()
                start(directory, deck)
            return real(directory, deck, **settings)

        monkeypatch.setattr(engine, "run_deck", run_deck)

    monkeypatch.setattr(bench, "_LOST_S", 0.01)
    return happens


def test_a_disk_that_fills_up(
    tmp_path: Path,
    private_cache: Path,
    disk_of: Callable[[str], Path],
    at_start_of_band1: Callable[..., None],
) -> None:
    """What had ended stays; the others are named, and go on when there is room."""
    path, root = many(tmp_path, 3), disk_of("40m") / "results"
    filler = root.parent / "filler"

    def fill(*_: object) -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))

    at_start_of_band1(fill, whichever=True)
    outcomes = run(path, root, workers=1)
    others = [outcome for outcome in outcomes if outcome.failure is not None]
    assert [outcome.failure for outcome in others] == ["MachineError"] * 2  # of three, in whatever order
    assert all(re.search("is full|No space left", outcome.message or "") for outcome in others)
    filler.unlink()
    assert [outcome.failure for outcome in run(path, root, workers=1)] == [None] * 3
    assert [row["failure"] for row in table(root)] == [""] * 3


def test_a_folder_that_cannot_be_written_any_more(
    tmp_path: Path,
    private_cache: Path,
    disk_of: Callable[[str], Path],
    at_start_of_band1: Callable[..., None],
) -> None:
    """The others are named; the same campaign goes on when it can."""
    path, root = many(tmp_path, 3), disk_of("40m") / "results"

    def forbid(*_: object) -> None:
        subprocess.run(["mount", "--bind", root, root], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)

    at_start_of_band1(forbid, whichever=True)
    outcomes = run(path, root, workers=1)
    subprocess.run(["umount", "--lazy", root], check=True)
    others = [outcome for outcome in outcomes if outcome.failure is not None]
    assert [outcome.failure for outcome in others] == ["MachineError"] * 2  # of three, in whatever order
    assert all(str(root) in (outcome.message or "") for outcome in others)
    assert len([*root.glob("*/result.json")]) == 1
    assert [outcome.failure for outcome in run(path, root, workers=1)] == [None] * 3
    assert [row["failure"] for row in table(root)] == [""] * 3


def test_a_model_that_is_gone(
    tmp_path: Path, private_cache: Path, at_start_of_band1: Callable[..., None]
) -> None:
    """Its bands are named; those of the others have their results."""
    mine = tmp_path / "mine.py"
    shutil.copy(landscapes.__file__, mine)
    path = many(tmp_path, 2)
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"models": [f"ase:{mine}:TwoWells", *content["models"]]}))
    at_start_of_band1(lambda *_: mine.unlink())
    outcomes = run(path, tmp_path / "results", workers=1)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    assert failed
    assert {outcome.failure for outcome in failed} == {"ModelError"}
    assert all(str(mine) in (outcome.message or "") for outcome in failed)
    assert {row["failure"] for row in table(tmp_path / "results") if "mine.py" not in row["model"]} == {""}


def test_a_structure_that_is_nowhere(tmp_path: Path, private_cache: Path) -> None:
    """One of a data set, or of a pattern, keeps no other waiting; one that was named is refused at once."""
    good, bad = lithium_at(0.0).atoms, lithium_at(0.0).atoms
    bad.positions[0] = math.nan
    ase.io.write(tmp_path / "set.extxyz", [good, bad])
    bad.write(tmp_path / "bad.extxyz")
    run_of = {"temperatures_K": [300.0], "time_ps": 0.1, "frame_interval_fs": 1, "equilibration_ps": 0}
    words = ["set.extxyz@:", "bad*.extxyz"]
    path = campaign(tmp_path, ["TwoWells"], dynamics=[{"structures": words, **run_of}])
    outcomes = run(path, tmp_path / "results")
    assert [outcome.error for outcome in outcomes] == [None, "StructureError", "StructureError"]
    for outcome, name in zip(outcomes[1:], ("set.extxyz@1", "bad.extxyz"), strict=True):
        assert name in (outcome.message or "")
    path = campaign(tmp_path, ["TwoWells"], dynamics=[{"structures": ["bad.extxyz"], **run_of}])
    with pytest.raises(CampaignError, match=r"dynamics.0: .*bad.extxyz"):
        run(path, tmp_path / "results")


def test_a_pair_style_that_crashes(
    tmp_path: Path, private_cache: Path, at_start_of_band1: Callable[..., None]
) -> None:
    """It is named, and the others go on; one of a service is tried again, and its log tells of each try."""
    path, root = many(tmp_path, 2, ("TwoWells", "Crash")), tmp_path / "results"

    def crash(directory: Path, _: str) -> None:
        def kill_rank() -> None:
            ranks: list[int] = []
            end = time.monotonic() + 60
            while not ranks and time.monotonic() < end:
                ranks = [process for process in descendants(os.getpid()) if is_lammps_in(directory, process)]
            os.kill(ranks[-1], signal.SIGSEGV)

        threading.Thread(target=kill_rank, daemon=True).start()

    at_start_of_band1(crash)
    good, served, crashed, _ = run(path, root, workers=1)
    assert good.failure is None
    assert (served.failure, served.lost) == ("ServiceError", True)
    assert (crashed.failure, crashed.lost) == ("LammpsError", False)
    assert "LAMMPS crashed, signal 11 (SIGSEGV)" in (crashed.message or "")
    (log,) = [text for file in root.glob("logs/band0*.log") if "Crash" in (text := file.read_text())]
    assert log.count("ServiceError: ") == 3


def is_lammps_in(directory: Path, process: int) -> bool:
    """Whether a process is LAMMPS at work in a directory."""
    try:
        name = Path(f"/proc/{process}/comm").read_text().strip()
        return name == "lmp" and Path(os.readlink(f"/proc/{process}/cwd")) == directory
    except OSError:  # it has ended
        return False


def test_a_job_without_a_result_is_told_by_the_exit_code(tmp_path: Path, private_cache: Path) -> None:
    path, root = many(tmp_path, 1, ("TwoWells", "Refusal")), tmp_path / "results"
    ended = subprocess.run(command(path, root), capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"hopkin: 1 of 2 jobs have no result, `hopkin status {root}` says why; the same command tries them"
        " again"
    )
    status = subprocess.run(
        [HOPKIN, "status", str(root), "--json"], capture_output=True, text=True, check=True
    )
    said = json.loads(status.stdout)
    assert (said["ended"], said["total"], said["failures"], said["running"]) == (2, 2, {"LammpsError": 1}, [])
    ((job, why),) = [(error["job"], error["message"]) for error in said["errors"]]
    assert job == f"band0, ase:{landscapes.__file__}:Refusal"
    assert "out of memory on the accelerator" in why
    assert "out of memory on the accelerator" in Path(said["errors"][0]["log"]).read_text()
    results = subprocess.run(
        [HOPKIN, "results", str(root), "--json"], capture_output=True, text=True, check=True
    )
    assert [row["failure"] for row in json.loads(results.stdout)["barriers"]] == [None, "LammpsError"]
    elsewhere = subprocess.run([HOPKIN, "status", str(tmp_path)], capture_output=True, text=True, check=False)
    assert (elsewhere.returncode, elsewhere.stderr.strip()) == (
        2,
        f"hopkin: {tmp_path} is no folder of a campaign: it holds no campaign.json",
    )


def test_status_tells_what_is_at_work(tmp_path: Path, private_cache: Path) -> None:
    path, root = many(tmp_path, 2, ("SlowTwoWells",)), tmp_path / "results"
    with subprocess.Popen(
        command(path, root), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            end = time.monotonic() + 60
            running: list[Any] = []
            while not running and time.monotonic() < end:
                asked = [HOPKIN, "status", str(root), "--json"]
                status = subprocess.run(asked, capture_output=True, text=True, check=False)
                running = json.loads(status.stdout)["running"] if status.returncode == 0 else []
            assert running
            assert running[0][0].startswith("band")
        finally:
            process.kill()


def test_a_record_that_a_kill_tore_is_mended(tmp_path: Path, private_cache: Path) -> None:
    path, root = many(tmp_path, 2), tmp_path / "results"
    run(path, root)
    whole = (root / "ended.jsonl").read_text()
    (root / "ended.jsonl").write_text(whole[:-20])
    run(path, root)
    lines = [line for line in (root / "ended.jsonl").read_text().splitlines() if line]
    assert len(lines) == 3
    assert len(read_ended(root)) == 2
    assert [row["failure"] for row in table(root)] == ["", ""]


def test_what_a_model_costs_is_measured_and_kept(private_cache: Path) -> None:
    """Of one that sleeps for 10 ms at each evaluation, on a crystal of any size."""
    model = find_model(f"ase:{landscapes.__file__}:SlowEggBox")
    assert known_cost(model) is None
    cost = measure(model)
    assert known_cost(model) == cost
    assert 0.01 < cost.of(28) < 0.05
    assert cost.peak_memory_GB is None  # an evaluator of a calculator of one's own has ended with its client


def test_a_deck_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hang.in").write_text("shell sleep 60\n")
    start = time.monotonic()
    with pytest.raises(MachineError, match=r"hang.in in .* has written nothing for 1 s: its model hangs"):
        engine.run_deck(tmp_path, "hang.in", hangs_after_s=1.0)
    assert time.monotonic() - start < 20


def descendants(process: int) -> list[int]:
    """Find the processes that a process has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = [], [process]
    while waiting:
        mine = children.get(waiting.pop(), [])
        found += mine
        waiting += mine
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_kills_at_random_moments(tmp_path: Path, private_cache: Path) -> None:
    """Of hopkin, or of what it has started: a rank, the launcher, the service, one of its evaluators.

    HOPKIN_KILLS says how many. What had ended is the same file after the next kill, and the tables are those
    of an undisturbed campaign.
    """
    kills, dice = int(os.environ.get("HOPKIN_KILLS", "20")), random.Random(18)
    path, root = many(tmp_path, 8), tmp_path / "killed"
    undisturbed = subprocess.run(
        command(path, tmp_path / "whole"), capture_output=True, text=True, check=True
    )
    assert "Traceback" not in undisturbed.stderr
    ended: dict[Path, int] = {}
    while kills:
        process = subprocess.Popen(
            command(path, root), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        time.sleep(1.0)
        while kills and process.poll() is None:
            time.sleep(dice.uniform(0.0, 1.5))
            victims = [process.pid, *descendants(process.pid)]
            victim = process.pid if dice.random() < 0.3 else dice.choice(victims)
            try:
                os.kill(victim, signal.SIGKILL)
                kills -= 1
            except ProcessLookupError:
                continue
            for file, written in ended.items():
                assert file.stat().st_mtime_ns == written, f"{file} was done twice"
            for file in root.glob("*/result.json"):
                json.loads(file.read_text())
                ended[file] = file.stat().st_mtime_ns
        _, said = process.communicate(timeout=300)
        assert "Traceback" not in said, said
        if process.returncode == 0 and kills:  # all has ended: begin again, elsewhere
            assert table(root) == table(tmp_path / "whole")
            root, ended = root.with_name(f"killed{kills}"), {}
    last = subprocess.run(command(path, root), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert table(root) == table(tmp_path / "whole")
    assert not [*root.rglob("*.part")]
