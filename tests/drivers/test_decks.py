"""Decks against golden files, and structures through LAMMPS's own file formats."""

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopkin.drivers.engine import decks
from hopkin.drivers.errors import DeckError

GOLDEN = Path(__file__).parent / "golden"

# ASE writes data files with ten decimals.
DATA_TOLERANCE_A = 1e-9
DUMP_TOLERANCE_A = 1e-12

MODEL = {"elements": ("Li", "Fe", "P", "O"), "pair_style": "e3gnn", "pair_coeff": "/models/sevennet-0.pt"}
MINIMISER = {"force_tolerance": 0.05, "max_iterations": 500, "timestep_ps": 0.004, "largest_step": 0.1}
STIFFNESS = {"displacement": 0.02, "least_stiffness": 1.0, "masses": [6.94, 55.845, 30.974, 15.999]}
CELL = {"relax_cell": True, "pressure_tolerance": 1000.0, "cell_rounds": 40, "lost_force": 1e6}
MD = {
    "title": "LiFePO4 at 800 K with sevennet-0",
    "name": "start",
    "temperature_K": 800.0,
    "seed": 7,
    "timestep_ps": 0.002,
    "chain": 3,
    "damping_ps": 0.1,
    "triclinic": True,
    "pressure_bar": 0.0,
    "barostat_damping_ps": 1.0,
    "equilibration_steps": 2500,
    "n_steps": 25000,
    "frame_every": 50,
    "thermo_every": 25,
    "restart_every": 500,
    **MODEL,
}
NEB = {
    "title": "Band of 3 images with sevennet-0",
    "n_replicas": 5,
    "force_tolerance": 0.05,
    "plain_iterations": 20,
    "climbing_iterations": 500,
    "report_every": 5,
    "spring_constant": 1.0,
    "optimiser": "fire",
    "timestep_ps": 0.004,
    "largest_step": 0.1,
    "stiffness": [2.04, 7.54, 40.2, 11.9],
    **MODEL,
}
BULK = {"title": "Relax bulk with sevennet-0", "names": ["bulk"], **MINIMISER, **STIFFNESS, **MODEL}
POINT = {"title": "Single point with sevennet-0", "name": "point", **MODEL}
TIMING = {"title": "What a step costs with sevennet-0", "warm_up": 2, "steps": 5, **MODEL}
BY_ML_IAP = {"pair_style": "mliap", "pair_coeff": "model.mliap"}

UNNAMED = {"title": "Single point", "name": "point", "atomic_energies": False}

DECKS = {
    "md_nvt": ("md", {**MD, "ensemble": "nvt"}),
    "md_npt": ("md", {**MD, "ensemble": "npt"}),
    "md_nve": ("md", {**MD, "ensemble": "nve"}),
    "neb": ("neb", NEB),
    "relax_cell": ("relax", {**BULK, **CELL}),
    "relax_ends": (
        "relax",
        {**BULK, "names": ["initial", "final"], "relax_cell": False},
    ),
    "dynamical_matrix": (
        "dynamical_matrix",
        {
            "title": "Dynamical matrices of 3 atoms with sevennet-0",
            "names": ["initial", "saddle", "final"],
            "moving": [1, 5, 8],
            "displacement": 0.01,
            **MODEL,
        },
    ),
    "single_point": ("single_point", {**POINT, "atomic_energies": True}),
    "single_point_without_atomic_energies": ("single_point", {**POINT, "atomic_energies": False}),
    "timing": ("timing", TIMING),
    "timing_by_ml_iap": ("timing", {**TIMING, **BY_ML_IAP}),
}

BAROSTAT = {"triclinic", "pressure_bar", "barostat_damping_ps"}
UNUSED = {"md_nvt": BAROSTAT, "md_nve": BAROSTAT}


@pytest.mark.parametrize("name", DECKS)
def test_deck_is_the_golden_one(name: str) -> None:
    """To change a deck on purpose, write what `render` gives into the golden file and read the difference."""
    template, values = DECKS[name]
    assert decks.render(template, **values) == (GOLDEN / f"{name}.in").read_text()


def test_every_golden_file_has_a_deck() -> None:
    assert {file.stem for file in GOLDEN.glob("*.in")} == set(DECKS)


@pytest.mark.parametrize("name", DECKS)
def test_a_missing_value_is_refused(name: str) -> None:
    template, values = DECKS[name]
    for missing in values.keys() - UNUSED.get(name, set()):
        rest = {key: value for key, value in values.items() if key != missing}
        with pytest.raises(DeckError, match=f"deck {template}.in: '{missing}' is undefined"):
            decks.render(template, **rest)


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(DeckError, match=r"no deck template 'nebb\.in\.j2'"):
        decks.render("nebb")


PROGRAM = "x\nshell touch PWNED\n#"
DANGEROUS = [
    PROGRAM,
    'x" shell',
    "x'",
    "$(1+1)",
    "${x}",
    "x &",
    "x#",
    "`x`",
    "x\\",
    "x\r",
    "x\u2028",
    "José",
    "磷",
]


@pytest.mark.parametrize("text", DANGEROUS)
@pytest.mark.parametrize("name", DECKS)
def test_text_in_a_deck_is_text(name: str, text: str) -> None:
    """Whatever text is given for a value, also in a list, the deck has the commands of the golden one."""
    template, values = DECKS[name]
    golden = (GOLDEN / f"{name}.in").read_text()

    def spoilt(value: object) -> object:
        return [text, *value[1:]] if isinstance(value, list | tuple) and isinstance(value[0], str) else value

    for key in ("title", "pair_coeff", "names", "name", "elements"):
        if key in values:
            value = spoilt(values[key]) if key in ("names", "elements") else text
            deck = decks.render(template, **{**values, key: value})
            assert len(deck.splitlines()) == len(golden.splitlines())
            assert deck.isascii()
            assert text not in deck
            words = [
                [line.split()[0] for line in part.splitlines() if line.strip()] for part in (deck, golden)
            ]
            assert words[0] == words[1]


class Silicon:
    """A potential of LAMMPS itself, in a file."""

    pair_style = "sw"

    def __init__(self, file: Path) -> None:
        self._file = file

    def pair_coeff(self) -> str:
        return f"first:{self._file}:second"

    def file(self) -> Path:
        return self._file


@pytest.mark.parametrize("folder", ["plain", "José", "a b", "o'brien", "x#$&`", 'a"b', "a\nb"])
def test_a_file_is_named_by_a_link(tmp_path: Path, folder: str) -> None:
    """LAMMPS reads ASCII alone, and paths have any characters; run directories have a link that has none."""
    file = tmp_path / folder / "x.pt"
    file.parent.mkdir()
    for _ in range(2):
        deck = decks.write_deck(tmp_path, "single_point", Silicon(file), ["Si"], **UNNAMED)
        assert (tmp_path / "model.pt").readlink() == file
    assert 'pair_coeff      * * "first:model.pt:second" Si\n' in (tmp_path / deck).read_text()


@pytest.mark.parametrize(
    ("name", "link"), [("x.p y", "model.py"), ("x." + 200 * "y", "model.yyyyyyyy"), ("x", "model")]
)
def test_names_of_links_are_short_and_plain(tmp_path: Path, name: str, link: str) -> None:
    decks.write_deck(tmp_path, "single_point", Silicon(tmp_path / name), ["Si"], **UNNAMED)
    assert (tmp_path / link).readlink() == tmp_path / name


def test_a_name_that_a_deck_cannot_hold_is_refused(tmp_path: Path) -> None:
    silicon = Silicon(tmp_path / "x.pt")
    silicon.pair_coeff = lambda: "módel"  # type: ignore[method-assign]
    with pytest.raises(
        DeckError, match="a deck cannot hold the name 'módel': accepted are ASCII characters but"
    ):
        decks.write_deck(tmp_path, "single_point", silicon, ["Si"], **UNNAMED)
    assert not (tmp_path / "single_point.in").exists()


def test_types_follow_the_first_atom_of_each_element() -> None:
    assert decks.elements_of(ase.Atoms("OPFeLiOO")) == ("O", "P", "Fe", "Li")


def test_a_cell_in_another_orientation_is_refused(tmp_path: Path) -> None:
    atoms = bulk("LiF", "rocksalt", a=4.0)
    with pytest.raises(DeckError, match="a along x and b in the xy plane"):
        decks.write_structure(tmp_path / "x.data", atoms, ("Li", "F"))
    assert not (tmp_path / "x.data").exists()


@st.composite
def crystals(draw: st.DrawFn) -> ase.Atoms:
    """Atoms in and around an orthogonal or triclinic cell in LAMMPS orientation."""
    lengths = [draw(st.floats(3.0, 12.0)) for _ in range(3)]
    cell = np.diag(lengths)
    if draw(st.booleans()):  # LAMMPS takes tilts up to half the length along the axis, and warns of more
        cell[1, 0] = lengths[0] * draw(st.floats(-0.5, 0.5))
        cell[2, 0] = lengths[0] * draw(st.floats(-0.5, 0.5))
        cell[2, 1] = lengths[1] * draw(st.floats(-0.5, 0.5))
    symbols = draw(st.lists(st.sampled_from(["Li", "Fe", "P", "O"]), min_size=1, max_size=6))
    fractions = [[draw(st.floats(-0.7, 1.7)) for _ in range(3)] for _ in symbols]
    return ase.Atoms(symbols, scaled_positions=fractions, cell=cell, pbc=True)


per_crystal = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(atoms=crystals())
@per_crystal
def test_data_file_holds_the_crystal(tmp_path: Path, atoms: ase.Atoms) -> None:
    """Read back by ASE's own reader: species, order, cell, and positions even outside the cell."""
    elements = decks.elements_of(atoms)
    decks.write_structure(tmp_path / "x.data", atoms, elements)
    read = ase.io.read(tmp_path / "x.data", format="lammps-data", atom_style="atomic", sort_by_id=True)
    assert isinstance(read, ase.Atoms)
    assert read.get_chemical_symbols() == atoms.get_chemical_symbols()
    assert read.cell.array == pytest.approx(atoms.cell.array, abs=DATA_TOLERANCE_A)
    assert read.positions == pytest.approx(atoms.positions, abs=DATA_TOLERANCE_A)


def dump(atoms: ase.Atoms, forces: np.ndarray, origin: np.ndarray) -> str:
    """A dump as LAMMPS writes it (Howto_triclinic: bounds of the box that encloses the tilted one)."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = atoms.cell.array
    x, y, z = origin
    low = (x + min(0.0, xy, xz, xy + xz), y + min(0.0, yz), z)
    high = (x + lx + max(0.0, xy, xz, xy + xz), y + ly + max(0.0, yz), z + lz)
    tilted = bool(np.any([xy, xz, yz]))
    rows = [
        f"{n + 1} 1 {symbol} " + " ".join(f"{value:.15g}" for value in (*position + origin, *force))
        for n, (symbol, position, force) in enumerate(
            zip(atoms.symbols, atoms.positions, forces, strict=True)
        )
    ]
    bounds = [
        f"{a:.16e} {b:.16e}" + (f" {tilt:.16e}" if tilted else "")
        for a, b, tilt in zip(low, high, (xy, xz, yz), strict=True)
    ]
    box = "ITEM: BOX BOUNDS xy xz yz pp pp pp" if tilted else "ITEM: BOX BOUNDS pp pp pp"
    head = ["ITEM: TIMESTEP", "12", "ITEM: NUMBER OF ATOMS", str(len(atoms)), box, *bounds]
    return "\n".join([*head, "ITEM: ATOMS id type element xu yu zu fx fy fz", *rows, ""])


@given(atoms=crystals(), origin=st.tuples(*3 * [st.floats(-3.0, 3.0)]), seed=st.integers(0, 1000))
@per_crystal
def test_dump_is_read_as_it_was_written(
    tmp_path: Path, atoms: ase.Atoms, origin: tuple[float, float, float], seed: int
) -> None:
    forces = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    (tmp_path / "x.dump").write_text(dump(atoms, forces, np.array(origin)))
    read = decks.read_state(tmp_path / "x.dump")
    assert read.get_chemical_symbols() == atoms.get_chemical_symbols()
    assert read.cell.array == pytest.approx(atoms.cell.array, abs=DUMP_TOLERANCE_A * 100)
    assert read.positions == pytest.approx(atoms.positions, abs=DUMP_TOLERANCE_A * 100)
    assert read.arrays["forces"] == pytest.approx(forces, abs=1e-12)
    assert all(read.pbc)


def test_a_dump_without_tilts_has_a_plain_box() -> None:
    assert not decks.is_triclinic(bulk("LiF", "rocksalt", a=4.0, cubic=True))
    assert decks.is_triclinic(ase.Atoms(cell=[[4, 0, 0], [1, 4, 0], [0, 0, 4]]))
