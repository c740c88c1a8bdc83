"""What waits for a GPU is evaluated together: which requests, and what becomes of batches that fail."""

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ase
import numpy as np
import pytest
from raw_client import RawClient, energy_and_forces

from hopkin.drivers.bands import interpolate
from hopkin.drivers.engine import ENVIRONMENT
from hopkin.drivers.models import find_model, service_of
from hopkin.drivers.models.service.protocol import Request, Status
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows import attempts, calculation
from hopkin.drivers.workflows.parity import rattled
from hopkin.drivers.workflows.relaxation import Relaxed

MODEL = "chgnet-0.3.0"
ELEMENTS = "Li S Ti"
BAND = 7
LATE_S = 2.0  # as_on_a_gpu.py


class Service:
    """A service as on a GPU."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "socket"
        script = Path(__file__).with_name("as_on_a_gpu.py")
        read_end, write_end = os.pipe()
        told = {
            "cores": sorted(os.sched_getaffinity(0)),
            "lock": read_end,
            "model": find_model(MODEL).model_dump(mode="json"),
        }
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(self.path), MODEL, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[read_end],
            env={**os.environ, **ENVIRONMENT},
        )
        os.close(read_end)
        os.close(write_end)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin, self._process.stdout:
            self._process.stdin.write(json.dumps(told).encode())
            self._process.stdin.close()
            assert json.loads(self._process.stdout.readline()) == {"error": ""}
        self._holder = RawClient(self.path)

    def batches(self) -> list[int]:
        """How many configurations were evaluated together, since the last time."""
        file = self.folder / "batches"
        said = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return [int(word) for word in said.split()]

    def at_work(self) -> bool:
        """Whether it has begun a batch, since the last time."""
        return (self.folder / "batches").exists()

    def set(self, name: str, number: int) -> None:
        (self.folder / name).write_text(str(number))

    def end(self) -> None:
        self._holder.socket.close()
        assert self._process.wait(30) == 0


@pytest.fixture(scope="module")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    pytest.importorskip("chgnet")
    service = Service(tmp_path_factory.mktemp("gpu"))
    yield service
    service.end()


@pytest.fixture
def service(one_service: Service) -> Service:
    one_service.set("most", 64)
    one_service.set("loses", 0)
    one_service.batches()
    return one_service


@pytest.fixture
def clients(service: Service) -> Iterator[list[RawClient]]:
    clients = [RawClient(service.path) for _ in range(5)]
    for client in clients:
        status, said = client.hello(MODEL, ELEMENTS) or (None, "")
        assert status is Status.DONE
        assert "cuda:0" in said
    yield clients
    for client in clients:
        client.socket.close()


@pytest.fixture(scope="module")
def alone() -> Callable[[ase.Atoms], tuple[float, np.ndarray]]:
    """CHGNet's own calculator."""
    model = find_model(MODEL)
    calculator = model.module.calculator(model, device="cpu")

    def evaluated(atoms: ase.Atoms) -> tuple[float, np.ndarray]:
        copy = atoms.copy()
        copy.calc = calculator
        return copy.get_potential_energy(), copy.get_forces()

    return evaluated


def asked(clients: Sequence[RawClient], atoms: ase.Atoms, *, band: int = BAND) -> None:
    for client in clients:
        client.ask(atoms, ELEMENTS, band=band)


def told(clients: Sequence[RawClient]) -> list[tuple[Status, str] | None]:
    return [client.hear() for client in clients]


def make_a_band(service: Service, clients: Sequence[RawClient], atoms: ase.Atoms) -> None:
    """Have them take a first step, by which they are known to be a band."""
    asked(clients, atoms)
    assert told(clients) == ALL_DONE
    service.batches()


ALL_DONE = 5 * [(Status.DONE, "")]


def test_replicas_that_take_a_step_together_are_evaluated_together(
    service: Service, clients: list[RawClient], litis2: ase.Atoms
) -> None:
    """The first one waits for the last; those that have not moved say so, and are not waited for."""
    make_a_band(service, clients, litis2)
    asked(clients[:4], litis2)
    time.sleep(LATE_S / 4)
    assert service.batches() == []
    asked(clients[4:], litis2)
    assert told(clients) == ALL_DONE
    assert service.batches() == [5]

    begun = time.monotonic()
    for end in (clients[0], clients[4]):
        end.say(struct.pack("=2I", Request.PASS, BAND))
    asked(clients[1:4], litis2)
    assert told(clients[1:4]) == ALL_DONE[:3]
    assert service.batches() == [3]
    assert time.monotonic() - begun < LATE_S

    asked(clients, litis2)  # what was said of one step is not of the next
    assert told(clients) == ALL_DONE
    assert service.batches() == [5]


@pytest.mark.parametrize("leaves", [True, False])
def test_a_replica_that_does_not_come_is_not_waited_for_for_ever(
    service: Service, clients: list[RawClient], litis2: ase.Atoms, leaves: bool
) -> None:
    make_a_band(service, clients, litis2)
    begun = time.monotonic()
    asked(clients[:4], litis2)
    if leaves:
        clients[4].socket.close()
    assert told(clients[:4]) == ALL_DONE[:4]
    assert service.batches() == [4]
    assert (time.monotonic() - begun < LATE_S) == leaves


def test_what_comes_meanwhile_is_the_next_batch(
    service: Service,
    clients: list[RawClient],
    litis2: ase.Atoms,
    alone: Callable[[ase.Atoms], tuple[float, np.ndarray]],
) -> None:
    """Trajectories of different cells; each gets its own numbers."""
    crystals = [rattled(litis2.repeat((1 + n % 2, 1, 1)), seed=n) for n in range(5)]
    views = [clients[0].ask(crystals[0], ELEMENTS)]
    while not service.at_work():
        time.sleep(0.01)
    views += [client.ask(atoms, ELEMENTS) for client, atoms in zip(clients[1:], crystals[1:], strict=True)]
    assert told(clients) == ALL_DONE
    first, second, *_ = service.batches()
    assert first < second
    for view, atoms in zip(views, crystals, strict=True):
        energy, forces = energy_and_forces(view, len(atoms))
        own_energy, own_forces = alone(atoms)
        assert energy == pytest.approx(own_energy, abs=2e-6 * len(atoms))
        np.testing.assert_allclose(forces, own_forces, atol=2e-5)


def test_a_batch_that_memory_does_not_hold_is_halved(
    service: Service, clients: list[RawClient], litis2: ase.Atoms
) -> None:
    make_a_band(service, clients, litis2)
    service.set("most", 2)
    asked(clients, litis2)
    assert told(clients) == ALL_DONE
    assert service.batches() == [5, 2, 3, 1, 2]


def test_one_that_memory_does_not_hold_alone(
    service: Service, clients: list[RawClient], litis2: ase.Atoms
) -> None:
    service.set("most", 0)
    asked(clients, litis2)
    sentence = (
        "model chgnet-0.3.0: not enough memory: take a smaller cell, fewer replicas on this device, or"
        " another device (HOPKIN_DEVICE)"
    )
    assert told(clients) == 5 * [(Status.REFUSED, sentence)]


def test_a_device_that_is_lost_is_told_once_and_taken_again(
    service: Service, clients: list[RawClient], litis2: ase.Atoms
) -> None:
    service.set("loses", len(litis2))
    asked(clients, litis2)
    # the first one and the rest, each with a process
    lost = "the evaluation service was lost: its process that evaluated ended, exit code 1"
    assert told(clients) == 5 * [(Status.REFUSED, lost)]
    service.set("loses", 0)
    asked(clients, litis2)
    assert told(clients) == ALL_DONE


def test_a_band_in_lammps(
    service: Service, tmp_path: Path, litis2: ase.Atoms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images are one batch at every step; its numbers are those of one by one, within rounding."""
    crystal = litis2.repeat((2, 2, 1))
    del crystal[4]
    moved = crystal.copy()
    moved.positions[0] = litis2.repeat((2, 2, 1)).positions[4]
    specification = BandSpecification(model=MODEL, images=3, max_iterations=5)
    images = interpolate(crystal, moved, 3)
    for image in images:
        image.set_array("forces", np.zeros((len(crystal), 3)))
    ends = [
        Relaxed(atoms=end, energy_eV=0.0, max_force_eV_per_A=0.0, max_pressure_GPa=0.0, cell_changes=0)
        for end in (images[0], images[-1])
    ]
    energies = []
    for name, path in (("together", service.path), ("one by one", service_of(find_model(MODEL)))):
        environment = {"HOPKIN_SERVICE": str(path)}
        monkeypatch.setattr(calculation, "lammps_environment", lambda _, given=environment: given)
        folder = tmp_path / name
        folder.mkdir()
        band = attempts.run_attempt(
            attempts.Attempt(settings=attempts.Settings(), images=3, start="interpolated"),
            images,
            (ends[0], ends[1]),
            find_model(MODEL),
            specification,
            folder,
            say=lambda _: None,
        )
        energies.append(band.energies)
    assert energies[0] == pytest.approx(energies[1], abs=1e-4)
    batches = service.batches()
    first = 1 + np.searchsorted(np.cumsum(batches), 5)  # who is of the band shows in its first step
    assert sum(batches[:first]) == 5
    assert set(batches[first:]) == {3}
    assert len(batches) > 20
