"""Arrhenius fits recover what was planted, with intervals that hold it."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import curve_fit

from hopkin.analysis.errors import AnalysisError
from hopkin.analysis.transport.arrhenius import Point, fit_arrhenius
from hopkin.analysis.transport.conductivity import BOLTZMANN_EV_PER_K
from hopkin.analysis.transport.temperatures import arrhenius_table

ENERGY, PREFACTOR = 0.25, 1.0e-3
TEMPERATURES = (600.0, 800.0, 1000.0, 1200.0)


def diffusivity(temperature: float) -> float:
    return float(PREFACTOR * np.exp(-ENERGY / (BOLTZMANN_EV_PER_K * temperature)))


def planted(relative_error: float | None = None, *, kelvin: tuple[float, ...] = TEMPERATURES) -> list[Point]:
    return [
        Point(
            temperature=t,
            diffusivity=diffusivity(t),
            standard_error=None if relative_error is None else relative_error * diffusivity(t),
        )
        for t in kelvin
    ]


@pytest.mark.parametrize("relative_error", [None, 0.1])
def test_the_planted_line_is_found(relative_error: float | None) -> None:
    fit = fit_arrhenius(planted(relative_error))
    assert fit.activation_energy == pytest.approx(ENERGY, rel=1e-9)
    assert fit.prefactor == pytest.approx(PREFACTOR, rel=1e-9)
    room = fit.predict(300.0)
    assert room.extrapolated
    assert room.diffusivity == pytest.approx(diffusivity(300.0), rel=1e-9)
    assert not fit.predict(700.0).extrapolated


def test_weights_and_errors_are_those_of_scipy() -> None:
    rng = np.random.default_rng(51)
    points = [
        Point(
            temperature=t,
            diffusivity=diffusivity(t) * float(np.exp(rng.normal(scale=s))),
            standard_error=s * diffusivity(t),
        )
        for t, s in zip(TEMPERATURES, (0.4, 0.2, 0.1, 0.05), strict=True)
    ]
    fit = fit_arrhenius(points)
    inverse = 1.0 / (BOLTZMANN_EV_PER_K * np.array(TEMPERATURES))
    logs = np.log([p.diffusivity for p in points])
    sigma = np.array([p.standard_error or 0.0 for p in points]) / [p.diffusivity for p in points]
    (energy, log_prefactor), covariance = curve_fit(
        lambda x, e, c: c - e * x, inverse, logs, sigma=sigma, absolute_sigma=True
    )
    assert fit.activation_energy == pytest.approx(energy, rel=1e-6)
    assert fit.log_prefactor == pytest.approx(log_prefactor, rel=1e-6)
    assert fit.standard_error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    row = np.array([-1.0 / (BOLTZMANN_EV_PER_K * 300.0), 1.0])
    interval = fit.predict(300.0).interval
    assert interval is not None
    half = 0.5 * np.log(interval[1] / interval[0])
    assert half == pytest.approx(1.95996 * np.sqrt(row @ covariance @ row), rel=1e-4)


@pytest.mark.parametrize("n_blocks", [4, None])
def test_the_interval_holds_the_planted_energy_as_often_as_it_says(n_blocks: int | None) -> None:
    """Also where the errors themselves are those of a few blocks. 95 % are expected."""
    rng = np.random.default_rng(52)
    n, inside = 400, 0
    for _ in range(n):
        points = []
        for t in TEMPERATURES:
            blocks = diffusivity(t) * (1.0 + rng.normal(scale=0.2, size=n_blocks or 4))
            error = blocks.std(ddof=1) if n_blocks else 0.2 * diffusivity(t)
            points.append(
                Point(
                    temperature=t,
                    diffusivity=float(blocks.mean()),
                    standard_error=float(error / np.sqrt(n_blocks or 4)),
                    degrees_of_freedom=n_blocks - 1 if n_blocks else float("inf"),
                )
            )
        interval = fit_arrhenius(points).interval
        assert interval is not None
        inside += interval[0] <= ENERGY <= interval[1]
    assert 0.90 * n <= inside <= 0.99 * n


def test_scatter_gives_the_error_where_points_have_none() -> None:
    rng = np.random.default_rng(53)
    n, inside = 400, 0
    for _ in range(n):
        points = [
            Point(temperature=t, diffusivity=diffusivity(t) * float(np.exp(rng.normal(scale=0.1))))
            for t in TEMPERATURES
        ]
        interval = fit_arrhenius(points).interval
        assert interval is not None
        inside += interval[0] <= ENERGY <= interval[1]
    assert 0.92 * n <= inside <= 0.98 * n
    two = fit_arrhenius(planted(kelvin=(800.0, 1200.0)))
    assert two.interval is None
    assert two.predict(300.0).interval is None
    assert fit_arrhenius(planted(0.1, kelvin=(800.0, 1200.0))).interval is not None


def test_a_negative_diffusivity_is_left_out_and_named() -> None:
    points = [*planted(), Point(temperature=500.0, diffusivity=-1e-8)]
    fit = fit_arrhenius(points)
    assert fit.activation_energy == pytest.approx(ENERGY)
    assert [point.temperature for point in fit.excluded] == [500.0]


def test_coinciding_temperatures_and_half_given_errors_are_refused() -> None:
    with pytest.raises(AnalysisError, match="lie at 800 K, 800 K; two different temperatures are needed"):
        fit_arrhenius(planted(kelvin=(800.0, 800.0)))
    with pytest.raises(AnalysisError, match="lie at no temperature"):
        fit_arrhenius([Point(temperature=800.0, diffusivity=-1.0)])
    with pytest.raises(AnalysisError, match="some diffusivities have no error, others do"):
        fit_arrhenius([*planted(0.1)[:2], *planted()[2:]])


def result(temperature: float, **other: Any) -> dict[str, Any]:
    value = diffusivity(temperature)
    return {
        "material": "Li6PS5Cl", "ion": "Li", "temperature_K": temperature, "n_ions": 24, "volume_A3": 1000.0,
        "diffusivity_cm2_per_s": 2.0 * value, "diffusivity_block_cm2_per_s": value,
        "diffusivity_block_std": 0.1 * value, "diffusivity_block_interval_95": [0.7 * value, 1.3 * value],
        "n_blocks": 6, "diffusivity_windowed_cm2_per_s": 1.1 * value, "diffusivity_std": 0.2 * value,
        "diffusivity_tracer_reason": None, **other,
    }  # fmt: skip


NO_BLOCKS: dict[str, Any] = {"diffusivity_block_cm2_per_s": None, "n_blocks": None}


def test_the_table_gives_both_protocols_and_flags_what_is_extrapolated() -> None:
    table = arrhenius_table([result(600.0), result(900.0, **NO_BLOCKS), result(1200.0)])
    assert [row["source"] for row in table["runs"]] == ["blocks", "hop count", "blocks"]
    assert table["paper"]["activation_energy_eV"] == pytest.approx(ENERGY)
    assert table["paper"]["prefactor_cm2_per_s"] == pytest.approx(2.0 * PREFACTOR)
    low, high = table["weighted"]["activation_energy_interval_95"]
    assert low < ENERGY < high
    assert table["weighted"]["extrapolated"] is True
    fit = table["weighted"]
    expected = 0.024e24 * 1.602176634e-19 * fit["diffusivity_300K_cm2_per_s"] / (8.617333e-5 * 300.0)
    assert fit["conductivity_300K_S_per_cm"] == pytest.approx(expected, rel=1e-5)


def test_a_protocol_that_cannot_be_fitted_says_why() -> None:
    negative = {"diffusivity_cm2_per_s": -1e-7}
    table = arrhenius_table([result(800.0, **negative), result(1200.0)])
    assert table["paper"]["activation_energy_eV"] is None
    assert "positive ones lie at 1200 K" in table["paper"]["reason"]
    assert table["weighted"]["activation_energy_eV"] == pytest.approx(ENERGY)


def test_failed_runs_are_left_out_by_name() -> None:
    """A melt at the highest temperature, ten times too fast, would raise the energy."""
    melt = result(1500.0, run="li-1500K", failure="melted") | {
        name: 10 * diffusivity(1500.0)
        for name in ("diffusivity_cm2_per_s", "diffusivity_block_cm2_per_s", "diffusivity_block_std")
    }
    table = arrhenius_table([result(800.0), result(1200.0), melt])
    assert table["failed"] == {"li-1500K": "melted"}
    for fit in (table["paper"], table["weighted"]):
        assert fit["activation_energy_eV"] == pytest.approx(ENERGY)
        assert fit["temperatures_K"] == [800.0, 1200.0]


def test_a_diffusivity_that_is_withheld_is_no_point() -> None:
    caged = result(500.0, **NO_BLOCKS, diffusivity_tracer_reason="ln MSD grows as 0.37 ln t")
    table = arrhenius_table([caged, result(800.0), result(1200.0)])
    assert table["weighted"]["temperatures_K"] == [800.0, 1200.0]
    assert table["runs"][0]["diffusivity_cm2_per_s"] is None
    assert table["runs"][0]["reason"] == "ln MSD grows as 0.37 ln t"


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([result(800.0), result(800.4)], "all 2 runs are at 800 K; two different temperatures are needed"),
        ([result(800.0), result(900.0, ion="Na")], "over runs of more than one ion: Li, Na"),
        ([result(800.0), result(900.0, material="X")], "over runs of more than one material: Li6PS5Cl, X"),
        ([result(800.0, model="a"), result(900.0, model="b")], "over runs of more than one model: a, b"),
        (
            [result(800.0, model_sha256="0a"), result(900.0, model_sha256="1b")],
            "over runs of more than one model_sha256: 0a, 1b",
        ),
        (
            [result(800.0), result(900.0) | {"temperature_K": None}],
            "run 2 of 2 has no temperature: give one -T for",
        ),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(results: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        arrhenius_table(results)
