"""What LAMMPS tells of its atoms, and is told of a model, through `pair_style mliap unified`.

ML-IAP's half is played by `Data` here; `test_from_source.py` has the real one.
"""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from hopkin.drivers.crystals import build_material
from hopkin.drivers.errors import ModelError, ServiceError
from hopkin.drivers.models import fetch, find_model, lammps_environment
from hopkin.drivers.models.adapters.neighbours import find_edges
from hopkin.drivers.models.mliap import Library, ServedPotential, edge_forces

CUTOFF_A = 6.0
EXACT = 1e-9


class Data:
    """What ML-IAP hands over: atoms, their images, edges between them; and what it takes."""

    def __init__(self, atoms: ase.Atoms, elements: list[str]) -> None:
        found = find_edges(atoms.positions, atoms.cell.array, CUTOFF_A)
        vectors = (
            atoms.positions[found.neighbours]
            + found.images @ atoms.cell.array
            - atoms.positions[found.centers]
        )
        n = self.nlistatoms = len(atoms)
        self.positions = atoms.positions
        ghosts: dict[tuple[int, ...], int] = {}
        self.pair_i = found.centers.astype(np.int32)
        self.jatoms = np.array(
            [
                j if not image.any() else ghosts.setdefault((j, *image), n + len(ghosts))
                for j, image in zip(found.neighbours.tolist(), found.images, strict=True)
            ],
            dtype=np.int32,
        )
        self.rij = vectors
        self.owners = np.array([*range(n), *(j for j, *_ in ghosts)])
        self.elems = np.array([elements.index(atoms.symbols[j]) for j in self.owners], dtype=np.int32)
        self.f = np.zeros((n + len(ghosts), 3))
        self.eatoms, self.energy, self.eflag, self.vflag = np.zeros(n), 0.0, 1, 1
        self.virial = np.zeros((3, 3))

    def update_pair_forces(self, forces: NDArray[np.float64]) -> None:
        """Do as LAMMPS does (ML-IAP/mliap_unified.cpp)."""
        np.add.at(self.f, self.pair_i, forces)
        np.add.at(self.f, self.jatoms, -forces)
        self.virial -= self.rij.T @ forces

    def virial_of_forces(self) -> NDArray[np.float64]:
        """What LAMMPS adds up otherwise: positions times forces, of atoms and images."""
        places = np.zeros_like(self.f)
        places[: self.nlistatoms] = self.positions
        places[self.jatoms] = self.positions[self.pair_i] + self.rij
        return places.T @ self.f

    def forces(self) -> NDArray[np.float64]:
        """Those of the atoms, to which LAMMPS has sent what their images feel."""
        forces = np.zeros((self.nlistatoms, 3))
        np.add.at(forces, self.owners, self.f)
        return forces


def test_forces_along_edges_carry_those_on_atoms_and_a_virial() -> None:
    atoms = build_material("Li7P3S11")
    rng = np.random.default_rng(1)
    forces, virial = rng.normal(size=(len(atoms), 3)), rng.normal(size=(3, 3))
    forces -= forces.mean(axis=0)
    virial += virial.T
    data = Data(atoms, ["Li", "P", "S"])
    data.update_pair_forces(edge_forces(data.pair_i, data.owners[data.jatoms], data.rij, forces, virial))
    assert data.forces() == pytest.approx(forces, abs=EXACT)
    assert data.virial == pytest.approx(virial, abs=EXACT)
    assert data.virial_of_forces() == pytest.approx(virial, abs=1e-8)


IN_LAMMPS = """
import ctypes, json, sys
from mpi4py import MPI
from lammps import lammps
from hopkin.drivers.models.mliap import Library
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.commands_string(sys.argv[1])
ctypes.pythonapi.PyCapsule_New.restype = ctypes.py_object
capsule = ctypes.pythonapi.PyCapsule_New(lmp.lmp, None, None)
library = Library(capsule)
library.require_crystal()
positions, cell = library.crystal()
images = lmp.numpy.extract_atom("x", nelem=lmp.extract_setting("nall"))
order, owners = library.order()
print(json.dumps([part.tolist() for part in (positions, cell, order, owners, images)]))
"""

DECK = """
units metal
boundary p p p
region box prism 0 4 0 5 0 6 1 0.5 -0.7
create_box 1 box
create_atoms 1 single 3.0 4.0 5.0
create_atoms 1 single 0.5 0.5 0.5
create_atoms 1 single 2.0 2.5 3.0
mass 1 1
pair_style zero 3.5
pair_coeff * *
run 0 post no
"""


def test_what_lammps_tells_of_its_atoms() -> None:
    """A tilted cell; each image is a vector of the lattice away from the atom that it is said to be of."""
    command = [sys.executable, "-c", IN_LAMMPS, DECK]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    positions, cell, order, owners, images = map(np.array, json.loads(ended.stdout.splitlines()[-1]))
    assert cell == pytest.approx(np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.5, -0.7, 6.0]]))
    assert len(positions) == 3
    assert len(owners) == len(images) > 30
    assert owners[:3].tolist() == sorted(order) == [0, 1, 2]
    cells = (images - positions[owners]) @ np.linalg.inv(cell)
    assert cells == pytest.approx(np.round(cells), abs=EXACT)


class Told(Library):
    """Atoms that are told without a LAMMPS."""

    def __init__(self, atoms: ase.Atoms, owners: NDArray[np.int64]) -> None:
        self._atoms_told, self._owners_told = atoms, owners

    def require_crystal(self) -> None:
        pass

    def crystal(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._atoms_told.positions, self._atoms_told.cell.array

    def order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.random.default_rng(1).permutation(len(self._atoms_told)), self._owners_told


def test_lammps_is_told_what_the_model_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the file that is exported, and a service; energy, forces on atoms and images, virial."""
    model = find_model("ase:ase.calculators.emt:EMT:route=mliap")
    potential: Any = pickle.loads(Path(str(fetch(model))).read_bytes())
    monkeypatch.setenv("HOPKIN_SERVICE", lammps_environment(model)["HOPKIN_SERVICE"])
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[3] = "Au"
    atoms.rattle(0.1, seed=2)
    data = Data(atoms, potential.element_types)
    with pytest.raises(ModelError, match="the deck lacks the commands `python`"):
        potential.compute_forces(data)
    monkeypatch.setattr(ServedPotential, "lammps", Told(atoms, data.owners))
    potential.compute_forces(data)
    atoms.calc = EMT()
    assert data.energy == pytest.approx(atoms.get_potential_energy(), abs=EXACT)
    assert np.sum(data.eatoms) == pytest.approx(data.energy, abs=EXACT)
    assert data.forces() == pytest.approx(atoms.get_forces(), abs=1e-8)
    stress = voigt_6_to_full_3x3_stress(atoms.get_stress())
    assert data.virial == pytest.approx(-stress * atoms.get_volume(), abs=1e-8)
    assert data.virial_of_forces() == pytest.approx(-stress * atoms.get_volume(), abs=1e-7)
    monkeypatch.setattr(data, "vflag", 1 | 4)
    with pytest.raises(ModelError, match="does not split its virial over the atoms"):
        potential.compute_forces(data)
    again = pickle.loads(pickle.dumps(potential))
    monkeypatch.delenv("HOPKIN_SERVICE")
    with pytest.raises(ModelError, match="HOPKIN_SERVICE names no service: keep one by `hopkin serve ase:"):
        again.compute_forces(data)
    monkeypatch.setenv("HOPKIN_SERVICE", str(tmp_path / "none"))
    with pytest.raises(ServiceError, match=r"no evaluation service answers at .*none"):
        again.compute_forces(data)
