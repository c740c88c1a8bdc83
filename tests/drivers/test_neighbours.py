"""Edges from a list that is kept are those of one built anew, and those that models make for themselves."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import primitive_neighbor_list

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.models.adapters import Configuration, neighbours
from hopkin.drivers.models.adapters.neighbours import Edges, NeighbourList, angles
from hopkin.drivers.models.registry import find_model

if TYPE_CHECKING:
    from chgnet.graph.crystalgraph import CrystalGraph

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CUTOFF_A = 4.0
Edge = tuple[int, ...]

CELLS = {
    "triclinic": build_material("Li7P3S11"),
    "smaller than the cutoff": bulk("LiF", "rocksalt", a=4.03),
    "one atom": bulk("Cu", "fcc", a=3.6),
}


def configuration(atoms: Atoms) -> Configuration:
    return Configuration(
        positions=atoms.positions, cell=atoms.cell.array, numbers=atoms.numbers.astype(np.int64)
    )


def trajectory(atoms: Atoms, *, steps: int, move_A: float, strain: float, seed: int = 0) -> list[Atoms]:
    """A random walk of atoms and cell."""
    generator = np.random.default_rng(seed)
    frames = [atoms.copy()]
    for _ in range(steps):
        frame = frames[-1].copy()
        deformation = np.eye(3) + generator.normal(scale=strain, size=(3, 3))
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        frame.positions += generator.normal(scale=move_A, size=frame.positions.shape)
        frames.append(frame)
    return frames


def listed(edges: Edges) -> list[Edge]:
    columns = np.column_stack([edges.centers, edges.neighbours, edges.images])
    return [tuple(row) for row in columns.tolist()]


def by_ase(atoms: Atoms, cutoff_A: float) -> dict[Edge, float]:
    i, j, images, distances = primitive_neighbor_list(
        "ijSd", atoms.pbc, atoms.cell.array, atoms.positions, cutoff_A
    )
    columns = np.column_stack([i, j, images]).tolist()
    return {tuple(row): d for row, d in zip(columns, distances.tolist(), strict=True)}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("strain", [0.0, 0.01])
def test_edges_are_those_of_a_fresh_list(name: str, strain: float) -> None:
    kept = NeighbourList(CUTOFF_A)
    frames = trajectory(CELLS[name], steps=30, move_A=0.05, strain=strain)
    for frame in frames:
        edges = kept.edges(frame.positions, frame.cell.array)
        expected = by_ase(frame, CUTOFF_A)
        said = listed(edges)
        assert len(said) == len(set(said))
        assert set(said) == set(expected)
        assert edges.distances == pytest.approx([expected[edge] for edge in said], abs=1e-10)
        assert [said[k] for k in edges.reverse] == [(j, i, -x, -y, -z) for i, j, x, y, z in said]
        assert np.array_equal(edges.distances[edges.reverse], edges.distances)
        assert np.all(np.diff(edges.centers) >= 0)
    assert kept.builds < len(frames) / 2


@pytest.mark.parametrize("name", CELLS)
def test_a_kept_list_has_the_order_of_a_fresh_one(name: str) -> None:
    """Else a continued run would sum in another order than the run that was not stopped."""
    kept = NeighbourList(CUTOFF_A)
    for frame in trajectory(CELLS[name], steps=10, move_A=0.03, strain=0.0):
        edges = kept.edges(frame.positions, frame.cell.array)
        fresh = NeighbourList(CUTOFF_A).edges(frame.positions, frame.cell.array)
        assert listed(edges) == listed(fresh)
        assert np.array_equal(edges.distances, fresh.distances)


def test_a_list_is_kept_for_half_the_skin_and_no_longer() -> None:
    crystal = CELLS["triclinic"]
    kept = NeighbourList(CUTOFF_A, skin=1.0)
    for moved_A, builds in ((0.0, 1), (0.49, 1), (0.51, 2)):
        positions = crystal.positions.copy()
        positions[0] += [moved_A, 0.0, 0.0]
        kept.edges(positions, crystal.cell.array)
        assert kept.builds == builds


def test_crystals_in_turn_keep_their_candidates() -> None:
    kept = NeighbourList(CUTOFF_A)
    for _ in range(3):
        for crystal in CELLS.values():
            kept.edges(crystal.positions, crystal.cell.array)
    assert kept.builds == len(CELLS)


def test_candidates_are_let_go_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MOST_EDGES", 0)
    kept = NeighbourList(CUTOFF_A)
    for _ in range(2):
        for crystal in CELLS.values():
            kept.edges(crystal.positions, crystal.cell.array)
    assert kept.builds == 2 * len(CELLS)


def test_a_cell_that_changes_takes_from_the_skin() -> None:
    """A hydrostatic strain brings the nearest pair beyond 5 A to 4 A where the cell has shrunk by a fifth."""
    crystal = CELLS["triclinic"]
    kept = NeighbourList(CUTOFF_A, skin=1.0)
    for strain, builds in ((0.0, 1), (0.1, 1), (-0.19, 1), (-0.21, 2)):
        frame = crystal.copy()
        frame.set_cell((1 + strain) * crystal.cell.array, scale_atoms=True)
        kept.edges(frame.positions, frame.cell.array)
        assert kept.builds == builds


def test_another_crystal_gets_a_list_of_its_own() -> None:
    kept = NeighbourList(CUTOFF_A)
    for crystal in CELLS.values():
        edges = kept.edges(crystal.positions, crystal.cell.array)
        assert set(listed(edges)) == set(by_ase(crystal, CUTOFF_A))


@pytest.mark.parametrize("centers", [[], [4], [0, 0, 0, 2, 5, 5]])
def test_angles_are_the_ordered_pairs_at_one_centre(centers: list[int]) -> None:
    first, second = angles(np.array(centers, dtype=np.int64))
    naive = [(a, b) for a, b in product(range(len(centers)), repeat=2) if a != b and centers[a] == centers[b]]
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == naive


Parts = tuple[list[Edge], list[tuple[Edge, Edge]], list[list[Edge]]]


def parts(
    pairs: list[list[int]], images: list[list[int]], bond_of: list[int], angles: list[tuple[int, int]]
) -> Parts:
    """Directed edges, pairs of them at an angle, and pairs that are one undirected edge, in no order."""
    edges = [(*atoms, *map(int, image)) for atoms, image in zip(pairs, images, strict=True)]
    undirected: list[list[Edge]] = [[] for _ in set(bond_of)]
    for edge, bond in zip(edges, bond_of, strict=True):
        undirected[bond].append(edge)
    at_an_angle = [(edges[left], edges[right]) for left, right in angles]
    assert all(left[0] == right[0] for left, right in at_an_angle)
    return sorted(edges), sorted(at_an_angle), sorted(map(sorted, undirected))


def parts_of_theirs(graph: CrystalGraph) -> Parts:
    angles = [(left, right) for _, _, left, _, right in graph.bond_graph.tolist()]
    bond_of = graph.directed2undirected.tolist()
    return parts(graph.atom_graph.tolist(), graph.neighbor_image.tolist(), bond_of, angles)


def parts_of_ours(graph: Any) -> Parts:
    pairs = np.column_stack([graph.edges.centers, graph.edges.neighbours]).tolist()
    angles = list(zip(*(side.tolist() for side in graph.angles), strict=True))
    assert graph.to_undirected[graph.undirected].tolist() == list(range(len(graph.undirected)))
    return parts(pairs, graph.edges.images.tolist(), graph.to_undirected.tolist(), angles)


@pytest.mark.parametrize("name", ["LiFePO4-olivine", "LiTiS2-layered"])
def test_chgnet_sees_the_graph_of_its_own_converter(name: str) -> None:
    from pymatgen.io.ase import AseAtomsAdaptor

    model = find_model("chgnet-0.3.0")
    adapter = model.module.adapter(model, device="cpu")
    for frame in trajectory(build_material(name), steps=4, move_A=0.1, strain=0.005):
        ours = parts_of_ours(adapter._graph(configuration(frame)))
        assert ours == parts_of_theirs(adapter._model.graph_converter(AseAtomsAdaptor.get_structure(frame)))
        assert len(ours[1]) > 0


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")
def test_chgnet_agrees_with_its_calculator_along_a_trajectory() -> None:
    """To single precision, with a list that is kept over most of it."""
    model = find_model("chgnet-0.3.0")
    adapter = model.module.adapter(model, device="cpu")
    calculator = model.module.calculator(model, device="cpu")
    frames = trajectory(build_material("LiTiS2-layered"), steps=8, move_A=0.05, strain=0.005)
    for frame in frames:
        said = adapter.evaluate(configuration(frame))
        frame.calc = calculator
        assert said.energy == pytest.approx(frame.get_potential_energy(), abs=1e-4)
        assert said.forces == pytest.approx(frame.get_forces(), abs=1e-4)
        stress = frame.get_stress(voigt=False)
        assert -said.virial / frame.get_volume() == pytest.approx(stress, abs=1e-5)
    assert adapter._neighbours.builds < len(frames) / 2
