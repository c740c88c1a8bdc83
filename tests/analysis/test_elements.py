"""The elements of a file that only numbers its atom types: by its user, its masses, or a data file."""

import gzip
import logging
from pathlib import Path

import pytest

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.elements import element_of_mass
from hopkin.analysis.trajectories.trajectory import read_trajectory

ROWS = [(1, "C", 6.94), (1, "C", 6.94), (2, "C", 30.974), (3, "C", 32.06)]
DATA = "By hand\n\n4 atoms\n3 atom types\n\n0 8 xlo xhi\n\nMasses\n\n1 6.94 # Li\n2 30.97\n3 {}\n\nAtoms\n"
ELEMENTS = ["Li", "Li", "P", "S"]


def write(path: Path, columns: str) -> Path:
    text = ""
    for k in range(3):
        text += f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n0 8\n0 8\n0 8\n"
        text += f"ITEM: ATOMS id {columns} xu yu zu\n"
        for i, (kind, element, mass) in enumerate(ROWS):
            row = {"type": kind, "element": element, "mass": mass}
            text += f"{i + 1} {' '.join(str(row[name]) for name in columns.split())} {i} {k} 0.5\n"
    path.write_text(text)
    return path


def elements(path: Path, **options: object) -> list[str]:
    found: list[str] = read_trajectory(path, timestep_fs=1.0, **options).species.tolist()  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("columns", ["type", "type element", "type mass"])
def test_what_the_user_says_counts_first(tmp_path: Path, columns: str) -> None:
    path = write(tmp_path / "md.dump", columns)
    assert elements(path, species=["Na", "P", "Se"]) == ["Na", "Na", "P", "Se"]


def test_symbols_of_types_for_a_dump_without_types_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "md.dump", "element")
    with pytest.raises(TrajectoryError, match=r"says its elements, and has no column 'type': leave out --sp"):
        read_trajectory(path, timestep_fs=1.0, species=["Na", "P", "Se"])


def test_the_masses_of_the_dump(tmp_path: Path) -> None:
    assert elements(write(tmp_path / "md.dump", "type mass")) == ELEMENTS


def test_carbon_for_every_type_is_what_lammps_writes_for_elements_it_was_not_told(tmp_path: Path) -> None:
    assert elements(write(tmp_path / "md.dump", "type element mass")) == ELEMENTS
    with pytest.raises(TrajectoryError, match="does not say which elements its atom types 1, 2, 3 are"):
        read_trajectory(write(tmp_path / "md.dump", "type element"), timestep_fs=1.0)
    assert elements(write(tmp_path / "md.dump", "element")) == ["C"] * 4


def test_the_masses_of_a_data_file_beside_the_dump(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "md.dump", "type")
    (tmp_path / "data.LPS").write_text(DATA.format(32.06))
    with caplog.at_level(logging.WARNING):
        assert elements(path) == ELEMENTS
    assert "atom types by the masses in data.LPS: {1: 'Li', 2: 'P', 3: 'S'}" in caplog.text


@pytest.mark.parametrize("row", ["58.81 # S", "500 # S  sulfide", "32.06 # anion"])
def test_the_names_behind_the_masses_of_a_data_file(tmp_path: Path, row: str) -> None:
    (tmp_path / "start.data").write_text(DATA.format(row))
    assert elements(write(tmp_path / "md.dump", "type")) == ELEMENTS


@pytest.mark.parametrize("name", ["start.data.gz", "data.LPS.gz", "LPS.lmp.gz"])
def test_a_compressed_data_file_beside_the_dump(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(DATA.format(32.06).encode()))
    assert elements(write(tmp_path / "md.dump", "type")) == ELEMENTS


@pytest.mark.parametrize(
    "files",
    [
        {"a.data": DATA.format(32.06), "b.data": DATA.format(78.97)},  # they disagree
        {"a.data": DATA.format(58.81)},  # between cobalt and nickel
        {"a.data": DATA.format(32.06).replace("4 atoms", "3 atoms")},  # of another crystal
        {"a.data": "no data file\n"},
        {"a.data": DATA.format("heavy")},
        {"a.data": DATA.format("32.06 # Se")},  # its mass and its name contradict one another
        {"a.data": DATA.format(32.06).partition("3 32")[0]},  # cut
    ],
)
def test_data_files_that_do_not_say_the_elements_for_certain(tmp_path: Path, files: dict[str, str]) -> None:
    path = write(tmp_path / "md.dump", "type")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(
        TrajectoryError,
        match=r"its atom types 1, 2, 3 are: give --species .* 'Li P S' \(species=\['Li', 'P', 'S'\] in",
    ):
        read_trajectory(path, timestep_fs=1.0)


def test_a_mass_is_one_element_or_none() -> None:
    assert [element_of_mass(mass) for mass in (6.9, 7.0, 16, 35.45, 58.9332, 91.2, 208.98)] == [
        "Li", "Li", "O", "Cl", "Co", "Zr", "Bi",
    ]  # fmt: skip
    assert [element_of_mass(mass) for mass in (0.0, 6.015, 40.0, 97.907, 1000.0, float("nan"))] == [None] * 6


@pytest.mark.parametrize(
    ("species", "message"),
    [
        (
            ["Li", "P"],
            r"types 1, 2, 3, but --species \(species in Python\) names 2, Li P: it takes one symbol",
        ),
        (["Li", "Q", "S"], "not chemical symbols: Q"),
    ],
)
def test_species_that_do_not_fit_are_refused(tmp_path: Path, species: list[str], message: str) -> None:
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(write(tmp_path / "md.dump", "type"), timestep_fs=1.0, species=species)


def test_a_file_that_always_says_its_elements_takes_none(tmp_path: Path) -> None:
    (tmp_path / "md.extxyz").write_text('1\nLattice="8 0 0 0 8 0 0 0 8"\nLi 0 0 0\n')
    with pytest.raises(
        TrajectoryError, match=r"says its elements: leave out --species \(species in Python\)"
    ):
        read_trajectory(tmp_path / "md.extxyz", frame_interval_fs=1.0, species=["Li"])
