"""Bands in LAMMPS on a landscape whose barrier is known, and every way in which a band fails."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bands import Outcome, lithium_at
from landscapes import FORWARD_EV, SADDLE, TILT_EV

from hopkin.drivers import engine
from hopkin.drivers.errors import LammpsError

# f^2/2k at the tolerance of the force, where the curvature at the saddle is above 1 eV/A^2, is 1e-5 eV.
BARRIER_TOLERANCE_EV = 1e-4

Neb = Callable[..., Outcome]


def test_barriers_are_those_of_the_landscape(neb: Neb) -> None:
    """The way up from either side, which differ, and the definition of their mean."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    assert result["failure"] is None
    assert result["converged"] is True
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)
    assert result["reverse_barrier_eV"] == pytest.approx(FORWARD_EV - TILT_EV, abs=BARRIER_TOLERANCE_EV)
    energies = result["energies_eV"]
    assert len(energies) == 5
    saddle = max(energies[1:-1])
    assert result["barrier_eV"] == pytest.approx(saddle - (energies[0] + energies[-1]) / 2, abs=1e-12)
    assert result["forward_barrier_eV"] == pytest.approx(saddle - energies[0], abs=1e-12)
    coordinate = result["reaction_coordinate"][energies.index(saddle)]
    assert coordinate == pytest.approx(2 * SADDLE, abs=0.01)
    assert 0.0 < result["max_atom_force_eV_per_A"] <= 0.005
    assert result["path_length_A"] == pytest.approx(4.0)
    assert result["n_atoms"] == 2
    assert result["force_evaluations"] > 0
    assert json.loads((run.path / "result.json").read_text()) == result


def test_ends_are_relaxed_first(neb: Neb) -> None:
    """Both ends beside their wells; the barrier is counted from the wells."""
    _, result = neb(lithium_at(0.03), lithium_at(0.48, across_A=0.2))
    assert result["failure"] is None
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)
    assert result["end_drift_A"] == pytest.approx(0.2, abs=0.1)


def test_a_path_across_the_boundary_is_the_short_one(neb: Neb) -> None:
    """From the higher well on to the next period of the lower one."""
    _, result = neb(lithium_at(0.55), lithium_at(0.95))
    assert result["failure"] is None
    assert result["path_length_A"] == pytest.approx(3.2)
    assert result["reverse_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)


# Failures


def test_a_band_without_time_is_not_converged(neb: Neb) -> None:
    _, result = neb(lithium_at(0.0), lithium_at(0.5), max_iterations=2)
    assert (result["failure"], result["converged"]) == ("not_converged", False)
    assert result["max_atom_force_eV_per_A"] > 0.005
    assert result["barrier_eV"] is not None


def test_an_end_without_time_is_not_converged(neb: Neb) -> None:
    """Its own force counts, though it does not move in the band."""
    _, result = neb(
        lithium_at(0.0), lithium_at(0.5, across_A=0.4), max_iterations=1, force_tolerance_eV_per_A=0.2
    )
    assert result["failure"] == "not_converged"
    assert result["max_atom_force_eV_per_A"] > 0.2


def test_a_saddle_below_an_end_is_unphysical(neb: Neb) -> None:
    """The initial end sits on top of the barrier, without a force that would relax it."""
    _, result = neb(lithium_at(SADDLE), lithium_at(0.5))
    assert result["failure"] == "type_II_unphysical"
    assert result["forward_barrier_eV"] < 0.0


def test_an_end_that_leaves_its_site(neb: Neb) -> None:
    """The final end lies on the near side of the barrier, and rolls back to the initial one."""
    _, result = neb(lithium_at(0.0), lithium_at(0.2))
    assert result["failure"] == "endpoint_drift"
    assert result["end_drift_A"] == pytest.approx(1.6, abs=0.05)
    assert result["barrier_eV"] is None
    assert result["converged"] is False


def test_a_band_that_meets_what_is_no_number_diverges(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.5), model="Abyss")
    assert result["failure"] == "type_I_divergence"
    assert result["barrier_eV"] is None
    assert result["converged"] is False
    assert json.loads((run.path / "result.json").read_text()) == result


def test_a_relaxation_that_diverges_is_counted_too(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.4), model="Pit")
    assert result["failure"] == "type_I_divergence"
    assert result["energies_eV"] == []
    assert not (run.path / "neb.in").exists()


def test_a_model_that_breaks_down_is_no_result(neb: Neb) -> None:
    """Its own words reach the user, and nothing is recorded: the run can be taken up again."""
    with pytest.raises(LammpsError, match="out of memory on the accelerator") as error:
        neb(lithium_at(0.0), lithium_at(0.5), model="Refusal")
    assert "neb.in failed" in str(error.value)


# Run directories


@pytest.fixture
def no_lammps(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object, **settings: object) -> float:
        raise AssertionError("LAMMPS was started")

    monkeypatch.setattr(engine, "run_deck", refuse)


def files(directory: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in directory.rglob("*")}


def test_a_finished_band_is_read(neb: Neb, request: pytest.FixtureRequest) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    before = files(run.path)
    request.getfixturevalue("no_lammps")
    again, same = neb(lithium_at(0.0), lithium_at(0.5))
    assert again.path == run.path
    assert same == result
    assert files(run.path) == before


def test_a_torn_band_is_taken_up_at_its_stage(neb: Neb) -> None:
    """Ends that were relaxed are read; ends of which one is missing are relaxed again."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    ends = files(run.path / "ends")
    (run.path / "result.json").unlink()
    (run.path / "image_2.yaml").unlink()
    _, again = neb(lithium_at(0.0), lithium_at(0.5))
    assert files(run.path / "ends") == ends
    assert again["energies_eV"] == pytest.approx(result["energies_eV"], abs=1e-10)

    (run.path / "result.json").unlink()
    (run.path / "ends" / "final.yaml").unlink()
    _, again = neb(lithium_at(0.0), lithium_at(0.5))
    assert files(run.path / "ends") != ends
    assert again["energies_eV"] == pytest.approx(result["energies_eV"], abs=1e-10)


def test_the_deck_stands_alone(neb: Neb, tmp_path: Path) -> None:
    """Only the deck and the images, elsewhere, and no hopkin process."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("neb.in", *(f"image_{n}.data" for n in range(5))):
        shutil.copy(run.path / name, alone)
    argv = [engine.executable("mpirun"), "-np", "5", engine.executable("lmp"), "-partition", "5x1"]
    subprocess.run([*argv, "-in", "neb.in"], cwd=alone, check=True, capture_output=True, timeout=300)
    energies = [
        float((alone / f"image_{n}.yaml").read_text().split("energy_eV: ")[1].split(",")[0]) for n in range(5)
    ]
    assert energies == pytest.approx(result["energies_eV"], abs=1e-10)
