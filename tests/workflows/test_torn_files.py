"""What a later run finds torn counts as absent, is said, and made anew; what has ended is not done again."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bands import Outcome, lithium_at, silent

from hopkin.drivers import engine
from hopkin.drivers.errors import ModelError, RunError
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows import ladder
from hopkin.drivers.workflows.barrier import run_neb

LANDSCAPES = Path(__file__).parent / "landscapes.py"

TEARS: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda _: "",
    "list": lambda _: "[]",
    "without fields": lambda _: "{}",
    "last number": lambda text: text.rstrip()[:-2],
}


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folder and deck of each start of LAMMPS."""
    run_deck, found = engine.run_deck, list[str]()

    def counted(directory: Path, deck: str, **settings: Any) -> float:
        if deck != "single_point.in":
            found.append(deck)
        return run_deck(directory, deck, **settings)

    monkeypatch.setattr(engine, "run_deck", counted)
    return found


def band(
    root: Path, name: str = "TwoWells", file: Path = LANDSCAPES, final: float = 0.5, **fields: Any
) -> Outcome:
    model = find_model(f"ase:{file}:{name}")
    asked = {"model": model.name, "images": 3, "force_tolerance_eV_per_A": 0.005} | fields
    ends = lithium_at(0.0), lithium_at(final)
    return run_neb(*ends, model, BandSpecification(**asked), root, verify=False, say=silent)


def without_wall_time(result: dict[str, Any]) -> dict[str, Any]:
    """A result but for its time, and the words of LAMMPS, in which ranks come in any order."""
    attempts = [
        attempt | ({"evidence": None} if attempt["outcome"] == "broke down" else {})
        for attempt in result["attempts"]
    ]
    return {name: value for name, value in result.items() if name != "wall_s"} | {"attempts": attempts}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> Outcome:
    return band(tmp_path_factory.mktemp("finished"))


@pytest.mark.parametrize("tear", TEARS)
@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("result.json", []),
        ("run.json", []),
        ("attempt.json", ["neb.in"]),
        ("image_1.dump", ["neb.in"]),
        ("image_1.yaml", ["neb.in"]),
        ("ends/initial.yaml", ["relax.in"]),
        ("ends/initial.dump", ["relax.in"]),
    ],
)
def test_a_torn_file_counts_as_absent(
    tmp_path: Path,
    finished: Outcome,
    starts: list[str],
    caplog: pytest.LogCaptureFixture,
    file: str,
    again: list[str],
    tear: str,
) -> None:
    run, result = finished
    root = tmp_path / "runs"
    shutil.copytree(run.path.parent, root)
    torn = root / run.path.name / file
    torn.write_text(TEARS[tear](torn.read_text()))
    if file != "result.json":
        (root / run.path.name / "result.json").unlink()
    with caplog.at_level(logging.WARNING, logger="hopkin"):
        _, new = band(root)
    assert starts == again
    assert without_wall_time(new) == without_wall_time(result)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1, said
    assert f"{torn.name} is torn: " in said[0]
    assert said[0].endswith("; it counts as absent")
    assert "\n" not in said[0]
    json.loads((root / run.path.name / "run.json").read_text())


@pytest.mark.parametrize("field", ["verified", "failure", "evidence", "forward_barrier_eV", "energies_eV"])
def test_a_result_without_a_field_counts_as_absent(
    tmp_path: Path, finished: Outcome, starts: list[str], field: str
) -> None:
    run, result = finished
    root = tmp_path / "runs"
    shutil.copytree(run.path.parent, root)
    less = {name: value for name, value in result.items() if name != field}
    (root / run.path.name / "result.json").write_text(json.dumps(less))
    assert without_wall_time(band(root)[1]) == without_wall_time(result)
    assert starts == []


# Attempts of a band that was killed

CASES: dict[str, dict[str, Any]] = {
    "down the ladder": {"max_iterations": 2, "force_tolerance_eV_per_A": 1e-6},
    "lower ends": {"name": "Pockets", "images": 5},
    "breaks down": {"name": "ScarceRidge", "final": 0.4},
}


class Killed(BaseException):
    """What no part of hopkin catches."""


@pytest.mark.parametrize("case", CASES)
def test_a_killed_band_goes_on_after_its_last_attempt(
    tmp_path: Path,
    private_cache: Path,
    starts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    """Killed at every step of the keeping of its files: no attempt that ended is done again."""
    _, undisturbed = band(tmp_path / "undisturbed", **CASES[case])
    n_starts = len(starts)
    assert starts.count("neb.in") > 1
    starts.clear()

    moments, kills = 0, 0
    rename = Path.rename

    def killing(self: Path, target: Path) -> Path:
        nonlocal moments
        moments += 1
        if moments > done:
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killing)
    done, result = 0, None
    while result is None:
        moments = 0
        try:
            _, result = band(tmp_path / "killed", **CASES[case])
        except Killed:
            kills += 1
            done += 13
            assert kills < 30
    assert kills > 1
    assert len(starts) == n_starts
    assert without_wall_time(result) == without_wall_time(undisturbed)
    ours, theirs = (
        {str(file.relative_to(root)) for file in root.rglob("*")}
        for root in (tmp_path / "killed", tmp_path / "undisturbed")
    )
    assert ours == theirs


def test_an_attempt_of_another_ladder_is_not_taken(
    tmp_path: Path, finished: Outcome, starts: list[str]
) -> None:
    run, result = finished
    root = tmp_path / "runs"
    shutil.copytree(run.path.parent, root)
    (root / run.path.name / "result.json").unlink()
    record = root / run.path.name / "attempt.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"settings": known["settings"] | {"timestep_ps": 0.003}}))
    assert without_wall_time(band(root)[1]) == without_wall_time(result)
    assert starts == ["neb.in"]


# Weights that are overwritten


def test_weights_that_are_overwritten_end_a_run(
    tmp_path: Path, private_cache: Path, starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the ends, which are kept for the case that the first file comes back."""
    file = tmp_path / "weights.py"
    shutil.copy(LANDSCAPES, file)
    _, undisturbed = band(tmp_path / "undisturbed", file=file)
    starts.clear()
    climb = ladder.run_attempt

    def overwrite(*words: Any, **settings: Any) -> Any:
        file.write_text(LANDSCAPES.read_text().replace("WELL_EV = 0.4", "WELL_EV = 0.5"))
        return climb(*words, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(ladder, "run_attempt", overwrite)
        with pytest.raises(
            ModelError, match=r"weights\.py was overwritten while hopkin was at work: its SHA"
        ):
            band(tmp_path / "killed", file=file)
    assert starts == ["relax.in"]
    assert not list((tmp_path / "killed").glob("*/result.json"))
    shutil.copy(LANDSCAPES, file)
    _, result = band(tmp_path / "killed", file=file)
    assert starts == ["relax.in", "neb.in"]
    assert without_wall_time(result) == without_wall_time(undisturbed)


def test_weights_that_are_overwritten_while_lammps_runs(
    tmp_path: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that run of LAMMPS left is not taken for relaxed ends."""
    file = tmp_path / "weights.py"
    shutil.copy(LANDSCAPES, file)
    run_deck = engine.run_deck

    def overwrite(*words: Any, **settings: Any) -> float:
        wall_s = run_deck(*words, **settings)
        file.write_text("")
        return wall_s

    monkeypatch.setattr(engine, "run_deck", overwrite)
    with pytest.raises(ModelError, match=r"was overwritten while hopkin was at work"):
        band(tmp_path / "runs", file=file)
    assert not list((tmp_path / "runs").glob("*/ends/*.yaml"))


@pytest.mark.parametrize(
    ("tear", "sentence"),
    [
        (lambda text: text.rstrip("\n"), "its last line has no end"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "it holds 1 of 2 atoms"),
        (lambda text: text.rsplit(" ", 2)[0] + "\n", r"an atom has \d of 9 columns"),
        (lambda _: "\n", "its header is not whole"),
        (lambda text: text.replace("Li ", "Li x"), "could not convert string to float"),
    ],
)
def test_a_torn_dump_is_refused(
    tmp_path: Path, finished: Outcome, tear: Callable[[str], str], sentence: str
) -> None:
    torn = tmp_path / "x.dump"
    torn.write_text(tear((finished[0].path / "ends" / "initial.dump").read_text()))
    with pytest.raises(RunError, match=rf"x\.dump is torn: {sentence}"):
        engine.read_state(torn)
