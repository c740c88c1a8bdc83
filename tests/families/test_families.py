"""Every family in the environment that hopkin makes for it: verified on real crystals, run in LAMMPS."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.engine import environment_of
from hopkin.drivers.errors import MachineError
from hopkin.drivers.models import environments
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model
from hopkin.drivers.specification import BarrierSpecification, specify
from hopkin.drivers.workflows.barrier import run_barrier, select_hops
from hopkin.drivers.workflows.parity import verify

pytestmark = pytest.mark.slow

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"
CRYSTALS = ("LiFePO4-olivine", "Li10GeP2S12", "Li7P3S11", "LiTiS2-layered", "LiTiO2-layered")
REACHABLE = (
    *("sevennet-0", "sevennet-l3i5", "sevennet-mf-0", "chgnet-0.3.0", "mace-mp-0-small", "orb-d3-xs-v2"),
    *("mattersim-v1.0.0-5m", "mattersim-v1.0.0-1m", "m3gnet-mp-2021.2.8-direct", "grace-small-lfp"),
    *("m3gnet-mp-2021.2.8", "mace-mp-0-small:route=native"),
)
DIRECT_OF_MATGL = "m3gnet-mp-2021.2.8-direct"


def say(text: str) -> None:
    """Say nothing."""


def ready(name: str) -> Model:
    """Model with its environment and weights, as a user gets them on a fresh machine."""
    model = find_model(name)
    environments.install(model.family, say=say)
    try:
        fetch(model, say=say)
    except MachineError:  # no source can be reached
        if not (folder := WEIGHTS / "M3GNet-MP-2021.2.8-PES").is_dir() or name != "m3gnet-mp-2021.2.8":
            raise
        fetch(model, file=folder)
    return model


def hopkin(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hopkin")), *map(str, words)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("crystal", CRYSTALS)
@pytest.mark.parametrize("name", REACHABLE)
def test_lammps_and_the_models_own_calculator_agree(name: str, crystal: str) -> None:
    model, atoms = ready(name), build_material(crystal)
    if set(atoms.get_chemical_symbols()) - set(model.elements):
        pytest.skip(f"{name} covers {' '.join(model.elements)} alone")
    parity = verify(model, atoms)
    assert parity.passed, parity
    assert parity.golden_difference_eV_per_atom is not None


BATCH = """
import sys
import numpy as np
from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.models import find_model
from hopkin.drivers.models.adapters import Configuration
model, rounding = find_model(sys.argv[1]), float(sys.argv[2])
adapter = model.module.adapter(model, device="cpu")
crystals = [build_material(name) for name in ("LiFePO4-olivine", "LiTiS2-layered", "Li7P3S11")]
for crystal in crystals:
    crystal.rattle(0.05, seed=1)
asked = [
    Configuration(positions=atoms.positions, cell=atoms.cell.array, numbers=atoms.numbers.astype("int64"))
    for atoms in crystals
]
alone = [adapter.evaluate(one) for one in asked]
for one, other in zip(alone, adapter.evaluate_batch(asked), strict=True):
    assert one.energy == other.energy and np.array_equal(one.forces, other.forces)
for one, other in zip(alone, adapter.evaluate_together(asked), strict=True):
    assert abs(one.energy - other.energy) < 5e-6 * len(one.forces), (one.energy, other.energy)
    assert np.abs(one.forces - other.forces).max() < rounding, np.abs(one.forces - other.forces).max()
    assert np.abs(one.virial - other.virial).max() < 20 * rounding, np.abs(one.virial - other.virial).max()
"""

# Of forces [eV/A]. Those of M3GNet change by 7e-4 eV/A when its atoms are given in another order.
ROUNDING = {
    "chgnet-0.3.0": 1e-4,
    "mattersim-v1.0.0-1m": 1e-4,
    "orb-d3-xs-v2": 1e-4,
    "m3gnet-mp-2021.2.8": 1e-3,
}


@pytest.mark.parametrize("name", ROUNDING)
def test_a_batch_is_what_its_parts_are(name: str) -> None:
    """To the last bit on a CPU; within rounding together, as on a GPU."""
    python = ready(name).interpreter()
    ended = subprocess.run(
        [python, "-P", "-c", BATCH, name, str(ROUNDING[name])],
        env=environment_of(python),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_the_code_path_that_makes_nonsense_of_published_weights(tmp_path: Path) -> None:
    """matgl 4.1 loads M3GNet-DIRECT without complaint, and gives -0.55 eV/atom in the place of -6.80."""
    ready(DIRECT_OF_MATGL)
    newer = tmp_path / "newer"
    packages = (
        "matgl==4.1.0",
        "lightning==2.6.6",
        "torchmetrics",
        "lightning-utilities",
        "torchdata",
        "boto3",
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(newer)]
    subprocess.run([*pip, "--no-deps", *packages, "boto3", "botocore", "jmespath", "s3transfer"], check=True)
    subprocess.run([*pip, "huggingface_hub"], check=True)
    said = hopkin(
        *("md", "LiFePO4-olivine", "--model", DIRECT_OF_MATGL, "-T", 300, "--out", tmp_path / "runs"),
        PYTHONPATH=str(newer),
    )
    assert said.returncode == 2
    assert "is not usable on Fe4Li4O16P4" in said.stderr
    assert "its golden energy is off by 6.2 eV/atom" in said.stderr
    assert list((tmp_path / "runs").rglob("result.json")) == []


def test_a_model_nobody_registered(tmp_path: Path) -> None:
    """MACE-MP-0 small, saved anew: a file of unknown hash, in a family that excludes SevenNet's packages."""
    known = ready("mace-mp-0-small")
    mine = tmp_path / "mine.model"
    save = f"import mace, torch; torch.save(torch.load({str(known.checkpoint())!r}), {str(mine)!r})"
    subprocess.run([known.interpreter(), "-c", save], check=True, capture_output=True)
    barrier = (
        "barrier",
        "LiFePO4-olivine",
        "--supercell",
        1,
        2,
        1,
        "--images",
        3,
        "--out",
        tmp_path / "runs",
    )
    data = {"XDG_DATA_HOME": str(tmp_path)}  # nothing is trusted there
    (tmp_path / "hopkin").mkdir()
    (tmp_path / "hopkin" / "environments").symlink_to(known.interpreter().parents[2])
    refused = hopkin(*barrier, "--model", f"mace:{mine}", **data)
    assert refused.returncode == 2
    assert "mine.model has not been seen before" in refused.stderr
    said = hopkin(*barrier, "--model", f"mace:{mine}", "--trust", "--json", **data)
    assert said.returncode == 0, said.stderr
    (result,) = json.loads(said.stdout)
    assert result["converged"]
    assert result["parity"]["golden_difference_eV_per_atom"] is None
    assert 0.1 < result["barrier_eV"] < 0.5


def test_families_that_exclude_one_another_in_one_process(tmp_path: Path) -> None:
    """TensorFlow and torch of e3nn 0.4.4: a band by each, one after the other, to a rough tolerance."""
    structure = load_structure("LiFePO4-olivine")
    results = {}
    for name in ("grace-small-lfp", "mace-mp-0-small:dtype=float64:route=native", "grace-small-lfp"):
        model = ready(name)
        wanted = specify(
            BarrierSpecification,
            **{"model": name, "images": 3, "repeats": (1, 2, 1), "relax_bulk": False},
            force_tolerance_eV_per_A=1.0,
        )
        (hop,) = select_hops(structure, "Li", wanted.max_length_A, "0")
        run, result = run_barrier(structure, hop, model, wanted, tmp_path, say=say)
        assert results.setdefault(name, (run.path, result)) == (run.path, result)
    (_, grace), (_, mace) = results.values()
    assert grace["model"] == "grace-small-lfp"
    assert (mace["model"], mace["route"]) == ("mace-mp-0-small:dtype=float64:route=native", "native")
    assert [result["failure"] for result in (grace, mace)] == [None, None]
    assert mace["parity"]["force_difference_eV_per_A"] < 1e-10
    assert grace["energies_eV"] != mace["energies_eV"]
    python = {ready(name).interpreter() for name in results}
    assert len(python) == 2
