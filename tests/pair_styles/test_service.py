"""The evaluation service: who may use it, what becomes of it when something is killed, what it refuses."""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from copper_deck import DECK
from raw_client import SEALED, RawClient, energy_and_forces, memory

from hopkin.drivers import engine
from hopkin.drivers.errors import LammpsError, ServiceError
from hopkin.drivers.models import find_model, lammps_environment, services
from hopkin.drivers.models.adapters import Configuration
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.service import evaluators, find, lease
from hopkin.drivers.models.service.evaluators import Task
from hopkin.drivers.models.service.pool import Evaluator, Pool
from hopkin.drivers.models.service.protocol import Request, Status, prepare_request
from hopkin.drivers.workflows.parity import rattled

MODEL = "ase:ase.calculators.emt:EMT"
ELEMENTS = "Au Cu"
LEAVES_WITHIN_S = 10.0

HOLDER = """
import sys
from hopkin.drivers.models import find_model, service_of
print(service_of(find_model(sys.argv[1])), flush=True)
sys.stdin.read()
"""

SLOW = """
import time
from ase.calculators.emt import EMT


class Slow(EMT):
    def calculate(self, *arguments, **options):
        time.sleep(0.3)
        super().calculate(*arguments, **options)
"""


@pytest.fixture
def socket_path() -> Path:
    """Service of EMT, for the life of the tests."""
    return lease.service_of(find_model(MODEL))


@pytest.fixture
def alloy() -> ase.Atoms:
    atoms = bulk("Cu", "fcc", a=3.7).repeat((2, 1, 1))
    atoms.symbols = ["Au", "Cu"]
    return rattled(atoms)


@pytest.fixture
def slow_model(tmp_path: Path) -> str:
    (tmp_path / "slow.py").write_text(SLOW)
    return f"ase:{tmp_path / 'slow.py'}:Slow"


def processes(word: str) -> list[int]:
    """Processes of services whose command line has a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "hopkin.drivers.models.service.broker" in line and word in line:
            found.append(int(entry.name))
    return sorted(found)


def wait_until_gone(word: str) -> None:
    end = time.monotonic() + LEAVES_WITHIN_S
    while processes(word):
        assert time.monotonic() < end, f"still there: {processes(word)}"
        time.sleep(0.1)


# Who is served


def test_sixty_four_clients_at_once(socket_path: Path) -> None:
    crystals = [rattled(bulk("Cu", cubic=True), seed=seed) for seed in range(64)]
    clients = [RawClient(socket_path) for _ in crystals]
    for client in clients:
        assert client.hello(MODEL, "Cu")
    views = [client.ask(atoms, "Cu") for client, atoms in zip(clients, crystals, strict=True)]
    for client, view, atoms in zip(clients, views, crystals, strict=True):
        assert client.hear() == (Status.DONE, "")
        client.socket.close()
        energy, forces = energy_and_forces(view, len(atoms))
        atoms.calc = EMT()
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-9)


def test_one_that_leaves_while_it_is_served_harms_nobody(socket_path: Path, alloy: ase.Atoms) -> None:
    for _ in range(20):
        with RawClient(socket_path) as leaver:
            leaver.hello(MODEL, ELEMENTS)
            leaver.ask(alloy, ELEMENTS)
    with RawClient(socket_path) as client:
        client.hello(MODEL, ELEMENTS)
        client.ask(alloy, ELEMENTS)
        assert client.hear() == (Status.DONE, "")


def test_services_are_listed(socket_path: Path) -> None:
    assert socket_path.exists()
    known = [service for service in services() if service.model == MODEL]
    assert {service.process for service in known} <= set(processes(MODEL))
    assert known[0].devices == ["cpu"]


def test_the_folder_of_sockets_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(find, "_TEMPORARY", tmp_path)
    folder = find.directory()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="that this user alone may enter"):
        find.directory()


# What is refused


def test_another_version(socket_path: Path) -> None:
    with RawClient(socket_path) as client:
        status, said = client.hello(MODEL, "Cu", version=99) or (None, "")
    assert status is Status.REFUSED
    assert said == (
        "the evaluation service speaks version 1 of its protocol, this plugin version 99: both have to be of"
        " one hopkin"
    )


@pytest.mark.parametrize(
    "model",
    [
        "ase:ase.calculators.lj:LennardJones",
        f"{MODEL}2",
        "sevennet-0",
        "no-such-model",
        "~nobody:x",
        "x" * 4000,
    ],
)
def test_a_deck_that_names_another_model(socket_path: Path, model: str) -> None:
    with RawClient(socket_path) as client:
        status, said = client.hello(model, "Cu") or (None, "")
        assert status is Status.REFUSED
        assert said.startswith(f"the evaluation service holds model {MODEL}, and the deck names {model[:50]}")


def test_names_and_elements_beyond_all_bounds(socket_path: Path) -> None:
    for model, elements, threads in ((5000 * "x", "Cu", 1), (MODEL, 200 * "Cu ", 1), (MODEL, "Cu", 2**31)):
        with RawClient(socket_path) as client:
            assert client.hello(model, elements, threads=threads) is None


def test_lammps_with_the_service_of_another_model(socket_path: Path, tmp_path: Path) -> None:
    (tmp_path / "deck.in").write_text(DECK.format(model="ase:ase.calculators.lj:LennardJones", steps=0))
    with pytest.raises(LammpsError, match=r"the evaluation service holds model ase:ase.calculators.emt:EMT"):
        engine.run_deck(tmp_path, "deck.in", environment={"HOPKIN_SERVICE": str(socket_path)})


def evaluate(n_atoms: int) -> bytes:
    return struct.pack("=3I", Request.EVALUATE, n_atoms, 0)


def test_memory_that_is_too_small_or_not_sealed(socket_path: Path) -> None:
    for size, seals, n_atoms in (
        (8 * 24, 0, 1),
        (8 * 24, 0x2, 1),
        (8 * 24, SEALED | 0x8, 1),
        (8 * 23, SEALED, 1),
        (8 * 24, SEALED, 2**31),
        (8 * 24, SEALED, 0),
    ):
        with RawClient(socket_path) as client:
            client.hello(MODEL, "Cu")
            client.say(evaluate(n_atoms), memory(size, seals=seals))
            assert client.hear() is None
    with RawClient(socket_path) as client:
        client.hello(MODEL, "Cu")
        client.say(evaluate(1), os.open("/dev/zero", os.O_RDWR))
        assert client.hear() is None
    with RawClient(socket_path) as client:
        client.hello(MODEL, "Cu")
        client.say(evaluate(1))  # none at all
        assert client.hear() is None


def test_elements_that_are_announced(socket_path: Path, alloy: ase.Atoms) -> None:
    """They are no question: the next answer is that of HELLO. Words that are no elements end the client."""
    with RawClient(socket_path) as client:
        client.say(prepare_request(["Cu", "Ag"]))
        assert client.hello(MODEL, ELEMENTS)
        client.ask(alloy, ELEMENTS)
        assert client.hear() == (Status.DONE, "")
    for words in ("", "Qq", "Cu\0"):
        with RawClient(socket_path) as client:
            client.say(prepare_request(words.split(" ")))
            assert client.hear() is None


def test_a_crystal_is_prepared_before_anything_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: evaluators that live have a copy of their own. Where it fails, the first evaluation says so."""
    prepared: list[Sequence[int]] = []

    class Failing(ASEAdapter):
        def prepare(self, numbers: Sequence[int]) -> None:
            prepared.append(numbers)
            raise ValueError("whatever a package says")

    monkeypatch.setattr(evaluators, "load", lambda *_: Failing(EMT(), "EMT"))
    pool = Pool(find_model("chgnet-0.3.0"), 1)
    pool.load()
    pool.prepare([3, 8])
    monkeypatch.setattr(pool, "_evaluators", ["one that lives"])
    pool.prepare([11])
    assert prepared == [[3, 8]]


@pytest.mark.parametrize(
    ("threads", "at_work", "waiting", "begins"),
    [(1, 1, 2, True), (1, 2, 1, True), (1, 2, 2, False), (2, 1, 1, False), (2, 0, 9, True)],
)
def test_the_last_that_wait_share_two_cores(
    monkeypatch: pytest.MonkeyPatch, threads: int, at_work: int, waiting: int, begins: bool
) -> None:
    """Three images on two cores at once; four in turn; and none that has threads of its own."""
    pool, forked = Pool(find_model("chgnet-0.3.0"), 2), []

    def fork(*words: Any) -> Evaluator:
        forked.append(words)
        return Evaluator(0, socket.socket(), threads, "cpu")

    task = Task(client=1, n_atoms=1, numbers=np.array([3]), directory="")
    busy = [Evaluator(0, socket.socket(), threads, "cpu", tasks=[task]) for _ in range(at_work)]
    monkeypatch.setattr(pool, "_evaluators", busy)
    monkeypatch.setattr(pool, "_fork", fork)
    found = pool.free(1, threads, threads * waiting, list)
    assert (found is not None, len(forked)) == (begins, begins)
    for evaluator in (*busy, *filter(None, [found])):
        evaluator.socket.close()


def test_atoms_that_no_model_can_be_asked(socket_path: Path, alloy: ase.Atoms) -> None:
    with RawClient(socket_path) as client:
        client.hello(MODEL, ELEMENTS)
        alloy.positions[0, 0] = np.nan
        client.ask(alloy, ELEMENTS)
        assert client.hear() == (Status.REFUSED, f"model {MODEL}: Non-numeric positions or cell")
        alloy.positions[0, 0] = 0
        client.ask(alloy, "Cu Ag Au")
        status, said = client.hear() or (None, "")
        assert status is Status.REFUSED
        assert said == f"model {MODEL}: atoms of an element that pair_coeff does not name"
        client.ask(alloy, ELEMENTS)
        assert client.hear() == (Status.DONE, "")


def test_nonsense_is_dropped_and_harms_nobody(socket_path: Path, alloy: ase.Atoms) -> None:
    """Frames of random length and content, some that begin as true ones do, with descriptors or without."""
    dice = random.Random(15)
    with RawClient(socket_path) as honest:
        honest.hello(MODEL, ELEMENTS)
        for _ in range(300):
            with RawClient(socket_path) as client:
                client.socket.settimeout(0.05)
                if dice.random() < 0.5:
                    client.hello(MODEL, ELEMENTS)
                for _ in range(dice.randrange(1, 4)):
                    head = struct.pack("=I", dice.choice([0, 1, 2, 3, 4, 5, 2**32 - 1]))
                    frame = dice.choice([head, b""]) + dice.randbytes(dice.randrange(0, 40))
                    fds = [memory(dice.randrange(1, 400)) for _ in range(dice.randrange(0, 4))]
                    try:
                        client.say(frame or b"\0", *fds)
                    except OSError:
                        break
                    finally:
                        for descriptor in fds:
                            os.close(descriptor)
        view = honest.ask(alloy, ELEMENTS)
        assert honest.hear() == (Status.DONE, "")
    alloy.calc = EMT()
    assert energy_and_forces(view, 2)[0] == pytest.approx(alloy.get_potential_energy(), abs=1e-9)


# A calculator of the user's own


OF_ITS_OWN = """
import time
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT


class HangsOnce(EMT):
    def calculate(self, *arguments, **options):
        if not Path(__file__).with_name("hung").exists():
            Path(__file__).with_name("hung").touch()
            time.sleep(1000)
        super().calculate(*arguments, **options)


class OneForceForAll(EMT):
    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        self.results["forces"] = self.results["forces"][:1]


class Talks(EMT):
    def calculate(self, *arguments, **options):
        raise ValueError("word " * 100_000)


class Counts(EMT):
    calls = 0

    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        self.calls += 1
        self.results["energy"] = float(self.calls)


class OfItsFolder(EMT):
    def __init__(self):
        super().__init__()
        self.shift = float(Path("shift").read_text())

    def calculate(self, *arguments, **options):
        super().calculate(*arguments, **options)
        self.results["energy"] = self.shift
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    (tmp_path / "own.py").write_text(OF_ITS_OWN)
    return lambda factory: f"ase:{tmp_path / 'own.py'}:{factory}"


def served(model: str) -> Path:
    return lease.service_of(find_model(model))


def test_an_evaluation_that_hangs_ends_with_its_client(own: Callable[[str], str], alloy: ase.Atoms) -> None:
    model = own("HangsOnce")
    path = served(model)
    with RawClient(path) as hung:
        hung.hello(model, ELEMENTS)
        hung.ask(alloy, ELEMENTS)
        time.sleep(1.0)
    for _ in range(len(os.sched_getaffinity(0)) + 1):
        with RawClient(path) as client:
            client.hello(model, ELEMENTS)
            client.ask(alloy, ELEMENTS)
            assert client.hear() == (Status.DONE, "")


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("OneForceForAll", "wanted forces of shape (2, 3), its calculator gave (1, 3)"),
        ("Talks", "ValueError: word word word"),
    ],
)
def test_what_a_calculator_should_not_say(
    own: Callable[[str], str], alloy: ase.Atoms, factory: str, reason: str
) -> None:
    model = own(factory)
    with RawClient(served(model)) as client:
        client.hello(model, ELEMENTS)
        for _ in range(2):
            client.ask(alloy, ELEMENTS)
            status, said = client.hear() or (None, "")
            assert status is Status.REFUSED
            assert reason in said
            assert len(said) < 1000


def test_each_client_has_a_calculator_of_its_own(own: Callable[[str], str], alloy: ase.Atoms) -> None:
    model = own("Counts")
    path = served(model)
    with RawClient(path) as first, RawClient(path) as second:
        for client, counts in ((first, [1, 2, 3]), (second, [1, 2])):
            client.hello(model, ELEMENTS)
            for expected in counts:
                alloy.positions[0, 0] += 0.01
                view = client.ask(alloy, ELEMENTS)
                assert client.hear() == (Status.DONE, "")
                assert energy_and_forces(view, 2)[0] == expected


def test_decks_in_two_folders_have_services_of_their_own(own: Callable[[str], str], tmp_path: Path) -> None:
    for name, shift in (("a", "3.5"), ("b", "102.25")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shift").write_text(shift)
        text = DECK.format(model=own("OfItsFolder"), steps=0) + 'print "$(pe)" file energy'
        (tmp_path / name / "deck.in").write_text(text)
        engine.run_deck(tmp_path / name, "deck.in", timeout_s=60)
    energies = [float((tmp_path / name / "energy").read_text()) for name in ("a", "b")]
    assert energies == [3.5, 102.25]


def test_a_file_that_is_edited_meanwhile(own: Callable[[str], str], alloy: ase.Atoms, tmp_path: Path) -> None:
    model = own("Counts")
    path = served(model)
    (tmp_path / "own.py").write_text(OF_ITS_OWN.replace("calls = 0", "calls = 500"))
    with RawClient(path) as client:
        status, said = client.hello(model, ELEMENTS) or (None, "")
    assert status is Status.REFUSED
    assert f"{tmp_path / 'own.py'} was overwritten: its SHA-256 was" in said


# Lost


def test_a_starter_that_is_killed_while_the_model_loads(tmp_path: Path) -> None:
    """The next one waits for the service that is loading, and there is one at the end."""
    (tmp_path / "late.py").write_text(SLOW.replace("class", "time.sleep(3)\n\n\nclass"))
    model = f"ase:{tmp_path / 'late.py'}:Slow"
    command = [sys.executable, "-c", HOLDER, model]
    killed = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    end = time.monotonic() + 30
    while not processes(model):
        assert time.monotonic() < end
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    path = served(model)
    known = [service.process for service in services() if service.model == model]
    time.sleep(3)
    assert [service.process for service in services() if service.model == model] == known
    assert len(known) == 1
    assert path.exists()


def started(slow_model: str, tmp_path: Path, steps: int) -> subprocess.Popen[bytes]:
    """LAMMPS with a slow model, in its own process."""
    (tmp_path / "deck.in").write_text(DECK.format(model=slow_model, steps=steps))
    program = (
        "import sys; from pathlib import Path; from hopkin.drivers import engine;"
        "from hopkin.drivers.models import find_model, lammps_environment;"
        "environment = lammps_environment(find_model(sys.argv[2]));"
        "engine.run_deck(Path(sys.argv[1]), 'deck.in', environment=environment)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), slow_model], stderr=subprocess.DEVNULL
    )


def wait_for_a_client(model: str) -> None:
    end = time.monotonic() + 60
    while not any(service.model == model and service.clients for service in services()):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["broker", "evaluator"])
def test_a_service_that_is_killed(slow_model: str, tmp_path: Path, victim: str) -> None:
    """One sentence, the machine's fault, and a new one serves the next run."""
    model = find_model(slow_model)
    environment = lammps_environment(model)
    (service,) = [service for service in services() if service.model == slow_model]
    (tmp_path / "deck.in").write_text(DECK.format(model=slow_model, steps=20))
    polls: list[int] = []

    def kill() -> None:
        if not polls:
            polls.append(1)
            everyone = processes(slow_model)
            others = [process for process in everyone if process != service.process]
            os.kill(service.process if victim == "broker" else others[0], signal.SIGKILL)

    with pytest.raises(ServiceError, match="the evaluation service was lost") as caught:
        engine.run_deck(tmp_path, "deck.in", environment=environment, on_poll=kill, timeout_s=60)
    assert "\n" not in str(caught.value)
    (tmp_path / "deck.in").write_text(DECK.format(model=slow_model, steps=1))
    engine.run_deck(tmp_path, "deck.in", environment=lammps_environment(model), timeout_s=60)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("sigint_ends_children")
def test_nothing_outlives_the_command(slow_model: str, tmp_path: Path, number: signal.Signals) -> None:
    command = started(slow_model, tmp_path, steps=1000)
    wait_for_a_client(slow_model)
    assert processes(slow_model)
    command.send_signal(number)
    command.wait(timeout=30)
    wait_until_gone(slow_model)


def test_a_service_lives_as_long_as_one_holds_it(tmp_path: Path, slow_model: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, slow_model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    path = Path(holder.stdout.readline().strip())
    time.sleep(3)
    with RawClient(path) as client:
        assert client.hello(slow_model, "Cu")
    holder.kill()
    holder.communicate()
    wait_until_gone(slow_model)
    assert not path.exists()


def test_a_deck_alone_starts_its_service_and_shares_it(slow_model: str, tmp_path: Path) -> None:
    (tmp_path / "deck.in").write_text(DECK.format(model=slow_model, steps=2))
    engine.run_deck(tmp_path, "deck.in", replicas=3, timeout_s=120)
    said = [(tmp_path / f"log.lammps.{n}").read_text() for n in range(3)]
    lines = {line for text in said for line in text.splitlines() if line.startswith("pair_style hopkin: ")}
    assert len(lines) == 1
    wait_until_gone(slow_model)


# Batches


@pytest.fixture
def crystals(litis2: ase.Atoms, li7p3s11: ase.Atoms) -> list[Configuration]:
    """Cells of different sizes and elements."""
    return [
        Configuration(
            positions=atoms.positions, cell=atoms.cell.array, numbers=atoms.numbers.astype(np.int64)
        )
        for atoms in (litis2, li7p3s11, rattled(litis2, seed=2))
    ]


def test_a_batch_is_what_its_parts_are(crystals: list[Configuration]) -> None:
    """On a CPU to the last bit; together, as on a GPU, within rounding."""
    pytest.importorskip("chgnet")
    model = find_model("chgnet-0.3.0")
    adapter = model.module.adapter(model, device="cpu")
    alone = [adapter.evaluate(crystal) for crystal in crystals]
    for one, of_batch in zip(alone, adapter.evaluate_batch(crystals), strict=True):
        assert one.energy == of_batch.energy
        np.testing.assert_array_equal(one.forces, of_batch.forces)
        np.testing.assert_array_equal(one.virial, of_batch.virial)
    for one, together in zip(alone, adapter.evaluate_together(crystals), strict=True):
        n_atoms = len(one.forces)
        assert together.energy == pytest.approx(one.energy, abs=2e-6 * n_atoms)
        np.testing.assert_allclose(together.forces, one.forces, atol=2e-5)
        np.testing.assert_allclose(together.virial, one.virial, atol=2e-4)
        np.testing.assert_allclose(together.atomic_energies, one.atomic_energies, atol=5e-6)


# The command line


def hopkin(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("hopkin")), *words]


@pytest.mark.usefixtures("sigint_ends_children")
def test_a_model_that_is_kept_warm_by_hand(slow_model: str, tmp_path: Path) -> None:
    """Decks find it, doctor lists it, Ctrl-C ends it."""
    serving = subprocess.Popen(hopkin("serve", slow_model), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    said = serving.stdout.readline()
    assert said.startswith(f"{slow_model} is served at /")
    (process,) = [service.process for service in services() if service.model == slow_model]
    (tmp_path / "deck.in").write_text(DECK.format(model=slow_model, steps=0))
    engine.run_deck(tmp_path, "deck.in", timeout_s=60)
    assert f"process {process}" in (tmp_path / "log.lammps").read_text()
    listed = subprocess.run(hopkin("doctor", "--json"), capture_output=True, text=True, check=False).stdout
    (check,) = [check for check in json.loads(listed) if check["name"] == f"evaluation service {process}"]
    assert check["detail"].startswith(f"{slow_model} on cpu, ")
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=30)
    assert serving.returncode == 130
    wait_until_gone(slow_model)


def test_a_native_model_is_not_served() -> None:
    refused = subprocess.run(hopkin("serve", "sevennet-0"), capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr == "hopkin: model sevennet-0 runs natively: use pair_style e3gnn\n"
