"""Run directories and their tables, as found below a results folder."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hopkin.analysis.errors import ResultsError

Row = dict[str, Any]
"""One row of a table, by its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run directory.

    Attributes
    ----------
    directory
        Where it is.
    name
        Its path below the results folder.
    asked
        Content of run.json.
    result
        Content of result.json; empty where there is none.
    state
        "finished", "failed" (finished, with a failure), "unfinished" (no result.json yet), or
        "unreadable" (one of the two files is not a JSON object, or the result lacks its failure).
    """

    directory: Path
    name: str
    asked: Mapping[str, Any]
    result: Mapping[str, Any]
    state: Literal["finished", "failed", "unfinished", "unreadable"]

    @property
    def kind(self) -> str:
        """Kind of the run: "barrier", "neb", "md", or "unknown"."""
        return str(self.asked.get("kind", "unknown"))

    def get(self, key: str) -> Any:
        """Return what came out under a key, or else what was asked, or else None."""
        value = self.result.get(key)
        return self.asked.get(key) if value is None else value


_PART = "bulk"  # relaxed once, and told of in the results of its hops and dynamics


def find_runs(results_root: Path) -> list[Run]:
    """Find every run directory, one that holds a run.json, at or below a folder; not those of bulk crystals.

    Raises
    ------
    ResultsError
        If there is no such folder, or neither a run nor a campaign in it.
    """
    if not results_root.is_dir():
        raise ResultsError(f"{results_root} is not a folder; give the folder that holds the runs")
    every = [_read_run(file.parent, results_root) for file in sorted(results_root.rglob("run.json"))]
    runs = [run for run in every if run.kind != _PART]
    if not runs and not any(results_root.rglob("campaign.json")):
        raise nothing_in(results_root)
    return runs


def nothing_in(results_root: Path) -> ResultsError:
    """Say that a folder holds nothing to be told of."""
    return ResultsError(f"no run directories (with a run.json) in {results_root} or below it")


def count_failures(failures: Iterable[str | None]) -> str:
    """Say how often each class of failure occurs, such as ``2 not_converged``; None is no failure."""
    counted = Counter(failure for failure in failures if failure)
    return ", ".join(f"{n} {failure}" for failure, n in sorted(counted.items()))


def _read_run(directory: Path, results_root: Path) -> Run:
    name = directory.relative_to(results_root).as_posix()
    result_file = directory / "result.json"
    asked: Mapping[str, Any] = {}
    try:
        asked = read_object(directory / "run.json")
        if not result_file.exists():
            return Run(directory=directory, name=name, asked=asked, result={}, state="unfinished")
        result = read_object(result_file)
        if "failure" not in result:
            raise ValueError(f"{result_file} lacks its failure")
    except (OSError, ValueError):
        return Run(directory=directory, name=name, asked=asked, result={}, state="unreadable")
    return Run(
        directory=directory,
        name=name,
        asked=asked,
        result=result,
        state="failed" if result.get("failure") else "finished",
    )


def read_object(path: Path) -> Mapping[str, Any]:
    """Read a JSON object; ValueError where the file holds none."""
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content
