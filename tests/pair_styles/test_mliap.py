"""A crystal from its edges, and what a model says of it, as `pair_style mliap unified` asks.

LAMMPS's half is played by `Data` here; `test_from_source.py` has the real one.
"""

import pickle
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.geometry import find_mic
from ase.stress import voigt_6_to_full_3x3_stress
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from hopkin.drivers.crystals import build_material
from hopkin.drivers.errors import ModelError, ServiceError
from hopkin.drivers.models import fetch, find_model, lammps_environment, service_of
from hopkin.drivers.models.adapters.neighbours import find_edges
from hopkin.drivers.models.mliap import Edges, crystal_of, lattice_of, owners, virial_carriers

CUTOFF_A = 6.0
EXACT = 1e-9


class Data:
    """What LAMMPS hands over: atoms and their images in some order, edges between them, no positions."""

    def __init__(self, atoms: ase.Atoms, elements: list[str], *, seed: int = 0) -> None:
        found = find_edges(atoms.positions, atoms.cell.array, CUTOFF_A)
        vectors = (
            atoms.positions[found.neighbours]
            + found.images @ atoms.cell.array
            - atoms.positions[found.centers]
        )
        n = self.nlistatoms = len(atoms)
        tags = np.random.default_rng(seed).permutation(n) + 1
        ghosts: dict[tuple[int, ...], int] = {}
        self.pair_i = found.centers.astype(np.int32)
        self.jatoms = np.array(
            [
                j if not image.any() else ghosts.setdefault((j, *image), n + len(ghosts))
                for j, image in zip(found.neighbours.tolist(), found.images, strict=True)
            ],
            dtype=np.int32,
        )
        self.jtags, self.rij = tags[found.neighbours].astype(np.int32), vectors
        of_ghosts = [j for j, *_ in ghosts]
        self.elems = np.array(
            [elements.index(atoms.symbols[j]) for j in [*range(n), *of_ghosts]], dtype=np.int32
        )
        self.f = np.zeros((n + len(ghosts), 3))
        self.eatoms, self.energy, self.vflag = np.zeros(n), 0.0, 1
        self.virial = np.zeros((3, 3))
        self._owners = found.neighbours

    def update_pair_forces(self, forces: NDArray[np.float64]) -> None:
        """Do as LAMMPS does (ML-IAP/mliap_unified.cpp)."""
        np.add.at(self.f, self.pair_i, forces)
        np.add.at(self.f, self.jatoms, -forces)
        self.virial -= self.rij.T @ forces

    def forces(self) -> NDArray[np.float64]:
        """Those of the atoms, to which LAMMPS has sent what their images feel."""
        forces = self.f[: self.nlistatoms].copy()
        ghosts = np.unique(np.stack([self.jatoms, self._owners]), axis=1)
        ghost, owner = ghosts[:, ghosts[0] >= self.nlistatoms]
        np.add.at(forces, owner, self.f[ghost])
        return forces


def edges_of(atoms: ase.Atoms) -> Edges:
    data = Data(atoms, sorted(set(atoms.symbols)))
    return Edges(
        centers=data.pair_i.astype(np.int64),
        neighbours=owners(data.jatoms, data.jtags, data.nlistatoms),
        vectors=data.rij,
    )


@pytest.mark.parametrize("name", ["LiFePO4-olivine", "Li7P3S11", "LiTiO2-layered"])
def test_a_crystal_from_its_edges(name: str) -> None:
    """The same lattice, and the same places in it; the first atom is where it is by choice."""
    atoms = build_material(name)
    atoms.rattle(0.05, seed=1)
    positions, cell = crystal_of(edges_of(atoms), len(atoms))
    change = cell @ np.linalg.inv(atoms.cell.array)
    assert change == pytest.approx(np.round(change), abs=EXACT)
    assert np.linalg.det(change) == pytest.approx(1.0)
    moved = (positions - positions[0]) - (atoms.positions - atoms.positions[0])
    assert np.abs(find_mic(moved, atoms.cell)[0]).max() < EXACT


@settings(max_examples=60, deadline=None)
@given(
    cell=arrays(np.float64, (3, 3), elements=st.floats(-6.0, 6.0)),
    mixed=arrays(np.int64, (12, 3), elements=st.integers(-4, 4)),
)
def test_the_lattice_that_vectors_generate(cell: NDArray[np.float64], mixed: NDArray[np.int64]) -> None:
    """That of any whole-number sums of which the greatest common divisor of all determinants is 1."""
    assume(abs(np.linalg.det(cell)) > 5.0)
    sums = np.vstack([mixed, [[2, 1, 0], [3, 1, 0], [0, 2, 3], [0, 1, 2], [1, 0, 1]]])
    found = lattice_of(sums @ cell)
    change = found @ np.linalg.inv(cell)
    assert change == pytest.approx(np.round(change), abs=1e-6)
    assert abs(np.linalg.det(change)) == pytest.approx(1.0, abs=1e-6)
    assert np.linalg.det(found) > 0


def test_forces_along_edges_that_carry_a_virial_alone() -> None:
    atoms = build_material("Li7P3S11")
    edges, virial = edges_of(atoms), np.array([[1.0, 0.2, 0.3], [0.2, -2.0, 0.4], [0.3, 0.4, 5.0]])
    forces = virial_carriers(edges, len(atoms), virial)
    net = np.zeros_like(atoms.positions)
    np.add.at(net, edges.centers, forces)
    np.add.at(net, edges.neighbours, -forces)
    assert np.abs(net).max() < EXACT
    assert -edges.vectors.T @ forces == pytest.approx(virial, abs=EXACT)


@pytest.mark.parametrize("cell", [[3.6, 3.6, 30.0], [30.0, 30.0, 30.0]])
def test_what_is_no_crystal_is_refused(cell: list[float]) -> None:
    atoms = ase.Atoms("Cu2", positions=[[0, 0, 0], [1.8, 1.8, 0]], cell=cell, pbc=True)
    with pytest.raises(ModelError, match="ML-IAP: the crystal falls apart"):
        crystal_of(edges_of(atoms), 2)


def test_atoms_of_other_ranks_and_unknown_owners_are_refused() -> None:
    with pytest.raises(ModelError, match="one MPI rank"):
        owners(np.array([1, 0]), np.array([3, 1]), 2)
    with pytest.raises(ModelError, match="atoms 1 and 2 have no neighbours in the cell: repeat it"):
        owners(np.array([2, 3]), np.array([1, 2]), 2)


def test_lammps_is_told_what_the_model_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the file that is exported, and a service; energy, forces on atoms and images, virial."""
    model = find_model("ase:ase.calculators.emt:EMT:route=mliap")
    potential: Any = pickle.loads(Path(str(fetch(model))).read_bytes())
    assert lammps_environment(model)["HOPKIN_SERVICE"] == str(service_of(model))
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[3] = "Au"
    atoms.rattle(0.1, seed=2)
    data = Data(atoms, potential.element_types)
    potential.compute_forces(data)
    atoms.calc = EMT()
    assert data.energy == pytest.approx(atoms.get_potential_energy(), abs=EXACT)
    assert np.sum(data.eatoms) == pytest.approx(data.energy, abs=EXACT)
    assert data.forces() == pytest.approx(atoms.get_forces(), abs=1e-8)
    stress = voigt_6_to_full_3x3_stress(atoms.get_stress())
    assert data.virial == pytest.approx(-stress * atoms.get_volume(), abs=1e-8)
    monkeypatch.setenv("HOPKIN_SERVICE", str(tmp_path / "none"))
    with pytest.raises(ServiceError, match=r"no evaluation service answers at .*none"):
        pickle.loads(pickle.dumps(potential)).compute_forces(data)
