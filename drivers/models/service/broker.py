"""The service: a process that holds one model and has it evaluated for all LAMMPS processes of its node.

On a CPU the model is loaded once, without threads, and forked: an evaluator for each request that can run
on the cores of the service at the same time, in order of arrival, with the threads that its client asked for;
the last ones that wait share the cores with those at work.
On GPUs one evaluator for each loads the model there and takes what waits as one batch. It starts when all
replicas of a band have asked, or have said that they do not; those that do not come make it wait a moment.

The service ends when nobody has been connected for a moment.
"""

import contextlib
import errno
import json
import os
import resource
import selectors
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ase.data import chemical_symbols

from hopkin.drivers.errors import MachineError, ModelError, one_sentence
from hopkin.drivers.models.model import Model, split_options
from hopkin.drivers.models.service.evaluators import MOST_AT_ONCE, Task
from hopkin.drivers.models.service.pool import Evaluator, Pool
from hopkin.drivers.models.service.protocol import (
    LONGEST_MESSAGE,
    Hello,
    ProtocolError,
    Request,
    Status,
    answer,
    kind_of,
    read_evaluate,
    read_hello,
    read_pass,
    read_prepare,
    require_memory,
)

_FIRST_CLIENT_S = 20.0  # whoever started the service connects at once
_IDLE_S = 2.0
_FULL_S = 0.05
_LATE_S = 0.02  # how long a batch waits for replicas that should be evaluated with it


@dataclass(eq=False)
class Client:
    """A connected LAMMPS process, or a program that holds the service."""

    number: int
    socket: socket.socket
    hello: Hello | None = None
    memory: int | None = None  # descriptor
    n_atoms: int = 0
    asked_at: float | None = None  # while it waits for an evaluation
    band: int = 0  # whose replicas take steps together; 0: none
    steps: int = 0  # that it has taken with its band: asked, or passed because it had not moved

    def take_step(self, band: int) -> None:
        """Take a step with the replicas of a band, or alone."""
        self.steps = 1 + (self.steps if band == self.band else 0)
        self.band = band

    @property
    def threads(self) -> int:
        """Cores that one of its evaluations may use."""
        return self.hello.threads if self.hello else 1


class Broker:
    """Takes the requests of clients and hands them to evaluators."""

    def __init__(self, model: Model, pool: Pool, listener: socket.socket, path: Path) -> None:
        self._model = model
        self._pool = pool
        self._listener = listener
        self._path = path
        self._inode = path.stat().st_dev, path.stat().st_ino
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, Client] = {}
        self._queue: deque[Client] = deque()
        self._n_clients = 0

    def serve(self) -> None:
        """Serve until nobody has been connected for a moment."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        alone_until = time.monotonic() + _FIRST_CLIENT_S
        while True:
            now = time.monotonic()
            if self._clients:
                alone_until = now + _IDLE_S
            elif now > alone_until and self._leave():
                return
            for key, _ in self._selector.select(self._next_look(now, alone_until)):
                key.data()
            self._dispatch()

    def _next_look(self, now: float, alone_until: float) -> float | None:
        if not self._clients:
            return max(0.0, alone_until - now) + 0.01
        return _LATE_S / 2 if self._pool.gpus and self._queue else None

    def _leave(self) -> bool:
        """Go out of sight; not, where someone has come meanwhile."""
        if not self._is_mine(self._path):  # another service has taken its place
            return True
        hidden = self._path.with_suffix(".ended")
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(hidden)
        self._accept()
        if self._clients:
            hidden.rename(self._path)
            return False
        hidden.unlink(missing_ok=True)
        self._path.with_suffix(".log").unlink(missing_ok=True)
        return True

    def _is_mine(self, path: Path) -> bool:
        try:
            return (path.stat().st_dev, path.stat().st_ino) == self._inode
        except FileNotFoundError:
            return False

    # clients

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                time.sleep(_FULL_S)  # it waits to be accepted until another one leaves
                return
            _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != os.getuid():
                connection.close()
                return
            connection.setblocking(False)
            self._n_clients += 1
            client = Client(self._n_clients, connection)
            self._clients[client.number] = client
            self._selector.register(connection, selectors.EVENT_READ, partial(self._hear, client))

    def _hear(self, client: Client) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(client.socket, LONGEST_MESSAGE, 4)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        try:
            if not message:
                raise ProtocolError
            self._obey(client, message, descriptors)
        except ProtocolError:  # it has left, or talks nonsense
            self._drop(client)
        finally:
            for descriptor in descriptors:
                if descriptor != client.memory:
                    os.close(descriptor)

    def _obey(self, client: Client, message: bytes, descriptors: list[int]) -> None:
        kind = kind_of(message)
        if kind is Request.STATUS:
            self._say(client, Status.DONE, json.dumps(self._status()))
        elif kind is Request.PREPARE:
            self._pool.prepare(read_prepare(message))
        elif kind is Request.HELLO:
            if client.hello is not None or descriptors:
                raise ProtocolError
            self._greet(client, message)
        elif client.hello is None or client.asked_at is not None:
            raise ProtocolError
        elif kind is Request.PASS:
            client.take_step(read_pass(message))
        else:
            self._ask(client, message, descriptors)

    def _greet(self, client: Client, message: bytes) -> None:
        try:
            hello = read_hello(message)
            self._require_this_model(hello)
        except ProtocolError:
            raise
        except Exception as error:  # whatever a name, or a file system, may hold
            self._say(client, Status.REFUSED, str(error))
            return
        client.hello = hello
        where = ", ".join(self._pool.gpus) or f"{self._pool.threads_of(hello.threads)} thread(s)"
        self._say(client, Status.DONE, f"{self._pool.description}, {where}, process {os.getpid()}")

    def _require_this_model(self, hello: Hello) -> None:
        """Raise ModelError where a deck names another model than the one that is loaded here."""
        if full_name(hello.model, hello.directory) != self._model.name:
            raise ModelError(
                f"the evaluation service holds model {self._model.name}, and the deck names {hello.model}"
            )
        if self._model.path is not None:
            self._model.require_content()
        self._model.require_elements(chemical_symbols[number] for number in hello.numbers)

    def _ask(self, client: Client, message: bytes, descriptors: list[int]) -> None:
        n_atoms, band = read_evaluate(message)
        if len(descriptors) > 1:
            raise ProtocolError
        if descriptors:
            if client.memory is not None:
                os.close(client.memory)
            (client.memory,) = descriptors
        if client.memory is None:
            raise ProtocolError
        require_memory(client.memory, n_atoms)
        client.take_step(band)
        client.n_atoms, client.asked_at = n_atoms, time.monotonic()
        self._queue.append(client)

    def _say(self, client: Client, status: Status, text: str = "") -> None:
        try:
            client.socket.send(answer(status, text))
        except OSError:  # it has left, or does not listen
            self._drop(client)

    def _drop(self, client: Client) -> None:
        if self._clients.pop(client.number, None) is None:
            return
        self._selector.unregister(client.socket)
        client.socket.close()
        if client in self._queue:
            self._queue.remove(client)
        if client.memory is not None:
            os.close(client.memory)
        self._pool.leave(client.number)

    def _status(self) -> dict[str, object]:
        return {
            "model": self._model.name,
            "process": os.getpid(),
            "devices": self._pool.gpus or ["cpu"],
            "cores": len(os.sched_getaffinity(0)),
            "clients": sum(client.hello is not None for client in self._clients.values()),
            "evaluators": [evaluator.process for evaluator in self._pool.evaluators],
        }

    # evaluations

    def _dispatch(self) -> None:
        while self._queue:
            clients = self._next_batch() if self._pool.gpus else [self._queue[0]]
            if not clients:
                return
            waiting = sum(self._pool.threads_of(client.threads) for client in self._queue)
            try:
                evaluator = self._pool.free(clients[0].number, clients[0].threads, waiting, self._descriptors)
            except MachineError as error:
                self._queue.remove(clients[0])
                clients[0].asked_at = None
                self._say(clients[0], Status.REFUSED, str(error))
                continue
            if evaluator is None:
                return
            if evaluator.socket not in self._selector.get_map():
                self._selector.register(
                    evaluator.socket, selectors.EVENT_READ, partial(self._finish, evaluator)
                )
            for client in clients:
                self._queue.remove(client)
            tasks = [self._task(client) for client in clients]
            self._pool.hand(
                evaluator, tasks, [client.memory for client in clients if client.memory is not None]
            )

    def _task(self, client: Client) -> Task:
        assert client.hello is not None  # it could not have asked
        directory = client.hello.directory if self._model.family == "ase" else ""
        return Task(
            client=client.number, n_atoms=client.n_atoms, numbers=client.hello.numbers, directory=directory
        )

    def _next_batch(self) -> list[Client]:
        """Clients that are evaluated together: all that wait, without replicas whose band is not complete."""
        now = time.monotonic()
        behind: dict[int, int] = {}  # steps that the last one of a band has taken
        for client in self._clients.values():
            behind[client.band] = min(client.steps, behind.get(client.band, client.steps))
        return [
            client
            for client in self._queue
            if client.asked_at is not None
            and (not client.band or behind[client.band] == client.steps or now - client.asked_at >= _LATE_S)
        ][:MOST_AT_ONCE]

    def _finish(self, evaluator: Evaluator) -> None:
        descriptor = evaluator.socket.fileno()
        answers = self._pool.hear(evaluator)
        if evaluator not in self._pool.evaluators:
            self._selector.unregister(descriptor)
        for number, said in answers.items():
            client = self._clients.get(number)
            if client is not None:
                client.asked_at = None
                self._say(client, Status.REFUSED if said else Status.DONE, said)

    def _descriptors(self) -> list[int]:
        clients = self._clients.values()
        memories = (client.memory for client in clients if client.memory is not None)
        return [self._listener.fileno(), *(client.socket.fileno() for client in clients), *memories]


def full_name(model: str, directory: str) -> str:
    """Return the name that a `Model` has of one in a deck, where a path starts where LAMMPS runs."""
    bare, options = split_options(model)
    family, separator, rest = bare.partition(":")
    if separator:
        path, *factory = rest.rsplit(":", 1) if family == "ase" else [rest]
        if family != "ase" or path.endswith(".py"):
            path = str((Path(directory) / Path(path).expanduser()).resolve())
        bare = ":".join([family, path, *factory])
    return ":".join([bare, *(f"{option}={options[option]}" for option in sorted(options))])


def main() -> None:
    """Serve at the socket of the command line, where the model is named for those who list processes.

    Standard input holds the model and the cores; standard output gets one line when it is served, or fails.
    """
    path, asked = Path(sys.argv[1]), json.load(sys.stdin)
    cores, lock, model = asked["cores"], asked["lock"], Model.model_validate(asked["model"])
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print goes where their errors go
    said = ""
    try:
        os.sched_setaffinity(0, cores)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        pool = Pool(model, len(cores))
        pool.load([lock])
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(1024)
    except Exception as error:  # of any package
        said = one_sentence(error)
    os.close(lock)
    with contextlib.suppress(OSError), ready:
        print(json.dumps({"error": said}), file=ready)
    if said:
        sys.exit(1)
    Broker(model, pool, listener, path).serve()


if __name__ == "__main__":
    main()
