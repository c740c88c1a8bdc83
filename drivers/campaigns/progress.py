"""How far a campaign is: what has ended, and the time left."""

import time
from collections import Counter
from collections.abc import Sequence
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


class Progress:
    """Takes note of what becomes of jobs; a note costs the same among ten jobs and ten thousand."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._cost = [max(job.cost, 1.0) for job in jobs]
        self._left = sum(self._cost)
        self._done = 0.0  # cost of jobs that were not read alone
        self._began = time.monotonic()
        self._ended = 0
        self._failures: Counter[str] = Counter()

    def end(self, number: int, outcome: Outcome, *, read: bool) -> None:
        """Take note of what has become of a job; `read`: it had ended before."""
        self._left -= self._cost[number]
        self._done += 0.0 if read else self._cost[number]
        self._ended += 1
        if outcome.failure is not None:
            self._failures[outcome.failure] += 1

    def standing(self, running: Sequence[tuple[str, str, float]]) -> Standing:
        """Tell how far it is, with what is `running`."""
        rate = self._done / (time.monotonic() - self._began)
        return Standing(
            ended=self._ended,
            total=len(self._cost),
            failures=dict(self._failures),
            left_s=self._left / rate if rate else None,
            running=running,
        )
