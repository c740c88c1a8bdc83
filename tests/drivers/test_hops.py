"""Laws of hops: known crystals, a naive count, invariances."""

from itertools import pairwise, product
from pathlib import Path

import ase
import ase.build
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hopkin.drivers.errors import SpecificationError, StructureError
from hopkin.drivers.hops import Hop, find_hops
from hopkin.drivers.materials import material_names
from hopkin.drivers.structures import load_structure, supercell

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
    """Count unordered pairs of ions per cell by looking at every image; drop those cut in two."""
    sites = atoms.positions[atoms.symbols == ion]
    images = np.array(list(product(range(-4, 5), repeat=3))) @ atoms.cell.array
    everywhere = (sites[None, :, :] + images[:, None, :]).reshape(-1, 3)
    directed = 0
    for start in sites:
        vectors = everywhere - start
        lengths = np.linalg.norm(vectors, axis=1)
        near = vectors[(lengths > 1e-3) & (lengths <= max_length)]
        for vector in near:
            others = near[np.linalg.norm(near - vector, axis=1) > 1e-3]
            t = np.clip(others @ vector / (vector @ vector), 0.0, 1.0)
            aside = np.linalg.norm(others - np.outer(t, vector), axis=1)
            directed += not np.any((aside < 0.1) & (t > 0.0) & (t < 1.0))
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


def test_hop_through_another_site_is_left_out() -> None:
    cubic = ase.Atoms("Li", cell=[2.5, 2.5, 2.5], pbc=True)
    lengths = [hop.length_A for hop in find_hops(cubic, max_length=7.6)]
    roots = np.sqrt([1, 2, 3, 5, 6, 9])  # not 4 = 2 + 2, 8; of the two of length 3 only [1 2 2]
    assert lengths == pytest.approx(2.5 * roots)


@pytest.mark.parametrize(("aside", "kept"), [(0.05, False), (0.15, True)])
def test_hop_past_a_site_aside_of_the_line(aside: float, kept: bool) -> None:
    atoms = ase.Atoms("Li2", positions=[[0, 0, 0], [3, aside, 0]], cell=[6, 9, 9], pbc=True)
    along_a = [hop for hop in find_hops(atoms, max_length=6.1) if abs(hop.image[0]) == 1]
    assert [hop.length_A for hop in along_a] == ([pytest.approx(6.0)] if kept else [])


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
