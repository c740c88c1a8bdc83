"""Any model in `pair_style mliap unified`: for a LAMMPS that has ML-IAP with Python, and no plugin of hopkin.

The object that LAMMPS unpickles is a client of the evaluation service, so that no package of a model comes
into LAMMPS's Python, and every adapter works. ML-IAP itself tells edges alone, without positions, without
whose image an atom is: `attach` is given LAMMPS, by a command `python` in the deck, and asks its library.
One MPI rank holds a crystal whole.
"""

import ctypes
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.interface import FloatArray
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.models.service import service_of
from hopkin.drivers.models.service.client import Client

IntArray = NDArray[np.int64]

_CUTOFF_A = 6.0
"""Range of the edges that LAMMPS lists: they carry the virial; a model finds its own."""


def attach(lammps: Any) -> None:
    """Take LAMMPS, as its command `python ... input 1 SELF format p` hands it over."""
    ServedPotential.lammps = Library(lammps)


class Library:
    """What LAMMPS's library interface tells of the atoms of this rank (`library.h`)."""

    def __init__(self, capsule: Any) -> None:
        pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
        pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._lammps = ctypes.c_void_p(pointer_of(capsule, None))
        self._library = ctypes.CDLL(None)  # it is in this process
        self._library.lammps_extract_atom.restype = ctypes.c_void_p

    def crystal(self) -> tuple[FloatArray, FloatArray]:
        """(n_atoms, 3) positions, in LAMMPS's order, and rows of (3, 3) the cell vectors [A]."""
        rows = ctypes.cast(self._atoms("x"), ctypes.POINTER(ctypes.POINTER(ctypes.c_double)))
        n_atoms = self._setting("nlocal")
        positions = np.ctypeslib.as_array(rows[0], (n_atoms, 3)).copy()
        low, high, tilts = (ctypes.c_double * 3)(), (ctypes.c_double * 3)(), (ctypes.c_double * 3)()
        xy, yz, xz = (ctypes.byref(tilts, 8 * n) for n in range(3))
        self._library.lammps_extract_box(self._lammps, low, high, xy, yz, xz, None, None)
        lengths = np.subtract(high, low)
        cell = np.array(
            [[lengths[0], 0.0, 0.0], [tilts[0], lengths[1], 0.0], [tilts[2], tilts[1], lengths[2]]]
        )
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
        n_atoms, n_images = self._setting("nlocal"), self._setting("nghost")
        if n_atoms != self._number_of_atoms():
            raise ModelError("ML-IAP: give each replica one MPI rank: a crystal is evaluated whole")
        kind = {4: ctypes.c_int32, 8: ctypes.c_int64}[self._setting("tagint")]
        pointer = ctypes.cast(self._atoms("id"), ctypes.POINTER(kind))
        tags = np.ctypeslib.as_array(pointer, (n_atoms + n_images,)).astype(np.int64)
        order: IntArray = np.argsort(tags[:n_atoms])
        owners: IntArray = order[np.searchsorted(tags[:n_atoms], tags, sorter=order)]
        return order, owners

    def _number_of_atoms(self) -> int:
        self._library.lammps_get_natoms.restype = ctypes.c_double
        return int(self._library.lammps_get_natoms(self._lammps))

    def _setting(self, name: str) -> int:
        return int(self._library.lammps_extract_setting(self._lammps, name.encode()))

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

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a process."""
        return {**vars(self), "interface": None, "_client": None}

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: LAMMPS asks for them first."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing: forces come with the energy."""

    def compute_forces(self, data: Any) -> None:
        """Hand over energy, atomic energies, forces and, where it is asked for, the virial."""
        if self.lammps is None:
            raise ModelError(
                "ML-IAP: the deck lacks the command `python` that hands LAMMPS to hopkin.drivers.models.mliap"
            )
        order, owners = self.lammps.order()
        positions, cell = self.lammps.crystal()
        if self._client is None:
            self._client = self._connected()
        said = self._client.evaluate(positions[order], cell, data.elems[order].astype(np.int64))
        n_atoms = len(order)
        forces, atomic = np.empty((n_atoms, 3)), np.full(n_atoms, said.energy / n_atoms)
        forces[order] = said.forces
        if said.atomic_energies is not None:
            atomic[order] = said.atomic_energies
        data.energy, data.eatoms = said.energy, atomic
        if data.vflag:  # LAMMPS takes a virial of edges alone
            i, j, r = data.pair_i.astype(np.int64), owners[data.jatoms], np.array(data.rij)
            of_edges = edge_forces(i, j, r, forces, said.virial)
            data.update_pair_forces(of_edges)
            forces -= net_forces(i, j, of_edges, n_atoms)
        data.f[:n_atoms] += forces

    def _connected(self) -> Client:
        path = os.environ.get("HOPKIN_SERVICE") or str(service_of(find_model(self.model)))
        threads = os.environ.get("OMP_NUM_THREADS", "")
        threads_wanted = int(threads) if threads.isdecimal() else 1
        return Client(path, self.model, self.element_types, threads=threads_wanted)


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
    solved = np.linalg.solve(matrix, np.vstack([forces, virial]))
    u, stretch = solved[:n_atoms], solved[n_atoms:]
    found: FloatArray = u[i] - u[j] - r @ stretch
    return found


def net_forces(i: IntArray, j: IntArray, of_edges: FloatArray, n_atoms: int) -> FloatArray:
    """(n_atoms, 3) what forces along edges add up to: each on i, its opposite on j."""
    columns = [np.bincount(i, f, n_atoms) - np.bincount(j, f, n_atoms) for f in of_edges.T]
    return np.stack(columns, axis=1)
