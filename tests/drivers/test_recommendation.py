"""Which models are recommended for a crystal, by planted cases."""

import json
from pathlib import Path

import pytest
from command_line import Run

from hopkin.analysis.calibration import Case, framework_of, write_cases
from hopkin.drivers.crystals import load_structure
from hopkin.drivers.models import find_model
from hopkin.drivers.recommendation import Advice, recommend

METALS = ("Ti", "V", "Cr", "Mn", "Co", "Ni", "Cu", "Zn", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd")
MODELS = ("chgnet-0.3.0", "sevennet-0", "mace-mp-0-small", "mace-mpa-0", "grace-small-lfp")


def phosphates(model: str, *, spread: float, failed: int = 0, seconds: float = 60.0) -> list[Case]:
    """Barriers of phosphates that are off by +-`spread` in turn [eV], the first so many failed."""
    return [
        Case(
            hop=f"Li{metal}PO4 vacancy 0",
            ion="Li",
            framework=framework_of((metal, "P", "O"), "Li"),
            path_length_A=3.0,
            model=model,
            barrier_eV=None if number < failed else 0.3 + 0.05 * number + (-1) ** number * spread,
            reference_eV=0.3 + 0.05 * number,
            failure="not_converged" if number < failed else None,
            wall_s=seconds,
            note="planted",
        )
        for number, metal in enumerate(METALS)
    ]


def advised(*cases: Case) -> dict[str, Advice]:
    models = [find_model(name) for name in MODELS]
    return {one.model: one for one in recommend(load_structure("LiFePO4-olivine"), "Li", models, cases)}


def test_the_most_accurate_comes_first_and_what_has_no_case_after_it() -> None:
    cases = [*phosphates("chgnet-0.3.0", spread=0.2), *phosphates("sevennet-0", spread=0.05)]
    advice = advised(*cases)
    assert list(advice)[:3] == ["sevennet-0", "chgnet-0.3.0", "mace-mpa-0"]  # 0.148 eV is published of it
    best = advice["sevennet-0"]
    assert (best.scope, best.n_cases, best.n_runs, best.n_failed) == ("Li, polyanionic oxide", 14, 14, 0)
    assert best.mae_eV == pytest.approx(0.05)
    assert best.half_width_eV is not None
    assert advice["mace-mpa-0"].scope == ""
    assert "has not run its benchmark" in advice["mace-mpa-0"].reason
    assert advice["mace-mp-0-small"].published_mae_eV is None


def test_options_that_change_no_energy_do_not_hide_a_case() -> None:
    advice = advised(*phosphates("sevennet-0:dtype=float64", spread=0.05))
    assert advice["sevennet-0"].n_cases == len(METALS)


def test_of_two_that_are_alike_the_faster_comes_first() -> None:
    slow = phosphates("sevennet-0", spread=0.05, seconds=600.0)
    assert next(iter(advised(*slow, *phosphates("chgnet-0.3.0", spread=0.051)))) == "chgnet-0.3.0"


def test_what_fails_too_often_comes_after_what_is_less_accurate() -> None:
    cases = [*phosphates("sevennet-0", spread=0.01, failed=4), *phosphates("chgnet-0.3.0", spread=0.2)]
    advice = advised(*cases)
    assert list(advice)[:2] == ["chgnet-0.3.0", "sevennet-0"]
    assert advice["sevennet-0"].reason == "10 of 14 runs converged; it fails too often"


def test_an_error_over_few_crystals_comes_after_those_of_beliefs() -> None:
    few = phosphates("chgnet-0.3.0", spread=0.01)[:5]  # too few to believe its barriers
    advice = advised(*phosphates("sevennet-0", spread=0.2), *few)
    assert list(advice)[:2] == ["sevennet-0", "chgnet-0.3.0"]
    assert advice["chgnet-0.3.0"].believed_mae_eV is None
    assert advice["chgnet-0.3.0"].mae_eV == pytest.approx(0.01)


def test_a_model_without_the_elements_is_not_recommended() -> None:
    structure, models = load_structure("NaCoO2-layered"), [find_model(name) for name in MODELS]
    assert "grace-small-lfp" not in {one.model for one in recommend(structure, "Na", models, [])}
    assert "grace-small-lfp" in advised()


def test_an_ion_of_few_cases_is_judged_by_its_class() -> None:
    structure, models = load_structure("NaFePO4-olivine"), [find_model("sevennet-0")]
    (advice,) = recommend(structure, "Na", models, phosphates("sevennet-0", spread=0.05))
    assert advice.scope == "polyanionic oxide"


def test_the_command_says_it_all(run: Run, tmp_path: Path) -> None:
    write_cases(tmp_path / "mine.csv", phosphates("sevennet-0", spread=0.05))
    options = ("--calibration", tmp_path / "mine.csv")
    said = run("recommend", "LiFePO4-olivine", *options, "--json")
    assert said.code == 0
    assert json.loads(said.out)[0]["model"] == "sevennet-0"
    shown = run("recommend", "LiFePO4-olivine", *options)
    assert "14 of 14 runs converged" in shown.out
    ready = json.loads(run("recommend", "LiFePO4-olivine", *options, "--ready", "--json").out)
    assert {one["state"] for one in ready} == {"ready"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("recommend", "nowhere.cif"), "nowhere.cif"),
        (("recommend", "LiFePO4-olivine", "--calibration", "nowhere.csv"), "nowhere.csv: No such file"),
        (("calibrate", "nowhere"), "nowhere is not a folder"),
        (("report", ".", "--calibration", "nowhere.csv"), "nowhere.csv: No such file"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, arguments: tuple[str, ...], why: str) -> None:
    said = run(*arguments)
    assert said.code == 2
    assert why in said.err
    assert len(said.err.splitlines()) == 1
