"""Threads of LAMMPS: no more than there are processors, whatever OMP_NUM_THREADS says."""

import os

import pytest

from hopkin.drivers.workflows.calculation import threads_per_replica


@pytest.mark.parametrize(
    ("processors", "wanted", "replicas", "threads"),
    [
        (8, "", 1, 8),
        (8, "", 5, 1),
        (8, "2", 1, 2),
        (8, "2", 5, 1),
        (8, "8", 2, 4),
        (2, "8", 1, 2),
        (2, "0", 1, 1),
    ],
)
def test_replicas_share_the_processors(
    processors: int, wanted: str, replicas: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert threads_per_replica(replicas) == threads
