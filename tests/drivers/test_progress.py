"""In which order the jobs of a campaign begin, and how long the rest takes."""

from pathlib import Path

import pytest

from hopkin.drivers.campaigns import bench, progress
from hopkin.drivers.campaigns.jobs import Job, Outcome
from hopkin.drivers.campaigns.ledger import Ledger
from hopkin.drivers.campaigns.status import standing_of
from hopkin.drivers.specification import BarrierSpecification


def job(model: str, n_atoms: int, start_from: str | None = None) -> Job:
    return Job(
        kind="barrier",
        material="crystal",
        source=f"{n_atoms}",
        specification=BarrierSpecification(model=model, start_from=start_from),
        work=lambda *_, **__: None,
        n_atoms=n_atoms,
        n_evaluations=1,
    )


def took(seconds: float) -> Outcome:
    return Outcome(directory=Path(), result={"failure": None, "wall_s": seconds})


def test_one_job_of_each_model_then_model_by_model_then_what_starts_from_others() -> None:
    jobs = [
        job("mace-mp-0-small", 10),
        job("sevennet-0", 10),
        job("mace-mp-0-small", 30),
        job("mace-mp-0-small", 20, start_from="sevennet-0"),
        job("mace-mp-0-small", 25, start_from="sevennet-0"),
        job("sevennet-0", 20),
        job("mace-mp-0-small", 20),
        job("sevennet-0", 30),
    ]
    tasks = bench._Tasks(lambda *_: None, jobs, Path(), verify=True, most=1)
    assert tasks._order() == [2, 7, 6, 0, 5, 1, 4, 3]


def test_the_time_left_is_by_what_each_model_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    jobs = [job(model, n) for model in ("mace-mp-0-small", "sevennet-0", "chgnet-0.3.0") for n in (20, 10, 5)]
    of_campaign = progress.Progress(jobs)
    assert of_campaign.standing([]).left_s is None
    of_campaign.end(0, took(200.0), read=True)  # 10 s of an atom, before
    assert of_campaign.standing([]).left_s is None  # of how many at a time is not known
    of_campaign.end(3, took(40.0), read=False)  # 2 s of an atom
    of_campaign.end(4, Outcome(error="ModelError"), read=False)
    now = 20.0  # two at a time
    # 15 atoms of the first, 5 of the second, 35 of the third at the mean, 240 s of 40 atoms
    assert of_campaign.standing([]).left_s == pytest.approx((15 * 10 + 5 * 2 + 35 * 6) / 2)
    assert of_campaign.standing([]).failures == {"ModelError": 1}


def test_jobs_that_evaluate_nothing_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    of_campaign = progress.Progress([job("mace-mp-0-small", n) for n in (0, 10, 10)])
    of_campaign.end(0, Outcome(directory=Path(), result={"failure": None}), read=False)
    now = 10.0
    assert of_campaign.standing([]).left_s is None
    of_campaign.end(1, took(10.0), read=False)
    assert of_campaign.standing([]).left_s == pytest.approx(10.0)


def test_status_tells_the_time_left_by_the_same_rule(tmp_path: Path) -> None:
    """From the folder alone: of one worker, as none is at work there."""
    jobs = [job(model, n) for model in ("mace-mp-0-small", "sevennet-0", "chgnet-0.3.0") for n in (20, 10, 5)]
    ledger = Ledger(tmp_path, "three", jobs)
    assert standing_of(tmp_path)[0].left_s is None
    ledger.note(0, took(200.0))
    ledger.note(3, took(40.0))
    ledger.note(4, Outcome(error="ModelError"))
    standing, _ = standing_of(tmp_path)
    assert standing.left_s == pytest.approx(15 * 10 + 5 * 2 + 35 * 6)
    assert (standing.ended, standing.total) == (3, 9)
