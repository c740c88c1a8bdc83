"""How far a campaign is: what has ended, what is being done, and the time left."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hopkin.drivers.campaigns.jobs import Job, Outcome

_READ_S = 1.0  # what ended sooner was read, not done


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
        self._jobs = jobs
        self._cost = [max(job.cost, 1.0) for job in jobs]
        self._left = sum(self._cost)
        self._done = 0.0  # cost of jobs that were not read alone
        self._began = time.monotonic()
        self._begun: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._ended = 0
        self._failures: Counter[str] = Counter()

    def say(self, title: str, text: str) -> None:
        """Take note of what a job is doing; called by its thread."""
        self._begun.setdefault(title, time.monotonic())
        self._said[title] = text

    def rest(self, title: str) -> float | None:
        """Take note that a job is not at work any more; return for how long it was [s], if that is known."""
        self._said.pop(title, None)
        begun = self._begun.pop(title, None)
        return None if begun is None else time.monotonic() - begun

    def end(self, number: int, outcome: Outcome, wall_s: float) -> None:
        """Take note of what has become of a job."""
        self._left -= self._cost[number]
        self._done += self._cost[number] if wall_s > _READ_S else 0.0
        self._ended += 1
        if outcome.failure is not None:
            self._failures[outcome.failure] += 1

    def standing(self) -> Standing:
        """Tell how far it is."""
        now = time.monotonic()
        rate = self._done / (now - self._began)
        running = [
            (title, text, now - self._begun.get(title, now))
            for title, text in sorted(self._said.copy().items())
        ]
        return Standing(
            ended=self._ended,
            total=len(self._jobs),
            failures=dict(self._failures),
            left_s=self._left / rate if rate else None,
            running=running,
        )
