"""What became of each job of a campaign, on disk while it runs.

`campaign.json` lists the jobs, and is written when a campaign begins. Each job that ends adds one line to
`ended.jsonl`: that costs the same among ten jobs and ten thousand, and two campaigns may do so at once.
"""

import fcntl
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hopkin.analysis.comparison import ENDED, find_runs, read_ended
from hopkin.drivers.campaigns.jobs import Job, Outcome
from hopkin.drivers.engine import read_json, write_json
from hopkin.drivers.errors import CampaignError
from hopkin.drivers.specification import MDSpecification

_logger = logging.getLogger(__name__)


class Ledger:
    """The record of a campaign in the folder of its run directories.

    Parameters
    ----------
    root
        that folder
    name, jobs
        of the campaign

    Raises
    ------
    CampaignError
        when the folder holds the results of another
    """

    def __init__(self, root: Path, name: str, jobs: Sequence[Job]) -> None:
        self._root = root
        self._ids = [job.id for job in jobs]
        plan = {
            "name": name,
            "jobs": [_row(job, of_job) for job, of_job in zip(jobs, self._ids, strict=True)],
        }
        if require_folder_of(root, name) != plan:
            write_json(root / "campaign.json", plan)
        self._lines = read_ended(root)
        self.ended = ended_before(root, jobs)
        """Results that are here before it begins, by the number of the job."""
        for number, outcome in self.ended.items():
            self.note(number, outcome)
        ours = set(self._ids)
        for line in list(self._lines.values()):
            if line["job"] in ours and line.get("failure") and not line.get("directory"):
                self._add({"job": line["job"], "failure": None, "message": None, "open": True})  # tried again

    def note(self, number: int, outcome: Outcome) -> None:
        """Add what a job ended with, where that is new; what cannot be written is logged."""
        line: dict[str, Any] = {
            "job": self._ids[number],
            "directory": outcome.directory and outcome.directory.name,
            "failure": outcome.failure,
            "message": outcome.message,
        }
        known = self._lines.get(line["job"], {})
        if {name: known.get(name) for name in line} == line:
            return
        wall_s = None if outcome.result is None else outcome.result.get("wall_s")
        self._add({**line, "wall_s": wall_s, "at": time.time()})

    def _add(self, line: dict[str, Any]) -> None:
        self._lines[line["job"]] = line
        try:
            with (self._root / ENDED).open("ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # of other nodes, too
                file.write(b"\n" + json.dumps(line).encode() + b"\n")  # whole after a torn one, too
        except OSError as error:  # a full disk, say: the others may have an end all the same
            _logger.warning("%s: what became of %s is not on disk: %s", self._root, line["job"], error)


def require_folder_of(root: Path, name: str) -> dict[str, Any] | None:
    """Return the plan that a folder has, if it has one; CampaignError where it is another campaign's."""
    known = read_json(root / "campaign.json", "name")
    if known is not None and known["name"] != name:
        raise CampaignError(
            f"{root} holds the results of the campaign {known['name']}: give {name} another --out"
        )
    return known


def ended_before(root: Path, jobs: Sequence[Job]) -> dict[int, Outcome]:
    """Outcomes of jobs that have run directories here: they stand until the turn of each has come."""

    def key(kind: str, material: str, source: object, specification: object) -> str:
        # ends of pairs have sources of their own
        return json.dumps(
            [kind, material, source if kind in ("barrier", "md") else "", specification], sort_keys=True
        )

    numbers: dict[str, int] = {}
    twice = set()
    for number, job in enumerate(jobs):
        named = key(job.kind, job.material, job.source, job.specification.model_dump(mode="json"))
        if named in numbers:
            twice.add(named)
        numbers[named] = number
    outcomes = {}
    for run in find_runs(root) if any(root.glob("*/run.json")) else ():
        asked = run.asked
        named = key(run.kind, str(run.get("material")), asked.get("source"), asked.get("specification"))
        found = None if named in twice else numbers.get(named)  # those wait for their turn
        if found is not None and run.state in ("finished", "failed") and "failure" in run.result:
            outcomes[found] = Outcome(directory=run.directory, result=dict(run.result))
    return outcomes


def _row(job: Job, of_job: str) -> Mapping[str, Any]:
    run = job.specification if isinstance(job.specification, MDSpecification) else None
    return {
        "id": of_job,
        "kind": job.kind,
        "title": job.title,
        "material": job.material,
        "ion": job.specification.ion,
        "family": job.family,
        "mechanism": job.mechanism,
        "hop_index": job.hop_index,
        "temperature_K": run.temperature_K if run else None,
        "seed": run.seed if run else None,
        "model": job.specification.model,
        "cost": job.cost,
        "reference": None
        if job.reference is None
        else job.reference.model_dump(mode="json", exclude_none=True),
    }
