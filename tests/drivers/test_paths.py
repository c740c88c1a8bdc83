"""Laws of paths: what ends belong together, how images follow, and what a barrier is."""

import csv
from itertools import pairwise
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.mep.neb import NEB, idpp_interpolate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hopkin.drivers.bands.interpolation import interpolate
from hopkin.drivers.bands.paths import (
    DIVERGED_SPREAD_EV,
    barrier,
    check_endpoints,
    classify,
    collision,
    displacements,
    off_symmetry,
    refined,
    reshaped,
)
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.errors import SpecificationError, StructureError
from hopkin.drivers.hops.find import find_hops
from hopkin.drivers.hops.vacancies import vacancy_endpoints

REFERENCE_BARRIERS = Path(__file__).parents[2].parent / "shared" / "data" / "barriers"
TOLERANCE_A = 1e-8
TOLERANCE_EV = 1e-9

energies = arrays(np.float64, st.integers(3, 9), elements=st.floats(-20.0, 20.0))


def kind(band: np.ndarray | list[float]) -> str | None:
    failed = classify(band)
    return failed.kind if failed else None


def steps(images: list[ase.Atoms]) -> np.ndarray:
    """Return the (n_images - 1,) distances of neighbouring images in the space of all positions [A]."""
    return np.array([np.linalg.norm(displacements(a, b)) for a, b in pairwise(images)])


@pytest.fixture(scope="module")
def ends() -> tuple[ase.Atoms, ase.Atoms]:
    """Return the ends of the shortest hop of a triclinic crystal."""
    atoms = load_structure("Li7P3S11").atoms
    return vacancy_endpoints(atoms, find_hops(atoms)[0], (1, 1, 1))


@pytest.fixture(scope="module")
def detour() -> tuple[ase.Atoms, ase.Atoms]:
    """Return ends between which the straight way leads through another atom."""
    cell = [8.0, 8.0, 8.0]
    initial = ase.Atoms("FLi", positions=[[4.0, 4.3, 4.0], [2.0, 4.0, 4.0]], cell=cell, pbc=True)
    final = initial.copy()
    final.positions[1] = [6.0, 4.0, 4.0]
    final.positions[1, 0] -= 0.1
    return initial, final


def test_straight_line_has_equal_steps_and_the_length_of_the_hop(
    ends: tuple[ase.Atoms, ase.Atoms],
) -> None:
    initial, final = ends
    images = interpolate(initial, final, 4, method="linear")
    assert len(images) == 6
    hop = np.linalg.norm(final.positions[-1] - initial.positions[-1])
    assert steps(images) == pytest.approx(np.full(5, hop / 5))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_path_does_not_depend_on_how_the_final_end_is_wrapped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = load_structure("Li7P3S11").atoms
    initial, final = vacancy_endpoints(atoms, find_hops(atoms)[0], (1, 1, 1))
    final.positions += rng.normal(0.0, 0.1, final.positions.shape)
    wrapped = final.copy()
    wrapped.positions += rng.integers(-2, 3, final.positions.shape) @ final.cell.array
    expected = interpolate(initial, final, 3, method="linear")
    found = interpolate(initial, wrapped, 3, method="linear")
    for a, b in zip(expected, found, strict=True):
        assert b.positions == pytest.approx(a.positions, abs=TOLERANCE_A)
    assert steps([initial, wrapped]).sum() == pytest.approx(steps(expected).sum())


@pytest.mark.parametrize("method", ["idpp", "linear"])
def test_images_are_continuous_and_keep_ends_species_and_cell(
    ends: tuple[ase.Atoms, ase.Atoms], method: str
) -> None:
    initial, final = ends
    initial_positions = initial.positions.copy()
    images = interpolate(initial, final, 3, method=method)  # type: ignore[arg-type]
    assert images[0].positions == pytest.approx(initial_positions)
    assert images[-1].positions == pytest.approx(final.positions)
    for before, after in pairwise(images):
        moved = np.linalg.norm(after.positions - before.positions, axis=1)
        assert moved.max() < initial.cell.lengths().min() / 2
        assert np.all(after.numbers == initial.numbers)
        assert after.cell.array == pytest.approx(initial.cell.array)
        assert after.calc is None
    assert initial.positions == pytest.approx(initial_positions)


def test_idpp_goes_around_the_atom_that_the_straight_line_hits(
    detour: tuple[ase.Atoms, ase.Atoms],
) -> None:
    straight = interpolate(*detour, 5, method="linear")
    curved = interpolate(*detour, 5)
    nearest = [min(image.get_distance(0, 1, mic=True) for image in p) for p in (straight, curved)]
    assert nearest[0] < 0.5
    assert nearest[1] > 1.5
    assert steps(curved).sum() > steps(straight).sum()


def test_idpp_is_that_of_ase() -> None:
    """Whose nearest images may change on the way: those of atoms half a cell apart, which hardly count."""
    atoms = load_structure("LiFePO4-olivine").atoms
    ends = vacancy_endpoints(atoms, find_hops(atoms)[0], (1, 2, 1))
    ours, theirs = interpolate(*ends, 4), interpolate(*ends, 4, method="linear")
    straight = [image.copy() for image in theirs]
    idpp_interpolate(NEB(theirs, method="improvedtangent"), traj=None, log=None, mic=True)
    furthest = max(np.abs(a.positions - b.positions).max() for a, b in zip(ours, theirs, strict=True))
    moved = max(np.abs(a.positions - b.positions).max() for a, b in zip(straight, theirs, strict=True))
    assert moved > 0.1
    assert furthest < 0.02 * moved


def test_a_path_straight_through_an_atom_is_bowed_around_it() -> None:
    """Exactly collinear, where IDPP alone divides by zero or stays on the line."""
    initial = ase.Atoms("FLi", positions=[[4.0, 4.0, 4.0], [2.0, 4.0, 4.0]], cell=3 * [8.0], pbc=True)
    final = initial.copy()
    final.positions[1, 0] = 6.0 - 0.1
    straight, bowed = interpolate(initial, final, 5, method="linear"), interpolate(initial, final, 5)
    assert "F 1 come within 0.0" in str(collision(straight))
    assert collision(bowed) is None
    assert min(image.get_distance(0, 1, mic=True) for image in bowed) > 1.2


def test_an_atom_that_jumps_over_another_is_found() -> None:
    """Between two images, across the boundary of the cell, at the distance that geometry gives."""
    before = ase.Atoms("LiO", positions=[[7.0, 4.0, 4.0], [0.0, 4.0, 4.5]], cell=3 * [8.0], pbc=True)
    after = before.copy()
    after.positions[0, 0] = 1.0
    assert before.get_distance(0, 1, mic=True) > 1.0 < after.get_distance(0, 1, mic=True)
    assert collision([before, after]) == (
        "between images 0 and 1, Li 1 and O 2 come within 0.50 A of each other (accepted: 0.97 A)"
    )
    after.positions[0, 1] = 8.0
    assert collision([before, before, after]) is None


def test_a_path_off_symmetry_is_near_the_old_one(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    """Between the same ends, images a tenth of a step further, all moved aside alike, and always so."""
    straight = interpolate(*ends, 4, method="linear")
    images = off_symmetry(straight)
    for k in (0, -1):
        assert np.array_equal(images[k].positions, straight[k].positions)
    step = displacements(*ends) / 5
    aside = [displacements(straight[k], images[k]) - 0.1 * step for k in range(1, 5)]
    assert np.array(aside[1:]) == pytest.approx(np.array(3 * [aside[0]]))
    hops = np.argmax(np.linalg.norm(step, axis=1))
    across = aside[0][hops] - step[hops] * (aside[0][hops] @ step[hops]) / (step[hops] @ step[hops])
    assert 0.005 < np.linalg.norm(across) < 0.1
    for image, again in zip(images, off_symmetry(straight), strict=True):
        assert np.array_equal(image.positions, again.positions)


def test_a_refined_path_has_the_old_images_and_their_middles(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    images = interpolate(*ends, 3)
    finer = refined(images)
    assert len(finer) == 9
    for old, new in zip(images, finer[::2], strict=True):
        assert new.positions == pytest.approx(old.positions)
    assert steps(finer) == pytest.approx(np.repeat(steps(images) / 2, 2))


@pytest.mark.parametrize("n_images", [-1, 0, 2])
def test_too_few_images_are_refused(ends: tuple[ase.Atoms, ase.Atoms], n_images: int) -> None:
    with pytest.raises(SpecificationError, match="at least 3, counted without the two ends"):
        interpolate(*ends, n_images)


def test_unknown_method_is_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    with pytest.raises(SpecificationError, match="unknown interpolation 'spline'"):
        interpolate(*ends, 5, method="spline")  # type: ignore[arg-type]


def test_equal_ends_are_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    image = ends[0].copy()
    image.positions += image.cell.array[1]
    with pytest.raises(StructureError, match="the ends are the same structure"):
        interpolate(ends[0], image, 3)


def test_ends_that_belong_together_pass(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    other = ends[1].copy()
    other.set_cell(other.cell.array + 5e-5)
    check_endpoints(ends[0], other)


def test_ends_of_different_size_are_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    with pytest.raises(StructureError, match="different numbers of atoms: 41 and 40"):
        check_endpoints(ends[0], ends[1][:-1])


def test_ends_of_different_cells_are_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    other = ends[1].copy()
    cell = other.cell.array.copy()
    cell[2, 0] += 0.01
    other.set_cell(cell)
    with pytest.raises(StructureError, match="different cells: component x of vector c is"):
        check_endpoints(ends[0], other)


def test_ends_of_different_species_are_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    other = ends[1].copy()
    other.symbols[2] = "Na"
    with pytest.raises(StructureError, match=r"different species: atom 3 is Li .* and Na in the"):
        check_endpoints(ends[0], other)


def test_ends_in_different_order_are_refused(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    reverse = ends[1][::-1]
    with pytest.raises(StructureError, match="same atoms in a different order: atom "):
        check_endpoints(ends[0], reverse)


def test_barriers_of_a_known_band() -> None:
    found = barrier([-10.0, -9.7, -9.4, -9.6, -9.9])
    assert found.saddle_image == 2
    assert found.forward_barrier_eV == pytest.approx(0.6)
    assert found.reverse_barrier_eV == pytest.approx(0.5)
    assert found.barrier_eV == pytest.approx(0.55)


@given(band=energies, shift=st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_barrier_laws(band: np.ndarray, shift: float) -> None:
    found, backward, shifted = barrier(band), barrier(band[::-1]), barrier(band + shift)
    assert found.barrier_eV == pytest.approx(
        (found.forward_barrier_eV + found.reverse_barrier_eV) / 2, abs=TOLERANCE_EV
    )
    assert found.forward_barrier_eV - found.reverse_barrier_eV == pytest.approx(
        band[-1] - band[0], abs=TOLERANCE_EV
    )
    assert backward.barrier_eV == pytest.approx(found.barrier_eV, abs=TOLERANCE_EV)
    assert backward.forward_barrier_eV == pytest.approx(found.reverse_barrier_eV, abs=TOLERANCE_EV)
    assert shifted.barrier_eV == pytest.approx(found.barrier_eV, abs=1e-9)
    assert kind(band) == kind(band[::-1])


@pytest.mark.parametrize(
    ("band", "failure"),
    [
        ([0.0, 0.2, 0.3, 0.2, 0.0], None),
        ([0.0, 0.0, 0.0], None),
        ([0.0, np.nan, 0.0], "type_I_divergence"),
        ([0.0, 0.1, np.inf], "type_I_divergence"),
        ([0.0, 0.3, -1.01 * DIVERGED_SPREAD_EV, 0.0], "type_I_divergence"),
        ([0.0, -0.2, -0.3, -0.2, 0.0], "type_II_unphysical"),
        ([0.0, 0.1, 0.2, 0.3], "type_II_unphysical"),
    ],
)
def test_failures_are_told_apart(band: list[float], failure: str | None) -> None:
    assert kind(band) == failure


def test_failures_say_what_shows_them() -> None:
    for band, evidence in (
        ([0.0, 0.1, np.nan, 0.1, 0.0], "the energy of image 2 is nan"),
        ([0.0, 99.0, 0.0], "energies spread over 99 eV, from image 0 to image 1 (accepted: 50 eV)"),
        ([0.0, 0.1, 0.2, 0.25], "the highest image, 2, lies 0.050 eV below the final end"),
    ):
        failed = classify(band)
        assert failed is not None
        assert failed.evidence == evidence


def test_unphysical_barrier_is_reported_as_it_is() -> None:
    assert barrier([0.0, -0.2, -0.1, -0.2, 0.0]).barrier_eV == pytest.approx(-0.1)


def test_bands_without_a_barrier_are_refused() -> None:
    with pytest.raises(SpecificationError, match="not finite has no barrier"):
        barrier([0.0, np.nan, 0.0])
    for band in ([0.0, 1.0], [], [[0.0, 1.0, 0.0]]):
        with pytest.raises(SpecificationError, match="accepted: one for each of at least 3 images"):
            classify(band)


def test_published_endpoints_are_as_far_apart_as_published() -> None:
    if not (REFERENCE_BARRIERS / "endpoints.extxyz").exists():
        pytest.skip(f"no reference data at {REFERENCE_BARRIERS}")
    with (REFERENCE_BARRIERS / "literature_barriers.csv").open() as table:
        published = {row["sys_name"]: float(row["hop_distance"]) for row in csv.DictReader(table)}
    pairs: dict[str, dict[str, ase.Atoms]] = {}
    for atoms in ase.io.iread(REFERENCE_BARRIERS / "endpoints.extxyz", ":80"):
        pairs.setdefault(atoms.info["sys_name"], {})[atoms.info["image"]] = atoms
    assert len(pairs) == 40
    for name, pair in pairs.items():
        check_endpoints(pair["initial"], pair["final"])
        assert steps([pair["initial"], pair["final"]]) == pytest.approx(published[name])


# Paths in the shape of others


def test_a_path_between_its_own_ends_is_itself(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    path = interpolate(*ends, 5)
    for image in path[1:]:
        image.wrap()
    again = reshaped(path, *ends, 5)
    assert steps(again) == pytest.approx(steps(path), abs=TOLERANCE_A)
    for image, before in zip(again, path, strict=True):
        assert displacements(before, image) == pytest.approx(0.0, abs=TOLERANCE_A)


def test_a_path_keeps_its_shape_where_the_crystal_swells(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    """Each atom where the strain takes it; and ends where they are, whatever the other ones were."""
    path = interpolate(*ends, 5)
    swollen = [image.copy() for image in path]
    for image in swollen:
        image.set_cell(1.03 * image.cell.array, scale_atoms=True)
    swollen[-1].positions[3] += 0.1
    again = reshaped(path, swollen[0], swollen[-1], 5)
    for n, (image, before) in enumerate(zip(again, swollen, strict=True)):
        wanted = np.zeros_like(image.positions)
        wanted[3] = 0.1 * n / 6 - 0.1 * (n == 6)
        assert displacements(before, image) == pytest.approx(wanted, abs=TOLERANCE_A)


def test_a_path_of_half_the_images_has_every_other_one(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    path = interpolate(*ends, 7)
    for image, before in zip(reshaped(path, *ends, 3), path[::2], strict=True):
        assert displacements(before, image) == pytest.approx(0.0, abs=TOLERANCE_A)


def test_a_path_of_other_atoms(ends: tuple[ase.Atoms, ase.Atoms]) -> None:
    path = interpolate(*ends, 3)
    with pytest.raises(StructureError, match="holds other atoms than the ends, or in another order"):
        reshaped([image[::-1] for image in path], *ends, 3)
