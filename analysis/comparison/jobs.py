"""Jobs of a campaign, as its `campaign.json` has them."""

import logging
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hopkin.analysis.comparison.references import DynamicsReference, Reference
from hopkin.analysis.comparison.results import Row, read_object

_logger = logging.getLogger(__name__)


class _Job(BaseModel):
    """What a job says of itself; its run, where it has one, says the rest."""

    model_config = ConfigDict(frozen=True, strict=True)

    kind: str
    material: str
    model: str
    directory: str | None
    ion: str | None = None
    family: str | None = None
    mechanism: str | None = None
    hop_index: int | None = None
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
    jobs = []
    for number, job in enumerate(listed, start=1):
        try:
            jobs.append(_Job.model_validate(job).model_dump())
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "all of it"
            why = problem["msg"].removeprefix("Value error, ").removesuffix(" or instance of _Job")
            _logger.warning("%s: job %d is left out: %s: %s", campaign, number, where, why)
    return jobs
