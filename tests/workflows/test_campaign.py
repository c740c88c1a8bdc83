"""Campaigns on landscapes whose barriers are known: what is kept of each job, and how one goes on."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import landscapes
import pytest
import yaml
from bands import lithium_at, silent
from landscapes import FORWARD_EV, TILT_EV

from hopkin.analysis.comparison.comparison import collect
from hopkin.drivers import engine
from hopkin.drivers.campaigns.bench import default_workers, run_campaign
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.jobs import Outcome, run_job
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.campaigns.progress import Standing
from hopkin.drivers.models.registry import find_model

BARRIER_EV = FORWARD_EV - TILT_EV / 2
REFERENCE_EV = BARRIER_EV + 0.1


def endpoints(path: Path, **fractions: tuple[float, float]) -> Path:
    """An extxyz file with pairs of ends by name: the lithium ion at these fractions of the box."""
    frames = []
    for name, ends in fractions.items():
        for image, fraction in zip(("initial", "final"), ends, strict=True):
            atoms = lithium_at(fraction).atoms
            atoms.info |= {"sys_name": name, "image": image}
            frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
    return path


def campaign(folder: Path, models: list[str], **parts: Any) -> Path:
    path = folder / "campaign.yaml"
    names = [f"ase:{landscapes.__file__}:{model}" for model in models]
    defaults = {"images": 3, "force_tolerance_eV_per_A": 0.01}
    path.write_text(yaml.safe_dump({"name": "wells", "models": names, "defaults": defaults, **parts}))
    return path


def run(
    path: Path,
    root: Path,
    *,
    executor: str = "local",
    workers: int | None = 2,
    show: Callable[..., None] = silent,
) -> list[Outcome]:
    asked = load_campaign(path)
    jobs = plan(asked, path.parent, [find_model(name) for name in asked.models])
    return run_campaign(asked.name, jobs, root, load_executor(executor, workers), verify=False, show=show)


def table(root: Path) -> list[dict[str, str]]:
    with (root / "barriers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def wells(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> tuple[Path, Path]:
    """A campaign in which everything happens: file, and folder of its results."""
    folder = tmp_path_factory.mktemp("wells")
    endpoints(folder / "ends.extxyz", good=(0.0, 0.5), drifting=(0.0, 0.2), broken=(0.0, 0.5))
    frames = ase.io.read(folder / "ends.extxyz", index=":")
    frames[-1].positions[0] = frames[-1].positions[1]
    ase.io.write(folder / "ends.extxyz", frames)
    (folder / "known.csv").write_text(f"sys_name,barrier_eV,xc\ngood,{REFERENCE_EV},GGA\nother,1.0,GGA\n")
    pairs = [{"endpoints": "ends.extxyz", "references": "known.csv", "doi": "10.1/abc"}]
    path = campaign(folder, ["TwoWells", "Refusal"], pairs=pairs)
    run(path, folder / "results")
    return path, folder / "results"


def test_a_job_that_fails_is_kept_and_stops_no_other(wells: tuple[Path, Path]) -> None:
    rows = {(row["material"], row["model"].rpartition(":")[2]): row for row in table(wells[1])}
    assert len(rows) == 6
    good = rows["good", "TwoWells"]
    assert float(good["barrier_eV"]) == pytest.approx(BARRIER_EV, abs=1e-3)
    assert float(good["error_eV"]) == pytest.approx(-0.1, abs=1e-3)
    assert (good["failure"], good["functional"], good["source"]) == ("", "GGA", "10.1/abc")
    assert rows["drifting", "TwoWells"]["failure"] == "endpoint_drift"
    assert rows["drifting", "TwoWells"]["reference_eV"] == ""
    assert rows["good", "Refusal"]["failure"] == "LammpsError"
    assert "out of memory on the accelerator" in rows["good", "Refusal"]["message"]
    assert rows["broken", "TwoWells"]["failure"] == "StructureError"
    assert "overlapping atoms" in rows["broken", "TwoWells"]["message"]


@pytest.mark.parametrize("base", ["Bow", "Refusal"])
def test_bands_start_from_those_of_another_model(tmp_path: Path, private_cache: Path, base: str) -> None:
    """Of the shape of its bands, where it has any; the barrier is that of the model all the same."""
    endpoints(tmp_path / "ends.extxyz", good=(0.0, 0.5))
    models = ["TwoWells", base]
    start_from = f"ase:{landscapes.__file__}:{base}"
    pairs = [{"endpoints": "ends.extxyz"}]
    path = campaign(tmp_path, models, pairs=pairs, start_from=start_from)
    outcomes = run(path, tmp_path / "results")
    assert outcomes[0].result is not None
    start = f"shape of the band of {start_from}" if base == "Bow" else "interpolated"
    assert outcomes[0].result["attempts"][0]["start"] == start
    assert outcomes[0].result["barrier_eV"] == pytest.approx(BARRIER_EV, abs=1e-3)
    again = run(path, tmp_path / "results")
    said = [
        [(outcome.directory, outcome.result, outcome.failure) for outcome in some]
        for some in (again, outcomes)
    ]
    assert said[0] == said[1]


def test_a_band_whose_base_is_lost_is_lost_too(tmp_path: Path, private_cache: Path) -> None:
    """The same campaign, run again, has it start from where it was to start."""
    endpoints(tmp_path / "ends.extxyz", good=(0.0, 0.5))
    start_from = f"ase:{landscapes.__file__}:Bow"
    path = campaign(
        tmp_path, ["TwoWells", "Bow"], pairs=[{"endpoints": "ends.extxyz"}], start_from=start_from
    )
    asked = load_campaign(path)
    jobs = plan(asked, tmp_path, [find_model(name) for name in asked.models])
    assert jobs[0].base == jobs[1].key
    base = Outcome(error="WorkerLost", message="a node went", lost=True)
    outcome = run_job(jobs[0], tmp_path, base, verify=False, say=silent)
    assert outcome.error == "WorkerLost"
    assert outcome.message == "it starts from a band that was lost: a node went"
    assert outcome.lost
    assert not [*tmp_path.glob("*/run.json")]


def test_pairs_of_the_same_name_keep_their_references(tmp_path: Path, private_cache: Path) -> None:
    """Folders that hold files of the same names, as one has them from other programs."""
    pairs = []
    for folder, known in (("hop1", 0.3), ("hop2", 0.5), ("hop3", None)):
        (tmp_path / folder).mkdir()
        ends = {"initial": f"{folder}/initial.vasp", "final": f"{folder}/final.vasp"}
        for n, file in enumerate(ends.values()):
            lithium_at(0.5 * n).atoms.write(tmp_path / file)
        pairs.append(ends if known is None else ends | {"reference_eV": known})
    path = campaign(tmp_path, ["Refusal"], pairs=pairs)
    run(path, tmp_path / "results", workers=1)
    rows = table(tmp_path / "results")
    assert [(row["material"], row["reference_eV"]) for row in rows] == [
        ("initial", "0.3"),
        ("initial", "0.5"),
        ("initial", ""),
    ]


def test_the_table_can_be_made_again_from_the_folder(wells: tuple[Path, Path]) -> None:
    again = collect(wells[1])["barriers"]
    assert [{name: "" if v is None else str(v) for name, v in row.items()} for row in again] == table(
        wells[1]
    )


def test_a_campaign_that_ended_is_read_but_for_its_errors(
    wells: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LAMMPS starts again for the jobs that it broke down in, and for no other."""
    path, results = wells
    root = tmp_path / "results"
    shutil.copytree(results, root)
    begun = []

    def refuse(directory: Path, *words: object, **settings: object) -> float:
        begun.append(directory)
        raise AssertionError("LAMMPS was started")

    monkeypatch.setattr(engine, "run_deck", refuse)
    outcomes = run(path, root, workers=1)
    assert [outcome.failure for outcome in outcomes].count("AssertionError") == len(begun) == 2
    assert all("Refusal" in str(directory) for directory in begun)
    assert [r["barrier_eV"] for r in table(root)] == [r["barrier_eV"] for r in table(results)]


def test_workers_share_the_processors(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two jobs at a time may use does not overlap, and is all there is."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")
    seen = []

    def look(*words: object, **settings: object) -> float:
        seen.append(frozenset(os.sched_getaffinity(0)))
        time.sleep(0.5)
        raise AssertionError

    monkeypatch.setattr(engine, "run_deck", look)
    endpoints(tmp_path / "ends.extxyz", one=(0.0, 0.5), two=(0.02, 0.5))
    path = campaign(tmp_path, ["TwoWells"], pairs=[{"endpoints": "ends.extxyz"}])
    run(path, tmp_path / "results", workers=2)
    first, second = seen
    assert first.isdisjoint(second)
    assert len(first) == len(second) == len(os.sched_getaffinity(0)) // 2


def test_default_workers_leave_a_processor_to_each_image(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints(tmp_path / "ends.extxyz", one=(0.0, 0.5))
    path = campaign(tmp_path, ["TwoWells"], pairs=[{"endpoints": "ends.extxyz"}])
    asked = load_campaign(path)
    jobs = plan(asked, tmp_path, [find_model(name) for name in asked.models])
    for processors, workers in ((1, 1), (3, 1), (8, 2), (32, 10)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=processors: set(range(n)))
        assert default_workers(jobs) == workers


@pytest.mark.usefixtures("sigint_ends_children")
def test_an_interrupted_campaign_goes_on(tmp_path: Path, private_cache: Path) -> None:
    """Ctrl-C ends what runs at once, keeps what has ended, and the same command does the rest."""
    endpoints(tmp_path / "ends.extxyz", good=(0.0, 0.5))
    path = campaign(
        tmp_path,
        ["TwoWells"],
        pairs=[{"endpoints": "ends.extxyz", "images": 3}, {"endpoints": "ends.extxyz", "images": 4}],
    )
    command = [str(Path(sys.executable).with_name("hopkin")), "bench", str(path), "--no-verify"]
    command += ["--workers", "1", "--out", str(tmp_path / "results"), "--json"]
    hopkin = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert wait_until(lambda: list((tmp_path / "results").glob("*/result.json")), hopkin)
        hopkin.send_signal(signal.SIGINT)
        _, said = hopkin.communicate(timeout=60)
    finally:
        hopkin.kill()
    assert hopkin.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted: the same command goes on where it was"
    assert "Traceback" not in said
    (ended,) = (tmp_path / "results").glob("*/result.json")
    before = ended.stat().st_mtime_ns
    assert sorted(row["failure"] for row in table(tmp_path / "results")) == ["", ""]

    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    rows = json.loads(again.stdout)["barriers"]
    assert [row["barrier_eV"] for row in rows] == pytest.approx([BARRIER_EV] * 2, abs=2e-3)
    assert ended.stat().st_mtime_ns == before


def test_what_ended_before_is_in_the_tables_before_its_turn(tmp_path: Path, private_cache: Path) -> None:
    """A campaign that goes on, and is stopped again before it comes to a job that has ended."""
    endpoints(tmp_path / "ends.extxyz", good=(0.0, 0.5))
    first, second = ({"endpoints": "ends.extxyz", "images": images} for images in (3, 4))
    run(campaign(tmp_path, ["TwoWells"], pairs=[second]), tmp_path / "results")
    path = campaign(tmp_path, ["TwoWells"], pairs=[first, second])
    asked = load_campaign(path)
    jobs = plan(asked, tmp_path, [find_model(name) for name in asked.models])

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_campaign("wells", jobs, tmp_path / "results", load_executor("local", 1), verify=False, show=stop)
    rows = table(tmp_path / "results")
    assert [row["images"] for row in rows][1] == "4"
    assert [bool(row["barrier_eV"]) for row in rows] == [False, True]


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str]") -> bool:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_processes_of_parsl_do_the_same(tmp_path: Path, wells: tuple[Path, Path]) -> None:
    """High throughput on this machine: the same table, errors too, as from threads."""
    path, results = wells
    executor = tmp_path / "executor.yaml"
    executor.write_text(
        "kind: high-throughput\nworkers_per_node: 2\naddress: 127.0.0.1\nprovider: {kind: local}\n"
    )
    seen: list[Standing] = []
    run(path, tmp_path / "results", executor=str(executor), workers=None, show=seen.append)
    assert any("TwoWells" in title for standing in seen for title, *_ in standing.running)
    ours, theirs = table(tmp_path / "results"), table(results)
    for one, other in zip(ours, theirs, strict=True):
        for column in ("material", "model", "failure", "reference_eV"):
            assert one[column] == other[column]
        if other["barrier_eV"]:
            assert float(one["barrier_eV"]) == pytest.approx(float(other["barrier_eV"]), abs=1e-6)
