"""Input of VASP, read back by ASE and by pymatgen; the Materials Project's own set is the oracle."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from command_line import Run

from hopkin.drivers.bands import vasp
from hopkin.drivers.bands.export import export_vasp
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.engine import decks
from hopkin.drivers.errors import RunError, StructureError

pymatgen = pytest.importorskip("pymatgen.io.vasp")

MATERIALS = ("LiFePO4-olivine", "LiCoO2-layered", "LiTiS2-layered", "Li10GeP2S12", "Na3PS4-tetragonal")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Pymatgen warns of potentials that nobody has here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def mp_set(atoms: ase.Atoms) -> "pymatgen.sets.MPRelaxSet":
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.vasp.sets import MPRelaxSet

    plain = ase.Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True)
    return MPRelaxSet(AseAtomsAdaptor.get_structure(plain), sort_structure=False)


@pytest.mark.parametrize("material", [*MATERIALS, "LiNiF4"])
def test_u_moments_and_potentials_are_the_materials_projects(tmp_path: Path, material: str) -> None:
    atoms = (
        ase.Atoms("LiNiF4", positions=2.2 * np.indices((6, 1, 1)).reshape(3, -1).T, cell=[13, 5, 5], pbc=True)
        if material == "LiNiF4"
        else load_structure(material).atoms
    )
    order = vasp.write_neb([atoms] * 5, tmp_path, kpoint_density=vasp.KPOINT_DENSITY)
    theirs = mp_set(atoms[order])
    ours = pymatgen.Incar.from_file(tmp_path / "INCAR")
    for tag in ("LDAU", "LDAUU", "LDAUJ", "LDAUTYPE", "MAGMOM"):
        assert ours.get(tag) == theirs.incar.get(tag), tag
    symbols = (tmp_path / "POTCAR.spec").read_text().split()
    assert symbols == theirs.potcar_symbols
    assert ("LDAU" in ours) == (material in ("LiFePO4-olivine", "LiCoO2-layered", "LiNiF4"))


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("repeats", [(1, 1, 1), (1, 2, 2), (3, 3, 1)])
def test_meshes_are_those_of_the_published_barriers(material: str, repeats: tuple[int, int, int]) -> None:
    from pymatgen.io.ase import AseAtomsAdaptor

    """Pymatgen's `reciprocal_density=100`."""
    atoms = load_structure(material).atoms.repeat(repeats)
    theirs = pymatgen.Kpoints.automatic_density_by_vol(
        AseAtomsAdaptor.get_structure(atoms), 100, force_gamma=True
    )
    ours = pymatgen.Kpoints.from_str(vasp.kpoints(atoms.cell.array, vasp.KPOINT_DENSITY))
    assert ours.kpts == theirs.kpts
    assert ours.style == theirs.style


# A band


@pytest.fixture
def band(tmp_path: Path) -> Path:
    """Directory of a finished band of LiFePO4, its lithium last and across the boundary."""
    crystal = load_structure("LiFePO4-olivine").atoms
    atoms = crystal[[*range(1, len(crystal)), 0]]
    run = tmp_path / "LiFePO4-hop0"
    run.mkdir()
    for n in range(5):
        image = atoms.copy()
        image.positions[-1] += [0.0, -0.75 * n, 0.1 * n * (4 - n)]
        if n == 3:  # LAMMPS may say so of any image
            image.positions[4] += image.cell[0]
        image.set_array("forces", np.zeros((len(image), 3)))
        write_dump(run / f"image_{n}.dump", image)
    (run / "run.json").write_text(json.dumps({"kind": "barrier"}))
    result = {"material": "LiFePO4-olivine", "hop": "Li -> Li", "model": "m", "failure": None}
    (run / "result.json").write_text(json.dumps({**result, "energies_eV": [0.0, 0.2, 0.3, 0.2, 0.0]}))
    return run


def write_dump(path: Path, atoms: ase.Atoms) -> None:
    a, b, c = atoms.cell.lengths()
    rows = [
        f"{n + 1} 1 {s} {x:.12f} {y:.12f} {z:.12f} 0 0 0"
        for n, (s, (x, y, z)) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
    ]
    bounds = f"ITEM: BOX BOUNDS pp pp pp\n0 {a}\n0 {b}\n0 {c}\n"
    head = f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n{bounds}"
    path.write_text(head + "ITEM: ATOMS id type element xu yu zu fx fy fz\n" + "\n".join(rows) + "\n")


def test_images_read_back_are_those_of_the_run(run: Run, band: Path, tmp_path: Path) -> None:
    """The same atoms in the same order in each, grouped by species; no jump between images."""
    said = run("export", "vasp", band, "-o", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    mesh = pymatgen.Kpoints.from_file(tmp_path / "out" / "KPOINTS")
    cell = decks.read_state(band / "image_0.dump").cell.array
    assert mesh.kpts == pymatgen.Kpoints.from_str(vasp.kpoints(cell, 100)).kpts
    assert mesh.comment.startswith("Mesh around Gamma, 100 k-points per A^-3")
    order = json.loads((tmp_path / "out" / "export.json").read_text())["atom_of_run"]
    images = [ase.io.read(tmp_path / "out" / f"{n:02d}" / "POSCAR") for n in range(5)]
    for n, image in enumerate(images):
        truth = decks.read_state(band / f"image_{n}.dump")[order]
        assert image.get_chemical_symbols() == truth.get_chemical_symbols()
        apart = image.get_scaled_positions(wrap=False) - truth.get_scaled_positions(wrap=False)
        assert apart == pytest.approx(np.round(apart), abs=1e-8)
    symbols = images[0].get_chemical_symbols()
    assert [s for n, s in enumerate(symbols) if n == 0 or symbols[n - 1] != s] == list(dict.fromkeys(symbols))
    steps = np.diff([image.positions for image in images], axis=0)
    assert np.abs(steps).max() < 1.0
    assert sorted(p.name for p in (tmp_path / "out" / "04").iterdir()) == [
        "INCAR", "KPOINTS", "POSCAR", "POTCAR.spec",
    ]  # fmt: skip
    assert [p.name for p in (tmp_path / "out" / "02").iterdir()] == ["POSCAR"]


def test_what_vasp_is_told(band: Path, tmp_path: Path) -> None:
    """The published protocol, and a band of as many images as there are folders between the ends."""
    assert export_vasp(band, tmp_path / "out") == 3
    neb = pymatgen.Incar.from_file(tmp_path / "out" / "INCAR")
    end = pymatgen.Incar.from_file(tmp_path / "out" / "00" / "INCAR")
    for tags in (neb, end):
        assert (tags["ENCUT"], tags["EDIFF"], tags["EDIFFG"], tags["ISIF"]) == (450, 1e-5, -0.05, 2)
        assert len(tags["MAGMOM"]) == 28
    assert (neb["IMAGES"], neb["LCLIMB"], neb["SPRING"], neb["IBRION"], neb["IOPT"]) == (3, True, -5, 3, 7)
    assert "IMAGES" not in end
    assert "Stock VASP has no climbing image" in (tmp_path / "out" / "INCAR").read_text()


def test_a_run_without_a_band_cannot_be_exported(band: Path, tmp_path: Path) -> None:
    (band / "result.json").write_text(json.dumps({"energies_eV": [], "failure": "endpoint_drift"}))
    with pytest.raises(RunError, match=r"holds no band \(barrier, endpoint_drift\)"):
        export_vasp(band, tmp_path / "out")
    with pytest.raises(RunError, match=r"is no finished run: it has no result.json"):
        export_vasp(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_of_a_longer_band_are_not_left_behind(band: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "07").mkdir(parents=True)
    with pytest.raises(RunError, match=r"holds 07 of a longer band, and this one ends with 04: give another"):
        export_vasp(band, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["07"]
    (tmp_path / "out" / "07").rmdir()
    assert export_vasp(band, tmp_path / "out") == export_vasp(band, tmp_path / "out") == 3


def test_an_element_without_a_potential(tmp_path: Path) -> None:
    atoms = ase.Atoms("LiPo", positions=[[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(StructureError, match=r"no PBE potential for Po"):
        vasp.write_neb([atoms] * 3, tmp_path, kpoint_density=64)
