"""Messages between `pair_style hopkin` and the service, and the layout of the memory that they share.

pair_styles/service_client.cpp has the other half, and docs/service.md the page to read. One message is one
packet of a Unix-domain SOCK_SEQPACKET socket: words of 32 bits in the machine's own order, then text.
"""

import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from hopkin.drivers.models.adapters.interface import Evaluation

VERSION = 1
LONGEST_MESSAGE = 65536
LONGEST_ANSWER = 2000

_MOST_ATOMS = 10_000_000
_MOST_ELEMENTS = 118
_LONGEST_NAME = 4096
_MOST_THREADS = 4096
_ARRAYS = 16  # numbers of 8 bytes before the arrays: cell, energy, virial
_PER_ATOM = 8  # position, force, energy, species
_VOIGT = ((0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2))
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034  # of fcntl since Python 3.12
_SHRINK, _GROW, _WRITE = 0x2, 0x4, 0x8 | 0x10


class Request(IntEnum):
    """What a client asks for."""

    HELLO = 1
    EVALUATE = 2
    PASS = 3
    STATUS = 4
    PREPARE = 5


class Status(IntEnum):
    """How an answer ends: the text is the result, or one sentence."""

    DONE = 0
    REFUSED = 1


class ProtocolError(Exception):
    """A client said something that no client of hopkin says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First message of a client.

    Attributes
    ----------
    threads
        cores that one evaluation may use
    model
        as pair_coeff names it
    directory
        where LAMMPS runs: a path in `model` starts there
    numbers
        (n_elements,) atomic numbers that `species` indexes
    """

    threads: int
    model: str
    directory: str
    numbers: NDArray[np.int64]


def read_hello(message: bytes) -> Hello:
    """Read a HELLO.

    Raises
    ------
    ProtocolError
        when it is none
    ValueError
        when the client speaks another version, or names what is no element
    """
    if len(message) < 12:
        raise ProtocolError
    _, version, threads = struct.unpack_from("=3I", message)
    if version != VERSION:
        raise ValueError(
            f"the evaluation service speaks version {VERSION} of its protocol, this plugin version {version}:"
            " both have to be of one hopkin"
        )
    try:
        model, directory, elements = message[12:].decode(errors="replace").split("\0")
    except ValueError as error:
        raise ProtocolError from error
    for element in elements.split():
        if element not in atomic_numbers:
            raise ValueError(f"pair_coeff names {element}, which is no chemical symbol")
    numbers = np.array([atomic_numbers[element] for element in elements.split()], dtype=np.int64)
    if not (0 < numbers.size <= _MOST_ELEMENTS and 0 < threads <= _MOST_THREADS):
        raise ProtocolError
    if max(len(model), len(directory)) > _LONGEST_NAME:
        raise ProtocolError
    return Hello(threads=threads, model=model, directory=directory, numbers=numbers)


def hello_request(model: str, elements: Iterable[str], *, threads: int) -> bytes:
    """Make a HELLO of a program that runs here."""
    words = struct.pack("=3I", Request.HELLO, VERSION, threads)
    return words + "\0".join([model, os.getcwd(), " ".join(elements)]).encode()


def evaluate_request(n_atoms: int) -> bytes:
    """Make an EVALUATE of one that takes steps alone."""
    return struct.pack("=3I", Request.EVALUATE, n_atoms, 0)


def read_evaluate(message: bytes) -> tuple[int, int]:
    """Read an EVALUATE: number of atoms, and the band whose replicas take this step together, or 0."""
    if len(message) != 12:
        raise ProtocolError
    _, n_atoms, band = struct.unpack("=3I", message)
    if not 0 < n_atoms <= _MOST_ATOMS:
        raise ProtocolError
    return n_atoms, band


def read_pass(message: bytes) -> int:
    """Read a PASS: the band."""
    if len(message) != 8:
        raise ProtocolError
    return int(struct.unpack("=2I", message)[1])


def prepare_request(elements: Iterable[str]) -> bytes:
    """Make a PREPARE: have ready what crystals of some elements need. It is not answered."""
    return request(Request.PREPARE) + " ".join(elements).encode()


def read_prepare(message: bytes) -> list[int]:
    """Read a PREPARE: atomic numbers."""
    elements = message[4:].decode(errors="replace").split()
    if not elements or not set(elements) <= set(atomic_numbers):
        raise ProtocolError
    return [atomic_numbers[element] for element in elements]


def kind_of(message: bytes) -> Request:
    """Tell what a message asks for."""
    try:
        return Request(struct.unpack_from("=I", message)[0])
    except (struct.error, ValueError) as error:
        raise ProtocolError from error


def request(kind: Request) -> bytes:
    """Make a message of one word."""
    return struct.pack("=I", kind)


def answer(status: Status, text: str = "") -> bytes:
    """Make an answer."""
    return struct.pack("=I", status) + text.encode(errors="replace")[:LONGEST_ANSWER]


def read_answer(message: bytes) -> tuple[Status, str]:
    """Read an answer."""
    return Status(struct.unpack_from("=I", message)[0]), message[4:].decode(errors="replace")


def require_memory(descriptor: int, n_atoms: int) -> None:
    """Raise ProtocolError where a descriptor is not sealed, writable memory that holds so many atoms.

    Memory that a client could still shrink would end the service when it is read.
    """
    try:
        known = os.fstat(descriptor)
        seals = fcntl.fcntl(descriptor, _F_GET_SEALS)
        writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    except OSError as error:
        raise ProtocolError from error
    enough = known.st_size >= _memory_size(n_atoms)
    sealed = seals & _SHRINK and seals & _GROW and not seals & _WRITE
    if not (stat.S_ISREG(known.st_mode) and sealed and writable and enough):
        raise ProtocolError


def make_memory(n_atoms: int) -> int:
    """Descriptor of memory for an evaluation, as `require_memory` wants it."""
    descriptor = os.memfd_create("hopkin", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _memory_size(n_atoms))
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SHRINK | _GROW)
    return descriptor


def _memory_size(n_atoms: int) -> int:
    """Bytes that an evaluation shares."""
    return 8 * (_ARRAYS + _PER_ATOM * n_atoms)


class Memory:
    """The shared arrays of one evaluation.

    Attributes
    ----------
    cell, positions, species
        (3, 3) [A], (n_atoms, 3) [A], (n_atoms,) index into the elements of HELLO
    """

    def __init__(self, descriptor: int, n_atoms: int) -> None:
        mapped = mmap.mmap(descriptor, _memory_size(n_atoms))  # its views keep it
        numbers = np.frombuffer(mapped, dtype=np.float64)
        arrays = numbers[_ARRAYS:]
        self.cell = numbers[:9].reshape(3, 3)
        self._energy_virial = numbers[9:_ARRAYS]
        self.positions = arrays[: 3 * n_atoms].reshape(-1, 3)
        self._forces = arrays[3 * n_atoms : 6 * n_atoms].reshape(-1, 3)
        self._atomic_energies = arrays[6 * n_atoms : 7 * n_atoms]
        self.species = arrays[7 * n_atoms :].view(np.int64)

    def write(self, evaluation: Evaluation) -> None:
        """Hand over what the model says; NaN where it has no atomic energies."""
        atomic = evaluation.atomic_energies
        self._energy_virial[0] = evaluation.energy
        self._energy_virial[1:] = evaluation.virial[_VOIGT]
        self._forces[:] = evaluation.forces
        self._atomic_energies[:] = np.nan if atomic is None else atomic

    def read(self) -> Evaluation:
        """Take what the model says."""
        virial = np.empty((3, 3))
        virial[_VOIGT] = virial[_VOIGT[::-1]] = self._energy_virial[1:]
        has_none = np.isnan(self._atomic_energies).all()
        return Evaluation(
            energy=float(self._energy_virial[0]),
            atomic_energies=None if has_none else self._atomic_energies.copy(),
            forces=self._forces.copy(),
            virial=virial,
        )
