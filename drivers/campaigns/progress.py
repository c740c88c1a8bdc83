"""How far a campaign is: what has ended, and the time left."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hopkin.drivers.campaigns.jobs import Job, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a campaign is.

    Attributes
    ----------
    ended, total
        jobs
    failures
        how many ended with each class of failure
    left_s
        time left [s]; None where it is not known yet
    running
        title of each job that is at work, what it is doing, and for how long it has [s]
    """

    ended: int
    total: int
    failures: dict[str, int]
    left_s: float | None
    running: Sequence[tuple[str, str, float]]


def seconds_left(
    left: Mapping[str, float], done: Mapping[str, float], took_s: Mapping[str, float]
) -> float | None:
    """Tell how long jobs will take one after the other; None where none has shown it yet.

    It is that of each model's jobs by what its own have taken, as models differ by far; jobs that evaluate
    none take no time, as far as this goes.

    Parameters
    ----------
    left, done
        cost of the jobs of each model that are to come, and that have ended
    took_s
        what the latter took together, by model [s]
    """
    if not sum(done.values()):
        return None
    of_all = sum(took_s.values()) / sum(done.values())
    pace = {model: took_s[model] / cost for model, cost in done.items() if cost}
    return sum(cost * pace.get(model, of_all) for model, cost in left.items())


class Progress:
    """Takes note of what becomes of jobs; a note costs the same among ten jobs and ten thousand."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = [(job.specification.model, job.cost) for job in jobs]
        self._left = defaultdict[str, float](float)  # cost of jobs, by model
        for model, cost in self._jobs:
            self._left[model] += cost
        self._done = defaultdict[str, float](float)  # the same, of jobs that have ended
        self._took = defaultdict[str, float](float)  # seconds of those
        self._busy_s = 0.0  # of jobs that have ended since
        self._began = time.monotonic()
        self._ended = 0
        self._failures: Counter[str] = Counter()

    def end(self, number: int, outcome: Outcome, *, read: bool) -> None:
        """Take note of what has become of a job; `read`: it had ended before."""
        model, cost = self._jobs[number]
        self._left[model] -= cost
        self._ended += 1
        if outcome.failure is not None:
            self._failures[outcome.failure] += 1
        took = (outcome.result or {}).get("wall_s")
        if cost and took:
            self._done[model] += cost
            self._took[model] += took
            self._busy_s += 0.0 if read else took

    def standing(self, running: Sequence[tuple[str, str, float]]) -> Standing:
        """Tell how far it is, with what is `running`."""
        return Standing(
            ended=self._ended,
            total=len(self._jobs),
            failures=dict(self._failures),
            left_s=self._left_s(),
            running=running,
        )

    def _left_s(self) -> float | None:
        left_s = seconds_left(self._left, self._done, self._took)
        if left_s is None or not self._busy_s:
            return None
        at_a_time = self._busy_s / (time.monotonic() - self._began)
        return left_s / at_a_time
