"""CIFs as databases write them give the crystal that they mean; torn and ambiguous ones, one sentence."""

import gzip
import json
import time
from pathlib import Path

import ase
import ase.io
import gemmi
import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from command_line import Run

from hopkin.drivers.crystals import check_crystal, load_structure, read_structure, symmetry_dataset
from hopkin.drivers.errors import StructureError

SPINEL = (("Li1", 0.125, 1.0), ("Mn1", 0.5, 1.0), ("O1", 0.2631, 1.0))
"""LiMn2O4 in the second origin: label, x = y = z, occupancy."""
CUBIC = (8.396, 8.396, 8.396, 90, 90, 90)


def cif(
    sites: str,
    *lines: str,
    cell: tuple[float, ...] = CUBIC,
    operations: list[str] | None = None,
    tag: str = "_space_group_symop_operation_xyz",
) -> str:
    names = [f"length_{x}" for x in "abc"] + [f"angle_{x}" for x in ("alpha", "beta", "gamma")]
    head = [f"_cell_{name} {value}" for name, value in zip(names, cell, strict=True)]
    listed = ["loop_", tag, *(f"'{operation}'" for operation in operations)] if operations else []
    columns = ["loop_", *(f"_atom_site_{x}" for x in ("label", "fract_x", "fract_y", "fract_z", "occupancy"))]
    return "\n".join(["data_x", *lines, *head, *listed, *columns, sites])


def spinel(*lines: str, operations: list[str] | None = None, shift: float = 0.0) -> str:
    """LiMn2O4, all of its sites on the diagonal."""
    rows = [f"{label} {x + shift} {x + shift} {x + shift} {share}" for label, x, share in SPINEL]
    return cif("\n".join(rows) + "\n", *lines, operations=operations)


def operations_of(name: str) -> list[str]:
    return [operation.triplet() for operation in gemmi.find_spacegroup_by_name(name).operations()]


def read(folder: Path, text: str, name: str = "x.cif") -> ase.Atoms:
    (folder / name).write_text(text)
    return load_structure(str(folder / name)).atoms


def group_of(atoms: ase.Atoms) -> int:
    return int(symmetry_dataset(atoms.cell.array, atoms.positions, atoms.numbers, 0.01).number)


def is_spinel(atoms: ase.Atoms) -> bool:
    """Lithium has four oxygens and manganese six, at the distances of LiMn2O4."""
    i, d = neighbor_list("id", atoms, {("Li", "O"): 2.1, ("Mn", "O"): 2.1})
    lengths = {s: np.round(d[atoms.symbols[i] == s], 3).tolist() for s in ("Li", "Mn")}
    return (
        atoms.get_chemical_formula() == "Li8Mn16O32"
        and group_of(atoms) == 227
        and lengths == {"Li": 32 * [2.008], "Mn": 96 * [1.995]}
    )


def test_a_spinel_in_the_second_origin(shared_data: Path, run: Run) -> None:
    """The file, and its one hop between tetrahedra: sqrt(3) a / 4, four from each of eight ions."""
    file = shared_data / "cases" / "spinel_origin2.cif"
    assert is_spinel(load_structure(str(file)).atoms)
    said = run("hops", file, "--json", "--max-length", 4)
    assert said.code == 0, said.err
    (hop,) = json.loads(said.out)
    assert hop["length_A"] == pytest.approx(np.sqrt(3) / 4 * 8.396)
    assert (hop["multiplicity"], hop["dimension"]) == (16, 3)


@pytest.mark.parametrize(
    "name",
    [
        *("F d -3 m :2", "F d -3 m:2", "Fd-3m:2", "f d -3 m :2", "F_d_-3_m_:2", "F d -3 m Z", "Fd-3mZ"),
        *("F d -3 m (origin choice 2)", "F d -3 m O2"),
    ],
)
@pytest.mark.parametrize("tag", ["_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt"])
def test_the_second_origin_by_name_alone(tmp_path: Path, name: str, tag: str) -> None:
    assert is_spinel(read(tmp_path, spinel(f"{tag} '{name}'")))


@pytest.mark.parametrize("name", ["F d -3 m :1", "Fd-3mS", "F d -3 m S", "F d -3 m o1"])
def test_the_first_origin_by_name_alone(tmp_path: Path, name: str) -> None:
    assert is_spinel(read(tmp_path, spinel(f"_space_group_name_H-M_alt '{name}'", shift=0.125)))


@pytest.mark.parametrize(
    ("line", "group"),
    [
        ("_space_group_name_H-M_alt 'F d -3 m :2'", "F d -3 m:2"),
        ("_space_group_name_H-M_alt 'F d -3 m'", "F d -3 m:2"),
        ("_symmetry_space_group_name_H-M 'a name of nobody'", "F d -3 m:2"),
        ("_space_group_IT_number 227", "F d -3 m:2"),
        ("_symmetry_cell_setting cubic", "F d -3 m:2"),
    ],
)
@pytest.mark.parametrize("tag", ["_symmetry_equiv_pos_as_xyz", "_space_group_symop.operation_xyz"])
def test_listed_operations_come_before_names(tmp_path: Path, line: str, group: str, tag: str) -> None:
    text = spinel(line, operations=operations_of(group))
    assert is_spinel(read(tmp_path, text.replace("_space_group_symop_operation_xyz", tag)))


@pytest.mark.parametrize("units", ["", "_cell_formula_units_Z 8\n"])
def test_the_formula_tells_the_origin(tmp_path: Path, units: str) -> None:
    """In the first origin the same sites would be Li16 Mn8."""
    name = "_space_group_name_H-M_alt 'F d -3 m'"
    rows = "Li1 0.125 0.125 0.125 1\nMn1 0.5 0.5 0.5 1\n"
    told = cif(rows, name, f"{units}_chemical_formula_sum 'Li1 Mn2'")
    assert read(tmp_path, told).get_chemical_formula() == "Li8Mn16"
    sentence = (
        r"leaves open which of two origins .*Li16 Mn8 by the space group F d -3 m:1, Li8 Mn16 by the space"
    )
    with pytest.raises(StructureError, match=sentence + r" group F d -3 m:2\): name the one that is meant"):
        read(tmp_path, cif(rows, name))


def test_atoms_that_overlap_tell_the_origin(tmp_path: Path) -> None:
    """In the first origin oxygens of the same sites would be 0.4 A apart."""
    assert is_spinel(read(tmp_path, spinel("_space_group_name_H-M_alt 'F d -3 m'")))


def test_an_origin_that_makes_no_difference_is_no_question(tmp_path: Path) -> None:
    """In C c c a, 1/4 1/4 1/4 is one of eight atoms at the same distances by either origin."""
    name, cell = "_symmetry_space_group_name_H-M 'C c c a'", (5, 5, 6, 90, 90, 90)
    text = cif("C1 0.25 0.25 0.25 1.0\n", name, cell=cell)
    assert len(read(tmp_path, text)) == 8


@pytest.mark.parametrize("name", ["R -3 m :H", "R-3m", "R -3 m H", "R-3m:h", "R_-3_m_:H"])
def test_hexagonal_axes(tmp_path: Path, name: str) -> None:
    sites = "Li1 0 0 0.5 1.0\nCo1 0 0 0 1.0\nO1 0 0 0.26 1.0\n"
    text = cif(sites, f"_space_group_name_H-M_alt '{name}'", cell=(2.81, 2.81, 13.91, 90, 90, 120))
    atoms = read(tmp_path, text)
    assert (atoms.get_chemical_formula(), group_of(atoms)) == ("Co3Li3O6", 166)


@pytest.mark.parametrize("name", ["R -3 m :R", "R-3m", "R -3 m R", "r-3m:r", None])
def test_rhombohedral_axes(tmp_path: Path, name: str | None) -> None:
    sites = "Li1 0.5 0.5 0.5 1.0\nCo1 0 0 0 1.0\nO1 0.26 0.26 0.26 1.0\n"
    line = f"_space_group_name_H-M_alt '{name}'" if name else "_symmetry_Int_Tables_number 166"
    atoms = read(tmp_path, cif(sites, line, cell=(4.91, 4.91, 4.91, 33.3, 33.3, 33.3)))
    assert (atoms.get_chemical_formula(), group_of(atoms)) == ("CoLiO2", 166)


@pytest.mark.parametrize("name", ["P 1 21/n 1", "P21/n", "P 21/n", "P2_1/n", "p 1 21/n 1", "P_1_21/n_1"])
def test_cells_of_monoclinic_groups(tmp_path: Path, name: str) -> None:
    """Of P21/n, not of the P21/c that shares its number."""
    cell = (8.1, 8.6, 12.0, 90, 90.6, 90)
    text = cif("Li1 0.3 0.33 0.26 1.0\n", f"_symmetry_space_group_name_H-M '{name}'", cell=cell)
    listed = cif("Li1 0.3 0.33 0.26 1.0\n", cell=cell, operations=operations_of("P 1 21/n 1"))
    atoms, other = read(tmp_path, text), read(tmp_path, listed)
    assert len(atoms) == 4
    assert atoms.positions == pytest.approx(other.positions, abs=1e-6)


def test_a_hall_symbol_tells_the_setting(tmp_path: Path) -> None:
    lines = ("_space_group_name_H-M_alt 'F d -3 m'", "_space_group_name_Hall '-F 4vw 2vw 3'")
    assert is_spinel(read(tmp_path, spinel(*lines)))
    assert is_spinel(
        read(tmp_path, spinel("_space_group_name_H-M_alt 'F d -3 m :2'", "_space_group_name_Hall ?"))
    )


def test_no_symmetry_is_all_atoms_listed(tmp_path: Path) -> None:
    assert len(read(tmp_path, cif("Li1 0 0 0 1.0\nF1 0.5 0.5 0.5 1.0\n"))) == 2


def test_what_the_reference_structures_are(shared_data: Path) -> None:
    """As ASE reads them, atom by atom: its reader is right about files of pymatgen."""
    files = sorted((shared_data / "structures").glob("*/*.cif"))
    assert len(files) == 39
    for file in files:
        ours, theirs = read_structure(str(file)), ase.io.read(file)
        assert ours.numbers.tolist() == theirs.numbers.tolist(), file
        assert ours.get_volume() == pytest.approx(theirs.get_volume())
        assert ours.cell.array == pytest.approx(theirs.cell.array)
        apart = ours.get_scaled_positions() - theirs.get_scaled_positions()
        assert apart == pytest.approx(np.round(apart), abs=1e-8)
        assert group_of(ours) == int(theirs.info["spacegroup"].no), file


# Occupancies


def test_two_charges_of_one_element_are_one_atom(tmp_path: Path) -> None:
    """As ICSD writes mixed valence."""
    sites = "Li1+ 0 0 0 1\nMn3+ 0.5 0.5 0.5 0.5\nMn4+ 0.5 0.5 0.5 0.5\nO2- 0 0 0.5 ?\n"
    atoms = read(tmp_path, cif(sites, cell=(4, 4, 4, 90, 90, 90)))
    assert sorted(atoms.symbols) == ["Li", "Mn", "O"]


def test_occupancies_are_where_ase_puts_them(tmp_path: Path) -> None:
    """Two elements share one site, one of them told by another atom of the orbit."""
    sites = "Fe1 0 0 0 0.4\nMn1 0.5 0.5 0 0.6\nO1 0.5 0.5 0.5 1.0\n"
    path = tmp_path / "x.cif"
    path.write_text(cif(sites, "_symmetry_space_group_name_H-M 'F m -3 m'", cell=(4.4, 4.4, 4.4, 90, 90, 90)))
    atoms = read_structure(str(path))
    assert atoms.info["occupancy"] == {"0": {"Fe": 0.4, "Mn": 0.6}, "2": {"O": 1.0}}
    assert atoms.arrays["spacegroup_kinds"].tolist() == 4 * [0] + 4 * [2]
    assert atoms.symbols[0] == "Mn"
    with pytest.raises(StructureError, match=r"partially occupied sites \(Fe 0\.4 \+ Mn 0\.6\)"):
        check_crystal(atoms, source="x.cif")


def test_two_elements_on_one_site_without_occupancies_overlap(tmp_path: Path) -> None:
    text = cif("Fe1 0 0 0 1\nMn1 0 0 0 1\n").replace("_atom_site_occupancy", "_atom_site_b")
    with pytest.raises(StructureError, match=r"overlapping atoms: .* 0\.000 A apart"):
        read(tmp_path, text)


def test_atoms_that_the_operations_make_too_are_counted_once(tmp_path: Path) -> None:
    sites = "Li1 0 0 0 1\nLi2 0.5 0.5 0 1\nF1 0.5 0.5 0.5 1\n"
    text = cif(sites, "_symmetry_space_group_name_H-M 'F m -3 m'", cell=(4.03, 4.03, 4.03, 90, 90, 90))
    assert read(tmp_path, text).get_chemical_formula() == "F4Li4"


# Symbols, blocks, encodings, compression


def test_elements_by_symbol_and_label(tmp_path: Path) -> None:
    sites = "NA1 0 0 0 1\nLi1+ 0.5 0 0 1\nOW 0 0.5 0 1\nD1 0 0 0.5 1\nfe2 0.5 0.5 0.5 1\n"
    assert read(tmp_path, cif(sites)).get_chemical_symbols() == ["Na", "Li", "O", "H", "Fe"]
    with pytest.raises(StructureError, match="has an atom 'Qq1'; accepted: what begins with the symbol"):
        read(tmp_path, cif("Qq1 0 0 0 1\n"))


def test_the_last_block_with_atoms(tmp_path: Path) -> None:
    text = cif("Li1 0 0 0 1\n") + cif("Na1 0 0 0 1\n") + "data_note\n_publ_author_name 'N. N.'\n"
    assert read(tmp_path, text).get_chemical_formula() == "Na"


def test_cartesian_coordinates(tmp_path: Path) -> None:
    text = cif("Li1 0 4.198 2.099 1\n").replace("_fract_", "_Cartn_")
    assert load_structure_scaled(read(tmp_path, text)) == pytest.approx([0, 0.5, 0.25])


def load_structure_scaled(atoms: ase.Atoms) -> list[float]:
    return list(atoms.get_scaled_positions()[0])


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_letters_of_other_alphabets(tmp_path: Path, encoding: str) -> None:
    text = spinel("_space_group_name_H-M_alt 'F d -3 m :2'", "_publ_author_name 'Jos\u00e9 M\u00fcller'")
    (tmp_path / "x.cif").write_text(text, encoding=encoding)
    assert is_spinel(load_structure(str(tmp_path / "x.cif")).atoms)


def test_minus_signs_of_typesetters(tmp_path: Path) -> None:
    assert is_spinel(read(tmp_path, spinel("_space_group_name_H-M_alt 'F d \u22123 m :2'")))


def test_compressed_and_in_capitals(tmp_path: Path) -> None:
    text = spinel("_space_group_name_H-M_alt 'F d -3 m :2'")
    (tmp_path / "x.cif.gz").write_bytes(gzip.compress(text.encode()))
    assert is_spinel(load_structure(str(tmp_path / "x.cif.gz")).atoms)
    assert is_spinel(read(tmp_path, text, "X.CIF"))


# Refusals


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["_chemical_formula_sum 'Li1 Mn2 O4'", "_cell_formula_units_Z 8"], None),
        (["_chemical_formula_sum 'Li8 Mn16 O32'", "_cell_formula_units_Z 8"], None),
        (["_chemical_formula_sum 'Li8 Mn16 O32'", "_cell_formula_units_Z 1"], None),
        (["_chemical_formula_sum 'Li0.98 Mn2 O4'"], None),
        (["_chemical_formula_sum ?"], None),
        (
            ["_chemical_formula_sum 'Li1 Mn2 O4'", "_cell_formula_units_Z 2"],
            r"states Li1 Mn2 O4 with 2 formula units in the cell, but its sites and the space group"
            r" F d -3 m:2 make Li8 Mn16 O32: correct",
        ),
        (
            ["_chemical_formula_sum 'Li2 Mn1 O4'"],
            r"states Li2 Mn1 O4, but its sites and .* make Li8 Mn16 O32",
        ),
        (["_chemical_formula_sum 'Li1 Mn2 O4 H1'"], r"states Li1 Mn2 O4 H1, but"),
    ],
)
def test_the_formula_has_to_be_that_of_the_crystal(
    tmp_path: Path, lines: list[str], sentence: str | None
) -> None:
    text = spinel("_space_group_name_H-M_alt 'F d -3 m :2'", *lines)
    if sentence is None:
        assert is_spinel(read(tmp_path, text))
        return
    with pytest.raises(StructureError, match=sentence):
        read(tmp_path, text)


WHOLE = cif("Li1 0 0 0 1\nF1 0.5 0.5 0.5 1\n", operations=["x,y,z"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            WHOLE[:-6],
            r"is cut off, damaged, or no CIF: line \d+, .*Wrong number of values in loop _atom_site",
        ),
        ("this is no crystal\n", r"no CIF: line 1, expected block header"),
        (WHOLE.replace("'x,y,z'", "'x,y,z"), r"no CIF: line \d+, unterminated 'string'"),
        (WHOLE.replace("Li1 0 0 0", "Li1 ? 0 0"), r"puts atom Li1 at \?, 0, 0; accepted: three numbers"),
        (WHOLE.replace("Li1 0 0 0", "Li1 0 1/3 0"), r"puts atom Li1 at 0, 1/3, 0; accepted: three numbers"),
        (WHOLE.replace("0.5 1", "0.5 half"), r"has an occupancy 'half'; accepted: a number"),
        (WHOLE.replace("_cell_length_b 8.396\n", ""), r"lacks _cell_length_b: a crystal has three lengths"),
        (
            WHOLE.replace("_length_b 8.396", "_length_b ?"),
            r"lacks _cell_length_b: a crystal has three lengths",
        ),
        (
            WHOLE.replace("_length_b 8.396", "_length_b wide"),
            r"has _cell_length_b 'wide'; accepted: a number",
        ),
        (WHOLE.replace("_length_b 8.396", "_length_b 0"), r"which enclose no cell"),
        *(
            (WHOLE.replace("_alpha 90", f"_alpha {angle}"), r"angles .* which enclose no cell")
            for angle in ("190", "180", "179.999", "0", "-90", "1e308", "1e-320")
        ),
        (
            WHOLE.replace("_length_b 8.396", "_length_b 1e308"),
            r"cell vector of 1e\+308 A; accepted: at most 1000",
        ),
        *(
            (WHOLE.replace("_length_b 8.396", f"_length_b {b}"), r"accepted: at least 0.1 A\^3 for each")
            for b in ("1e-320", "1e-300", "1e-10")
        ),
        (WHOLE.replace("Li1 0 0 0", "Li1 1e308 0 0"), r"puts atom Li1 at 1e308, 0, 0; .* up to 1e\+06"),
        (WHOLE.replace("x,y,z", "x,y,w"), r"lists an operation that cannot be read: .*; accepted: x,y,z"),
        (
            WHOLE.replace("_fract_z", "_z"),
            r"lists atoms without their elements, or without one of x, y and z",
        ),
        (WHOLE.replace("_atom_site_label", "_atom_site_a"), r"lists atoms without their elements"),
        ("data_x\n_cell_length_a 4.0\n", r"holds no atoms: a crystal has a loop with _atom_site_fract_x"),
        (
            cif("Li1 0 0 0 1\n", "_symmetry_space_group_name_H-M 'F d 7 m'"),
            r"space group 'F d 7 m' is not known",
        ),
        (cif("Li1 0 0 0 1\n", "_space_group_IT_number 231"), r"space group '231' is not known"),
    ],
)
def test_one_sentence_for_what_cannot_be_read(tmp_path: Path, run: Run, text: str, sentence: str) -> None:
    with pytest.raises(StructureError, match=sentence):
        read(tmp_path, text)
    said = run("hops", tmp_path / "x.cif")
    assert (said.code, said.out, len(said.err.splitlines())) == (2, "", 1), said


# Symmetry and cell


def tetragonal(listed: list[str], centerings: list[str] | None = None) -> str:
    """Manganese and fluorine of a rutile cell by magnetic operations."""
    text = cif(
        "Mn1 0 0 0 1\nF1 0.31 0.31 0 1\n",
        "_parent_space_group.name_H-M_alt 'P 42/m n m'",
        cell=(4.87, 4.87, 3.31, 90, 90, 90),
        operations=listed,
        tag="_space_group_symop_magn_operation.xyz",
    )
    if centerings:
        rows = "\n".join(f"{n} '{centering}'" for n, centering in enumerate(centerings))
        columns = "_space_group_symop_magn_centering.id\n_space_group_symop_magn_centering.xyz"
        text += f"loop_\n{columns}\n{rows}\n"
    return text


def test_magnetic_operations_are_those_of_the_atoms(tmp_path: Path) -> None:
    """Half of them turn the moments, which leaves the atoms where they are."""
    plain = operations_of("P 42/m n m")
    signs = [f"{operation},{'+1' if n % 2 else '-1'}" for n, operation in enumerate(plain)]
    atoms = read(tmp_path, tetragonal(signs))
    assert (atoms.get_chemical_formula(), group_of(atoms)) == ("F4Mn2", 136)


def test_magnetic_centerings_multiply_the_operations(tmp_path: Path) -> None:
    centerings = ["x,y,z,+1", "x+1/2,y+1/2,z+1/2,-1"]
    atoms = read(tmp_path, tetragonal(["x, y, z, +1", "-x, -y, -z, +1"], centerings))
    assert atoms.get_chemical_formula() == "F4Mn2"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "_space_group_magn.name_BNS \"P 42'/m n m'\"",
            r"is of a magnetic space group \(_space_group_magn_name_bns\) and lacks its operations; accepted",
        ),
        (
            "loop_\n_space_group_symop_ssg_operation_algebraic\n'x1,x2,x3,x4'\n'-x1,-x2,-x3,-x4'",
            r"is of a modulated crystal \(_space_group_symop_ssg_operation_algebraic\); accepted: one that",
        ),
        ("_cell_modulation_dimension 1", r"modulated crystal \(_cell_modulation_dimension\)"),
        (
            "loop_\n_space_group_symop_magn_ssg_operation.algebraic\n'x1,x2,x3,x4,+1'",
            r"modulated crystal \(_space_group_symop_magn_ssg_operation_algebraic\)",
        ),
    ],
)
def test_symmetry_of_other_kinds_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(StructureError, match=sentence):
        read(tmp_path, cif("Li1 0.1 0.2 0.3 1\n", line))
    assert len(read(tmp_path, cif("Li1 0.1 0.2 0.3 1\n", "_cell_modulation_dimension 0"))) == 1


def test_an_operation_in_other_letters_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.cif").write_text(WHOLE.replace("x,y,z", "\u00e9,y,z"), encoding="utf-8")
    with pytest.raises(StructureError, match="operation that cannot be read: \u00e9,y,z; accepted: x,y,z"):
        read_structure(str(tmp_path / "x.cif"))


UNIQUE_C = (8.1, 8.6, 12.0, 90, 90, 105)


@pytest.mark.parametrize(
    ("cell", "line", "operations", "sentence"),
    [
        (
            UNIQUE_C,
            "_space_group_IT_number 14",
            "",
            r"leaves open which setting of space group 14 it is in: P 1 1 21/a, P 1 1 21/n, P 1 1 21/b fit"
            r" its cell; name the one that is meant",
        ),
        (
            UNIQUE_C,
            "_space_group_name_H-M_alt 'P 21/c'",
            "",
            r"has a cell with lengths \[A\] and angles 8\.1, 8\.6, 12, 90, 90, 105, which does not have the"
            r" symmetry of the space group P 1 21/c 1: correct what is wrong of the two",
        ),
        (UNIQUE_C, "_space_group_name_H-M_alt 'P 1 21 1'", "", "symmetry of the space group P 1 21 1:"),
        ((5, 6, 7, 90, 90, 90), "_space_group_name_H-M_alt 'P 4'", "", "symmetry of the space group P 4:"),
        ((3, 3.2, 30, 90, 90, 90), "_space_group_name_H-M_alt 'P 4'", "", "of the space group P 4:"),
        ((4, 4, 4, 90, 90, 90), "_space_group_name_Hall 'P 3'", "", "symmetry of the Hall symbol P 3:"),
        ((4.9, 4.9, 4.9, 33, 33, 33), "_x 1", "R -3 m:H", "symmetry of the operations that it lists:"),
        ((4.9, 4.9, 4.9, 33, 33, 33), "_space_group_name_H-M_alt 'R -3 m :H'", "", "group R -3 m:H:"),
    ],
)
def test_symmetry_that_the_cell_does_not_have(
    tmp_path: Path, cell: tuple[float, ...], line: str, operations: str, sentence: str
) -> None:
    listed = operations_of(operations) if operations else None
    with pytest.raises(StructureError, match=sentence):
        read(tmp_path, cif("Li1 0.3 0.33 0.26 1.0\n", line, cell=cell, operations=listed))


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("_space_group_name_H-M_alt 'P 21/a'", "P 1 1 21/a"),
        ("_space_group_name_H-M_alt 'P 21/n'", "P 1 1 21/n"),
        ("_space_group_name_H-M_alt 'P_21/m'", "P 1 1 21/m"),
        ("_space_group_IT_number 4", "P 1 1 21"),
        ("_space_group_IT_number 10", "P 1 1 2/m"),
    ],
)
def test_the_cell_tells_the_unique_axis(tmp_path: Path, line: str, setting: str) -> None:
    atoms = read(tmp_path, cif("Li1 0.3 0.33 0.14 1.0\n", line, cell=UNIQUE_C))
    same = cif("Li1 0.3 0.33 0.14 1.0\n", cell=UNIQUE_C, operations=operations_of(setting))
    assert atoms.positions == pytest.approx(read(tmp_path, same).positions)


@pytest.mark.parametrize("cell", [(4.99, 5.0, 7, 90, 90, 90.1), (5, 5, 7, 90, 89.95, 90)])
def test_rounded_parameters_keep_the_symmetry(tmp_path: Path, cell: tuple[float, ...]) -> None:
    text = cif("Li1 0.1 0.2 0.3 1.0\n", "_space_group_name_H-M_alt 'P 4'", cell=cell)
    assert len(read(tmp_path, text)) == 4


def test_thousands_of_sites_are_read_at_once(tmp_path: Path) -> None:
    """One site each, without symmetry, and two elements on one of them across the boundary."""
    grid = np.array(np.meshgrid(*3 * [np.arange(13) / 13])).reshape(3, -1).T[:2000]
    rows = [f"Li{n} {x:.5f} {y:.5f} {z:.5f} 0.5" for n, (x, y, z) in enumerate(grid)]
    text = cif("\n".join([*rows, "Na1 0.99999 -0.00001 1.0 0.5\n"]), cell=(39, 39, 39, 90, 90, 90))
    (tmp_path / "x.cif").write_text(text)
    start = time.process_time()
    atoms = read_structure(str(tmp_path / "x.cif"))
    assert time.process_time() - start < 5.0
    assert len(atoms) == 2000
    assert atoms.info["occupancy"]["0"] == {"Li": 0.5, "Na": 0.5}


@pytest.mark.parametrize("label", ["Va", "Va1", "Vac1", "VAC", "vacancy2"])
def test_vacancies_are_no_vanadium(tmp_path: Path, label: str) -> None:
    with pytest.raises(
        StructureError, match=f"has a vacancy '{label}' among its atoms; accepted: atoms, van"
    ):
        read(tmp_path, cif(f"{label} 0 0 0 1\n"))
    assert read(tmp_path, cif("V1 0 0 0 1\n")).get_chemical_symbols() == ["V"]


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        *(("'Mg (O H)2'", False), ("SIO2", False), ("LI2O", False), ("Li1-x", False), ("'Li. O'", False)),
        *(("Li0", False), ("'Li2 O1'", True), ("Li2O", True), ("'S I O2'", True), ("'K N O3'", True)),
        *(("KNO3", False), ("LiNO3", True), ("'Li2O1.5 F.5 O1.'", True), ("'" + 40 * "O11  " + "!'", False)),
    ],
)
def test_a_formula_that_can_be_read_in_two_ways_is_not_compared(
    tmp_path: Path, formula: str, told: bool
) -> None:
    text = cif("Mg1 0 0 0 1\n", f"_chemical_formula_sum {formula}")
    if not told:
        assert len(read(tmp_path, text)) == 1
        return
    with pytest.raises(StructureError, match=r"states .*, but its sites and no symmetry make Mg1"):
        read(tmp_path, text)


@pytest.mark.parametrize("operation", ["x,y,½", "½+x,y,z", "x,ý,z"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("tag", ["_space_group_symop_operation_xyz", "_space_group_symop_magn_operation.xyz"])
def test_operations_in_other_letters(tmp_path: Path, operation: str, encoding: str, tag: str) -> None:
    text = cif("Li1 0.1 0.2 0.3 1\n", operations=["x,y,z", operation], tag=tag)
    (tmp_path / "x.cif").write_bytes(text.encode(encoding))
    with pytest.raises(StructureError, match=r"lists an operation that cannot be read: .*; accepted: x,y,z"):
        read_structure(str(tmp_path / "x.cif"))


@pytest.mark.parametrize("hall", ["P 2ý", "−P 2½", "a symbol of nobody"])  # noqa: RUF001
def test_a_hall_symbol_that_cannot_be_read_is_not_no_symmetry(tmp_path: Path, hall: str) -> None:
    line = f"_space_group_name_Hall '{hall}'"
    with pytest.raises(StructureError, match=r"lists no operations, and its space group '.*' is not known"):
        read(tmp_path, cif("Li1 0.1 0.2 0.3 1\n", line))
    assert len(read(tmp_path, cif("Li1 0.1 0.2 0.3 1\n", line, "_space_group_IT_number 2"))) == 2


def test_angles_that_no_three_vectors_have(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"angles 4, 4, 4, 30, 30, 150, which enclose no cell"):
        read(tmp_path, cif("Li1 0 0 0 1\n", cell=(4, 4, 4, 30, 30, 150)))
