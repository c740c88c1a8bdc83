"""Dynamics of a campaign beside known ones: hand-made runs with tables, trajectories and stated numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page import report, rows_of

from hopkin.analysis.comparison.comparison import collect, write_tables
from hopkin.analysis.transport.tables import write_table

R = np.linspace(0.05, 9.95, 100)
PEAK = np.exp(-0.5 * ((R - 3.0) / 0.3) ** 2)
REFERENCE = {"material": "Li3PS4", "functional": "PBE", "source": "10.1/x"}


def run_of(root: Path, name: str, kind: str, result: dict[str, Any], *, slope: float, g: Any) -> Path:
    """A run directory with the tables of a run of some length, whose MSD grows linearly."""
    directory = root / name
    directory.mkdir(parents=True)
    times = np.linspace(0.0, result["time_ps"], 11)
    fields = {"material": "Li3PS4", "ion": "Li", "n_ions": 3, "failure": None, "seed": 1, "wall_s": 1.0}
    fields |= {"msd_A2_final": slope * times[-1]}
    (directory / "run.json").write_text(json.dumps({"kind": kind}))
    (directory / "result.json").write_text(json.dumps(fields | result))
    names = ("time_ps", "msd_single_origin_A2", "msd_windowed_A2")
    write_table(directory / "msd.csv", names, np.column_stack([times, slope * times, slope * times]))
    write_table(directory / "rdf.csv", ("r_A", "Li-S"), np.column_stack([R, g]))
    return directory


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """At 800 K, a trajectory is known, of half the length; at 1200 K, numbers are; one run exploded."""
    root = tmp_path / "superionic"
    runs = [
        ("reference", "PBE", 800, {"time_ps": 5.0, "diffusivity_cm2_per_s": 1e-5}, 2.0, PEAK),
        ("md", "m", 800, {"time_ps": 10.0, "diffusivity_cm2_per_s": 2e-5}, 4.0, 1.5 * PEAK),
        ("md", "m", 1200, {"time_ps": 10.0, "diffusivity_cm2_per_s": 8e-5}, 40.0, PEAK),
        (
            *("md", "bad", 800),
            {"time_ps": 10.0, "diffusivity_cm2_per_s": 1e-3, "failure": "exploded"},
            *(200.0, PEAK),
        ),
    ]
    stated = {
        800: REFERENCE | {"temperature_K": 800.0, "trajectory": ["aimd.extxyz"]},
        1200: REFERENCE | {"temperature_K": 1200.0, "msd_A2": 4.0, "diffusivity_cm2_per_s": 4e-5},
    }
    jobs = []
    for kind, model, kelvin, result, slope, g in runs:
        found = {"model": model, "temperature_K": kelvin, **result}
        directory = run_of(root, f"{model}-{kelvin}", kind, found, slope=slope, g=g)
        job = {"kind": kind, "material": "Li3PS4", "ion": "Li", "model": model, "reference": stated[kelvin]}
        jobs.append(job | {"directory": directory.name, "failure": found.get("failure"), "message": None})
    jobs.append(jobs[1] | {"model": "bad", "directory": None, "failure": "LammpsError", "message": "no"})
    (root / "campaign.json").write_text(json.dumps({"name": "superionic", "jobs": jobs}))
    return root


def test_runs_stand_beside_what_is_known(results: Path) -> None:
    """MSD at 5 ps, where the reference ends: 20 against 10 A^2; at 1200 K, at the end of the run."""
    low, high, exploded, lost = collect(results)["dynamics"]
    assert (low["common_msd_A2"], low["reference_common_msd_A2"]) == (20.0, 10.0)
    assert low["reference_diffusivity_cm2_per_s"] == 1e-5
    assert low["rdf_mae_A"] == pytest.approx(0.5 * 0.3 * np.sqrt(2 * np.pi), rel=0.01)
    assert (high["common_msd_A2"], high["reference_common_msd_A2"]) == (400.0, 4.0)
    assert (high["reference_diffusivity_cm2_per_s"], high["rdf_mae_A"]) == (4e-5, None)
    assert {row["functional"] for row in (low, high, exploded)} == {"PBE"}
    assert (exploded["failure"], lost["failure"], lost["reference_common_msd_A2"]) == (
        "exploded",
        "LammpsError",
        None,
    )


def test_statistics_of_the_converged_and_of_all(results: Path) -> None:
    table = collect(results)["dynamics_statistics"]
    rows = {(row["model"], row["over"]): row for row in table if row["temperature_K"] is None}
    good = rows["m", "converged"]
    assert (good["n_cases"], good["n"], good["failures"]) == (2, 2, "")
    assert good["log10_msd_mae"] == pytest.approx((np.log10(2) + np.log10(100)) / 2)
    assert good["log10_diffusivity_mae"] == pytest.approx(np.log10(2))
    assert good["diffusivity_mae_cm2_per_s"] == pytest.approx((1e-5 + 4e-5) / 2)
    assert (good["log10_msd_n"], good["log10_diffusivity_n"], good["rdf_n"]) == (2, 2, 1)
    assert good["activation_energy_n"] == 1
    assert good["activation_energy_mae_eV"] == pytest.approx(0.0, abs=1e-9)  # both 4 times as fast
    bad = rows["bad", "converged"]
    assert (bad["n_cases"], bad["n"], bad["log10_msd_mae"]) == (2, 0, None)
    assert bad["failures"] == "1 LammpsError, 1 exploded"
    assert rows["bad", "all"]["n"] == 1
    assert rows["bad", "all"]["log10_msd_mae"] == pytest.approx(2.0)


def test_a_reference_that_fails_is_seen(results: Path) -> None:
    """Its runs are cases without a number, and why stands beside them."""
    campaign = json.loads((results / "campaign.json").read_text())
    lost = {"directory": None, "failure": "TrajectoryError", "message": "no Li in the trajectory"}
    campaign["jobs"][0] |= lost
    (results / "campaign.json").write_text(json.dumps(campaign))
    tables = collect(results)
    assert [row["message"] for row in tables["dynamics"] if row["model"] == "PBE"] == [lost["message"]]
    (good, *_) = tables["dynamics_statistics"]
    assert (good["n_cases"], good["n"], good["log10_msd_n"]) == (2, 1, 1)
    assert "rdf_differences" not in tables


def test_runs_that_nothing_is_known_of_are_no_cases(results: Path) -> None:
    campaign = json.loads((results / "campaign.json").read_text())
    for job in campaign["jobs"]:
        if job["model"] == "bad":
            del job["reference"]
    (results / "campaign.json").write_text(json.dumps(campaign))
    tables = collect(results)
    assert {row["model"] for row in tables["dynamics_statistics"]} == {"m"}
    assert [row["reference_common_msd_A2"] for row in tables["dynamics"] if row["model"] == "bad"] == [
        None
    ] * 2


def test_differences_of_rdfs_are_a_table_too(results: Path) -> None:
    write_tables(results)
    lines = (results / "rdf_differences.csv").read_text().splitlines()
    assert lines[0].startswith("material,temperature_K,model,seed,pair,mae_A,wasserstein_A")
    assert len(lines) == 3  # of the two runs at 800 K: at 1200 K, numbers alone are known


def test_the_report_shows_them(results: Path, tmp_path: Path) -> None:
    content = report(results, tmp_path / "report.html")
    names = {figure["name"] for figure in content["figures"]}
    assert {"msd_parity", "diffusivity_parity", "rdf_errors", "failures"} <= names
    rows = rows_of(content, "dynamics_statistics")
    assert {row["failures"] for row in rows if row["model"] == "bad"} >= {"1 LammpsError, 1 exploded"}
