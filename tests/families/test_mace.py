"""MACE by symmetrix-xl: what its own calculator says, the same to the last bit, or a word why not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hopkin.drivers.crystals import build_material
from hopkin.drivers.engine import environment_of, slug
from hopkin.drivers.models import environments, fetch, find_model
from hopkin.drivers.models.weights import cache_directory
from hopkin.drivers.workflows.parity import verify

pytestmark = pytest.mark.slow

NAME = "mace-mp-0-small:dtype=float64"
DOUBLE_EV_PER_A = 1e-5

EVALUATE = """
import json, sys
import numpy as np
from hopkin.drivers.models import find_model
from hopkin.drivers.models.adapters import Configuration
from hopkin.drivers.models.service import evaluators
evaluators._use_threads(int(sys.argv[2]))
crystal = json.load(sys.stdin)
adapter = evaluators.load(find_model(sys.argv[1]), "cpu")
if sys.argv[3:]:
    adapter.prepare([3, 8, 26, 15])
    loaded = dict(adapter._of_elements)
without_torch = "torch" not in sys.modules
said = []
for shift in (0.0, 0.3, 0.0):  # the last one is the first, after the crystal has moved beyond any skin
    asked = Configuration(
        positions=np.array(crystal["positions"]) * (1 + shift),
        cell=np.array(crystal["cell"]) * (1 + shift),
        numbers=np.array(crystal["numbers"]),
    )
    found = adapter.evaluate(asked)
    said.append([found.energy, found.forces.tolist(), found.virial.tolist(), found.atomic_energies.sum()])
if sys.argv[3:]:
    assert adapter._of_elements == loaded, "the crystal's elements were loaded again"
print(json.dumps({"is": str(adapter), "said": said, "without torch": without_torch}))
"""


def evaluated(name: str, threads: int, *words: str, **variables: str) -> dict[str, object]:
    model = find_model(name)
    environments.install(model.family, say=lambda _: None)
    fetch(model, say=lambda _: None)
    atoms = build_material("LiFePO4-olivine")
    atoms.rattle(0.05, seed=1)
    crystal = {
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "numbers": atoms.numbers.tolist(),
    }
    python = model.interpreter()
    ended = subprocess.run(
        [python, "-P", "-c", EVALUATE, name, str(threads), *words],
        env=environment_of(python) | variables,
        input=json.dumps(crystal),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("crystal", ["LiFePO4-olivine", "LiTiO2-layered"])
def test_forces_in_double_precision_are_those_of_the_checkpoint(crystal: str) -> None:
    """The second cell has 4 atoms and is smaller than the cutoff."""
    parity = verify(find_model(NAME), build_material(crystal))
    assert parity.passed
    assert parity.force_difference_eV_per_A < DOUBLE_EV_PER_A


@pytest.mark.parametrize(
    ("shape", "head"),
    [("mp-0-small", ""), ("mp-0b3", ""), ("two-heads", ":head=one"), ("two-heads", ":head=another")],
)
def test_blocks_repulsion_and_heads_of_published_models(shape: str, head: str, tmp_path: Path) -> None:
    """By seeded weights of the shapes of those that cannot be had here: MP-0b3, MPA-0, OMAT-0."""
    python, file = environments.install("mace", say=lambda _: None), tmp_path / "seeded.model"
    command = [python, Path(__file__).with_name("seeded_mace.py"), file, shape]
    subprocess.run(command, capture_output=True, check=True)
    model = find_model(f"mace:{file}:dtype=float64{head}", trusted=True)
    parity = verify(model, build_material("LiFePO4-olivine"))
    assert parity.passed
    assert parity.force_difference_eV_per_A < DOUBLE_EV_PER_A
    exported = cache_directory() / "symmetrix"
    assert list(exported.glob(f"{slug(model.entry, hyphens=True)}-LiOPFe-*.json")), "not by symmetrix-xl"


@pytest.mark.parametrize(("name", "threads"), [(NAME, 1), ("mace-mp-0-small", 2)])
def test_it_says_the_same_to_the_last_bit_whatever_it_has_seen(name: str, threads: int) -> None:
    first, again = (evaluated(name, threads) for _ in range(2))
    assert str(first["is"]).startswith("MACE by symmetrix-xl")
    assert first == again
    before, _, after = first["said"]  # type: ignore[misc]
    assert before == after  # what it has seen meanwhile does not matter
    assert first["without torch"]  # which would double the start of a service
    assert evaluated(name, threads, "prepared") == first


def test_a_damaged_export_is_made_anew(tmp_path: Path) -> None:
    name, cache = NAME, {"XDG_CACHE_HOME": str(tmp_path)}
    weights = find_model(name).checkpoint()
    kept = tmp_path / "hopkin" / "models" / "mace-mp-0-small"
    kept.mkdir(parents=True)
    (kept / weights.name).symlink_to(weights)
    first = evaluated(name, 1, **cache)
    for file in (tmp_path / "hopkin" / "models" / "symmetrix").glob("*.json"):
        file.write_text(file.read_text()[: file.stat().st_size // 2])
    assert evaluated(name, 1, **cache) == first


def test_mace_torch_serves_where_symmetrix_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "symmetrix.py").write_text("raise ImportError('its library is of another world')")
    python = environments.install("mace", say=lambda _: None)
    path = environment_of(python).get("PYTHONPATH", "")
    said = evaluated(NAME, 1, PYTHONPATH=f"{tmp_path}:{path}")
    assert "by mace-torch, as its library is of another world" in str(said["is"])
    ours = evaluated(NAME, 1)["said"]
    assert said["said"][0][0] == pytest.approx(ours[0][0], abs=1e-5)  # type: ignore[index]
