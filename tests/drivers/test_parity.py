"""The parity gate: what it lets pass, and that planted errors do not."""

from dataclasses import replace
from pathlib import Path

import ase
import numpy as np
import pytest
from ase import units

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.models.weights import sha256_now
from hopkin.drivers.workflows import parity
from hopkin.drivers.workflows.parity import Parity, SinglePoint, ensure_parity, rattled, single_point, verify

EXACT = {
    "formula": "LiF",
    "energy_difference_eV_per_atom": 0.0,
    "force_difference_eV_per_A": 0.0,
    "force_noise_eV_per_A": 0.0,
    "stress_difference_GPa": 0.0,
    "atomic_energies_difference_eV_per_atom": None,
    "golden_difference_eV_per_atom": None,
    "gradient_difference": 0.0,
    "pressure_difference_GPa": 0.0,
    "conservative": True,
}

# LAMMPS's metal units convert eV/A^3 to bar with the CODATA constants of 2006, ASE with those of 2014.
PRESSURE_UNIT_TOLERANCE = 2e-7


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A pair potential for every element, and a cache directory of one's own."""
    monkeypatch.setattr(parity, "cache_directory", lambda: tmp_path / "cache")
    path = tmp_path / "pair.py"
    path.write_text(
        "from ase.calculators.lj import LennardJones\n\n\n"
        "def make():\n    return LennardJones(sigma=1.8, epsilon=0.2, rc=6.0)\n"
    )
    return find_model(f"ase:{path}:make")


@pytest.fixture
def golden(model: Model) -> float:
    """Energy per atom of the built-in LiFePO4, by the model's own calculator."""
    atoms = build_material("LiFePO4-olivine")
    atoms.calc = model.module.calculator(model, device="cpu")
    return float(atoms.get_potential_energy()) / len(atoms)


@pytest.fixture
def lammps(model: Model, monkeypatch: pytest.MonkeyPatch) -> dict[str, SinglePoint]:
    """What LAMMPS says of the rattled cell, for tests to falsify before the gate sees it."""
    said: dict[str, SinglePoint] = {}

    def planted(atoms: ase.Atoms, model: Model, directory: Path) -> SinglePoint:
        return said["point"]

    structure = build_material("LiCoO2-layered")
    atoms = rattled(structure)
    atoms.calc = model.module.calculator(model, device="cpu")
    said["point"] = SinglePoint(
        energy=float(atoms.get_potential_energy()),
        forces=atoms.get_forces(),
        stress=atoms.get_stress(),
        atomic_energies=None,
    )
    monkeypatch.setattr(parity, "single_point", planted)
    return said


def stamps(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "parity").rglob("*.json"))


def overwrite(model: Model) -> None:
    """Write other weights that behave like the first ones."""
    assert model.path is not None
    model.path.write_text(model.path.read_text() + "\n")


def gate(model: Model) -> dict[str, object]:
    return ensure_parity(model, build_material("LiCoO2-layered"), say=lambda _: None)


def test_agreement_passes_and_is_remembered(
    model: Model, lammps: dict[str, SinglePoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gate(model)
    assert first["energy_difference_eV_per_atom"] < 1e-12
    assert len(stamps(tmp_path)) == 1
    monkeypatch.setattr(parity, "verify", None)  # would fail if it were called again
    assert gate(model) == first


@pytest.mark.parametrize(
    ("quantity", "error"),
    [
        ("energy", 12 * 1.1 * parity.ENERGY_TOLERANCE_EV_PER_ATOM),  # of 12 atoms
        ("energy", np.nan),
        ("forces", 1.1 * parity.FORCE_TOLERANCE_EV_PER_A),
        ("forces", np.nan),
        ("stress", 1.1 * parity.STRESS_TOLERANCE_GPA * units.GPa),
        ("stress", np.nan),
    ],
)
def test_a_planted_error_is_refused_each_time(
    model: Model, lammps: dict[str, SinglePoint], tmp_path: Path, quantity: str, error: float
) -> None:
    wrong = np.array(getattr(lammps["point"], quantity), dtype=np.float64)
    wrong[(0,) * wrong.ndim] += error
    lammps["point"] = replace(lammps["point"], **{quantity: wrong if wrong.ndim else float(wrong)})
    for _ in range(2):
        with pytest.raises(ModelError, match=r"is not usable on .*(calculator differ by|forces are nan)"):
            gate(model)
    assert stamps(tmp_path) == []


def test_weights_with_another_golden_energy_are_refused(
    model: Model, golden: float, lammps: dict[str, SinglePoint], tmp_path: Path
) -> None:
    """They load without complaint, and LAMMPS agrees with their calculator."""
    published = golden + 2 * parity.GOLDEN_TOLERANCE_EV_PER_ATOM
    with pytest.raises(ModelError, match=r"differ by .* eV/atom.*golden energy is off by 0\.0002 eV/atom"):
        gate(model.model_copy(update={"golden_energy_eV_per_atom": published}))
    assert stamps(tmp_path) == []
    gate(model.model_copy(update={"golden_energy_eV_per_atom": golden}))
    assert len(stamps(tmp_path)) == 1


def test_a_stamp_is_of_one_model_and_one_set_of_elements(
    model: Model, lammps: dict[str, SinglePoint], tmp_path: Path
) -> None:
    gate(model)
    overwrite(model)
    assert model.path is not None
    gate(model.model_copy(update={"sha256": sha256_now(model.path)}))
    assert len(stamps(tmp_path)) == 2
    with pytest.raises(ValueError, match=r"broadcast"):  # another structure is evaluated, not taken on trust
        ensure_parity(model, build_material("LiFePO4-olivine"), say=lambda _: None)


def test_weights_that_are_overwritten_meanwhile_get_no_stamp(
    model: Model, lammps: dict[str, SinglePoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify_others(model: Model, atoms: ase.Atoms, evidence: Path) -> Parity:
        overwrite(model)
        return verify(model, atoms, evidence)

    monkeypatch.setattr(parity, "verify", verify_others)
    with pytest.raises(ModelError, match=r"pair\.py was overwritten while hopkin was at work"):
        gate(model)
    assert stamps(tmp_path) == []


@pytest.mark.parametrize("key", [key for key in EXACT if "difference" in key or "noise" in key])
def test_what_is_not_a_number_does_not_pass(key: str) -> None:
    assert Parity(**EXACT).passed
    assert not Parity(**{**EXACT, key: float("nan")}).passed


@pytest.mark.parametrize(
    ("noise", "difference", "passes"),
    [(1e-6, 1.1e-4, False), (1e-4, 1.9e-4, True), (1e-4, 2.1e-4, False), (0.1, 1.1e-3, False)],
)
def test_a_model_with_noise_of_its_own_is_given_twice_that_and_no_more(
    noise: float, difference: float, passes: bool
) -> None:
    forces = {"force_noise_eV_per_A": noise, "force_difference_eV_per_A": difference}
    assert Parity(**{**EXACT, **forces}).passed is passes


def test_rattling_repeats_itself_and_leaves_the_crystal(model: Model) -> None:
    atoms = build_material("LiCoO2-layered")
    before = atoms.positions.copy()
    assert np.array_equal(rattled(atoms).positions, rattled(atoms).positions)
    assert np.array_equal(atoms.positions, before)
    displaced = rattled(atoms, amplitude_A=0.05).positions - before
    assert 0.02 < displaced.std() < 0.08


def test_lammps_and_a_calculator_agree(model: Model, tmp_path: Path) -> None:
    """No part replaced: ASE's Lennard-Jones through LAMMPS and by itself, on a triclinic cell."""
    said = verify(model.model_copy(update={"atomic_energies": True}), build_material("LiCoO2-layered"))
    assert said.passed
    assert said.energy_difference_eV_per_atom < 1e-12
    assert said.force_difference_eV_per_A < 1e-10
    assert said.force_noise_eV_per_A < 1e-10
    assert said.atomic_energies_difference_eV_per_atom == pytest.approx(0.0, abs=1e-10)


def test_single_point_reads_all_that_lammps_says(model: Model, tmp_path: Path) -> None:
    atoms = rattled(build_material("LiCoO2-layered"))
    said = single_point(atoms, model.model_copy(update={"atomic_energies": True}), tmp_path)
    atoms.calc = model.module.calculator(model, device="cpu")
    assert said.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
    assert said.forces == pytest.approx(atoms.get_forces(), abs=1e-9)
    assert said.stress == pytest.approx(atoms.get_stress(), rel=PRESSURE_UNIT_TOLERANCE)
    assert said.atomic_energies is not None
    assert said.atomic_energies.sum() == pytest.approx(said.energy)
