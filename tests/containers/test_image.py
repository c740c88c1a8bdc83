"""The container image: built without a daemon, the quickstart's barrier inside, by mpirun and lmp too."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "containers" / "without-daemon.sh"
EXAMPLES = ROOT / "lammps_inputs" / "examples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        os.getuid() != 0 or not (shutil.which("buildah") and shutil.which("debootstrap")),
        reason="wants root, buildah and debootstrap (Debian packages)",
    ),
]


@pytest.fixture(scope="module")
def image() -> None:
    subprocess.run([SCRIPT, "build"], cwd=ROOT, check=True)


def inside(folder: Path, *command: str) -> str:
    folder.chmod(0o777)
    ended = subprocess.run([SCRIPT, "run", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.usefixtures("image")
def test_barrier_inside_is_that_outside(tmp_path: Path) -> None:
    barrier = ["barrier", "LiFePO4-olivine", "--model", "sevennet-0", "--images", "3"]
    said = inside(tmp_path, "hopkin", *barrier, "--supercell", "1", "2", "1", "--json")
    (result,) = json.loads(said[said.index("[") :])
    assert result["converged"]
    assert result["barrier_eV"] == pytest.approx(0.255, abs=0.005)


@pytest.mark.usefixtures("image")
def test_mpirun_and_lmp_inside(tmp_path: Path) -> None:
    """Four ranks of a served model: CHGNet."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    shutil.copy(EXAMPLES / "LiFePO4.data", tmp_path / "relaxed.data")
    deck = ["-in", "nvt.in", "-var", "style", "hopkin", "-var", "model", "chgnet-0.3.0", "-var", "steps", "5"]
    inside(tmp_path, "mpirun", "-np", "4", "lmp", "-partition", "4x1", *deck)
    assert "Loop time" in (tmp_path / "log.lammps.0").read_text()
