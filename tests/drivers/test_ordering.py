"""Disordered crystals are ordered as a brute-force search would order them."""

from itertools import combinations
from pathlib import Path

import ase
import numpy as np
import pytest
from command_line import Run
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from hopkin.drivers.crystals import ordering
from hopkin.drivers.crystals.ordering import order
from hopkin.drivers.crystals.structures import load_structure, read_structure
from hopkin.drivers.errors import StructureError

# Li6PS5Cl, F-43m (Deiseroth et al., Angew. Chem. 120, 767 (2008)); S and Cl share 4a and 4d
HEADER = """data_argyrodite
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M '{group}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
ARGYRODITE = HEADER.format(a=9.859, b=9.859, c=9.859, group="F -4 3 m")
ANIONS = """P1 P 0.5 0.5 0.5 1.0
S1 S 0.1195 0.1195 0.6195 1.0
S2 S 0.25 0.25 0.75 0.5
Cl2 Cl 0.25 0.25 0.75 0.5
S3 S 0.0 0.0 0.0 0.5
Cl3 Cl 0.0 0.0 0.0 0.5
"""
LI_24G = "Li1 Li 0.0183 0.25 0.25 1.0\n"
LI_48H = "Li1 Li 0.0251 0.3071 0.1929 0.5\n"
STATES = {"Li": 1, "Ti": 3, "O": -2}


@pytest.fixture
def exchanged(tmp_path: Path) -> Path:
    """Only the anions are disordered: 36 arrangements."""
    path = tmp_path / "Li6PS5Cl.cif"
    path.write_text(ARGYRODITE + LI_24G + ANIONS)
    return path


def ewald_energy(lattice: np.ndarray, symbols: list[str], scaled: np.ndarray) -> float:
    structure = Structure(Lattice(lattice), symbols, scaled)
    structure.add_oxidation_state_by_element(STATES)
    return float(EwaldSummation(structure).total_energy)


def brute_force(cell: ase.Atoms) -> list[float]:
    """Energies of every way to put lithium on half of the sites of cations, each crystal summed alone."""
    cations = np.flatnonzero(~(cell.symbols == "O"))
    energies = []
    for chosen in combinations(cations, len(cations) // 2):
        symbols = np.where(cell.symbols == "O", "O", "Ti").astype(object)
        symbols[list(chosen)] = "Li"
        energies.append(ewald_energy(cell.cell.array, symbols.tolist(), cell.get_scaled_positions()))
    return energies


@pytest.mark.parametrize("method", ["enumeration", "annealing"])
def test_the_lowest_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Rock salt LiTiO2, whose cations are disordered."""
    path = tmp_path / "LiTiO2.cif"
    header = HEADER.format(a=4.14, b=4.14, c=4.14, group="F m -3 m")
    path.write_text(header + "Li1 Li 0 0 0 0.5\nTi1 Ti 0 0 0 0.5\nO1 O 0.5 0.5 0.5 1.0\n")
    atoms = read_structure(str(path))
    energies = brute_force(atoms.repeat((2, 1, 1)))
    assert len(energies) == 70
    assert np.ptp(energies) > 1
    if method == "annealing":
        monkeypatch.setattr(ordering, "MOST_ENUMERATED", 0)
    ordered = order(atoms, repeats=(2, 1, 1))
    assert (ordered.method, ordered.n_arrangements) == (method, 70)
    assert ordered.oxidation_states == {"Li": 1, "Ti": 3, "O": -2}
    assert ordered.energy_eV == pytest.approx(min(energies), abs=1e-6)
    found = ordered.atoms
    assert found.get_chemical_formula() == "Li4O8Ti4"
    again = ewald_energy(found.cell.array, found.get_chemical_symbols(), found.get_scaled_positions())
    assert again == pytest.approx(min(energies), abs=1e-6)


def test_vacancies_keep_away_from_each_other(tmp_path: Path) -> None:
    """48h, half full: the two sites of a pair, 1.9 A apart or less, are not both taken."""
    path = tmp_path / "Li6PS5Cl.cif"
    path.write_text(ARGYRODITE + LI_48H + ANIONS)
    atoms = read_structure(str(path))
    ordered = order(atoms, seed=3)
    assert ordered.method == "annealing"
    assert ordered.atoms.get_chemical_formula() == "Cl4Li24P4S20"
    lithium = ordered.atoms[ordered.atoms.symbols == "Li"]
    distances = lithium.get_all_distances(mic=True)[~np.eye(24, dtype=bool)]
    sites = atoms[atoms.symbols == "Li"]
    assert sites.get_all_distances(mic=True)[~np.eye(48, dtype=bool)].min() < 1.9
    assert distances.min() > 2.0
    assert np.array_equal(order(atoms, seed=3).atoms.positions, ordered.atoms.positions)


def test_equal_charges_are_chosen_among_by_the_seed(tmp_path: Path) -> None:
    """Cobalt and nickel as 3+: every arrangement has the same energy."""
    path = tmp_path / "oxide.cif"
    header = HEADER.format(a=4.0, b=4.0, c=8.0, group="P 1")
    metal = "".join(f"{m}{n} {m} 0.0 0.0 {z} 0.5\n" for n, z in enumerate((0.0, 0.5)) for m in ("Co", "Ni"))
    rest = "".join(f"{e}{n} {e} {x} {x} {z} 1.0\n" for n, (e, x, z) in enumerate(OXIDE))
    path.write_text(header + metal + rest)
    atoms = read_structure(str(path))
    states = {"Li": 1, "Co": 3, "Ni": 3, "O": -2}
    found = {
        str(order(atoms, repeats=(2, 1, 1), oxidation_states=states, seed=n).atoms.symbols) for n in range(6)
    }
    assert len(found) > 1
    assert all(symbols.count("Co") for symbols in found)


OXIDE = (
    ("Li", 0.5, 0.25),
    ("Li", 0.5, 0.75),
    ("O", 0.5, 0.0),
    ("O", 0.5, 0.5),
    ("O", 0.0, 0.25),
    ("O", 0.0, 0.75),
)


def test_refusals(exchanged: Path, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"Cl 0.5 \+ S 0.5.*`hopkin order` makes one"):
        load_structure(str(exchanged))
    atoms = read_structure(str(exchanged))
    with pytest.raises(StructureError, match=r"charge of Li24 P4 .* is \+4, wanted 0.*--supercell"):
        order(atoms, oxidation_states={"Li": 1, "P": 5, "S": -2, "Cl": 0})
    with pytest.raises(StructureError, match="no oxidation state of Cl, S was given"):
        order(atoms, oxidation_states={"Li": 1, "P": 5})
    with pytest.raises(StructureError, match="no site is partially occupied"):
        order(order(atoms).atoms)
    odd = tmp_path / "odd.cif"
    odd.write_text(
        (ARGYRODITE + LI_24G + ANIONS)
        .replace("0.75 0.5\n", "0.75 0.4\n")
        .replace("Cl 0.25 0.25 0.75 0.4", "Cl 0.25 0.25 0.75 0.6")
    )
    with pytest.raises(StructureError, match=r"4 sites cannot be shared as .* to within 0\.05.*--supercell"):
        order(read_structure(str(odd)))


def test_the_command(exchanged: Path, tmp_path: Path, run: Run) -> None:
    said = run("order", exchanged, "-o", tmp_path / "ordered.cif", "--json", "--seed", 5)
    assert said.code == 0, said.err
    assert '"seed": 5' in said.out
    assert '"n_arrangements": 36' in said.out
    structure = load_structure(str(tmp_path / "ordered.cif"))
    assert structure.atoms.get_chemical_formula() == "Cl4Li24P4S20"
    said = run("order", exchanged, "-o", tmp_path / "x.cif", "--oxidation", "Li:1")
    assert said.code == 2
    assert "wanted ELEMENT=NUMBER" in said.err.replace("\n", " ")
