"""Any model in `pair_style mliap unified`: for a LAMMPS that has ML-IAP with Python, and no plugin of hopkin.

The object that LAMMPS unpickles is a client of the evaluation service, so that no package of a model comes
into LAMMPS's Python, and every adapter works. ML-IAP itself tells edges alone, without positions, without
whose image an atom is: `attach` is given LAMMPS, by a command `python` in the deck, and asks its library.
One MPI rank holds a crystal whole.

Forces go along edges (`edge_forces`): LAMMPS adds up a virial from edges, or from forces on atoms and their
images, and a pair style does not learn which where it is part of a hybrid one.
"""

import ctypes
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.errors import HopkinError, ModelError, one_sentence
from hopkin.drivers.models.adapters.interface import Evaluation, FloatArray
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.service.client import Client

IntArray = NDArray[np.int64]

_CUTOFF_A = 6.0
"""Range of the edges that LAMMPS lists: they carry forces and virial; a model finds its own."""

_OF_ATOMS = {"energy": 2, "virial": 4 | 8}
"""Bits of what LAMMPS wants of each atom (`pair.h`)."""


def attach(lammps: Any) -> None:
    """Take LAMMPS, as its command `python ... input 1 SELF format p` hands it over.

    Raises
    ------
    ModelError
        when another LAMMPS of this process has been handed over before
    """
    library = Library(lammps)
    if ServedPotential.lammps is not None and ServedPotential.lammps.pointer != library.pointer:
        raise ModelError("ML-IAP: one LAMMPS in a process: this one has another already")
    ServedPotential.lammps = library


class Library:
    """What LAMMPS's library interface tells of the atoms of this rank (`library.h`)."""

    def __init__(self, capsule: Any) -> None:
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
        pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self.pointer = int(pointer_of(capsule, None))
        self._lammps = ctypes.c_void_p(self.pointer)
        self._library = ctypes.CDLL(None)  # it is in this process
        for name in ("lammps_extract_atom", "lammps_extract_global"):
            if not hasattr(self._library, name):
                raise ModelError(
                    "ML-IAP: this lmp does not show its library: build it with BUILD_SHARED_LIBS=on"
                )
            getattr(self._library, name).restype = ctypes.c_void_p

    def require_crystal(self) -> None:
        """Raise ModelError where the deck has other units than metal, or a box that is not periodic."""
        units = ctypes.string_at(self._global("units")).decode()
        if units != "metal":
            raise ModelError(f"ML-IAP: wanted units metal, the deck has {units}")
        periodic = ctypes.cast(self._global("periodicity"), ctypes.POINTER(ctypes.c_int))
        if self._setting("dimension") != 3 or not all(periodic[axis] for axis in range(3)):
            raise ModelError("ML-IAP: wanted a crystal that is periodic in three dimensions")

    def crystal(self) -> tuple[FloatArray, FloatArray]:
        """(n_atoms, 3) positions, in LAMMPS's order, and rows of (3, 3) the cell vectors [A]."""
        rows = ctypes.cast(self._atoms("x"), ctypes.POINTER(ctypes.POINTER(ctypes.c_double)))
        positions = np.ctypeslib.as_array(rows[0], (self._setting("nlocal"), 3)).copy()
        lengths = np.subtract(self._numbers("boxhi", 3), self._numbers("boxlo", 3))
        xy, xz, yz = (self._numbers(tilt, 1)[0] for tilt in ("xy", "xz", "yz"))
        cell = np.array([[lengths[0], 0.0, 0.0], [xy, lengths[1], 0.0], [xz, yz, lengths[2]]])
        return positions, cell

    def order(self) -> tuple[IntArray, IntArray]:
        """Atoms in the order of their IDs, whatever order LAMMPS keeps them in; and whose images there are.

        Returns
        -------
        tuple
            (n_atoms,) atoms, and (n_atoms + n_images,) atom that each is, or is an image of

        Raises
        ------
        ModelError
            when other ranks have a part of the crystal
        """
        if self._setting("world_size") > 1:
            raise ModelError("ML-IAP: give each replica one MPI rank: a crystal is evaluated whole")
        n_atoms, n_images = self._setting("nlocal"), self._setting("nghost")
        kind = {4: ctypes.c_int32, 8: ctypes.c_int64}[self._setting("tagint")]
        pointer = ctypes.cast(self._atoms("id"), ctypes.POINTER(kind))
        tags = np.ctypeslib.as_array(pointer, (n_atoms + n_images,)).astype(np.int64)
        order: IntArray = np.argsort(tags[:n_atoms])
        owners: IntArray = order[np.searchsorted(tags[:n_atoms], tags, sorter=order)]
        return order, owners

    def _setting(self, name: str) -> int:
        return int(self._library.lammps_extract_setting(self._lammps, name.encode()))

    def _global(self, name: str) -> int:
        return int(self._library.lammps_extract_global(self._lammps, name.encode()))

    def _numbers(self, name: str, n: int) -> FloatArray:
        return np.ctypeslib.as_array(ctypes.cast(self._global(name), ctypes.POINTER(ctypes.c_double)), (n,))

    def _atoms(self, name: str) -> int:
        return int(self._library.lammps_extract_atom(self._lammps, name.encode()))


class ServedPotential:
    """What `pair_style mliap unified FILE 0` unpickles, one in each MPI rank.

    Parameters
    ----------
    model
        name of the model
    elements
        chemical symbols that `pair_coeff` may name
    """

    lammps: ClassVar[Library | None] = None
    ndescriptors = 1  # LAMMPS wants some
    nparams = 1
    rcutfac = _CUTOFF_A / 2  # of elements of radius 1

    def __init__(self, model: str, elements: Sequence[str]) -> None:
        self.model = model
        self.element_types = list(elements)
        self.interface: Any = None  # LAMMPS sets it
        self._client: Client | None = None
        self._known: tuple[tuple[FloatArray, FloatArray, IntArray], Evaluation] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a process."""
        return {**vars(self), "interface": None, "_client": None, "_known": None}

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: LAMMPS asks for them first."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing: forces come with the energy."""

    def compute_forces(self, data: Any) -> None:
        """Hand over energy, atomic energies, forces and virial.

        What goes wrong is also said on standard error as LAMMPS says errors: it does not look into Python's.
        """
        try:
            self._compute_forces(data)
        except HopkinError as error:
            sys.stderr.write(f"ERROR: {one_sentence(error)}\n")
            raise

    def _compute_forces(self, data: Any) -> None:
        if self.lammps is None:
            raise ModelError("ML-IAP: the deck lacks the commands `python` that hand LAMMPS over")
        if self._client is None:
            self.lammps.require_crystal()
            self._client = self._connected()
        order, owners = self.lammps.order()
        positions, cell = self.lammps.crystal()
        said = self._evaluated(positions[order], cell, data.elems[order].astype(np.int64))
        if data.eflag & _OF_ATOMS["energy"] and said.atomic_energies is None:
            raise ModelError(f"model {self.model} does not split its energy over the atoms")
        if data.vflag & _OF_ATOMS["virial"]:
            raise ModelError(f"model {self.model} does not split its virial over the atoms")
        n_atoms = len(order)
        forces, atomic = np.empty((n_atoms, 3)), np.full(n_atoms, said.energy / n_atoms)
        forces[order] = said.forces
        if said.atomic_energies is not None:
            atomic[order] = said.atomic_energies
        data.energy, data.eatoms = said.energy, atomic
        i, j, r = data.pair_i.astype(np.int64), owners[data.jatoms], np.array(data.rij)
        of_edges = edge_forces(i, j, r, forces, said.virial)
        data.update_pair_forces(of_edges)
        data.f[:n_atoms] += forces - net_forces(i, j, of_edges, n_atoms)

    def _evaluated(self, positions: FloatArray, cell: FloatArray, species: IntArray) -> Evaluation:
        """Ask the service; not again where nothing has moved, as at the ends of a band."""
        asked = (positions, cell, species)
        if self._known is None or not all(map(np.array_equal, self._known[0], asked)):
            assert self._client is not None
            self._known = asked, self._client.evaluate(*asked)
        return self._known[1]

    def _connected(self) -> Client:
        threads = os.environ.get("OMP_NUM_THREADS", "")
        try:
            return Client(
                os.environ["HOPKIN_SERVICE"],
                self.model,
                self.element_types,
                threads=int(threads) if threads.isdecimal() else 1,
            )
        except KeyError as error:
            raise ModelError(
                f"ML-IAP: HOPKIN_SERVICE names no service: keep one by `hopkin serve {self.model}`, and"
                " export the path that it prints"
            ) from error


def write(model: Model, path: Path) -> None:
    """Write the file that `pair_style mliap unified` reads."""
    path.write_bytes(pickle.dumps(ServedPotential(model.name, model.elements)))


def edge_forces(
    i: IntArray, j: IntArray, r: FloatArray, forces: FloatArray, virial: FloatArray
) -> FloatArray:
    """(n_edges, 3) forces along edges that add up to given forces on atoms and to a virial [eV/A].

    Those of least squares: f_ij = u_i - u_j - r_ij L, with u and L such that the forces on each atom add up
    to its own, and -sum r_ij f_ij to the virial. What the forces on all atoms add up to no edge can carry.

    Parameters
    ----------
    i, j, r
        (n_edges,) atoms, and (n_edges, 3) the vector from i to an image of j [A]
    forces, virial
        (n_atoms, 3) [eV/A], (3, 3) [eV]
    """
    n_atoms = len(forces)
    matrix = np.zeros((n_atoms + 3, n_atoms + 3))
    for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
        np.add.at(matrix, (a, b), sign)
    ends = net_forces(i, j, r, n_atoms)
    matrix[:n_atoms, n_atoms:] = -ends
    matrix[n_atoms:, :n_atoms] = -ends.T
    matrix[n_atoms:, n_atoms:] = r.T @ r
    matrix[0, 0] += 1.0  # all u may be shifted together
    try:
        solved = np.linalg.solve(matrix, np.vstack([forces, virial]))
    except np.linalg.LinAlgError as error:
        raise ModelError(
            f"ML-IAP: the crystal falls apart: parts of it are {_CUTOFF_A:g} A from others"
        ) from error
    u, stretch = solved[:n_atoms], solved[n_atoms:]
    found: FloatArray = u[i] - u[j] - r @ stretch
    return found


def net_forces(i: IntArray, j: IntArray, of_edges: FloatArray, n_atoms: int) -> FloatArray:
    """(n_atoms, 3) what forces along edges add up to: each on i, its opposite on j."""
    columns = [np.bincount(i, f, n_atoms) - np.bincount(j, f, n_atoms) for f in of_edges.T]
    return np.stack(columns, axis=1)
