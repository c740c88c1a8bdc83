"""`hopkin evaluate`: planted errors are found, and a killed evaluation goes on."""

import json
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from bands import silent

from hopkin.drivers.errors import MachineError, ModelError, StructureError
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.workflows import evaluation
from hopkin.drivers.workflows.evaluation import evaluate, read_labelled

OFFSETS = {"Cu": 0.5, "Au": -1.0}


@pytest.fixture
def emt(tmp_path: Path) -> Model:
    """EMT, which cannot say anything of lithium."""
    path = tmp_path / "emt.py"
    path.write_text("from ase.calculators.emt import EMT\n\n\ndef make():\n    return EMT()\n")
    return find_model(f"ase:{path}:make")


def labelled(n: int = 6, **replaced: str) -> list[ase.Atoms]:
    """Shaken alloys labelled by EMT with other energies of the elements, and 0.1 eV/A more along x."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True).repeat((1, 1, 2))
        atoms.symbols[: k + 1] = "Au"
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.calc = EMT()
        energy = atoms.get_potential_energy() - sum(OFFSETS[symbol] for symbol in atoms.symbols)
        forces = atoms.get_forces() - [0.1, 0, 0]
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=atoms.get_stress())
        atoms.info["temperature"] = 300 * (1 + k % 2)
        made.append(atoms)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "alloys.xyz"
    ase.io.write(path, labelled(), format="extxyz")
    return path


def test_planted_errors_are_found(file: Path, emt: Model, tmp_path: Path) -> None:
    run, result = evaluate(file, emt, tmp_path / "runs", group="temperature", say=silent)
    assert result["element_offsets_eV"] == pytest.approx(OFFSETS, abs=1e-6)
    assert result["energy_shifted_mae_eV_per_atom"] == pytest.approx(0, abs=1e-7)
    assert result["energy_mae_eV_per_atom"] > 0.1
    assert result["force_mae_eV_per_A"] == pytest.approx(0.1 / 3, rel=1e-4)
    assert result["force_rmse_eV_per_A"] == pytest.approx(0.1 / np.sqrt(3), rel=1e-4)
    assert result["stress_mae_GPa"] == pytest.approx(0, abs=1e-5)
    assert {name: part["n_structures"] for name, part in result["groups"].items()} == {"300": 3, "600": 3}
    assert (result["n_structures"], result["n_skipped"], result["n_failed"]) == (6, 0, 0)
    assert json.loads((run.path / "result.json").read_text()) == result


def test_what_the_model_cannot_do_is_counted(emt: Model, tmp_path: Path) -> None:
    """An element that it does not cover is known before; one that its package refuses is found out."""
    structures = labelled(6)
    structures[1].symbols[0] = "Li"
    structures[4].symbols[0] = "Pu"
    ase.io.write(tmp_path / "x.xyz", structures, format="extxyz")
    model = emt.model_copy(update={"elements": ("Cu", "Au", "Li")})
    _, result = evaluate(tmp_path / "x.xyz", model, tmp_path / "runs", say=silent)
    assert (result["n_structures"], result["n_skipped"], result["n_failed"]) == (4, 1, 1)
    assert list(result["errors"]) == ["1"]


def test_a_killed_evaluation_goes_on(
    file: Path, emt: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "_BATCH_ATOMS", 16)  # two structures
    asked: list[int] = []
    own = evaluation.own_results

    def counted(model: Model, structures: list[ase.Atoms]) -> list[dict[str, object]]:
        asked.append(len(structures))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return own(model, structures)

    monkeypatch.setattr(evaluation, "own_results", counted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(file, emt, tmp_path / "runs", say=silent)
    (answers,) = (tmp_path / "runs").glob("*/answers.jsonl")
    answers.write_bytes(answers.read_bytes()[:-5])  # and the last line was torn
    _, result = evaluate(file, emt, tmp_path / "runs", say=silent)
    assert asked == [2, 2, 2, 2, 1]
    assert result["element_offsets_eV"] == pytest.approx(OFFSETS, abs=1e-6)
    evaluate(file, emt, tmp_path / "runs", say=silent)  # has ended
    assert len(asked) == 5


def test_a_worker_that_died_is_no_answer_of_the_model(tmp_path: Path, file: Path) -> None:
    """Killed the first time, as for its memory: not the model's failure, and the same command goes on."""
    path, died = tmp_path / "mortal.py", tmp_path / "died"
    path.write_text(
        "import os\nfrom pathlib import Path\nfrom ase.calculators.emt import EMT\n\n\ndef make():\n"
        f"    died = Path({str(died)!r})\n    if not died.exists():\n        died.touch()\n"
        "        os._exit(9)\n    return EMT()\n"
    )
    model = find_model(f"ase:{path}:make").model_copy(update={"elements": ("Au", "Cu")})
    with pytest.raises(MachineError, match="the model's Python ended with exit code 9"):
        evaluate(file, model, tmp_path / "runs", say=silent)
    _, result = evaluate(file, model, tmp_path / "runs", say=silent)
    assert (result["n_structures"], result["n_failed"]) == (6, 0)


def test_a_failure_or_a_torn_answer_is_tried_again(tmp_path: Path) -> None:
    kept = tmp_path / "answers.jsonl"
    answer = '"energy": 1.0, "forces": [], "stress": []}'
    torn = ['{"structure": 2, "ener', '{"structure": 3}', "[]", "\0\0"]
    lines = [
        '{"structure": 0, "error": "x"}',
        '{"structure": 1, ' + answer,
        *torn,
        '{"structure": 4, ' + answer,
    ]
    kept.write_text("\n".join(lines) + "\n")
    whole = {"energy": 1.0, "forces": [], "stress": []}
    assert evaluation._read(kept) == {1: whole, 4: whole}


def test_labels_that_are_refused(file: Path, emt: Model, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="no such file"):
        read_labelled(tmp_path / "none.xyz")
    with pytest.raises(StructureError, match="structure 0 does not say its 'set'; it says temperature"):
        read_labelled(file, "set")
    ase.io.write(tmp_path / "bare.xyz", bulk("Cu"), format="extxyz")
    with pytest.raises(StructureError, match="structure 0 has no energy and no forces"):
        read_labelled(tmp_path / "bare.xyz")
    (tmp_path / "text.xyz").write_text("not a structure\n")
    with pytest.raises(StructureError, match="cannot be read as Extended XYZ file: it is cut off"):
        read_labelled(tmp_path / "text.xyz")
    with pytest.raises(ModelError, match="does not cover Au"):
        evaluate(file, emt.model_copy(update={"elements": ("Cu",)}), tmp_path / "runs", say=silent)


def test_an_at_sign_is_part_of_the_name(tmp_path: Path) -> None:
    """For ASE it would begin the number of a structure."""
    for name in ("alloys@2.xyz", "alloys@300K.xyz"):
        ase.io.write(tmp_path / name, labelled(), format="extxyz")
        assert len(read_labelled(tmp_path / name)) == 6


def test_labels_of_the_reference_data(shared_data: Path) -> None:
    """Energies of compressed crystals, too, and stresses in eV/A^3, not in kbar."""
    found = read_labelled(shared_data / "labelled" / "mpf-alkali-TP.xyz", "source")
    assert len(found) == 460
    assert all(-8 < label.energy / len(label.atoms) < 4 for label in found)
    assert all(label.stress is not None and np.abs(label.stress).max() < 6 for label in found)
