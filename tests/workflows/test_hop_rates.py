"""Attempt frequencies: of a landscape whose Hessian is known, and of copper against ASE's vibrations."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.vibrations import Vibrations
from bands import BOX_A, Outcome, lithium_at, silent
from landscapes import TILT_EV, WELL_EV

from hopkin.drivers import engine
from hopkin.drivers.bands.rates import attempt_frequency, frequencies, region
from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows import rates
from hopkin.drivers.workflows.barrier import run_barrier, select_hops
from hopkin.drivers.workflows.rates import RADIUS_A, with_rates

LITHIUM_AMU = 6.94


def frequency_of(curvature: float) -> float:
    """Of lithium in a well [THz], from the curvature [eV/A^2]."""
    return math.sqrt(curvature * units._e * 1e20 / (LITHIUM_AMU * units._amu)) / (2 * math.pi) * 1e-12


def test_attempt_frequencies_of_a_landscape(
    neb: Callable[..., Outcome], landscape: Callable[[str], Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The springs across are the same everywhere and cancel; the curvatures of the wells remain."""
    run, result = with_rates(
        neb(lithium_at(0.0), lithium_at(0.5)), landscape("TwoWells"), [300.0, 600.0], say=silent
    )
    wave = 2 * np.pi / BOX_A
    first, second = (4 * WELL_EV + sign * TILT_EV / 2 for sign in (1, -1))
    found = result["rates"]
    assert found["moving_atoms"] == 1
    assert found["attempt_frequency_THz"] == pytest.approx(frequency_of(first * wave**2), rel=0.002)
    assert found["reverse_attempt_frequency_THz"] == pytest.approx(frequency_of(second * wave**2), rel=0.002)
    for kelvin in (300.0, 600.0):
        exponential = math.exp(-result["forward_barrier_eV"] / (units.kB * kelvin))
        expected = found["attempt_frequency_THz"] * 1e12 * exponential
        assert found["rates_per_s"][f"{kelvin:g}"] == pytest.approx(expected)
    assert json.loads((run.path / "result.json").read_text()) == result

    def refuse(*words: object, **settings: object) -> float:
        raise AssertionError("LAMMPS was started")

    monkeypatch.setattr(engine, "run_deck", refuse)
    _, other = with_rates((run, result), landscape("TwoWells"), [800.0], say=silent)
    assert list(other["rates"]["rates_per_s"]) == ["800"]


def test_a_band_that_failed_has_no_rates(
    neb: Callable[..., Outcome], landscape: Callable[[str], Model]
) -> None:
    failed = neb(lithium_at(0.0), lithium_at(0.2))
    _, result = with_rates(failed, landscape("TwoWells"), [300.0], say=silent)
    assert result["rates"] is None
    assert result["rates_evidence"] == "the band failed: endpoint_drift"


def test_a_landscape_without_one_saddle_has_no_rates(
    neb: Callable[..., Outcome], landscape: Callable[[str], Model]
) -> None:
    """The image that climbed is taken for the saddle, here an end without an imaginary mode."""
    run, result = neb(lithium_at(0.0), lithium_at(0.5), images=4)
    _, said = with_rates((run, result | {"climbing_image": 5}), landscape("TwoWells"), [300.0], say=silent)
    assert said["rates"] is None
    assert said["rates_evidence"].startswith("the saddle has 0 imaginary modes; accepted: one, or none where")


def test_matrices_are_those_of_the_states(
    landscape: Callable[[str], Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a band that was run again in the same directory, of another choice of atoms, or of other weights."""
    starts, problem = [], list[ModelError]()

    def count(directory: Path, *words: object, **settings: object) -> float:
        starts.append(float(len(starts)))
        for name in ("initial", "saddle", "final"):
            (directory / f"{name}.dynmat").write_text(3 * f"{starts[-1]} 0.0 0.0\n")
        if problem:
            raise problem.pop()
        return 0.0

    monkeypatch.setattr(rates, "run_deck", count)

    def first(*places: float, atom: int = 1) -> float:
        states = [lithium_at(place).atoms for place in places]
        matrices = rates.dynamical_matrices(
            states, np.array([atom]), landscape("TwoWells"), tmp_path, say=silent
        )
        return float(matrices[0][0, 0])

    assert first(0.0, 0.25, 0.5) == first(-1e-12, 0.25, 0.5) == 0.0
    assert first(0.0, 0.26, 0.5) == first(0.0, 0.26, 0.5) == 1.0
    assert first(0.0, 0.26, 0.5, atom=0) == 2.0
    (tmp_path / "final.dynmat").write_text("0.0")
    problem.append(ModelError("overwritten"))
    with pytest.raises(ModelError):
        first(0.0, 0.26, 0.5, atom=0)
    assert first(0.0, 0.26, 0.5, atom=0) == 4.0


@pytest.mark.slow
def test_attempt_frequency_of_the_vacancy_of_copper(tmp_path: Path) -> None:
    """By ASE's vibrations of the same atoms in the same places; a few THz."""
    model = find_model("ase:ase.calculators.emt:EMT")
    structure = Structure(atoms=bulk("Cu", cubic=True), material="Cu", source="test")
    (hop,) = select_hops(structure, "Cu", 3.0, "0")
    asked = BarrierSpecification(
        model=model.name, ion="Cu", images=3, repeats=(3, 3, 3), force_tolerance_eV_per_A=0.005
    )
    run = run_barrier(structure, hop, model, asked, tmp_path, verify=False, say=silent)
    directory, result = with_rates(run, model, [300.0], say=silent)
    band = list(ase.io.iread(directory.path / "path.extxyz"))
    states = [band[0], band[result["climbing_image"]]]
    moving = region([*states, band[-1]], result["ion_index"], RADIUS_A)
    assert result["rates"]["moving_atoms"] == len(moving) > 12
    theirs = []
    for number, state in enumerate(states):
        state.calc = EMT()
        vibrations = Vibrations(state, indices=moving.tolist(), name=str(tmp_path / f"ase-{number}"))
        vibrations.run()
        masses = np.repeat(state.get_masses()[moving], 3)
        hessian = vibrations.get_vibrations().get_hessian_2d()
        theirs.append(frequencies(hessian / np.sqrt(np.outer(masses, masses))))
    expected = attempt_frequency(*theirs)
    assert result["rates"]["attempt_frequency_THz"] == pytest.approx(expected, rel=0.01)
    assert result["rates"]["reverse_attempt_frequency_THz"] == pytest.approx(expected, rel=0.05)
    assert 1.0 < expected < 30.0
