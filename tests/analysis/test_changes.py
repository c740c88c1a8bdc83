"""What changed between two campaigns, where that was planted."""

from typing import Any

import numpy as np
import pytest

from hopkin.analysis.comparison.changes import compare_campaigns
from hopkin.analysis.errors import ResultsError


def barriers(model: str, values: Any, *, failed: tuple[int, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    return {
        "barriers": [
            {
                "material": f"m{n}",
                "ion": "Li",
                "mechanism": "vacancy",
                "hop_index": 0,
                "model": model,
                "barrier_eV": value,
                "error_eV": value - 0.5,
                "failure": "not_converged" if n in failed else None,
            }
            for n, value in enumerate(values)
        ]
    }


def test_a_shift_is_found_and_noise_is_not_significant() -> None:
    rng = np.random.default_rng(3)
    before = rng.uniform(0.6, 1.0, 30)
    shifted, error = compare_campaigns(
        barriers("m", before), barriers("m", before + 0.05 + rng.normal(0, 0.01, 30), failed=(2,))
    )
    assert shifted["mean_change"] == pytest.approx(0.05, abs=0.005)
    assert shifted["mean_change_low"] < 0.05 < shifted["mean_change_high"]
    assert (shifted["significant"], shifted["n"], shifted["failed_before"], shifted["failed_after"]) == (
        True,
        29,
        0,
        1,
    )
    assert error["mean_change"] == pytest.approx(shifted["mean_change"])  # all lie above the known ones
    noise = np.concatenate([np.full(15, 0.02), np.full(15, -0.02)])
    assert compare_campaigns(barriers("m", before), barriers("m", before + noise))[0]["significant"] is False


def test_models_of_other_names_are_compared_where_there_is_one_of_each() -> None:
    (change, _) = compare_campaigns(barriers("old", [0.5]), barriers("new", [0.7]))
    assert (change["model"], change["mean_change"]) == ("old to new", pytest.approx(0.2))
    assert change["significant"] is None  # of one case
    with pytest.raises(ResultsError, match="no case of the same model in common"):
        compare_campaigns(
            barriers("a", [0.5]),
            {"barriers": barriers("b", [1])["barriers"] + barriers("c", [1])["barriers"]},
        )


def test_diffusivities_are_compared_by_their_logarithms() -> None:
    def run(diffusivity: float) -> dict[str, list[dict[str, Any]]]:
        row = {"material": "x", "ion": "Li", "temperature_K": 800.0, "seed": 1, "model": "m", "failure": None}
        return {"dynamics": [row | {"msd_A2_final": 10.0, "diffusivity_cm2_per_s": diffusivity}]}

    msd, diffusivity = compare_campaigns(run(1e-6), run(1e-5))
    assert (msd["mean_change"], diffusivity["mean_change"]) == (0.0, pytest.approx(1.0))
    (msd,) = compare_campaigns(run(1e-6), run(-1e-6))
    assert msd["quantity"] == "log10_msd"


def test_a_model_that_fails_everywhere_now_is_not_left_out() -> None:
    (change,) = compare_campaigns(barriers("m", [0.5, 0.6]), barriers("m", [0.5, 0.6], failed=(0, 1)))
    assert (change["n"], change["mean_change"], change["failed_before"], change["failed_after"]) == (
        0,
        None,
        0,
        2,
    )


def test_noise_is_seldom_significant() -> None:
    """In 5 of 100 draws of seven cases."""
    rng = np.random.default_rng(5)
    found = [
        compare_campaigns(barriers("m", np.zeros(7)), barriers("m", rng.normal(0, 0.1, 7)))[0]["significant"]
        for _ in range(200)
    ]
    assert 1 <= sum(found) <= 20
