"""The processes of a service that evaluate: one for each GPU; on a CPU up to twice as many as cores."""

import contextlib
import gc
import os
import pickle
import re
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models import environments
from hopkin.drivers.models.adapters import Adapter
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.service import evaluators
from hopkin.drivers.models.service.evaluators import Loaded, Task


@dataclass(eq=False)
class Evaluator:
    """A process that evaluates.

    Attributes
    ----------
    owner
        client whose calculator of its own it holds; None: whoever comes
    tasks
        what it is at work on
    failed
        why it could not load the model
    """

    process: int
    socket: socket.socket
    threads: int
    device: str
    owner: int | None = None
    tasks: Sequence[Task] = field(default_factory=list)
    failed: str = ""


class Pool:
    """Evaluators of one model, forked when they are needed."""

    def __init__(self, model: Model, cores: int) -> None:
        self.gpus = _gpus(model)
        self.description = f"model {model.name}: "
        self._model = model
        self._cores = cores
        self._evaluators: list[Evaluator] = []
        self._adapter: Adapter | None = None
        # a calculator of the user's own may remember: each client has one, as each LAMMPS process had
        self._of_clients = model.family == "ase"

    def load(self, to_close: Sequence[int] = ()) -> None:
        """Load the model; ModelError where that fails.

        Here where it can be forked. On a GPU it cannot, nor may a calculator of the user's own: these are
        loaded by the first evaluator.
        """
        if not self.gpus and not self._of_clients:
            self._adapter = evaluators.load(self._model, "cpu")
            self.description += str(self._adapter)
            gc.freeze()
            return
        first = self._fork(1, self.gpus[0] if self.gpus else "cpu", lambda: to_close)
        try:
            said = evaluators.receive(first.socket)
        except (EOFError, OSError):
            raise ModelError(self._bury(first)) from None
        assert isinstance(said, Loaded)
        if said.failed:
            raise ModelError(said.failed)
        self.description += said.description

    def prepare(self, numbers: Sequence[int]) -> None:
        """Have ready what crystals of these elements need, for the evaluators that are forked from here."""
        if self._adapter is None or self._evaluators:
            return
        with contextlib.suppress(Exception):  # of any package; whoever asks for a crystal is told
            self._adapter.prepare(numbers)
        gc.freeze()

    def threads_of(self, wanted: int) -> int:
        """Threads of one evaluation; a calculator of the user's own chooses its threads itself."""
        return 1 if self._of_clients else wanted

    def free(
        self, client: int, threads: int, waiting: int, to_close: Callable[[], Sequence[int]]
    ) -> Evaluator | None:
        """Return an evaluator that can begin now, or None where all cores, or GPUs, are at work.

        The last ones that wait share the cores with those at work: three images of a band on two cores take
        one and a half times what one takes, in turn they would take two.

        Parameters
        ----------
        client, threads
            who asks, the first of a batch, and the threads of its evaluation
        waiting
            threads of all that wait, this one's too
        to_close
            descriptors that a forked process must not keep, or nobody would see the broker's end
        """
        busy = [evaluator for evaluator in self._evaluators if evaluator.tasks]
        if self.gpus:
            at_work = {evaluator.device for evaluator in busy}
            device = next((gpu for gpu in self.gpus if gpu not in at_work), None)
            if device is None:
                return None
        else:
            device, threads = "cpu", self.threads_of(threads)
            in_use = sum(evaluator.threads for evaluator in busy)
            last = threads == 1 and in_use + waiting < 2 * self._cores
            # one may have more threads than there are cores
            if busy and in_use + threads > self._cores and not last:
                return None
        for evaluator in self._evaluators:
            fits = evaluator.device == device and (bool(self.gpus) or evaluator.threads == threads)
            if fits and not evaluator.tasks and evaluator.owner in (None, client):
                break
        else:
            try:
                evaluator = self._fork(threads, device, to_close)
            except OSError as error:  # no memory, no descriptors, no processes
                if busy:
                    return None
                raise MachineError(
                    f"the evaluation service cannot start a process: {error.strerror}"
                ) from error
        if self._of_clients:
            evaluator.owner = client
        return evaluator

    def leave(self, client: int) -> None:
        """Have the evaluators ended that work for a client that has left, or wait for it alone."""
        for evaluator in self._evaluators:
            tasks = {task.client for task in evaluator.tasks}
            if evaluator.owner == client or (tasks == {client} and not self.gpus):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(evaluator.process, signal.SIGKILL)

    def hand(self, evaluator: Evaluator, tasks: Sequence[Task], descriptors: Sequence[int]) -> None:
        """Give an evaluator work."""
        evaluator.tasks = tasks
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended: its socket tells
            evaluators.send(evaluator.socket, tasks, descriptors)

    def hear(self, evaluator: Evaluator) -> dict[int, str]:
        """Return what became of an evaluator's tasks: "" or one sentence, by the number of the client.

        One that has ended is buried, its socket closed; another one takes its place when it is needed.
        """
        try:
            said = evaluators.receive(evaluator.socket)
        except (EOFError, OSError, pickle.UnpicklingError):
            ended = self._bury(evaluator)
            said = {task.client: ended for task in evaluator.tasks}
        if isinstance(said, Loaded):
            evaluator.failed = said.failed
            return {}
        evaluator.tasks = []
        return said

    @property
    def evaluators(self) -> Sequence[Evaluator]:
        """Those that live."""
        return self._evaluators

    def _fork(self, threads: int, device: str, to_close: Callable[[], Sequence[int]]) -> Evaluator:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = os.fork()
        if process == 0:
            try:
                others = [mine, *(evaluator.socket for evaluator in self._evaluators)]
                for descriptor in (*to_close(), *(other.fileno() for other in others)):
                    os.close(descriptor)
                adapter = self._adapter
                loaded = (lambda: adapter) if adapter else lambda: evaluators.load(self._model, device)
                evaluators.run(theirs, self._model.name, loaded, threads)
            finally:
                os._exit(1)
        theirs.close()
        evaluator = Evaluator(process, mine, threads, device)
        self._evaluators.append(evaluator)
        return evaluator

    def _bury(self, evaluator: Evaluator) -> str:
        """Say how an evaluator ended."""
        evaluator.socket.close()  # with it ends one that lives
        self._evaluators.remove(evaluator)
        _, status = os.waitpid(evaluator.process, 0)
        if evaluator.failed:
            return evaluator.failed
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return f"the evaluation service was lost: its process that evaluated ended, {how}"


def _gpus(model: Model) -> list[str]:
    """GPUs that a model runs on, by HOPKIN_DEVICE or else all of them; none: the CPU.

    Raises
    ------
    ModelError
        when HOPKIN_DEVICE names one that is not there
    """
    if model.family == "ase":  # its accelerator is its own choice
        return []
    n_gpus = _count_gpus() if environments.has_gpu() else 0
    wanted = os.environ.get("HOPKIN_DEVICE") or ("cuda" if n_gpus else "cpu")
    found = re.fullmatch(r"cpu|cuda(?::(\d{1,3}))?", wanted)
    if found is None:
        raise ModelError(f"HOPKIN_DEVICE={wanted} names no device: wanted cpu, cuda or cuda:1")
    if wanted == "cpu":
        return []
    if int(found[1] or 0) >= n_gpus:
        raise ModelError(f"HOPKIN_DEVICE={wanted} but there are {n_gpus} GPU(s)")
    return [f"cuda:{found[1]}"] if found[1] else [f"cuda:{gpu}" for gpu in range(n_gpus)]


def _count_gpus() -> int:
    """Count GPUs in a process of its own: where CUDA is asked, it cannot be used after a fork."""
    import torch

    read_end, write_end = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(write_end, str(torch.cuda.device_count()).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        said = answer.read()
    os.waitpid(process, 0)
    return int(said or 0)
