"""How far a campaign is: what has ended, what is being done, and the time left."""

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
    """Takes note of what jobs do; a note costs the same among ten jobs and ten thousand."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._cost = [max(job.cost, 1.0) for job in jobs]
        self._left = sum(self._cost)
        self._done = 0.0  # cost of jobs that were not read alone
        self._began = time.monotonic()
        self._begun: dict[object, float] = {}
        self._said: dict[object, tuple[str, str]] = {}
        self._ended = 0
        self._failures: Counter[str] = Counter()

    def say(self, key: object, title: str, text: str) -> None:
        """Take note of what a job, or what jobs stand on, is doing; called by its thread."""
        self._begun.setdefault(key, time.monotonic())
        self._said[key] = title, text

    def rest(self, key: object) -> None:
        """Take note that it is not at work any more."""
        self._said.pop(key, None)
        self._begun.pop(key, None)

    def end(self, number: int, outcome: Outcome, *, read: bool) -> None:
        """Take note of what has become of a job; `read`: it had ended before."""
        self._left -= self._cost[number]
        self._done += 0.0 if read else self._cost[number]
        self._ended += 1
        if outcome.failure is not None:
            self._failures[outcome.failure] += 1

    def standing(self) -> Standing:
        """Tell how far it is."""
        now = time.monotonic()
        rate = self._done / (now - self._began)
        running = sorted(
            (title, text, now - self._begun.get(key, now)) for key, (title, text) in self._said.copy().items()
        )
        return Standing(
            ended=self._ended,
            total=len(self._cost),
            failures=dict(self._failures),
            left_s=self._left / rate if rate else None,
            running=running,
        )
