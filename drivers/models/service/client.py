"""A client of the evaluation service in Python, as pair_styles/service_client.cpp is one in C++."""

import os
import socket
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.errors import ServiceError
from hopkin.drivers.models.adapters.interface import Evaluation, FloatArray
from hopkin.drivers.models.service.find import connected
from hopkin.drivers.models.service.protocol import (
    LONGEST_MESSAGE,
    Memory,
    Status,
    evaluate_request,
    hello_request,
    make_memory,
    read_answer,
)


class Client:
    """A connection to the service of a model.

    Parameters
    ----------
    path
        its socket
    model
        name of the model
    elements
        chemical symbols that `species` indexes
    threads
        cores that one evaluation may use

    Raises
    ------
    ServiceError
        when no service answers there, or it does not serve that
    """

    def __init__(self, path: str, model: str, elements: Sequence[str], *, threads: int) -> None:
        connection = connected(path)
        if connection is None:
            raise ServiceError(f"no evaluation service answers at {path}")
        self._socket: socket.socket = connection
        self._memory: Memory | None = None
        self._n_atoms = 0
        self.description = self._ask(hello_request(model, elements, threads=threads))
        """The model in one line."""

    def evaluate(self, positions: FloatArray, cell: FloatArray, species: NDArray[np.int64]) -> Evaluation:
        """Evaluate a crystal that is periodic in three dimensions.

        Parameters
        ----------
        positions, cell
            (n_atoms, 3) positions, rows of (3, 3) the cell vectors [A]
        species
            (n_atoms,) index into the elements

        Raises
        ------
        ServiceError
            when the service is lost, or the model cannot be asked that
        """
        descriptors = []
        if len(positions) != self._n_atoms or self._memory is None:
            descriptors = [make_memory(len(positions))]
            self._n_atoms, self._memory = len(positions), Memory(descriptors[0], len(positions))
        memory = self._memory
        memory.cell[:], memory.positions[:], memory.species[:] = cell, positions, species
        try:
            self._ask(evaluate_request(len(positions)), descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return memory.read()

    def __del__(self) -> None:
        if hasattr(self, "_socket"):  # else there was none
            self._socket.close()

    def _ask(self, message: bytes, descriptors: Sequence[int] = ()) -> str:
        try:
            socket.send_fds(self._socket, [message], descriptors)
            answer = self._socket.recv(LONGEST_MESSAGE)
        except OSError:
            answer = b""
        if not answer:
            raise ServiceError("the evaluation service was lost")
        status, said = read_answer(answer)
        if status is not Status.DONE:
            raise ServiceError(said)
        return said
