"""Laws of reading, checking, orienting and repeating structures."""

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hopkin.drivers.crystals.structures import (
    choose_repeats,
    lammps_orientation,
    load_structure,
    mobile_ion,
    perpendicular_heights,
    require_ion,
    supercell,
)
from hopkin.drivers.errors import SpecificationError, StructureError

REFERENCE_CELLS = Path(__file__).parents[2].parent / "shared" / "data" / "structures"
LENGTH_TOLERANCE_A = 1e-8


@pytest.fixture
def rock_salt() -> ase.Atoms:
    return bulk("LiF", "rocksalt", a=4.03, cubic=True)


def triclinic(seed: int, n_atoms: int = 6) -> ase.Atoms:
    """Return atoms at random places of a random triclinic cell of either handedness."""
    rng = np.random.default_rng(seed)
    cell = 5.0 * np.eye(3) + rng.uniform(-1.5, 1.5, (3, 3))
    cell = Rotation.random(random_state=seed).apply(cell)[rng.permutation(3)]
    numbers = rng.permutation([3, 3, 26, 15, 8, 8])[:n_atoms]
    return ase.Atoms(numbers=numbers, scaled_positions=rng.uniform(-1, 2, (n_atoms, 3)), cell=cell, pbc=True)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_lammps_orientation_keeps_the_crystal(seed: int) -> None:
    atoms = triclinic(seed)
    oriented = lammps_orientation(atoms)
    cell = oriented.cell.array
    assert cell[np.triu_indices(3, k=1)] == pytest.approx(0.0, abs=LENGTH_TOLERANCE_A)
    assert np.all(np.diag(cell) > 0.0)
    assert oriented.cell.cellpar() == pytest.approx(atoms.cell.cellpar())
    assert np.all(oriented.numbers == atoms.numbers)
    assert oriented.get_all_distances(mic=True) == pytest.approx(atoms.get_all_distances(mic=True), abs=1e-6)
    scaled = oriented.cell.scaled_positions(oriented.positions)
    assert scaled.min() >= -1e-8
    assert scaled.max() < 1.0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_lammps_orientation_keeps_the_hand_of_the_crystal(seed: int) -> None:
    atoms = triclinic(seed)
    atoms.positions = atoms.cell.cartesian_positions(0.2 * atoms.get_scaled_positions() + 0.4)
    oriented = lammps_orientation(atoms)

    def handedness(crystal: ase.Atoms) -> float:
        return float(np.linalg.det([crystal.get_distance(0, n, mic=True, vector=True) for n in (1, 2, 3)]))

    assert handedness(oriented) == pytest.approx(handedness(atoms), rel=1e-6)


def test_built_in_material_by_name_in_any_case() -> None:
    structure = load_structure("li6ps5cl")
    assert structure.material == "Li6PS5Cl"
    assert "10.1021/jacs.7b06327" in structure.source
    assert len(structure.atoms) == 52


@pytest.mark.parametrize("suffix", ["cif", "vasp", "extxyz", "traj"])
def test_file_round_trip(tmp_path: Path, suffix: str) -> None:
    original = load_structure("LiFePO4-olivine").atoms
    filename = tmp_path / f"my-cell.{suffix}"
    ase.io.write(filename, original)
    structure = load_structure(str(filename))
    assert (structure.material, structure.source) == ("my-cell", str(filename))
    assert structure.atoms.symbols.formula.count() == original.symbols.formula.count()
    assert structure.atoms.cell.array == pytest.approx(original.cell.array, abs=1e-4)


def test_last_frame_of_a_trajectory(tmp_path: Path, rock_salt: ase.Atoms) -> None:
    last = rock_salt.copy()
    last.set_cell(1.1 * rock_salt.cell, scale_atoms=True)
    ase.io.write(tmp_path / "run.extxyz", [rock_salt, last])
    assert load_structure(str(tmp_path / "run.extxyz")).atoms.cell.lengths() == pytest.approx(4.433)


def test_every_reference_structure_is_read() -> None:
    files = sorted(REFERENCE_CELLS.glob("*/*.cif"))
    if not files:
        pytest.skip(f"no reference data at {REFERENCE_CELLS}")
    for file in files:
        structure = load_structure(str(file))
        ion = "Na" if structure.material.startswith("Na") else "Li"
        require_ion(structure.atoms, ion)


def write(filename: Path, atoms: ase.Atoms) -> str:
    ase.io.write(filename, atoms, format="extxyz")
    return str(filename)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"no such file: .*absent\.cif$"):
        load_structure(str(tmp_path / "absent.cif"))
    (tmp_path / "olivine.cif").write_text("x")
    with pytest.raises(StructureError, match=r"did you mean .*olivine\.cif\?"):
        load_structure(str(tmp_path / "olivin.cif"))


def test_misspelt_material_brings_the_closest() -> None:
    with pytest.raises(
        StructureError,
        match=r"neither a file nor one of the 39 built-in .*mean LiFePO4-olivine or LiFePO4-maricite\?",
    ):
        load_structure("LiFePO4")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="is a directory; give a structure file"):
        load_structure(str(tmp_path))
    empty = tmp_path / "empty.cif"
    empty.touch()
    with pytest.raises(StructureError, match=r"empty\.cif is an empty file"):
        load_structure(str(empty))
    for name in ("garbage.cif", "garbage.unknown", "POSCAR"):
        garbage = tmp_path / name
        garbage.write_text("this is no structure\n")
        with pytest.raises(StructureError, match=r"or no CIF|no structure file|VASP POSCAR.* cut off"):
            load_structure(str(garbage))


def test_no_atoms(tmp_path: Path) -> None:
    filename = write(tmp_path / "none.extxyz", ase.Atoms(cell=[4, 4, 4], pbc=True))
    with pytest.raises(StructureError, match=r"holds no atoms|cannot read"):
        load_structure(filename)


def test_not_periodic_in_three_dimensions(tmp_path: Path, rock_salt: ase.Atoms) -> None:
    rock_salt.pbc = (True, True, False)
    with pytest.raises(StructureError, match=r"not periodic in three dimensions \(pbc TTF\)"):
        load_structure(write(tmp_path / "slab.extxyz", rock_salt))


def test_cell_without_volume(tmp_path: Path) -> None:
    flat = ase.Atoms("Li", cell=[[4, 0, 0], [0, 4, 0], [4, 4, 0]], pbc=True)
    with pytest.raises(StructureError, match=r"cell without volume: vectors of 4, 4, 5\.657 A"):
        load_structure(write(tmp_path / "flat.extxyz", flat))


def test_positions_that_are_not_finite(tmp_path: Path, rock_salt: ase.Atoms) -> None:
    rock_salt.positions[1, 2] = np.nan
    with pytest.raises(StructureError, match="positions that are not finite"):
        load_structure(write(tmp_path / "nan.extxyz", rock_salt))


@pytest.mark.parametrize("number", ["nan", "inf", "1e308", "-1e308", "1e20", "1e5", "1e-320"])
@pytest.mark.parametrize("place", ["edge", "tilt", "scale", "x"])
@pytest.mark.filterwarnings("error")
def test_a_number_that_no_crystal_has(tmp_path: Path, place: str, number: str) -> None:
    """Refused before anything is computed with it: no warning, no search of an empty cell."""
    numbers = {"edge": "4", "tilt": "0", "scale": "1", "x": "0.5", place: number}
    (tmp_path / "POSCAR").write_text(
        "LiF\n{scale}\n{edge} 0 0\n0 4 {tilt}\n0 0 4\nLi F\n1 1\nDirect\n0 0 0\n{x} 0.5 0.5\n".format(
            **numbers
        )
    )
    if (place, number) in {("tilt", "1e-320"), ("x", "1e5"), ("x", "1e-320")}:
        load_structure(str(tmp_path / "POSCAR"))
        return
    sentence = (
        "not finite numbers|cell vector of .* A; accepted: at most 1000|cell without volume"
        "|has an atom at|in a cell of"
    )
    with pytest.raises(StructureError, match=sentence):
        load_structure(str(tmp_path / "POSCAR"))


def test_a_cell_too_small_for_its_atoms(tmp_path: Path) -> None:
    crowded = ase.Atoms("Li16", positions=np.full((16, 3), 0.5), cell=[1, 1, 1], pbc=True)
    with pytest.raises(
        StructureError, match=r"16 atoms in a cell of 1 A\^3; accepted: at least 0\.1 A\^3 for each"
    ):
        load_structure(write(tmp_path / "crowded.extxyz", crowded))


def test_overlapping_atoms(tmp_path: Path, rock_salt: ase.Atoms) -> None:
    rock_salt.positions[3] = rock_salt.positions[0] + [0.3, 0.4, 0.0]
    with pytest.raises(
        StructureError, match=r"atom 1 \(Li\) and atom 4 \(F\) are 0\.500 A apart \(accepted: .*0.9"
    ):
        load_structure(write(tmp_path / "overlap.extxyz", rock_salt))


def test_overlap_across_the_boundary_and_with_itself(tmp_path: Path) -> None:
    pair = ase.Atoms("LiF", scaled_positions=[[0.01, 0, 0], [0.99, 0, 0]], cell=[10, 10, 10], pbc=True)
    with pytest.raises(StructureError, match=r"a periodic image of atom 2 \(F\) are 0\.200 A"):
        load_structure(write(tmp_path / "pair.extxyz", pair))
    thin = ase.Atoms("Li", cell=[1.0, 5, 5], pbc=True)
    with pytest.raises(StructureError, match=r"a periodic image of atom 1 \(Li\) are 1\.000 A"):
        load_structure(write(tmp_path / "thin.extxyz", thin))


@pytest.mark.parametrize(
    ("sites", "found"),
    [
        ("Li1 Li 0.0 0.0 0.0 0.69\nS1 S 0.5 0.5 0.5 1.0\n", r"Li 0\.69"),
        (
            "Ge1 Ge 0.0 0.0 0.0 0.5\nP1 P 0.0 0.0 0.0 0.5\nS1 S 0.5 0.5 0.5 1.0\n",
            r"Ge 0\.5 \+ P 0\.5",
        ),
    ],
)
def test_partial_occupancy(tmp_path: Path, sites: str, found: str) -> None:
    cif = tmp_path / "disordered.cif"
    cell = "".join(f"_cell_length_{x} 5.0\n" for x in "abc")
    cell += "".join(f"_cell_angle_{x} 90.0\n" for x in ("alpha", "beta", "gamma"))
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    loop = "loop_\n" + "".join(f"_atom_site_{column}\n" for column in columns)
    cif.write_text(f"data_x\n_symmetry_space_group_name_H-M 'P 1'\n{cell}{loop}{sites}")
    with pytest.raises(StructureError, match=rf"partially occupied sites \({found}\)"):
        load_structure(str(cif))


def test_require_ion(rock_salt: ase.Atoms) -> None:
    require_ion(rock_salt, "Li")
    with pytest.raises(StructureError, match="holds no Na; it holds F, Li"):
        require_ion(rock_salt, "Na")
    for unknown in ("Lithium", "li", "X", ""):
        with pytest.raises(StructureError, match="is not an element symbol"):
            require_ion(rock_salt, unknown)


def test_supercell_order_is_the_documented_one() -> None:
    atoms = lammps_orientation(triclinic(seed=1))
    n = (2, 3, 2)
    crystal = supercell(atoms, n)
    assert len(crystal) == 12 * len(atoms)
    for m in np.ndindex(n):
        first = ((m[0] * n[1] + m[1]) * n[2] + m[2]) * len(atoms)
        block = crystal[first : first + len(atoms)]
        assert np.all(block.numbers == atoms.numbers)
        assert block.positions == pytest.approx(atoms.positions + m @ atoms.cell.array)


@pytest.mark.parametrize("repeats", [(0, 1, 1), (1, 1), (1.5, 1, 1), (-1, 2, 2)])
def test_supercell_refuses_bad_repeats(rock_salt: ase.Atoms, repeats: tuple[float, ...]) -> None:
    with pytest.raises(SpecificationError, match="accepted: three integers >= 1"):
        supercell(rock_salt, repeats)  # type: ignore[arg-type]


@given(seed=st.integers(0, 10_000), length=st.floats(0.5, 40.0))
@settings(max_examples=50, deadline=None)
def test_chosen_repeats_are_enough_and_no_more(seed: int, length: float) -> None:
    cell = triclinic(seed).cell.array
    repeats = np.array(choose_repeats(cell, length))
    heights = perpendicular_heights(cell * repeats[:, None])
    assert np.all(heights >= length - 1e-6)
    one_less = heights * (repeats - 1) / repeats
    assert np.all((one_less < length) | (repeats == 1))


def test_exact_fit_needs_no_further_repeat() -> None:
    assert choose_repeats(np.diag([4.0, 5.0, 12.0]), 12.0) == (3, 3, 1)


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), float("inf")])
def test_choose_repeats_refuses_bad_lengths(length: float) -> None:
    with pytest.raises(SpecificationError, match="least supercell length"):
        choose_repeats(np.eye(3), length)


def test_mobile_ion_is_the_one_alkali_metal() -> None:
    assert mobile_ion(["Li", "Fe", "O"], "x") == "Li"
    assert mobile_ion(["Na", "Cl"], "x") == "Na"
    with pytest.raises(StructureError, match=r"x\.cif holds Li, Na: say which ion moves"):
        mobile_ion(["Na", "Li", "O"], "x.cif")
    with pytest.raises(StructureError, match=r"x\.cif holds no alkali metal: say which ion moves"):
        mobile_ion(["Ag", "I"], "x.cif")


def test_a_number_of_atoms_beyond_the_lines_of_a_file(tmp_path: Path) -> None:
    """ASE would count up to it."""
    path = tmp_path / "x.extxyz"
    path.write_text('99999999999999999999\nLattice="3 0 0 0 3 0 0 0 3" pbc="T T T"\nLi 0 0 0\n')
    with pytest.raises(StructureError, match=r"cannot be read as Extended XYZ file: it is cut off, damaged"):
        load_structure(str(path))
