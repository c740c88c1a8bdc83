"""The plain decks of lammps_inputs/examples, run by mpirun and lmp alone."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hopkin.drivers import engine
from hopkin.drivers.models import fetch, find_model

EXAMPLES = Path(__file__).parents[2] / "lammps_inputs" / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The decks beside SevenNet-0, after the relaxation that the others start from."""
    folder = tmp_path_factory.mktemp("decks")
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    shutil.copy(fetch(find_model("sevennet-0")), folder / "sevennet-0.pt")
    (folder / "relax.log").write_text(lmp(folder, "relax.in"))
    return folder


def lmp(folder: Path, deck: str, *words: str, replicas: int = 1) -> str:
    """Log of a deck."""
    partition = ["-partition", f"{replicas}x1"] if replicas > 1 else []
    command = [engine.executable("mpirun"), "-np", str(replicas), engine.executable("lmp"), *partition]
    command += ["-in", deck, *words]
    environment = {**engine.ENVIRONMENT, **os.environ}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return (folder / "log.lammps").read_text()


def test_relaxed_crystal_is_at_rest(folder: Path) -> None:
    """Forces and pressure vanish; edges are those of the published crystal within 2 %."""
    rows = re.findall(r"^ +\d+ +-[\d.]+ .*$", (folder / "relax.log").read_text(), re.MULTILINE)
    _, _, force, *pressures_bar, a, b, c = map(float, rows[-1].split())
    assert force < 0.01
    assert np.abs(pressures_bar).max() < 1000
    assert (a, b, c) == pytest.approx((10.332, 6.010, 4.692), rel=0.02)


def test_band_gives_the_barrier_of_hopkin(folder: Path) -> None:
    """That of `hopkin barrier LiFePO4-olivine --images 3 --supercell 1 2 1`: 0.255 eV."""
    lmp(folder, "ends.in", replicas=2)
    log = lmp(folder, "band.in", replicas=5)
    last = [line for line in log.splitlines() if re.match(r"\s*\d+ +[\d.]+", line)][-1].split()
    forwards, backwards = map(float, last[6:8])
    assert forwards == pytest.approx(0.255, abs=0.01)
    assert backwards == pytest.approx(forwards, abs=0.005)


def test_dynamics_run(folder: Path) -> None:
    log = lmp(folder, "nvt.in", "-var", "steps", "20", "-var", "temperature", "600")
    rows = np.array(
        re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+) +(-[\d.]+) +(-[\d.]+) +([\d.e+-]+)", log, re.M), float
    )
    assert np.ptp(rows[:, 4]) < 0.05  # conserved [eV]
    lmp(folder, "npt.in", "-var", "steps", "20")
    assert np.loadtxt(folder / "npt.lattice", ndmin=2).shape == (1, 4)
