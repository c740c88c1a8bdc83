"""Errors that real codes have had, planted one by one: the parity gate refuses each."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from hopkin.drivers.crystals.structures import lammps_orientation
from hopkin.drivers.engine import decks
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.workflows import parity
from hopkin.drivers.workflows.parity import Parity, ensure_parity, verify

CALCULATOR = """
import sys
from ase.calculators.emt import EMT
from ase.units import kcal, mol

IN_LAMMPS = "hopkin.drivers.models.service.evaluators" in sys.modules


class Planted(EMT):
    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        {error}


def make():
    return Planted()
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "cache_directory", lambda: tmp_path / "cache")


def planted(tmp_path: Path, error: str) -> Model:
    path = tmp_path / "planted.py"
    path.write_text(CALCULATOR.format(error=error))
    return find_model(f"ase:{path}:make")


def gate(model: Model) -> None:
    alloy = bulk("Cu", cubic=True)
    alloy.symbols[0] = "Au"
    ensure_parity(model, lammps_orientation(alloy), say=lambda _: None)


def test_nothing_planted_passes(tmp_path: Path) -> None:
    gate(planted(tmp_path, "pass"))


def test_anharmonic_is_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A central difference of second order is off by 1.1 % over such steps."""
    monkeypatch.setattr(parity, "_GRADIENT_STEP_A", 0.15)
    monkeypatch.setattr(parity, "GRADIENT_TOLERANCE", 0.005)
    gate(planted(tmp_path, "pass"))


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("if IN_LAMMPS: self.results['stress'] *= 0", id="a service that drops the virial"),
        pytest.param("if IN_LAMMPS: self.results['stress'] *= -1", id="stress of the other sign"),
        pytest.param("if IN_LAMMPS: self.results['forces'] *= -1", id="gradient in the place of force"),
        pytest.param("if IN_LAMMPS: self.results['energy'] *= mol / kcal", id="another unit in LAMMPS"),
        pytest.param("if IN_LAMMPS: self.results['energy'] += 0.001", id="a wrong reference energy"),
    ],
)
def test_lammps_and_python_differ(tmp_path: Path, error: str) -> None:
    with pytest.raises(ModelError, match=r"is not usable on AuCu3: LAMMPS and its own .* differ") as failed:
        gate(planted(tmp_path, error))
    kept = json.loads(Path(str(failed.value).rpartition("what both say is in ")[2]).read_text())
    assert kept["structure"]["symbols"] == "AuCu3"
    assert not Parity.model_validate(kept["parity"]).passed
    fields = ("energy", "forces", "stress")
    assert any(not np.allclose(kept["lammps"][of], kept["own"][of], atol=1e-6) for of in fields)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("self.results['energy'] *= mol / kcal", id="energies in kcal/mol"),
        pytest.param("self.results['forces'] *= 1.05", id="forces of other weights"),
        pytest.param("self.results['stress'] *= 160.2", id="stress in GPa"),
        pytest.param("self.results['stress'] *= -1", id="pressure for stress"),
    ],
)
def test_lammps_and_python_agree_and_both_are_wrong(tmp_path: Path, error: str) -> None:
    with pytest.raises(ModelError, match=r"forces and energies by \d+"):
        gate(planted(tmp_path, error))


def test_a_direct_model_is_measured_not_refused(tmp_path: Path) -> None:
    direct = planted(tmp_path, "self.results['forces'] *= 1.05").model_copy(update={"conservative": False})
    said = verify(direct, lammps_orientation(bulk("Cu", cubic=True)))
    assert said.passed
    assert said.gradient_difference == pytest.approx(1 - 1 / 1.05, abs=0.001)


def test_swapped_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right elements in the wrong order: LAMMPS runs, with another crystal."""
    render = decks.render

    def swapped(template: str, **values: object) -> str:
        elements = values["elements"]
        assert isinstance(elements, tuple)
        return render(template, **{**values, "elements": elements[::-1]})

    monkeypatch.setattr(decks, "render", swapped)
    with pytest.raises(ModelError, match=r"is not usable on AuCu3"):
        gate(planted(tmp_path, "pass"))
