"""A process of the service that evaluates: it is given requests by the broker, one or a batch at a time."""

import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.engine import end_with_parent
from hopkin.drivers.errors import HopkinError, ModelError, one_sentence
from hopkin.drivers.models.adapters import Adapter
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.adapters.interface import Configuration, Evaluation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.service.protocol import Memory

MOST_AT_ONCE = 64  # tasks of a batch: they fit into a message

_LONGEST = 1 << 17
_LONGEST_SENTENCE = 900
_OUT_OF_MEMORY = (
    "CUDA out of memory",
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One evaluation, beside the descriptor of its memory.

    Attributes
    ----------
    client
        number of the client
    numbers
        (n_elements,) atomic numbers that its species index
    directory
        where its LAMMPS runs: files of a calculator of the user's own belong there; empty for other models
    """

    client: int
    n_atoms: int
    numbers: NDArray[np.int64]
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What an evaluator says first: the model in one line, or why it could not be loaded."""

    description: str = ""
    failed: str = ""


def send(connection: socket.socket, tasks: Sequence[Task], descriptors: Sequence[int]) -> None:
    """Hand tasks to an evaluator."""
    socket.send_fds(connection, [pickle.dumps(tasks)], list(descriptors))


def receive(connection: socket.socket) -> Loaded | dict[int, str]:
    """Take what became of the tasks: "" or one sentence, by the number of the client; first `Loaded`.

    Raises
    ------
    EOFError
        when the evaluator has ended
    """
    message = connection.recv(_LONGEST)
    if not message:
        raise EOFError
    said: Loaded | dict[int, str] = pickle.loads(message)
    return said


def load(model: Model, device: str) -> Adapter:
    """Load a model: the adapter of its family, or its ASE calculator where that has none of its own.

    Raises
    ------
    ModelError
        when it cannot be loaded, or its file is not the one that the service was started with
    """
    model.require_content()
    with _within_memory(model.name):
        module = model.module
        if hasattr(module, "adapter"):
            made: Adapter = module.adapter(model, device=device)
        else:
            made = ASEAdapter(module.calculator(model, device=device), model.name)
    model.require_content()
    return made


def run(connection: socket.socket, name: str, loaded: Callable[[], Adapter], threads: int) -> None:
    """Evaluate what comes until the broker ends; a forked process does nothing else.

    It begins with one answer: whether the model could be loaded, and what it is.
    """
    end_with_parent(signal.SIGKILL)
    try:
        adapter = loaded()
        _use_threads(threads)
    except Exception as error:
        connection.send(pickle.dumps(Loaded(failed=one_sentence(error)[:_LONGEST_SENTENCE])))
        return
    connection.send(pickle.dumps(Loaded(description=str(adapter))))
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _LONGEST, MOST_AT_ONCE)
        if not message:
            return
        tasks: list[Task] = pickle.loads(message)
        try:
            answers = _evaluate_tasks(adapter, name, tasks, descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        connection.send(pickle.dumps(answers))


def _use_threads(threads: int) -> None:
    if "torch" not in sys.modules:  # another package's threads are its own choice
        return
    import torch

    torch.set_num_threads(threads)
    if threads > 1:
        # else gradients of indexing are added up in the order in which threads come to them
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _evaluate_tasks(
    adapter: Adapter, name: str, tasks: Sequence[Task], descriptors: Sequence[int]
) -> dict[int, str]:
    answers: dict[int, str] = {}
    waiting: list[tuple[Task, Memory, Configuration]] = []
    for task, descriptor in zip(tasks, descriptors, strict=True):
        try:
            if task.directory:
                os.chdir(task.directory)
            memory = Memory(descriptor, task.n_atoms)
            waiting.append((task, memory, _configuration(name, task, memory)))
        except (HopkinError, OSError, ValueError) as error:
            answers[task.client] = one_sentence(error)[:_LONGEST_SENTENCE]
    for (task, memory, _), said in zip(
        waiting, _evaluate(adapter, name, [asked for *_, asked in waiting]), strict=True
    ):
        answers[task.client] = said if isinstance(said, str) else ""
        if not isinstance(said, str):
            memory.write(said)
    return answers


def _configuration(name: str, task: Task, memory: Memory) -> Configuration:
    """Copy what is asked out of the shared memory; ModelError where no model can be asked that."""
    species = memory.species.copy()
    asked = (memory.positions.copy(), memory.cell.copy())
    if not all(np.isfinite(values).all() for values in asked):
        raise ModelError(f"model {name}: Non-numeric positions or cell")
    if species.min() < 0 or species.max() >= len(task.numbers):
        raise ModelError(f"model {name}: atoms of an element that pair_coeff does not name")
    return Configuration(positions=asked[0], cell=asked[1], numbers=task.numbers[species])


def _evaluate(adapter: Adapter, name: str, asked: Sequence[Configuration]) -> list[Evaluation | str]:
    """Evaluate a batch, by halves where that fails: an error is told to the one that has it."""
    if not asked:
        return []
    try:
        with _within_memory(name):
            said = adapter.evaluate_batch(asked)
        for one, configuration in zip(said, asked, strict=True):
            _require_shapes(name, one, len(configuration.numbers))
        return list(said)
    except Exception as error:  # of any package
        if "CUDA error" in str(error):  # the device is lost to this process: another one is started
            raise
        if len(asked) == 1:
            return [one_sentence(error)[:_LONGEST_SENTENCE]]
    half = len(asked) // 2
    return [*_evaluate(adapter, name, asked[:half]), *_evaluate(adapter, name, asked[half:])]


def _require_shapes(name: str, evaluation: Evaluation, n_atoms: int) -> None:
    shapes: dict[str, tuple[int, ...]] = {"forces": (n_atoms, 3), "virial": (3, 3)}
    if evaluation.atomic_energies is not None:
        shapes["atomic_energies"] = (n_atoms,)
    for what, wanted in shapes.items():
        if (shape := np.shape(getattr(evaluation, what))) != wanted:
            raise ModelError(f"model {name}: wanted {what} of shape {wanted}, its calculator gave {shape}")


@contextmanager
def _within_memory(name: str) -> Iterator[None]:
    """Turn what torch, and Python, say where memory does not suffice into one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _OUT_OF_MEMORY):
            raise
        raise ModelError(
            f"model {name}: not enough memory: take a smaller cell, fewer replicas on this device, or another"
            " device (HOPKIN_DEVICE)"
        ) from error
