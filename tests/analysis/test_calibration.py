"""What barriers are worth: corrections, intervals that hold for other materials, and refusals."""

from pathlib import Path

import numpy as np
import pytest

from hopkin.analysis.calibration import (
    Belief,
    Calibration,
    Case,
    Refusal,
    believed,
    cases_of,
    chemistry_of,
    framework_of,
    merged,
    quality_of,
    read_cases,
    shipped_cases,
    write_cases,
)
from hopkin.analysis.calibration import estimator as estimators
from hopkin.analysis.calibration.estimator import LEAST_MATERIALS, Estimator, corrected
from hopkin.analysis.comparison import collect
from hopkin.analysis.errors import ReferencesError
from hopkin.analysis.trajectories import FloatArray
from tests.analysis.synthetic import BIAS, SLOPE, Synthetic, computed_barrier, known_barrier

METALS = (
    "Ti",
    "V",
    "Cr",
    "Mn",
    "Fe",
    "Co",
    "Ni",
    "Cu",
    "Zn",
    "Zr",
    "Nb",
    "Mo",
    "Ru",
    "Rh",
    "Pd",
    "Ag",
    "Hf",
    "Ta",
)


@pytest.mark.parametrize(
    ("elements", "ion", "chemistry"),
    [
        (("Li", "Co", "O"), "Li", "oxide"),
        (("Na", "Fe", "P", "O"), "Na", "polyanionic oxide"),
        (("Li", "Fe", "B", "O"), "Li", "polyanionic oxide"),
        (("Na", "Al", "Si", "O"), "Na", "polyanionic oxide"),
        (("Li", "Ti", "S"), "Li", "chalcogenide"),
        (("Li", "Ge", "P", "S"), "Li", "chalcogenide"),
        (("Li", "Y", "Cl"), "Li", "halide"),
        (("Li", "P", "S", "Cl"), "Li", "mixed anion"),
        (("Na", "O", "I"), "Na", "mixed anion"),
        (("Na", "V", "O", "F"), "Na", "mixed anion"),
        (("Na", "Fe", "C", "N"), "Na", "other"),
        (("Na", "Ag"), "Na", "other"),
    ],
)
def test_crystals_have_a_class(elements: tuple[str, ...], ion: str, chemistry: str) -> None:
    assert chemistry_of(framework_of(elements, ion)) == chemistry


def test_the_ion_is_no_part_of_the_framework() -> None:
    assert framework_of(("Li", "Fe", "P", "O"), "Li") == framework_of(("O", "P", "Na", "Fe"), "Na")


def drawn(
    rng: np.random.Generator, n_materials: int, *, alike: float = 0.08
) -> tuple[FloatArray, FloatArray, list[int]]:
    """Draw materials of one to four hops, of heavy-tailed errors, a part of them the material's [eV]."""
    sizes = rng.choice([1, 1, 2, 4], n_materials)
    material = np.repeat(np.arange(n_materials), sizes)
    known = rng.gamma(3.0, 0.15, len(material))
    shared = alike * rng.standard_t(3, n_materials)[material]
    computed = 0.8 * known - 0.05 + shared + 0.05 * rng.standard_t(4, len(material))
    return computed[:, None], known, material.tolist()


def test_intervals_hold_for_materials_not_seen() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(60):
        estimate = Estimator(*drawn(rng, 20))
        others, known, _ = drawn(rng, 10)
        for computed, truth in zip(others, known, strict=True):
            interval = estimate(computed)
            inside.append(interval.low_eV <= truth <= interval.high_eV)
    assert 0.87 < np.mean(inside) < 0.95  # 1200 of them; the standard error is below 0.015


def test_intervals_are_the_published_ones_where_each_material_has_one_hop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mapie.regression import CrossConformalRegressor
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.model_selection import LeaveOneOut

    class MedianError(RegressorMixin, BaseEstimator):
        def fit(self, X: FloatArray, y: FloatArray) -> "MedianError":
            self.error_ = np.median(y - X[:, 0])
            return self

        def predict(self, X: FloatArray) -> FloatArray:
            return X[:, 0] + self.error_

    monkeypatch.setattr(estimators, "_scale", np.ones_like)
    monkeypatch.setattr(estimators, "_LEAST_FOR_SLOPE", 1000)
    rng = np.random.default_rng(2)
    known = rng.uniform(2.0, 3.0, 25)
    computed = (known + 0.1 * rng.standard_t(3, 25))[:, None]
    ours = Estimator(computed, known, range(25))
    asked = np.array([[2.2], [2.9]])
    theirs = CrossConformalRegressor(MedianError(), confidence_level=0.9, method="plus", cv=LeaveOneOut())
    _, intervals = theirs.fit_conformalize(computed, known).predict_interval(asked)
    for row, (low, high) in zip(asked, intervals[:, :, 0], strict=True):
        estimate = ours(row)
        assert (estimate.low_eV, estimate.high_eV) == pytest.approx((low, high))


def test_too_few_materials_give_no_finite_interval() -> None:
    known = np.linspace(0.1, 0.9, 8)
    assert np.isinf(Estimator(known[:, None], known, range(8))(np.array([0.5])).high_eV)
    known = np.linspace(0.1, 0.9, 9)
    assert Estimator(known[:, None], known, range(9))(np.array([0.5])).high_eV == pytest.approx(0.5)


def test_planted_lines_are_found_beside_wrong_references() -> None:
    known = np.linspace(0.1, 1.5, 30)
    computed = 0.6 * known - 0.03
    known = known.copy()
    known[[3, 17]] = 7.0
    correction = corrected(computed[:, None], known)
    assert correction(np.array([0.6 * 0.8 - 0.03])) == pytest.approx(0.8, abs=0.01)


def test_a_slope_that_may_be_one_is_one() -> None:
    rng = np.random.default_rng(3)
    known = rng.uniform(0.1, 1.0, 30)
    correction = corrected((known - 0.1 + 0.02 * rng.standard_normal(30))[:, None], known)
    assert correction.slopes == pytest.approx([1.0])
    assert correction.intercepts == pytest.approx([0.1], abs=0.02)


def test_models_that_err_alike_share_a_weight() -> None:
    rng = np.random.default_rng(4)
    known = rng.uniform(0.2, 1.0, 200)
    shared, own = 0.1 * rng.standard_normal(200), 0.1 * rng.standard_normal(200)
    alone = np.stack([known + shared, known + own], axis=1)
    twice = np.stack([known + shared, known + shared, known + own], axis=1)
    assert corrected(alone, known).weights == pytest.approx([0.5, 0.5], abs=0.15)
    weights = corrected(twice, known).weights
    assert weights[:2].sum() == pytest.approx(corrected(alone, known).weights[0], abs=0.01)
    assert weights.sum() == pytest.approx(1.0)


def table(
    n: int, *, model: str = "m", ion: str = "Li", error: float = -0.1, noise: float = 0.02
) -> list[Case]:
    """Oxides of `n` metals, of one hop each."""
    rng = np.random.default_rng(5)
    return [
        Case(
            hop=f"{ion}{METALS[i]}O2 vacancy 0",
            ion=ion,
            framework=framework_of(("O", METALS[i]), ion),
            path_length_A=3.0,
            model=model,
            barrier_eV=0.3 + 0.05 * i + error + noise * rng.standard_normal(),
            reference_eV=0.3 + 0.05 * i,
        )
        for i in range(n)
    ]


def test_a_crystal_of_a_known_kind_is_believed() -> None:
    belief = Calibration(table(14)).believe("Li", ("O", "Sc"), 3.0, {"m:dtype=float64": 0.5})
    assert isinstance(belief, Belief)
    assert belief.barrier_eV == pytest.approx(0.6, abs=0.02)
    assert belief.low_eV < 0.6 < belief.high_eV < 0.75
    assert (belief.n_cases, belief.n_materials, belief.scope) == (14, 14, "Li, oxide, short hops")


@pytest.mark.parametrize(
    ("cases", "ion", "framework", "barriers", "why"),
    [
        (table(14), "Na", ("O", "Ti"), {"m": 0.5}, "no known barrier of Na is among those that m computed"),
        (table(14), "Li", ("S", "Ti"), {"m": 0.5}, "no known barrier of the class chalcogenide is among"),
        (table(14), "Li", ("O", "Ti"), {"other": 0.5}, "other has not been calibrated"),
        (table(14), "Li", ("O", "Ti"), {"m:head=mh1": 0.5}, "m:head=mh1 has not been calibrated"),
        (table(14), "Li", ("O", "Ti"), {"m": 2.5}, "2.500 eV of m lies outside what it was calibrated on"),
        (table(14), "Li", ("O", "Ti"), {"m": 0.01}, "0.010 eV of m lies outside what it was calibrated on"),
        (
            table(LEAST_MATERIALS - 1),
            "Li",
            ("O", "Ti"),
            {"m": 0.5},
            "known barriers of short hops of 8 other materials; wanted",
        ),
        ([], "Li", ("O", "Ti"), {"m": 0.5}, "m has not been calibrated"),
    ],
)
def test_outside_what_was_calibrated_nothing_is_said(
    cases: list[Case], ion: str, framework: tuple[str, ...], barriers: dict[str, float], why: str
) -> None:
    refusal = Calibration(cases).believe(ion, framework, 3.0, barriers)
    assert isinstance(refusal, Refusal)
    assert why in refusal.reason


@pytest.mark.parametrize(
    "band",
    [
        {"barrier_eV": None, "converged": False, "failure": "endpoint_drift"},
        {"barrier_eV": 0.5, "converged": False, "failure": "type_II_unphysical"},
        {"barrier_eV": 0.5, "converged": False, "failure": None},
        {"barrier_eV": 0.5, "converged": True, "failure": "type_II_unphysical"},
    ],
)
def test_a_failed_run_is_not_believed(band: dict[str, object]) -> None:
    fields = believed(
        Calibration(table(14)), ("O", "Ti"), {"model": "m", "ion": "Li", "path_length_A": 3.0, **band}
    )
    assert fields["believed_barrier_eV"] is None
    assert fields["not_believed"] == "only the barrier of a converged band is believed"


def test_few_of_an_ion_are_believed_by_all_of_their_class() -> None:
    belief = Calibration([*table(14), *table(2, ion="Na")]).believe("Na", ("O", "Sc"), 3.0, {"m": 0.25})
    assert isinstance(belief, Belief)
    assert belief.scope == "oxide, short hops"
    assert belief.n_cases == 16
    assert belief.n_materials == 14  # those of Na have the frameworks of others


def test_long_hops_are_believed_by_long_ones() -> None:
    long = [
        case.model_copy(update={"hop": f"long {case.hop}", "path_length_A": 4.5})
        for case in table(14, error=0.3)
    ]
    calibration = Calibration([*table(14), *long])
    for length, expected in ((3.0, 0.8), (4.5, 0.4)):
        belief = calibration.believe("Li", ("O", "Sc"), length, {"m": 0.7})
        assert isinstance(belief, Belief)
        assert belief.barrier_eV == pytest.approx(expected, abs=0.02)
        assert belief.n_cases == 14
    refusal = Calibration(table(14)).believe("Li", ("O", "Sc"), 4.5, {"m": 0.5})
    assert isinstance(refusal, Refusal)
    assert "known barriers of long hops of 0 other materials" in refusal.reason


def test_several_models_are_better_together() -> None:
    cases = [*table(18, noise=0.05), *table(18, model="n", error=0.2, noise=0.0)]
    belief = Calibration(cases).believe("Li", ("O", "Sc"), 3.0, {"m": 0.5, "n": 0.8, "unknown": 3.0})
    assert isinstance(belief, Belief)
    assert belief.barrier_eV == pytest.approx(0.6, abs=1e-3)  # n errs by a constant


def test_a_material_has_no_say_about_itself() -> None:
    cases = table(14, noise=0.0)
    odd = cases[6].model_copy(update={"barrier_eV": cases[6].reference_eV})
    calibration = Calibration([*cases[:6], odd, *cases[7:]])
    of_itself = calibration.believe("Li", odd.framework, 3.0, {"m": odd.barrier_eV or 0.0})
    of_another = calibration.believe("Li", ("O", "Sc"), 3.0, {"m": odd.barrier_eV or 0.0})
    assert isinstance(of_itself, Belief)
    assert isinstance(of_another, Belief)
    assert of_itself.n_cases == of_another.n_cases - 1 == 13
    assert of_itself.high_eV - of_itself.low_eV < 1e-9 < of_another.high_eV - of_another.low_eV


def test_the_quality_is_of_the_same_cases_before_and_after() -> None:
    cases = table(14, noise=0.0)
    odd = cases[6].model_copy(update={"barrier_eV": cases[6].reference_eV})
    far = cases[13].model_copy(update={"reference_eV": 9.0})  # the highest barrier: none other is as high
    quality = quality_of(Calibration([*cases[:6], odd, *cases[7:13], far]), ["m"])
    assert (quality.n_cases, quality.n_materials, quality.n_refused) == (14, 14, 2)
    assert quality.mae_all_eV == pytest.approx((12 * 0.1 + (9.0 - far.barrier_eV)) / 14)
    assert quality.mae_eV == pytest.approx(11 / 12 * 0.1)
    assert quality.bias_eV == pytest.approx(-11 / 12 * 0.1)
    assert quality.believed_mae_eV == pytest.approx(0.1 / 12)
    assert quality.coverage == 1.0  # of fourteen materials, intervals are as wide as the largest error
    assert quality.raw_half_width_eV == pytest.approx(2.062 * 11 / 12 * 0.1)
    assert quality.raw_coverage == 1.0
    none = quality_of(Calibration(table(3)), ["m"])
    assert none.mae_all_eV == pytest.approx(0.1, abs=0.05)
    assert (none.mae_eV, none.coverage, none.n_refused) == (None, None, 3)


def test_options_of_the_evaluator_are_no_other_model() -> None:
    calibration = Calibration(table(14, model="m:dtype=float64"))
    assert isinstance(calibration.believe("Li", ("O", "Sc"), 3.0, {"m:route=service": 0.5}), Belief)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    cases = [
        *table(3),
        table(1)[0].model_copy(update={"hop": "x", "barrier_eV": None, "failure": "not_converged"}),
    ]
    write_cases(tmp_path / "cases.csv", cases)
    assert read_cases(tmp_path / "cases.csv") == cases


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file"),
        ("hop,ion\n", "holds no case"),
        (
            "hop,ion,framework,path_length_A,model,barrier_eV\na,Li,O,3,m,high\n",
            "row 1 of .* is no case: barrier_eV",
        ),
        ("hop,ion,framework,path_length_A,model\na,Li,,3,m\n", "row 1 of .* is no case: framework"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    file = tmp_path / "cases.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ReferencesError, match=why):
        read_cases(file)


def test_the_later_case_of_a_hop_has_the_word() -> None:
    cases = table(3)
    later = cases[1].model_copy(update={"barrier_eV": 9.0})
    assert sorted(merged(cases, [later]), key=lambda case: case.hop) == sorted(
        [cases[0], later, cases[2]], key=lambda case: case.hop
    )


def test_results_beside_known_barriers_calibrate_and_are_believed(tmp_path: Path) -> None:
    Synthetic(tmp_path / "runs", ("a", "b"), n_barriers=16, n_failed=2)
    cases = cases_of(collect(tmp_path / "runs")["barriers"], note="here")
    assert len(cases) == 32
    assert sum(case.usable for case in cases) == 30
    first = next(case for case in cases if case.usable and case.model == "a")
    assert first.note == "here"
    assert first.barrier_eV == pytest.approx(SLOPE * (first.reference_eV or 0.0) + BIAS)
    # one framework is no calibration; the same barriers, each of its own, are one
    apart = [
        case.model_copy(update={"framework": ("Cl", METALS[number // 2])})
        for number, case in enumerate(cases)
    ]
    tables = collect(tmp_path / "runs", calibration=Calibration(apart))
    rows = [row for row in tables["barriers"] if row["model"] == "a"]
    assert rows[5]["believed_barrier_eV"] == pytest.approx(known_barrier(5))
    assert rows[5]["believed_cases"] == 16  # those of Na-Cl itself, there are none
    assert computed_barrier(0, 5) == pytest.approx(rows[5]["barrier_eV"])
    failed = [row for row in tables["barriers"] if row["failure"]]
    assert all(row["not_believed"] and row["believed_barrier_eV"] is None for row in failed)
    together = tables["believed"]
    assert all(row["n_models"] == 2 for row in together)
    assert together[0]["believed_barrier_eV"] == pytest.approx(together[0]["reference_eV"])


def test_the_shipped_table_is_whole() -> None:
    cases = shipped_cases()
    assert len({(case.hop, case.model) for case in cases}) == len(cases)
    assert all(case.note for case in cases)
    assert all(case.barrier_eV is None or case.failure is None for case in cases)
