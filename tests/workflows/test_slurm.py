"""Campaigns on a real Slurm: what is killed, cancelled or out of time comes again, and ends once."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import landscapes
import pytest
import slurm as one_of_its_own
import yaml
from test_molecular_dynamics import egg_box
from test_survival import command, many, table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(bool(one_of_its_own.missing()), reason=str(one_of_its_own.missing())),
]

EXECUTOR = """
kind: high-throughput
workers_per_node: 2
address: 127.0.0.1
provider: {{kind: slurm, partition: debug, cores_per_node: 2, max_blocks: 1, walltime: "{walltime}"}}
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> Iterator[dict[str, str]]:
    """Environment variables of a Slurm that runs; its cache is the one of these tests."""
    with one_of_its_own.running(tmp_path_factory.mktemp("slurm") / "slurm", 2) as environment:
        yield environment


def executor(folder: Path, walltime: str = "00:20:00") -> list[str]:
    file = folder / "slurm.yaml"
    file.write_text(EXECUTOR.format(walltime=walltime))
    return ["--executor", str(file)]


def on_slurm(path: Path, root: Path, walltime: str = "00:20:00") -> list[str]:
    words = command(path, root)
    return [*words[: words.index("--workers")], *executor(path.parent, walltime)]


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 240.0
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)


def workers(root: Path) -> list[int]:
    """Processes that work for a campaign: children of Parsl's pools, without their trackers."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, stat = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        if b"process_worker_pool" in words and str(root).encode() in words:
            parents[int(folder.name)] = parent
        elif b"spawn_main" in words:
            found.append((int(folder.name), parent))
    return [process for process, parent in found if parent in parents]


def test_kills_and_cancelled_blocks(tmp_path: Path, slurm: dict[str, str]) -> None:
    """A worker, a block, and the process that submits: each killed once, when something has ended."""
    path = many(tmp_path, 8, ("SlowTwoWells",))
    subprocess.run(command(path, tmp_path / "whole"), capture_output=True, check=True)
    root = tmp_path / "results"
    ended: dict[Path, int] = {}

    def results() -> int:
        for file in root.glob("*/result.json"):
            written = file.stat().st_mtime_ns
            assert ended.setdefault(file, written) == written, f"{file} was done twice"
        return len(ended)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            on_slurm(path, root), env=slurm, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    process = start()
    wait_until(lambda: results() >= 1, process)
    os.kill(workers(root)[0], signal.SIGKILL)
    wait_until(lambda: results() >= 3, process)
    subprocess.run(["scancel", "--user=root"], env=slurm, check=True)
    wait_until(lambda: results() >= 5, process)
    process.kill()
    process.communicate()
    process = start()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert results() == 8
    assert "Traceback" not in said
    assert table(root) == table(tmp_path / "whole")
    lines = [json.loads(line) for line in (root / "ended.jsonl").read_text().splitlines() if line]
    assert len({line["job"] for line in lines}) == 8
    assert not any(line["failure"] for line in lines)


def test_a_run_that_is_longer_than_its_allocation(tmp_path: Path, slurm: dict[str, str]) -> None:
    """One minute at a time: it goes on from its restart files, and is the run that nothing disturbed."""
    path = tmp_path / "campaign.yaml"
    dynamics = {
        "structures": ["box.extxyz"],
        "temperatures_K": [300],
        "time_ps": 12,
        "timestep_fs": 1,
        "equilibration_ps": 0,
        "frame_interval_fs": 20,
    }
    models = [f"ase:{landscapes.__file__}:SlowEggBox"]
    path.write_text(yaml.safe_dump({"name": "long", "models": models, "dynamics": [dynamics]}))
    egg_box().write(tmp_path / "box.extxyz")
    root = tmp_path / "results"
    ended = subprocess.run(
        on_slurm(path, root, "00:01:00"), env=slurm, capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stderr
    (result,) = [json.loads(file.read_text()) for file in root.glob("*-300K-*/result.json")]
    subprocess.run(command(path, tmp_path / "whole"), capture_output=True, check=True)
    (whole,) = [json.loads(file.read_text()) for file in (tmp_path / "whole").glob("*-300K-*/result.json")]
    for field in ("failure", "msd_A2_final", "temperature_mean_K", "diffusivity_cm2_per_s"):
        assert result[field] == whole[field]
    assert list(root.glob("*-300K-*/log.lammps.before1")), "it has fitted into one allocation"
