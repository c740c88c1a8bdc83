"""A client of the evaluation service in Python, which says what it is told to."""

import fcntl
import mmap
import os
import socket
import struct
from pathlib import Path

import ase
import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.models.service.protocol import VERSION, Request, Status, read_answer

SEALED = 0x2 | 0x4  # F_SEAL_SHRINK | F_SEAL_GROW
_F_ADD_SEALS = 1033


def memory(n_bytes: int, *, seals: int = SEALED) -> int:
    """Descriptor of shared memory."""
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, n_bytes)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, seals)
    return descriptor


class RawClient:
    """A connection to a service."""

    def __init__(self, path: Path | str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(str(path))

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, message: bytes, *descriptors: int) -> None:
        socket.send_fds(self.socket, [message], descriptors)

    def hear(self) -> tuple[Status, str] | None:
        """Answer, or None where the connection was closed."""
        try:
            message = self.socket.recv(65536)
        except ConnectionResetError:
            return None
        return read_answer(message) if message else None

    def hello(
        self, model: str, elements: str, *, version: int = VERSION, threads: int = 1
    ) -> tuple[Status, str] | None:
        words = struct.pack("=3I", Request.HELLO, version, threads)
        self.say(words + f"{model}\0{Path.cwd()}\0{elements}".encode())
        return self.hear()

    def ask(self, atoms: ase.Atoms, elements: str, *, band: int = 0) -> mmap.mmap:
        """Ask for an evaluation; the memory holds it once there is an answer."""
        n = len(atoms)
        size = 8 * (16 + 8 * n)
        descriptor = memory(size)
        view = mmap.mmap(descriptor, size)
        numbers = np.frombuffer(view)
        numbers[:9] = atoms.cell.array.ravel()
        numbers[16 : 16 + 3 * n] = atoms.positions.ravel()
        species = [elements.split().index(symbol) for symbol in atoms.symbols]
        numbers[16 + 7 * n :].view(np.int64)[:] = species
        self.say(struct.pack("=3I", Request.EVALUATE, n, band), descriptor)
        os.close(descriptor)
        return view


def energy_and_forces(view: mmap.mmap, n_atoms: int) -> tuple[float, NDArray[np.float64]]:
    numbers = np.frombuffer(view)
    return float(numbers[9]), numbers[16 + 3 * n_atoms : 16 + 6 * n_atoms].reshape(-1, 3)
