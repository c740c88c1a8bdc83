"""Any model in `pair_style mliap unified`: for a LAMMPS that has ML-IAP with Python, and no plugin of hopkin.

The object that LAMMPS unpickles is a client of the evaluation service, so that no package of a model comes
into LAMMPS's Python, and every adapter works. ML-IAP tells edges and no positions: a crystal is put together
from its edges, up to where it stands. One MPI rank holds it whole.
"""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.interface import FloatArray
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.models.service import service_of
from hopkin.drivers.models.service.client import Client

IntArray = NDArray[np.int64]

_CUTOFF_A = 6.0
"""Range of the edges from which a crystal is put together: the model finds its own."""

_SAME_A = 1e-6
"""Vectors of a lattice that differ by less are one."""


class ServedPotential:
    """What `pair_style mliap unified FILE 0` unpickles, one in each MPI rank.

    Parameters
    ----------
    model
        name of the model
    elements
        chemical symbols that `pair_coeff` may name
    """

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
        n_atoms = data.nlistatoms
        edges = Edges(
            centers=data.pair_i.astype(np.int64),
            neighbours=owners(data.jatoms, data.jtags, n_atoms),
            vectors=np.array(data.rij),
        )
        positions, cell = crystal_of(edges, n_atoms)
        if self._client is None:
            self._client = self._connected()
        said = self._client.evaluate(positions, cell, data.elems[:n_atoms].astype(np.int64))
        data.energy = said.energy
        data.eatoms = (
            np.full(n_atoms, said.energy / n_atoms) if said.atomic_energies is None else said.atomic_energies
        )
        data.f[:n_atoms] += said.forces
        if data.vflag:
            data.update_pair_forces(virial_carriers(edges, n_atoms, said.virial))

    def _connected(self) -> Client:
        path = os.environ.get("HOPKIN_SERVICE") or str(service_of(find_model(self.model)))
        threads = os.environ.get("OMP_NUM_THREADS", "")
        return Client(
            path, self.model, self.element_types, threads=int(threads) if threads.isdecimal() else 1
        )


def write(model: Model, path: Path) -> None:
    """Write the file that `pair_style mliap unified` reads."""
    path.write_bytes(pickle.dumps(ServedPotential(model.name, model.elements)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Directed edges of a crystal.

    Attributes
    ----------
    centers, neighbours
        (n_edges,) atoms i and j
    vectors
        (n_edges, 3) from i to an image of j [A]
    """

    centers: IntArray
    neighbours: IntArray
    vectors: FloatArray


def owners(atoms: IntArray, tags: IntArray, n_atoms: int) -> IntArray:
    """(n_edges,) atom of this rank that each neighbour is an image of, by the tag (ID) that both have.

    Raises
    ------
    ModelError
        when it is of another rank, or the cell is so small that two atoms have images alone for neighbours
    """
    if len(tags) == 0 or tags.max() > n_atoms:
        raise ModelError(
            "ML-IAP: give each replica one MPI rank, and IDs from 1 on: a crystal is evaluated whole"
        )
    of_tag = np.full(n_atoms + 1, -1)
    own = atoms < n_atoms
    of_tag[tags[own]] = atoms[own]
    unknown = np.flatnonzero(of_tag[1:] < 0) + 1
    if len(unknown) > 1:
        raise ModelError(
            f"ML-IAP: atoms {unknown[0]} and {unknown[1]} have no neighbours in the cell: repeat it"
        )
    of_tag[unknown] = np.setdiff1d(np.arange(n_atoms), of_tag[1:])
    found: IntArray = of_tag[tags]
    return found


def crystal_of(edges: Edges, n_atoms: int) -> tuple[FloatArray, FloatArray]:
    """Put a crystal together from its edges: (n_atoms, 3) positions and (3, 3) cell vectors [A].

    Positions follow a tree of edges from the first atom. What an edge says beyond that is a vector of the
    lattice.

    Raises
    ------
    ModelError
        when the edges do not hold the crystal together in three dimensions
    """
    tied = csr_array(
        (np.ones(len(edges.centers)), (edges.centers, edges.neighbours)), shape=(n_atoms, n_atoms)
    )
    order, before = breadth_first_order(tied, 0)
    if len(order) < n_atoms:
        raise ModelError(
            f"ML-IAP: the crystal falls apart: no atom within {_CUTOFF_A:g} A of another part of it"
        )
    edge_of = np.zeros(n_atoms, dtype=np.int64)  # any edge from the one before
    of_tree = before[edges.neighbours] == edges.centers
    edge_of[edges.neighbours[of_tree]] = np.flatnonzero(of_tree)
    positions = np.zeros((n_atoms, 3))
    for atom in order[1:]:
        positions[atom] = positions[before[atom]] + edges.vectors[edge_of[atom]]
    shifts = edges.vectors - (positions[edges.neighbours] - positions[edges.centers])
    return positions, lattice_of(shifts)


def lattice_of(vectors: FloatArray) -> FloatArray:
    """(3, 3) right-handed, compact basis of the lattice that (n, 3) vectors generate [A].

    Euclid's algorithm: what remains of a vector, when the nearest sum of basis vectors is taken off it, takes
    the place of one of them and halves the volume, until nothing remains.

    Raises
    ------
    ModelError
        when they span no three dimensions
    """
    distinct = np.unique(np.round(vectors, 5), axis=0, return_index=True)[1]
    lengths = np.linalg.norm(vectors[distinct], axis=1)
    waiting = list(vectors[distinct[np.argsort(-lengths)]])
    basis = np.empty((0, 3))
    while waiting:
        vector = waiting.pop()  # the shortest first
        parts = np.linalg.lstsq(basis.T, vector)[0] if len(basis) else np.empty(0)
        rest = vector - np.round(parts) @ basis
        if np.linalg.norm(rest) < _SAME_A:
            continue
        if np.linalg.norm(vector - parts @ basis) > _SAME_A:
            basis = np.vstack([basis, rest])
        else:
            replaced = int(np.argmax(np.abs(parts - np.round(parts))))
            waiting.append(basis[replaced].copy())
            basis[replaced] = rest
    if len(basis) < 3:
        raise ModelError("ML-IAP: the crystal falls apart: no edges hold it together in three dimensions")
    cell: FloatArray = minkowski_reduce(basis)[0]
    return cell if np.linalg.det(cell) > 0 else -cell


def virial_carriers(edges: Edges, n_atoms: int, virial: FloatArray) -> FloatArray:
    """(n_edges, 3) forces along edges that leave every atom alone, and have a virial together [eV/A].

    LAMMPS takes a virial of edges alone. These are f_ij = u_i - u_j - r_ij L, with u and L such that the
    forces on each atom add up to nothing, and -sum r_ij f_ij is the virial.
    """
    i, j, r = edges.centers, edges.neighbours, edges.vectors
    size = n_atoms + 3
    matrix, right = np.zeros((size, size)), np.zeros((size, 3))
    for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
        np.add.at(matrix, (a, b), sign)
    ends = [np.bincount(i, x, n_atoms) - np.bincount(j, x, n_atoms) for x in r.T]
    matrix[:n_atoms, n_atoms:] = -np.transpose(ends)
    matrix[n_atoms:, :n_atoms] = -np.array(ends)
    matrix[n_atoms:, n_atoms:] = r.T @ r
    right[n_atoms:] = virial
    matrix[0, 0] += 1.0  # all u may be shifted together
    solved = np.linalg.solve(matrix, right)
    u, stretch = solved[:n_atoms], solved[n_atoms:]
    carriers: FloatArray = u[i] - u[j] - r @ stretch
    return carriers
