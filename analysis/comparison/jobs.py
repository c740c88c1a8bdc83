"""Jobs of a campaign, and what became of them.

`campaign.json` lists them. Each that ends adds a line to `ended.jsonl` beside it: that costs the same among
ten jobs and ten thousand, and nothing that was written is written again. The last line of a job counts: one
that ended with an error gets another one (`open`) where a campaign tries it again.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hopkin.analysis.comparison.references import DynamicsReference, Reference
from hopkin.analysis.comparison.results import Row, read_object

_logger = logging.getLogger(__name__)


ENDED = "ended.jsonl"


class _Job(BaseModel):
    """What a job says of itself; its run, where it has one, says the rest."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str = ""
    title: str = ""
    kind: str
    material: str
    model: str
    directory: str | None = None
    ion: str | None = None
    family: str | None = None
    mechanism: str | None = None
    hop_index: int | None = None
    temperature_K: float | None = None
    seed: int | None = None
    cost: float = 0.0
    failure: str | None = None
    message: str | None = None
    reference: dict[str, object] | None = None

    @field_validator("reference")
    @classmethod
    def _known(cls, reference: dict[str, object] | None) -> dict[str, object] | None:
        """Refuse what is neither a known barrier nor known dynamics."""
        if reference is not None:
            kind = DynamicsReference if "temperature_K" in reference else Reference
            kind.model_validate(reference)
        return reference


def read_jobs(campaign: Path) -> list[Row] | None:
    """Read the jobs of a campaign.

    A file that is torn counts as absent, and a job that lacks a field is left out; both are said.

    Parameters
    ----------
    campaign
        its `campaign.json`

    Returns
    -------
    list or None
        a row for each job; None where there is no such file, or it is torn
    """
    if not campaign.is_file():
        return None
    try:
        listed = read_object(campaign)["jobs"]
        if not isinstance(listed, list):
            raise ValueError("its jobs are no list")
    except (OSError, ValueError, KeyError, RecursionError) as error:
        _logger.warning("%s is torn: %s; it counts as absent", campaign, error)
        return None
    jobs, ended = [], read_ended(campaign.parent)
    for number, job in enumerate(listed, start=1):
        try:
            jobs.append(_Job.model_validate(_joined(job, ended)).model_dump())
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "all of it"
            why = problem["msg"].removeprefix("Value error, ").removesuffix(" or instance of _Job")
            _logger.warning("%s: job %d is left out: %s: %s", campaign, number, where, why)
    return jobs


def _joined(job: Any, ended: dict[str, Row]) -> Any:
    if not isinstance(job, dict):
        return job
    line = ended.get(str(job.get("id")), {})
    return {**job, **{name: line[name] for name in ("directory", "failure", "message") if name in line}}


def read_ended(results: Path) -> dict[str, Row]:
    """Read what jobs of a campaign have ended with, by their `id`; a line that is torn counts as absent."""
    file = results / ENDED
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        return {str(line["job"]): line for line in _objects(lines)}


def _objects(lines: Iterator[str]) -> Iterator[Row]:
    for text in lines:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "job" in line:
            yield line
