"""Runs the jobs of a campaign through Parsl, and keeps what became of each."""

import json
import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from hopkin.analysis.comparison import count_failures, find_runs, write_tables
from hopkin.drivers.campaigns.executors import HighThroughput, Threads, configuration, take_share
from hopkin.drivers.campaigns.jobs import Job, Outcome, run_job
from hopkin.drivers.engine import write_json, writing_to
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows import Say

_POLL_S = 1.0


class _Stopped(BaseException):
    """Ends a job from within, between two looks at LAMMPS."""


def default_workers(jobs: Sequence[Job]) -> int:
    """Jobs at a time on this machine: as many as have a processor for each image of their bands."""
    images = [job.specification.images for job in jobs if isinstance(job.specification, BandSpecification)]
    return max(1, len(os.sched_getaffinity(0)) // max(images, default=1))


def run_campaign(
    name: str,
    jobs: Sequence[Job],
    root: Path,
    executor: Threads | HighThroughput,
    *,
    verify: bool,
    say: Say,
) -> list[Outcome]:
    """Do the jobs, several at a time; what ended before is read.

    `campaign.json` in the folder of the run directories tells at any time what has become of each job, and
    what is known of it.

    Returns
    -------
    list of Outcome
        one for each job
    """
    import parsl
    from parsl.dataflow.dflow import DataFlowKernel

    outcomes = _ended_before(root, jobs)
    write_json(root / "campaign.json", _record(name, jobs, outcomes))
    workers = default_workers(jobs)
    if isinstance(executor, Threads):
        workers = executor.workers or workers
    progress = _Progress(jobs, workers, say)
    stopping = Event()
    with DataFlowKernel(configuration(executor, workers, root / ".parsl")) as kernel:
        work: Callable[..., Outcome] = _work_in_process
        if isinstance(executor, Threads):
            work = _in_threads(workers, stopping, progress)
        app = parsl.python_app(work, data_flow_kernel=kernel)
        futures = _submitted(app, jobs, root.resolve(), verify)
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    number = futures[future]
                    outcomes[number] = _outcome(future)
                    progress.end(number, outcomes[number])
                if done:
                    write_json(root / "campaign.json", _record(name, jobs, outcomes))
                progress.show()
        finally:
            stopping.set()
            with writing_to(root):
                write_tables(root)
    return [outcomes[number] for number in range(len(jobs))]


def _submitted(
    app: Callable[..., "Future[Outcome]"], jobs: Sequence[Job], root: Path, verify: bool
) -> dict["Future[Outcome]", int]:
    """Hand the jobs to Parsl, which has those wait that start from a band of another job."""
    futures: dict[object, Future[Outcome]] = {}
    numbers: dict[Future[Outcome], int] = {}
    for n, job in sorted(enumerate(jobs), key=lambda numbered: numbered[1].base is not None):
        future = app(n, job, root, verify, futures.get(job.base))
        futures[job.key] = _handed_on(future)
        numbers[future] = n
    return numbers


def _handed_on(future: "Future[Outcome]") -> "Future[Outcome]":
    """Give what others may wait for: an outcome, where Parsl itself fails, too."""
    outcome: Future[Outcome] = Future()
    future.add_done_callback(lambda ended: outcome.set_result(_outcome(ended)))
    return outcome


def _ended_before(root: Path, jobs: Sequence[Job]) -> dict[int, Outcome]:
    """Outcomes of jobs that have run directories here: they stand until the turn of each has come."""

    def key(kind: str, material: str, specification: object) -> str:
        return json.dumps([kind, material, specification], sort_keys=True)

    numbers = {
        key(job.kind, job.material, job.specification.model_dump(mode="json")): number
        for number, job in enumerate(jobs)
    }
    outcomes = {}
    for run in find_runs(root) if any(root.glob("*/run.json")) else ():
        number = numbers.get(key(run.kind, str(run.get("material")), run.asked.get("specification")))
        if number is not None and run.state in ("finished", "failed") and "failure" in run.result:
            outcomes[number] = Outcome(directory=run.directory, result=dict(run.result))
    return outcomes


def _in_threads(
    workers: int, stopping: Event, progress: "_Progress"
) -> Callable[[int, Job, Path, bool, Outcome | None], Outcome]:
    """Make the function that threads call: it tells how far a job is, and ends when all are to stop."""
    seats: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in range(workers):
        seats.put(worker)

    def work_in_thread(number: int, job: Job, root: Path, verify: bool, base: Outcome | None) -> Outcome:
        def say(text: str) -> None:
            if stopping.is_set():
                raise _Stopped
            progress.say(number, text)

        seat = seats.get()
        try:
            take_share(seat, workers)
            say("starting")
            return run_job(job, root, base, verify=verify, say=say)
        except _Stopped:
            return Outcome(error="Interrupted", lost=True)
        finally:
            seats.put(seat)

    return work_in_thread


def _work_in_process(_: int, job: Job, root: Path, verify: bool, base: Outcome | None) -> Outcome:
    """Do a job in a process of Parsl's pool."""
    take_share(int(os.environ["PARSL_WORKER_RANK"]), int(os.environ["PARSL_WORKER_COUNT"]))
    return run_job(job, root, base, verify=verify, say=lambda _: None)


def _outcome(future: "Future[Outcome]") -> Outcome:
    """Outcome of a job; where Parsl itself failed, its error."""
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(error=type(error).__name__, message=" ".join(str(error).split()), lost=True)


def _record(name: str, jobs: Sequence[Job], outcomes: Mapping[int, Outcome]) -> dict[str, Any]:
    """Give the content of `campaign.json`."""
    return {"name": name, "jobs": [_job(job, outcomes.get(number)) for number, job in enumerate(jobs)]}


def _job(job: Job, outcome: Outcome | None) -> dict[str, Any]:
    return {
        "kind": job.kind,
        "material": job.material,
        "ion": job.specification.ion,
        "family": job.family,
        "mechanism": job.mechanism,
        "hop_index": job.hop_index,
        "model": job.specification.model,
        "reference": None
        if job.reference is None
        else job.reference.model_dump(mode="json", exclude_none=True),
        "directory": None if outcome is None or outcome.directory is None else outcome.directory.name,
        "failure": None if outcome is None else outcome.failure,
        "message": None if outcome is None else outcome.message,
    }


class _Progress:
    """How far a campaign is: how many jobs have ended, what those at work are doing, and the time left."""

    def __init__(self, jobs: Sequence[Job], workers: int, say: Say) -> None:
        self._jobs, self._workers, self._say = jobs, workers, say
        self._begun: dict[int, float] = {}
        self._said: dict[int, str] = {}
        self._walls: list[float] = []
        self._ended = 0
        self._failures: list[str] = []

    def say(self, number: int, text: str) -> None:
        """Take note of what a job is doing; called by its thread."""
        self._begun.setdefault(number, time.monotonic())
        self._said[number] = text

    def end(self, number: int, outcome: Outcome) -> None:
        """Take note of what has become of a job."""
        begun = self._begun.pop(number, None)
        if begun is not None and (wall := time.monotonic() - begun) > _POLL_S:  # else it was read
            self._walls.append(wall)
        self._said.pop(number, None)
        self._ended += 1
        if outcome.failure is not None:
            self._failures.append(outcome.failure)

    def show(self) -> None:
        """Say it in one line."""
        parts = [f"{self._ended} of {len(self._jobs)} done"]
        if self._failures:
            parts.append(f"failed: {count_failures(self._failures)}")
        if self._walls and (left := len(self._jobs) - self._ended):
            seconds = sum(self._walls) / len(self._walls) * left / self._workers
            parts.append(f"about {timedelta(seconds=round(seconds))} left")
        running = [
            f"{self._jobs[number].title} ({text})" for number, text in sorted(self._said.copy().items())
        ]
        self._say("; ".join(parts) + (f": {'; '.join(running)}" if running else ""))
