"""Bands in LAMMPS on a landscape whose barrier is known, and every way in which a band fails."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from bands import BOX_A, Outcome, lithium_at, silent
from landscapes import (
    CROWD_EV,
    FORWARD_EV,
    HELIUM_SPRING_EV_PER_A2,
    POCKET_WIDTH_A,
    SADDLE,
    SPRING_EV_PER_A2,
    TILT_EV,
    WELL_EV,
    bow_valley,
    pocket,
    ridge,
)
from scipy.optimize import minimize, minimize_scalar

from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.errors import DivergenceError, LammpsError, SpecificationError
from hopkin.drivers.models.model import Model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows import barrier
from hopkin.drivers.workflows.band import below_ends
from hopkin.drivers.workflows.relaxation import Bulk

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
    assert result["climbing_image"] == energies.index(saddle)
    coordinate = result["reaction_coordinate"][energies.index(saddle)]
    assert coordinate == pytest.approx(2 * SADDLE, abs=0.01)
    assert 0.0 < result["max_atom_force_eV_per_A"] <= 0.005
    assert result["path_length_A"] == pytest.approx(4.0)
    assert result["n_atoms"] == 2
    assert result["force_evaluations"] > 0
    assert json.loads((run.path / "result.json").read_text()) == result
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["converged"]
    assert result["evidence"] is None


def test_the_spline_agrees_with_the_landscape(neb: Neb) -> None:
    """Between the images, where no force was ever evaluated; its top is the climbing image."""
    _, result = neb(lithium_at(0.0), lithium_at(0.5), images=5)
    s = np.array(result["spline_coordinate_A"]) / BOX_A
    exact = WELL_EV * (1 - np.cos(4 * np.pi * s)) + TILT_EV * (1 - np.cos(2 * np.pi * s)) / 2
    assert result["spline_energies_eV"] == pytest.approx(exact.tolist(), abs=0.01)
    assert result["spline_barrier_eV"] == pytest.approx(result["barrier_eV"], abs=2 * BARRIER_TOLERANCE_EV)
    assert result["saddle_coordinate"] == pytest.approx(2 * SADDLE, abs=0.005)
    assert result["unresolved"] is None


def test_the_band_is_one_file_to_look_at(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    images = ase.io.read(run.path / "path.extxyz", ":")
    assert [image.get_potential_energy() for image in images] == pytest.approx(result["energies_eV"])
    assert [image.positions[1, 0] / BOX_A for image in images[:: len(images) - 1]] == pytest.approx(
        [0.0, 0.5]
    )
    assert all(abs(image.get_forces()).max() < 0.01 for image in images[::2])


def test_a_band_with_too_few_images_gets_more(neb: Neb) -> None:
    """Two humps, of which the first is the higher: seen by three images, resolved by seven."""
    run, result = neb(lithium_at(0.0), lithium_at(0.4), model="Ridge")
    assert result["failure"] is None
    assert [attempt["images"] for attempt in result["attempts"]] == [3, 7]
    assert "minimum at 0.5" in result["attempts"][1]["start"]
    top = minimize_scalar(lambda s: -ridge(s), bounds=(0.05, 0.15), method="bounded")
    assert result["forward_barrier_eV"] == pytest.approx(-top.fun, abs=BARRIER_TOLERANCE_EV)
    assert result["saddle_coordinate"] == pytest.approx(top.x / 0.4, abs=0.01)
    assert result["images"] == 7
    assert (run.path / "attempt_1" / "neb.in").is_file()
    assert (run.path / "image_8.data").is_file()


def test_a_straight_path_leaves_the_ridge_it_starts_on(neb: Neb) -> None:
    """Its forces alone would hold it there, 0.3 eV above the saddle beside it."""
    _, result = neb(lithium_at(0.0), lithium_at(0.5), model="Bow", images=5)
    assert result["failure"] is None
    top = minimize_scalar(lambda s: -bow_valley(s), bounds=(0.1, 0.4), method="bounded")
    assert -top.fun < FORWARD_EV - 0.25
    assert result["forward_barrier_eV"] == pytest.approx(-top.fun, abs=BARRIER_TOLERANCE_EV)


def test_another_ion_than_the_one_that_hops_is_refused(neb: Neb) -> None:
    with pytest.raises(SpecificationError, match=r"no He hops .* Li 2 moves by 4.00 A: give --ion Li$"):
        neb(lithium_at(0.0), lithium_at(0.5), ion="He")


def test_a_symmetric_path_stays_on_its_ridge_where_asked(neb: Neb) -> None:
    """As published bands often did: all forces across it are zero."""
    _, result = neb(lithium_at(0.0), lithium_at(0.5), model="Bow", images=5, symmetric_path=True)
    assert result["failure"] is None
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)


def test_a_band_whose_refinement_breaks_down_is_kept(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.4), model="ScarceRidge")
    assert result["failure"] is None
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["converged", "broke down"]
    assert "out of memory on the accelerator" in result["attempts"][1]["evidence"]
    assert result["images"] == 3
    assert len(result["energies_eV"]) == 5
    assert "minimum at 0.5" in result["unresolved"]
    assert not (run.path / "image_8.data").exists()


@pytest.mark.slow
def test_more_images_are_not_forced_on_anyone(neb: Neb) -> None:
    _, result = neb(lithium_at(0.0), lithium_at(0.4), model="Ridge", most_images=3)
    assert [attempt["images"] for attempt in result["attempts"]] == [3]
    assert result["failure"] is None
    assert "minimum at 0.5" in result["unresolved"]


def test_an_image_below_both_ends_is_told() -> None:
    """As MatterSim's of Na7P3S11, where another ion leaves its site on the way; not one lower end."""
    assert below_ends([0.0, 0.086, 0.183, 0.564, -0.015, -0.175, -0.002]) == (
        "image 5 lies 0.173 eV below both ends, which are no ground states"
    )
    assert below_ends([0.0, 0.3, -0.2]) is None


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
    """Down the ladder: another optimiser, stiffer springs, each from where the last one ended."""
    _, result = neb(lithium_at(0.0), lithium_at(0.5), max_iterations=2, force_tolerance_eV_per_A=1e-6)
    assert (result["failure"], result["converged"]) == ("not_converged", False)
    assert result["max_atom_force_eV_per_A"] > 1e-6
    assert result["barrier_eV"] is not None
    assert result["evidence"].startswith("after 3 attempts, the largest force on an atom is")
    settings = [attempt["settings"] for attempt in result["attempts"]]
    assert [s["optimiser"] for s in settings] == ["fire", "quickmin", "fire"]
    assert settings[2]["spring_eV_per_A2"] > settings[0]["spring_eV_per_A2"]
    assert [a["start"] for a in result["attempts"]] == ["interpolated", "band 1", "band 2"]


def test_a_band_with_numbers_outlives_later_ones_without(neb: Neb) -> None:
    """Not converged in time by steps of 4 fs; by shorter ones it diverges."""
    run, result = neb(
        lithium_at(0.0), lithium_at(0.5), model="Steady", max_iterations=2, force_tolerance_eV_per_A=1e-6
    )
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["not converged", *3 * ["diverged"]]
    assert (result["failure"], result["converged"]) == ("not_converged", False)
    assert result["evidence"].startswith("after 4 attempts, the largest force on an atom is")
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=0.1)
    assert "timestep        0.004\n" in (run.path / "neb.in").read_text()
    assert (run.path / "attempt_4").is_dir()


def test_an_end_without_time_is_not_converged(neb: Neb) -> None:
    """There is no band between ends that are not at rest."""
    _, result = neb(
        lithium_at(0.0), lithium_at(0.5, across_A=0.4), max_iterations=1, force_tolerance_eV_per_A=0.2
    )
    assert result["failure"] == "not_converged"
    assert result["max_atom_force_eV_per_A"] > 0.2
    assert "the final end did not relax: after 2 iterations the largest force is" in result["evidence"]
    assert result["energies_eV"] == result["attempts"] == []


def test_a_saddle_below_an_end_is_unphysical(neb: Neb) -> None:
    """The initial end sits on top of the barrier, without a force that would relax it."""
    _, result = neb(lithium_at(SADDLE), lithium_at(0.5))
    assert result["failure"] == "type_II_unphysical"
    assert result["forward_barrier_eV"] < 0.0
    assert "eV below the initial end" in result["evidence"]


def test_ends_that_are_no_ground_states_are_relaxed_anew(neb: Neb) -> None:
    """Symmetry holds both ends in pockets, 0.4 eV above what the band finds beside them."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5), model="Pockets", images=5)

    def energy(s: float) -> float:
        x = BOX_A * (s - np.round(2 * s) / 2)
        well = WELL_EV * (1 - np.cos(4 * np.pi * s)) + TILT_EV * (1 - np.cos(2 * np.pi * s)) / 2
        return float(well + pocket(x / POCKET_WIDTH_A))

    bottom = minimize_scalar(energy, bounds=(0.05, 0.1), method="bounded").fun
    assert result["failure"] is None
    assert result["forward_barrier_eV"] == pytest.approx(energy(SADDLE) - bottom, abs=BARRIER_TOLERANCE_EV)
    assert result["end_drift_A"] == pytest.approx(0.57, abs=0.03)
    starts = [attempt["start"] for attempt in result["attempts"]]
    assert starts == ["interpolated", "interpolated between ends relaxed anew"]
    assert (run.path / "ends_1" / "initial.dump").is_file()
    assert (run.path / "attempt_1" / "neb.in").is_file()


def test_an_end_that_leaves_its_site(neb: Neb) -> None:
    """The final end lies on the near side of the barrier, and rolls back to the initial one."""
    _, result = neb(lithium_at(0.0), lithium_at(0.2))
    assert result["failure"] == "endpoint_drift"
    assert result["end_drift_A"] == pytest.approx(1.6, abs=0.05)
    assert "in the final end Li 2 fell into another site" in result["evidence"]
    assert result["evidence"].endswith("from the initial site of the hop")
    assert result["barrier_eV"] is None
    assert result["converged"] is False


def test_a_band_that_meets_what_is_no_number_diverges(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.5), model="Abyss")
    assert result["failure"] == "type_I_divergence"
    assert result["evidence"] == "at step 0 the energy of image 1 is no number"
    assert [attempt["outcome"] for attempt in result["attempts"]] == 3 * ["diverged"]
    assert result["barrier_eV"] is None
    assert result["converged"] is False
    assert json.loads((run.path / "result.json").read_text()) == result


@pytest.mark.slow
def test_a_model_that_loses_its_numbers_diverges(neb: Neb) -> None:
    """In each attempt, after some steps of the band."""
    _, result = neb(lithium_at(0.0), lithium_at(0.5), model="Fades", force_tolerance_eV_per_A=1e-6)
    assert result["failure"] == "type_I_divergence"
    # whichever is seen first: the table of the band, or what the service says at the next step
    lost = (
        r"at step [1-9]\d* the energy of image \d is no number"
        r"|after step \d+ LAMMPS ended: pair_style hopkin: model \S+: Non-numeric positions or cell"
    )
    assert re.fullmatch(lost, result["evidence"])
    assert all(attempt["outcome"] == "diverged" for attempt in result["attempts"])


@pytest.mark.slow
def test_a_band_that_diverges_once_is_tried_by_smaller_steps(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.5), model="Hasty")
    assert result["failure"] is None
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["diverged", "converged"]
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)
    assert "timestep        0.0005" in (run.path / "neb.in").read_text()


ON_THE_WAY = (BOX_A / 4, BOX_A / 2, BOX_A / 2)


def test_a_band_that_runs_away_is_stopped_and_tried_by_smaller_steps(neb: Neb) -> None:
    _, result = neb(lithium_at(0.0), lithium_at(0.5), model="Swells")
    assert result["failure"] is None
    assert [attempt["outcome"] for attempt in result["attempts"]] == ["diverged", "converged"]
    assert "the band ran away: its barrier was" in result["attempts"][0]["evidence"]
    assert result["forward_barrier_eV"] == pytest.approx(FORWARD_EV, abs=BARRIER_TOLERANCE_EV)


def test_a_path_through_another_atom_is_unphysical(neb: Neb) -> None:
    """Helium on the straight way, which the landscape does not know of."""
    _, result = neb(lithium_at(0.0, helium=ON_THE_WAY), lithium_at(0.5, helium=ON_THE_WAY))
    assert result["failure"] == "type_II_unphysical"
    assert re.search(r"between images \d and \d, Li 2 and He 1 come within 0\.\d+ A", result["evidence"])


@pytest.mark.slow
def test_a_path_goes_around_another_atom(neb: Neb) -> None:
    """The same with helium that repels: over the saddle of the way around it."""
    _, result = neb(lithium_at(0.0, helium=ON_THE_WAY), lithium_at(0.5, helium=ON_THE_WAY), model="Crowd")
    assert result["failure"] is None

    def height(places: np.ndarray) -> float:
        """Lithium and helium on the plane through helium, near which the saddle lies: the tilt is weak."""
        lithium, helium = places
        crowd = CROWD_EV * (1 - (lithium - helium) / 2.0) ** 2
        springs = SPRING_EV_PER_A2 / 2 * lithium**2 + HELIUM_SPRING_EV_PER_A2 / 2 * helium**2
        return float(FORWARD_EV + springs + crowd)

    around = minimize(height, [0.5, 0.0])
    assert result["forward_barrier_eV"] == pytest.approx(around.fun, abs=0.01)


def test_a_relaxation_that_diverges_is_counted_too(neb: Neb) -> None:
    run, result = neb(lithium_at(0.0), lithium_at(0.4), model="Pit")
    assert result["failure"] == "type_I_divergence"
    assert result["energies_eV"] == []
    assert not (run.path / "neb.in").exists()


def test_what_is_known_of_the_crystal_outlives_ends_that_diverge(
    landscape: Callable[[str], Model], tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cell, and how well it relaxed: a crystal that exploded may be why."""

    def diverge(*words: object, **settings: object) -> object:
        raise DivergenceError("no numbers")

    structure = Structure(atoms=bulk("Li", cubic=True, a=3.5), material="Li", source="test")
    known = Bulk(
        directory=tmp_path, atoms=structure.atoms, facts={"bulk_max_pressure_GPa": 0.05}, evidence=None
    )
    monkeypatch.setattr(barrier, "relax_bulk", lambda *_, **__: known)
    monkeypatch.setattr(barrier, "relaxed_band", diverge)
    model = landscape("TwoWells")
    (hop, *_) = barrier.list_hops(structure, "Li", 4.0)
    asked = BarrierSpecification(model=model.name, images=3, repeats=(3, 3, 3))
    _, result = barrier.run_barrier(structure, hop, model, asked, tmp_path, verify=False, say=silent)
    assert (result["failure"], result["evidence"]) == ("type_I_divergence", "no numbers")
    assert (result["barrier_eV"], result["attempts"]) == (None, [])
    assert result["bulk_max_pressure_GPa"] == 0.05


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


@pytest.mark.slow
def test_the_deck_stands_alone(neb: Neb, tmp_path: Path) -> None:
    """Only the deck, the images and the model, elsewhere, and no hopkin process."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5))
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("neb.in", "model.py", *(f"image_{n}.data" for n in range(5))):
        shutil.copy(run.path / name, alone)
    argv = [engine.executable("mpirun"), "-np", "5", engine.executable("lmp"), "-partition", "5x1"]
    subprocess.run([*argv, "-in", "neb.in"], cwd=alone, check=True, capture_output=True, timeout=300)
    energies = [
        float((alone / f"image_{n}.yaml").read_text().split("energy_eV: ")[1].split(",")[0]) for n in range(5)
    ]
    assert energies == pytest.approx(result["energies_eV"], abs=1e-10)
