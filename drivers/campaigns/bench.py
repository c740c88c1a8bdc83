"""Runs the jobs of a campaign through Parsl, and keeps what became of each.

Parsl has the graph: what jobs stand on (`Ground`) goes before them, a band before those that start from it.
What was lost comes again after a while, and what another hopkin is at work on until that has ended: two
campaigns on one folder share the work.
"""

import heapq
import logging
import math
import os
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from hopkin.analysis.comparison import write_tables
from hopkin.drivers.campaigns.at_work import at_work, tasks_at_work
from hopkin.drivers.campaigns.executors import HighThroughput, Threads, configuration, take_share
from hopkin.drivers.campaigns.jobs import Ground, Job, Key, Outcome, lay_ground, run_job
from hopkin.drivers.campaigns.ledger import Ledger
from hopkin.drivers.campaigns.progress import Progress, Standing
from hopkin.drivers.engine import end_with_parent
from hopkin.drivers.specification import BandSpecification

_logger = logging.getLogger(__name__)

_POLL_S = 1.0
_AHEAD = 4  # jobs that a thread of this machine has before it
_TRIES = 3
_LOST_S = 5.0  # until a job that was lost comes again, the second time twice as long
_BUSY_S = 5.0  # until one is looked at again that another hopkin is at work on

Work = Callable[..., Outcome]


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
    show: Callable[[Standing], None],
) -> list[Outcome]:
    """Do the jobs, several at a time; what ended before is read.

    Parameters
    ----------
    root
        folder of the run directories, and of the campaign's record (`ledger`)
    show
        is told how far it is, about once a second

    Returns
    -------
    list of Outcome
        one for each job
    """
    import parsl
    from parsl.dataflow.dflow import DataFlowKernel

    workers = default_workers(jobs)
    if isinstance(executor, Threads):
        workers = executor.workers or workers
    ledger, progress = Ledger(root, name, jobs), Progress(jobs)
    stopping = threading.Event()
    with DataFlowKernel(configuration(executor, workers, root / ".parsl")) as kernel:
        do: Work = _work_in_process
        most = math.inf  # by which Parsl tells how many blocks are wanted
        if isinstance(executor, Threads):
            do = _in_threads(workers, stopping)
            most = _AHEAD * workers  # else all crystals would be relaxed before the first band
        tasks = _Tasks(
            parsl.python_app(do, data_flow_kernel=kernel), jobs, root.resolve(), verify=verify, most=most
        )
        try:
            return tasks.run(ledger, progress, show)
        finally:
            stopping.set()
            try:
                write_tables(root)
            except OSError as error:  # as a job may have met before: what it ended with says so
                _logger.warning("%s: the tables are not on disk: %s", root, error)


class _Tasks:
    """The jobs as tasks of Parsl.

    Parameters
    ----------
    app
        Parsl's form of a function that does a `Job`, or lays a `Ground`
    most
        jobs that Parsl has at a time
    """

    def __init__(
        self,
        app: Callable[..., "Future[Outcome]"],
        jobs: Sequence[Job],
        root: Path,
        *,
        verify: bool,
        most: float,
    ) -> None:
        self._app, self._jobs, self._root, self._verify = app, jobs, root, verify
        self._most = most
        self._numbers = {job.key: number for number, job in enumerate(jobs)}
        self._begun: dict[Key, Future[Outcome]] = {}
        self._grounds: dict[str, Future[Outcome]] = {}
        self._ended: queue.SimpleQueue[tuple[int, Outcome]] = queue.SimpleQueue()
        self._outcomes: dict[int, Outcome] = {}

    def run(self, ledger: Ledger, progress: Progress, show: Callable[[Standing], None]) -> list[Outcome]:
        """Do all of them; return their outcomes."""
        order = iter(self._order())
        waiting: list[tuple[float, int]] = []  # when they come again, and which
        tries: Counter[int] = Counter()
        shown = time.monotonic()
        while len(self._outcomes) < len(self._jobs):
            while len(self._begun) - len(self._outcomes) - len(waiting) < self._most:
                if (number := next(order, -1)) < 0:
                    break
                self._submit_first(number, read=number in ledger.ended)
            now = time.monotonic()
            if now - shown >= _POLL_S:
                shown = now
                show(progress.standing(tasks_at_work(self._root)))
            while waiting and waiting[0][0] <= now:
                _, number = heapq.heappop(waiting)
                if self._base_is_open(number):
                    heapq.heappush(waiting, (now + _BUSY_S, number))
                else:
                    self._submit_again(number)
            try:
                number, outcome = self._ended.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if outcome.busy or (outcome.lost and self._base_is_open(number)):
                heapq.heappush(waiting, (now + _BUSY_S, number))
            elif outcome.lost and tries[number] < _TRIES - 1:
                tries[number] += 1
                heapq.heappush(waiting, (now + _LOST_S * tries[number], number))
            else:
                self._outcomes[number] = outcome
                ledger.note(number, outcome)
                progress.end(number, outcome, read=number in ledger.ended)
        show(progress.standing([]))
        return [self._outcomes[number] for number in range(len(self._jobs))]

    def _order(self) -> list[int]:
        """Numbers of the jobs as they begin.

        Those that start from others are after these. Of each of the two, one of each model is first, for what
        does not work to be seen at once, and the time left; then model by model, as one that is loaded has
        the next job sooner; of each the longest first, and kinetics after the hops that it reads.
        """
        models = list(dict.fromkeys(job.specification.model for job in self._jobs))

        def place(number: int) -> tuple[bool, int, bool, float]:
            job = self._jobs[number]
            model = models.index(job.specification.model)
            return job.base is not None, model, job.kind == "kinetics", -job.cost

        order = sorted(range(len(self._jobs)), key=place)
        first = {place(number)[:2]: number for number in reversed(order)}
        return sorted(order, key=lambda number: (place(number)[0], number != first[place(number)[:2]]))

    def _submit_first(self, number: int, *, read: bool) -> None:
        """Hand a job to Parsl, and before it what it stands on; `read`: it has ended before."""
        job, ground = self._jobs[number], None
        if job.ground is not None and not read:
            if job.ground.key not in self._grounds:
                self._grounds[job.ground.key] = _handed_on(self._app(job.ground, self._root, self._verify))
            ground = self._grounds[job.ground.key]
        base = None if job.base is None else self._begun.get(job.base)
        self._begun[job.key] = self._submit(number, base, ground)

    def _submit(self, number: int, *after: object) -> "Future[Outcome]":
        future = self._app(self._jobs[number], self._root, self._verify, *after)
        future.add_done_callback(lambda done: self._ended.put((number, _outcome(done))))
        return _handed_on(future)

    def _submit_again(self, number: int) -> None:
        base = self._jobs[number].base
        self._submit(number, None if base is None else self._outcomes.get(self._numbers.get(base, -1)))

    def _base_is_open(self, number: int) -> bool:
        """Whether the band that it starts from has not ended yet: it was lost, too, and comes again."""
        base = self._jobs[number].base
        return base in self._numbers and self._numbers[base] not in self._outcomes


def _handed_on(future: "Future[Outcome]") -> "Future[Outcome]":
    """Give what others may wait for: an outcome, where Parsl itself fails, too."""
    outcome: Future[Outcome] = Future()
    future.add_done_callback(lambda ended: outcome.set_result(_outcome(ended)))
    return outcome


def _in_threads(workers: int, stopping: threading.Event) -> Work:
    """Make the function that threads call: it ends when all are to stop."""
    seats: queue.SimpleQueue[int] = queue.SimpleQueue()
    for worker in range(workers):
        seats.put(worker)

    def work_in_thread(task: Job | Ground, root: Path, verify: bool, *after: Outcome | None) -> Outcome:
        def go_on() -> None:
            if stopping.is_set():
                raise _Stopped

        seat = seats.get()
        try:
            take_share(seat, workers)
            return _do(task, root, *after, verify=verify, go_on=go_on)
        except _Stopped:
            return Outcome(error="Interrupted", lost=True)
        finally:
            seats.put(seat)

    return work_in_thread


def _work_in_process(task: Job | Ground, root: Path, verify: bool, *after: Outcome | None) -> Outcome:
    """Do a job in a process of Parsl's pool; it ends with the pool, or it would keep others from the job."""
    end_with_parent(signal.SIGKILL)
    take_share(int(os.environ["PARSL_WORKER_RANK"]), int(os.environ["PARSL_WORKER_COUNT"]))
    return _do(task, root, *after, verify=verify, go_on=lambda: None)


def _do(
    task: Job | Ground, root: Path, *after: Outcome | None, verify: bool, go_on: Callable[[], None]
) -> Outcome:
    with at_work(root, task) as note:

        def say(text: str) -> None:
            go_on()
            note(text)

        go_on()
        if isinstance(task, Ground):
            return lay_ground(task, root, verify=verify, say=say)
        outcome = run_job(task, root, *after, verify=verify, say=say)
        if outcome.result is None and not outcome.busy:
            note(f"{outcome.error}: {outcome.message}")
        return outcome


def _outcome(future: "Future[Outcome]") -> Outcome:
    """Outcome of a job; where Parsl itself failed, its error."""
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(error=type(error).__name__, message=" ".join(str(error).split()), lost=True)
