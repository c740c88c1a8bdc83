"""The interpreter of a model stays for its next structures, and only for those."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models import find_model, worker
from hopkin.drivers.workflows.parity import own_results

# its energies say which process it is, and on which processors
CALCULATOR = """
import os
from ase.calculators.lj import LennardJones

class Telling(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["energy"] = float(TOLD)

def telling():
    return Telling()
"""

CRYSTAL = bulk("Ar", cubic=True)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[str]:
    yield write(tmp_path / "own.py", "os.getpid()")
    worker.end_idle()


def write(path: Path, told: str) -> str:
    path.write_text(CALCULATOR.replace("TOLD", told))
    return f"ase:{path}:telling"


def evaluated(name: str) -> float:
    crystal = CRYSTAL.copy()
    crystal.rattle(rng=np.random.default_rng())  # a calculator knows what it has evaluated last
    (said,) = own_results(find_model(name), [crystal])
    return float(said["energy"])


def test_next_structures_go_to_the_process_that_has_the_model(model: str) -> None:
    assert evaluated(model) == evaluated(model) != os.getpid()


def test_another_model_has_a_process_of_its_own_and_the_first_one_ends(model: str, tmp_path: Path) -> None:
    first = int(evaluated(model))
    other = int(evaluated(write(tmp_path / "other.py", "os.getpid()")))
    assert other != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_one_that_is_killed_at_work_is_not_asked_again(model: str, tmp_path: Path) -> None:
    first = int(evaluated(model))
    write(tmp_path / "own.py", "[os.kill(os.getpid(), 9), 1.0][1]")  # the next calculator is made anew
    with pytest.raises(MachineError, match="exit code -9"):
        evaluated(model)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_calculator_of_the_users_own_reads_what_has_changed(model: str, tmp_path: Path) -> None:
    evaluated(model)
    write(tmp_path / "own.py", "-1.5")
    assert evaluated(model) == -1.5


def test_a_forked_process_has_its_own(model: str) -> None:
    first = evaluated(model)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(evaluated, (model,)) != first
    assert evaluated(model) == first


def test_what_the_model_starts_has_no_input(tmp_path: Path) -> None:
    reading = "__import__('subprocess').run(['cat'], timeout=20).returncode"
    assert evaluated(write(tmp_path / "own.py", reading)) == 0.0


def test_another_environment_has_a_process_of_its_own(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluated(model)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert evaluated(model) != first


def test_a_process_that_ended_meanwhile_is_replaced(model: str) -> None:
    first = int(evaluated(model))
    os.kill(first, signal.SIGKILL)
    while worker._idle[0].alive:
        time.sleep(0.01)
    assert evaluated(model) != first


def test_a_process_whose_task_failed_is_not_kept(tmp_path: Path) -> None:
    failing = write(tmp_path / "own.py", "1 / 0")
    for _ in range(2):
        with pytest.raises(ModelError, match="ZeroDivisionError"):
            evaluated(failing)
    assert worker._idle == []


def test_an_interrupt_ends_the_process(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    tells = f"open({str(told)!r}, 'w').write(str(os.getpid()))"
    sleeping = write(tmp_path / "own.py", f"{tells} + __import__('time').sleep(60)")

    def interrupt() -> None:
        while not (told.is_file() and told.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            evaluated(sleeping)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


def test_two_at_a_time_are_two_processes_on_the_processors_of_each_thread(tmp_path: Path) -> None:
    first, *_, last = [*os.sched_getaffinity(0)] * 2
    name = write(tmp_path / "own.py", "min(os.sched_getaffinity(0))")

    def on(processor: int) -> float:
        os.sched_setaffinity(0, {processor})
        return evaluated(name)

    for pair in ((first, last), (last, first)):
        with ThreadPoolExecutor(2) as threads:
            assert [*threads.map(on, pair)] == [*pair]
    worker.end_idle()
