"""Laws of run directories: addressed by content, written whole or not at all, never run again."""

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopkin.drivers.engine import rundirectory
from hopkin.drivers.engine.rundirectory import RunDirectory, find_run, slug, write_json
from hopkin.drivers.errors import MachineError, RunError

ASKED: dict[str, Any] = {"kind": "md", "temperature_K": 800.0, "repeats": [1, 2, 1], "model": {"name": "x"}}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(asked=st.dictionaries(st.text(), values, max_size=5))
@settings(max_examples=30, deadline=None)
def test_address_does_not_depend_on_the_order_of_what_is_asked(
    tmp_path_factory: pytest.TempPathFactory, asked: dict[str, Any]
) -> None:
    root = tmp_path_factory.getbasetemp()
    backwards = dict(reversed(asked.items()))
    assert find_run(root, "x", asked).path == find_run(root, "x", backwards).path


def test_address_is_the_same_tomorrow(tmp_path: Path) -> None:
    """A result that was paid for is found again by later versions: this name must not change."""
    assert find_run(tmp_path, "LiF-800K", ASKED).path == tmp_path / "LiF-800K-c449a6399e"


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/x", "a/b", "../x", "x/"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "deep" / "runs"
    with pytest.raises(RunError, match=rf"lies in {root}: wanted a name without slashes, received '{name}'"):
        find_run(root, name, ASKED)
    assert list(tmp_path.iterdir()) == []


@given(name=st.text())
@settings(max_examples=200, deadline=None)
def test_a_slug_is_part_of_a_file_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    for hyphens in (False, True):
        made = slug(name, hyphens=hyphens)
        assert set(made) <= set(string.ascii_letters + string.digits + "._-")
        assert len(made) <= 60
        root = tmp_path_factory.getbasetemp()
        assert find_run(root, f"{made}-hop0", ASKED).path.parent == root


def test_names_that_results_were_found_by() -> None:
    """A result that was paid for is found again by later versions."""
    assert slug("LiFePO4-olivine", hyphens=True) == "LiFePO4-olivine"
    assert slug("mace-mp-0-small:dtype=float64") == "mace_mp_0_small_dtype_float64"


@pytest.mark.parametrize(
    "change",
    [
        {"temperature_K": 800.1},
        {"repeats": [2, 1, 1]},
        {"model": {"name": "y"}},
        {"seed": 1},
        {"kind": "neb"},
    ],
)
def test_address_changes_with_what_is_asked(tmp_path: Path, change: dict[str, Any]) -> None:
    assert find_run(tmp_path, "x", ASKED).path != find_run(tmp_path, "x", {**ASKED, **change}).path


def begin(run: RunDirectory) -> None:
    with run.begun():
        pass


def test_a_directory_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = find_run(tmp_path, "x", ASKED)
    with run.begun(), pytest.raises(MachineError, match=r"another hopkin is at work in .*/x-"):
        begin(find_run(tmp_path, "x", ASKED))
    begin(run)


def test_finding_writes_nothing(tmp_path: Path) -> None:
    find_run(tmp_path, "x", ASKED)
    assert list(tmp_path.iterdir()) == []


def test_what_was_asked_is_in_the_directory(tmp_path: Path) -> None:
    run = find_run(tmp_path / "deep" / "runs", "x", ASKED)
    begin(run)
    content = json.loads((run.path / "run.json").read_text())
    assert {key: content[key] for key in ASKED} == ASKED
    assert content["hopkin_version"]
    assert run.result is None


def test_beginning_twice_changes_nothing(tmp_path: Path) -> None:
    first = find_run(tmp_path, "x", ASKED)
    begin(first)
    (first.path / "stage").write_text("done")
    before = (first.path / "run.json").stat()
    second = find_run(tmp_path, "x", ASKED)
    begin(second)
    assert second.path == first.path
    assert (second.path / "run.json").stat().st_mtime_ns == before.st_mtime_ns
    assert (second.path / "stage").read_text() == "done"


def test_result_is_read_back(tmp_path: Path) -> None:
    run = find_run(tmp_path, "x", ASKED)
    begin(run)
    said = run.finish({"barrier_eV": 0.25, "failure": None})
    assert said == {"barrier_eV": 0.25, "failure": None}
    assert find_run(tmp_path, "x", ASKED).result == said


def test_what_is_not_a_number_is_null(tmp_path: Path) -> None:
    """NaN is no JSON: another reader would refuse the file."""
    run = find_run(tmp_path, "x", ASKED)
    begin(run)
    said = run.finish({"energies_eV": [1.0, float("nan"), float("inf")]})
    assert said == {"energies_eV": [1.0, None, None]}

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads((run.path / "result.json").read_text(), parse_constant=refuse) == said


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_full_disk_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_json(tmp_path / "x.json", {"a": 1})
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MachineError, match=r"cannot write .*x\.json: No space left on device"):
        write_json(tmp_path / "x.json", {"a": 2})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_a_finished_run_is_read_even_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = find_run(tmp_path, "x", ASKED)
    begin(run)
    run.finish({"barrier_eV": 0.25, "failure": None})
    monkeypatch.setattr(rundirectory, "_LEAST_FREE_BYTES", float("inf"))
    assert find_run(tmp_path, "x", ASKED).result == {"barrier_eV": 0.25, "failure": None}
    with pytest.raises(MachineError, match=r"the disk of .* is full"):
        find_run(tmp_path, "y", ASKED)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "Expecting value"),
        ('{"failure": nu', "Expecting value"),
        ("[]", r"it holds no fields, but \[\]"),
        ("{}", "it lacks failure"),
        (b"\xff\xfe", "codec can't decode"),
    ],
)
def test_a_torn_result_counts_as_absent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes, sentence: str
) -> None:
    run = find_run(tmp_path, "x", ASKED)
    begin(run)
    (run.path / "result.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert find_run(tmp_path, "x", ASKED).result is None
    assert find_run(tmp_path, "x", ASKED).result is None
    (record,) = caplog.records  # said once
    assert re.search(rf"result.json is torn: .*{sentence}.*; it counts as absent$", record.getMessage())


def test_a_torn_run_file_is_written_anew(tmp_path: Path) -> None:
    run = find_run(tmp_path, "x", ASKED)
    begin(run)
    whole = (run.path / "run.json").read_text()
    (run.path / "run.json").write_text(whole[:20])
    begin(run)
    assert (run.path / "run.json").read_text() == whole
