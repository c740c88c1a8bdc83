"""Statistics of a campaign against what is known: hand-made results, failures of every kind among them."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from page import report, rows_of
from pyarrow import parquet

from hopkin.analysis.comparison.comparison import collect, statistics, write_tables

CASES: list[dict[str, Any]] = [
    {"material": "a", "family": "olivine", "known": 0.3, "barrier": 0.4, "failure": None},
    {"material": "b", "family": "olivine", "known": 0.5, "barrier": 0.4, "failure": None},
    {"material": "c", "family": "layered", "known": 0.7, "barrier": -0.1, "failure": "type_II_unphysical"},
    {"material": "d", "family": "layered", "known": 0.9, "barrier": None, "failure": "type_I_divergence"},
    {"material": "e", "family": "layered", "known": 0.9, "barrier": None, "failure": "LammpsError"},
    {"material": "f", "family": "layered", "known": None, "barrier": 0.2, "failure": None},
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    root = tmp_path / "cathodes"
    jobs = []
    for case in CASES:
        directory = root / f"{case['material']}-neb"
        job = {"kind": "neb", "ion": "Li", "mechanism": "given ends", "hop_index": None, "model": "m"}
        job |= {name: case[name] for name in ("material", "family", "failure")}
        job |= {"directory": directory.name, "message": None}
        if case["known"]:
            job["reference"] = {"system": case["material"], "barrier_eV": case["known"], "source": "10.1/x"}
        if case["failure"] == "LammpsError":
            job |= {"directory": None, "message": "neb.in failed"}
        else:
            directory.mkdir(parents=True)
            (directory / "run.json").write_text(json.dumps({"kind": "neb", "material": case["material"]}))
            result = {"barrier_eV": case["barrier"], "forward_barrier_eV": 1.0, "failure": case["failure"]}
            result["reverse_barrier_eV"] = -0.2
            result["converged"] = case["failure"] is None
            (directory / "result.json").write_text(json.dumps({**result, "model": "m", "energies_eV": []}))
        jobs.append(job)
    (root / "campaign.json").write_text(json.dumps({"name": "cathodes", "jobs": jobs}))
    return root


def test_failed_cases_are_counted_and_shown_beside(results: Path) -> None:
    """Converged: a, b and f, of which nothing is known. All: c too, by its number; d and e have none."""
    rows = {(row["family"], row["over"]): row for row in collect(results)["statistics"]}
    assert set(rows) == {(f, o) for f in ("all", "olivine", "layered") for o in ("converged", "all")}
    converged, everything = rows["all", "converged"], rows["all", "all"]
    assert (converged["n_cases"], converged["n"], converged["mae_eV"]) == (6, 2, pytest.approx(0.1))
    assert (converged["n_converged"], converged["n_references"]) == (3, 5)
    assert converged["bias_eV"] == pytest.approx(0.0)
    assert (everything["n_cases"], everything["n"]) == (6, 3)
    assert everything["mae_eV"] == pytest.approx((0.1 + 0.1 + 0.8) / 3)
    assert everything["max_ae_eV"] == pytest.approx(0.8)
    assert everything["failures"] == "1 LammpsError, 1 type_II_unphysical, 1 type_I_divergence"
    assert (rows["layered", "converged"]["n"], rows["layered", "converged"]["mae_eV"]) == (0, None)
    assert rows["layered", "all"]["n"] == 1


def test_intervals_stand_beside_their_statistic(results: Path) -> None:
    for row in collect(results)["statistics"]:
        if row["n"] > 1:
            assert row["mae_eV_low"] <= row["mae_eV"] <= row["mae_eV_high"]
        else:
            assert row["mae_eV_low"] is None


def test_csv_and_parquet_hold_the_same(results: Path) -> None:
    write_tables(results)
    with (results / "barriers.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    table = parquet.read_table(results / "barriers.parquet").to_pylist()
    assert [row["material"] for row in written] == list("abcdef")
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in table] == written
    assert collect(results)["barriers"] == table


def without_references(results: Path) -> None:
    campaign = json.loads((results / "campaign.json").read_text())
    for job in campaign["jobs"]:
        job.pop("reference", None)
    (results / "campaign.json").write_text(json.dumps(campaign))


def test_a_table_that_is_empty_now_goes(results: Path) -> None:
    for kind in ("csv", "parquet"):
        (results / f"images.{kind}").write_text("of a run before")
    write_tables(results)
    assert {file.stem for file in results.iterdir() if file.suffix in (".csv", ".parquet")} == {
        "barriers",
        "statistics",
    }


def test_failures_are_counted_where_nothing_is_known(results: Path, tmp_path: Path) -> None:
    without_references(results)
    rows = {row["family"]: row for row in collect(results)["statistics"]}
    assert {name: (row["over"], row["n_cases"], row["n_converged"]) for name, row in rows.items()} == {
        "all": ("all", 6, 3),
        "layered": ("all", 4, 1),
        "olivine": ("all", 2, 2),
    }
    assert rows["all"]["failures"] == "1 LammpsError, 1 type_II_unphysical, 1 type_I_divergence"
    assert (rows["all"]["n"], rows["all"]["mae_eV"]) == (0, None)
    content = report(results, tmp_path / "report.html")
    assert "known" not in {column["title"] for column in content["tables"]["barriers"]["columns"]}
    (row,) = [row for row in rows_of(content, "statistics") if row["family"] == "all"]
    assert row["failures"] == "1 LammpsError, 1 type_II_unphysical, 1 type_I_divergence"


@pytest.mark.parametrize(
    ("kind", "error"),
    [("forward_barrier_eV", 0.1), ("reverse_barrier_eV", -1.1), ("highest_barrier_eV", 0.1)],
)
def test_barriers_are_compared_with_the_same(results: Path, kind: str, error: float) -> None:
    """Forward with forward, and what a path is high in all with the barrier over its lower end."""
    campaign = json.loads((results / "campaign.json").read_text())
    campaign["jobs"][0]["reference"] = {"system": "a", kind: 0.9}
    (results / "campaign.json").write_text(json.dumps(campaign))
    case = collect(results)["barriers"][0]
    assert (case["reference_eV"], case["reference_kind"]) == (0.9, kind)
    assert case["error_eV"] == pytest.approx(error)


def test_runs_without_a_campaign_have_rows_too(results: Path) -> None:
    """Only those that have a directory: whoever ran them."""
    (results / "campaign.json").unlink()
    tables = collect(results)
    assert [row["material"] for row in tables["barriers"]] == list("abcdf")
    assert set(tables) == {"barriers", "statistics"}


@pytest.mark.parametrize("torn", ["", "[]", '{"jobs": [{"ki', "{}", '{"jobs": {"a": 1}}', '{"jobs": 1}'])
def test_a_torn_campaign_counts_as_absent(results: Path, torn: str, caplog: pytest.LogCaptureFixture) -> None:
    (results / "campaign.json").write_text(torn)
    assert [row["material"] for row in collect(results)["barriers"]] == list("abcdf")
    assert "campaign.json is torn: " in caplog.text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (["kind"], "kind: Field required"),
        (["model"], "model: Field required"),
        ({"directory": 5}, "directory: Input should be a valid string"),
        ({"failure": ["x"]}, "failure: Input should be a valid string"),
        ({"reference": {"system": "a"}}, "reference.*it has no barrier"),
        ({"reference": {"temperature_K": 300}}, "reference.*material.*"),
        (None, "all of it: Input should be a valid dictionary"),
    ],
)
def test_a_job_that_lacks_a_field_is_left_out(
    results: Path, changed: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = json.loads((results / "campaign.json").read_text())
    first = campaign["jobs"][0]
    if isinstance(changed, list):
        first = {name: value for name, value in first.items() if name not in changed}
    campaign["jobs"][0] = {**first, **changed} if isinstance(changed, dict) else changed and first
    (results / "campaign.json").write_text(json.dumps(campaign))
    assert [row["material"] for row in collect(results)["barriers"]] == list("bcdef")
    assert re.search(rf"campaign.json: job 1 is left out: {why}", caplog.text)
    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0]


def test_models_are_apart() -> None:
    row = {"family": "", "failure": None, "converged": True, "reference_eV": 0.5}
    rows = [{**row, "model": model, "error_eV": error} for model, error in (("x", 0.1), ("y", -0.3))]
    assert [(r["model"], r["mae_eV"]) for r in statistics(rows) if r["over"] == "all"] == [
        ("x", pytest.approx(0.1)),
        ("y", pytest.approx(0.3)),
    ]


def test_the_report_shows_them(results: Path, tmp_path: Path) -> None:
    content = report(results, tmp_path / "report.html")
    assert "barrier_parity" in {figure["name"] for figure in content["figures"]}
    assert any(round(row["mae_eV"], 3) == 0.333 for row in rows_of(content, "statistics") if row["mae_eV"])
    rows = rows_of(content, "barriers")
    worst = max(rows, key=lambda row: abs(row["error_eV"] or 0.0))
    assert worst["error_eV"] == pytest.approx(-0.8)
    assert (worst["failure"], worst["source"]) == ("type_II_unphysical", "10.1/x")
    assert [row["failure"] for row in rows].count("LammpsError") == 1
