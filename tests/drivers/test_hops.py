"""Laws of hops: known crystals, a naive count, invariances."""

import time
from itertools import pairwise, product
from pathlib import Path

import ase
import ase.build
import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hopkin.drivers.crystals.materials import material_names
from hopkin.drivers.crystals.structures import load_structure, supercell
from hopkin.drivers.errors import SpecificationError, StructureError
from hopkin.drivers.hops.find import BLOCKING_DISTANCE_A, Hop, find_hops

REFERENCE_CELLS = Path(__file__).parents[2].parent / "shared" / "data" / "structures"
MATERIALS = ("LiFePO4-olivine", "LiCoO2-layered", "Li6PS5Cl", "Li10GeP2S12", "Li7P3S11")
LENGTH_TOLERANCE_A = 1e-6


def cell_of(name: str) -> ase.Atoms:
    return load_structure(name).atoms


def ion_of(atoms: ase.Atoms) -> str:
    return "Na" if "Na" in atoms.symbols else "Li"


def signature(hops: tuple[Hop, ...]) -> list[tuple[float, int, bool]]:
    """Return what does not depend on how the crystal is described."""
    return sorted((round(hop.length_A, 4), hop.multiplicity, hop.symmetric) for hop in hops)


def count_pairs(atoms: ase.Atoms, ion: str, max_length: float) -> int:
    """Count unordered pairs of ions per cell by looking at every image."""
    sites = atoms.positions[atoms.symbols == ion]
    images = np.array(list(product(range(-4, 5), repeat=3))) @ atoms.cell.array
    everywhere = (sites[None, :, :] + images[:, None, :]).reshape(-1, 3)
    directed = 0
    for start in sites:
        vectors = everywhere - start
        lengths = np.linalg.norm(vectors, axis=1)
        directed += int(np.sum((lengths > 1e-3) & (lengths <= max_length)))
    assert directed % 2 == 0
    return directed // 2


def test_olivine_hops_along_the_channel_by_half_b() -> None:
    shortest = find_hops(cell_of("LiFePO4-olivine"))[0]
    assert shortest.length_A == pytest.approx(6.010 / 2)
    assert np.abs(shortest.vector) == pytest.approx([0.0, 3.005, 0.0], abs=LENGTH_TOLERANCE_A)
    assert shortest.symmetric
    # Four Li, each with two neighbours along the channel, each hop shared by two.
    assert shortest.multiplicity == 4
    assert shortest.wyckoff == ("a", "a")
    assert shortest.label == "Li0(a) -> Li2(a)  3.005 A x4"


def test_layered_oxide_hops_to_the_nearest_site_of_the_layer() -> None:
    hops = find_hops(cell_of("LiCoO2-layered"))
    assert hops[0].length_A == pytest.approx(2.8161)
    assert hops[0].symmetric
    # Three Li, each with six neighbours, each hop shared by two.
    assert hops[0].multiplicity == 9
    assert hops[1].length_A == pytest.approx(np.sqrt(3.0) * 2.8161)


def test_hop_through_another_site_says_so() -> None:
    cubic = ase.Atoms("Li", cell=[2.5, 2.5, 2.5], pbc=True)
    hops = find_hops(cubic, max_length=7.6)
    roots = np.sqrt([1, 2, 3, 4, 5, 6, 8, 9, 9])
    assert [hop.length_A for hop in hops] == pytest.approx(2.5 * roots)
    blocked = [tuple(sorted(abs(n) for n in hop.image)) for hop in hops if hop.through_ion]
    assert blocked == [(0, 0, 2), (0, 2, 2), (0, 0, 3)]  # multiples of shorter ones; not 9 = 1 + 4 + 4


@pytest.mark.parametrize(("aside", "through"), [(0.45, True), (0.55, False)])
def test_hop_past_a_site_aside_of_the_line(aside: float, through: bool) -> None:
    atoms = ase.Atoms("Li2", positions=[[0, 0, 0], [3, aside, 0]], cell=[6, 9, 9], pbc=True)
    (along_a,) = (hop for hop in find_hops(atoms, max_length=6.1) if abs(hop.image[0]) == 1)
    assert along_a.length_A == pytest.approx(6.0)
    assert along_a.through_ion == through


def naive_blocked(atoms: ase.Atoms, hop: Hop) -> bool:
    sites = atoms.positions[atoms.symbols == hop.ion] - atoms.positions[hop.initial_site]
    images = np.array(list(product(range(-3, 4), repeat=3))) @ atoms.cell.array
    everywhere = (sites[None, :, :] + images[:, None, :]).reshape(-1, 3)
    everywhere = everywhere[np.linalg.norm(everywhere, axis=1) < hop.length_A + 1.0]
    ends = np.array([np.zeros(3), hop.vector])
    others = everywhere[np.linalg.norm(everywhere[:, None] - ends, axis=2).min(axis=1) > 1e-3]
    path = np.linspace(0.0, 1.0, 501)[:, None] * np.array(hop.vector)
    return bool(np.linalg.norm(others[:, None] - path, axis=2).min() < BLOCKING_DISTANCE_A)


@pytest.mark.parametrize("name", ["LiCoO2-layered", "NaFePO4-maricite", "Li3YCl6"])
def test_blocked_hops_are_those_of_a_naive_search(name: str) -> None:
    atoms = cell_of(name)
    for hop in find_hops(atoms, ion_of(atoms), max_length=7.0):
        assert hop.through_ion == naive_blocked(atoms, hop)


def naive_orbits(atoms: ase.Atoms, ion: str, max_length: float) -> list[tuple[float, int]]:
    """Length and size of each class of pairs, by applying every operation of spglib to every pair."""
    scaled = atoms.get_scaled_positions()
    dataset = spglib.get_symmetry_dataset((atoms.cell.array, scaled, atoms.numbers), symprec=0.01)
    sites = scaled[atoms.symbols == ion]
    pairs = [
        (a, b + image)
        for a in sites
        for b in sites
        for image in product(range(-2, 3), repeat=3)
        if 1e-3 < np.linalg.norm((b + image - a) @ atoms.cell.array) <= max_length
    ]

    def key(start: np.ndarray, end: np.ndarray) -> tuple[int, ...]:
        whole = np.floor(start + 1e-4)
        return tuple(np.rint(1000 * np.concatenate([start - whole, end - whole])).astype(int).tolist())

    unordered = {
        frozenset({key(a, b), key(b, a)}): np.linalg.norm((b - a) @ atoms.cell.array) for a, b in pairs
    }
    orbits = []
    while unordered:
        first = next(iter(unordered))
        length = unordered[first]
        a, b = np.split(np.array(next(iter(first))) / 1000.0, 2)
        reached = set()
        for rotation, translation in zip(dataset.rotations, dataset.translations, strict=True):
            start, end = rotation @ a + translation, rotation @ b + translation
            reached |= {
                pair
                for pair in unordered
                if any(
                    np.abs(np.subtract(key(*ends), member)).max() <= 3
                    for ends in ((start, end), (end, start))
                    for member in pair
                )
            }
        orbits.append((round(float(length), 2), len(reached)))
        for pair in reached:
            unordered.pop(pair)
    return sorted(orbits)


@pytest.mark.parametrize(
    ("name", "max_length"), [("LiFePO4-olivine", 5.0), ("LiTiS2-layered", 7.5), ("Na3PS4-tetragonal", 4.8)]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:spglib")
def test_orbits_are_those_of_a_brute_force_search(name: str, max_length: float) -> None:
    atoms = cell_of(name)
    hops = find_hops(atoms, ion_of(atoms), max_length)
    assert sorted((round(hop.length_A, 2), hop.multiplicity) for hop in hops) == naive_orbits(
        atoms, ion_of(atoms), max_length
    )


def test_a_large_cell_without_symmetry_is_fast() -> None:
    atoms = ase.build.bulk("LiF", "rocksalt", a=4.03, cubic=True).repeat((4, 4, 4))
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.1, atoms.positions.shape)
    begin = time.process_time()
    hops = find_hops(atoms, max_length=4.2)
    assert time.process_time() - begin < 2.0
    assert sum(hop.multiplicity for hop in hops) == len(hops) > 1000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LiFePO4-olivine", [(1, 1), (1, 2)]),  # along the channel; the next hop joins channels to sheets
        ("LiCoO2-layered", [(2, 2), (2, 2), (3, 3)]),  # in the layer; the third leads to the next one
        ("Na3PS4-tetragonal", [(2, 2), (1, 3)]),
    ],
)
def test_dimensions_of_known_networks(name: str, expected: list[tuple[int, int]]) -> None:
    atoms = cell_of(name)
    hops = find_hops(atoms, ion_of(atoms))
    assert [(hop.dimension, hop.dimension_up_to) for hop in hops][: len(expected)] == expected


@pytest.mark.parametrize("name", MATERIALS)
@pytest.mark.parametrize("max_length", [4.0, 6.5])
def test_multiplicities_add_up_to_all_pairs(name: str, max_length: float) -> None:
    atoms = cell_of(name)
    hops = find_hops(atoms, max_length=max_length)
    assert sum(hop.multiplicity for hop in hops) == count_pairs(atoms, "Li", max_length)


@pytest.mark.parametrize("name", material_names())
def test_hops_join_the_sites_they_name(name: str) -> None:
    atoms = cell_of(name)
    hops = find_hops(atoms, ion_of(atoms))
    assert [hop.index for hop in hops] == list(range(len(hops)))
    assert all(a.length_A <= b.length_A + 1e-4 for a, b in pairwise(hops))
    for hop in hops:
        end = atoms.positions[hop.final_site] + hop.image @ atoms.cell.array
        assert end - atoms.positions[hop.initial_site] == pytest.approx(hop.vector, abs=LENGTH_TOLERANCE_A)
        assert np.linalg.norm(hop.vector) == pytest.approx(hop.length_A)
        assert {atoms.symbols[hop.initial_site], atoms.symbols[hop.final_site]} == {ion_of(atoms)}
    assert hops == find_hops(atoms, ion_of(atoms))


@pytest.mark.parametrize("name", ["Li10GeP2S12", "Li7P3S11"])
def test_inequivalent_sites_make_asymmetric_hops(name: str) -> None:
    hops = find_hops(cell_of(name))
    assert any(not hop.symmetric for hop in hops)
    assert all(hop.wyckoff[0] == hop.wyckoff[1] for hop in hops if hop.symmetric)


def test_polar_axis_makes_a_hop_between_equal_sites_asymmetric() -> None:
    # Along the polar c of wurtzite up and down differ; across it a mirror exchanges the ends.
    wurtzite = ase.build.bulk("LiO", "wurtzite", a=3.0, c=4.9)
    hops = {tuple(np.round(np.abs(hop.vector), 3)): hop for hop in find_hops(wurtzite)}
    assert not hops[(0.0, 0.0, 4.9)].symmetric
    assert next(iter(hops.values())).symmetric


@given(seed=st.integers(0, 10_000), name=st.sampled_from(MATERIALS))
@settings(max_examples=40, deadline=None)
def test_hops_do_not_depend_on_the_description(seed: int, name: str) -> None:
    atoms = cell_of(name)
    rng = np.random.default_rng(seed)
    other = atoms[rng.permutation(len(atoms))]
    rotation = Rotation.random(random_state=seed)
    shift = rng.uniform(-20.0, 20.0, 3)
    whole_cells = rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
    other = ase.Atoms(
        numbers=other.numbers,
        positions=rotation.apply(other.positions + shift + whole_cells),
        cell=rotation.apply(atoms.cell.array),
        pbc=True,
    )
    assert signature(find_hops(other)) == signature(find_hops(atoms))


@given(
    name=st.sampled_from(MATERIALS[:2] + MATERIALS[4:]),
    repeats=st.sampled_from([(2, 1, 1), (1, 3, 1), (1, 2, 2), (2, 2, 1)]),
)
@settings(max_examples=12, deadline=None)
def test_supercell_has_the_same_hops_as_often_as_cells(name: str, repeats: tuple[int, int, int]) -> None:
    atoms = cell_of(name)
    n = int(np.prod(repeats))
    scaled = [(length, n * m, symmetric) for length, m, symmetric in signature(find_hops(atoms))]
    assert signature(find_hops(supercell(atoms, repeats))) == scaled


def test_sheared_cell_of_the_same_lattice_has_the_same_hops() -> None:
    atoms = cell_of("Li7P3S11")
    sheared = atoms.copy()
    sheared.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ atoms.cell.array)
    assert signature(find_hops(sheared)) == signature(find_hops(atoms))


def test_small_displacements_are_forgiven_within_the_tolerance() -> None:
    atoms = cell_of("LiFePO4-olivine")
    rattled = atoms.copy()
    rattled.positions += np.random.default_rng(7).uniform(-2e-3, 2e-3, atoms.positions.shape)
    before, after = find_hops(atoms), find_hops(rattled)
    assert [hop.multiplicity for hop in after] == [hop.multiplicity for hop in before]
    assert [hop.length_A for hop in after] == pytest.approx([h.length_A for h in before], abs=0.01)


def test_every_reference_structure_has_hops() -> None:
    files = sorted(REFERENCE_CELLS.glob("*/*.cif"))
    if not files:
        pytest.skip(f"no reference data at {REFERENCE_CELLS}")
    for file in files:
        atoms = load_structure(str(file)).atoms
        hops = find_hops(atoms, ion_of(atoms))
        assert hops
        assert sum(hop.multiplicity for hop in hops) == count_pairs(atoms, ion_of(atoms), 5.0)


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_lengths_are_refused(length: float) -> None:
    atoms = cell_of("LiCoO2-layered")
    with pytest.raises(SpecificationError, match=r"max_length is .* accepted: a length > 0"):
        find_hops(atoms, max_length=length)
    with pytest.raises(SpecificationError, match=r"symprec is .* accepted: a length > 0"):
        find_hops(atoms, symprec=length)


def test_missing_ion_is_refused() -> None:
    with pytest.raises(StructureError, match="holds no Na"):
        find_hops(cell_of("LiCoO2-layered"), "Na")


def test_symmetry_that_cannot_be_found_is_reported() -> None:
    with pytest.raises(StructureError, match="spglib cannot determine the symmetry"):
        find_hops(cell_of("LiCoO2-layered"), symprec=3.0)
