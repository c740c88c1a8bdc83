"""Bands of VASP read back: their barriers, and what a model says of their images."""

import gzip
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import ase
import ase.io
import ase.test
import landscapes
import numpy as np
import pytest
import yaml
from bands import BOX_A, lithium_at, silent
from landscapes import FORWARD_EV, SADDLE, TILT_EV, TwoWells

from hopkin.analysis.comparison.comparison import collect
from hopkin.analysis.comparison.metrics import improved_tangent, normal_forces
from hopkin.drivers.bands.vaspbands import read_vasp_band
from hopkin.drivers.campaigns.bench import run_campaign
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.errors import StructureError
from hopkin.drivers.models.registry import find_model

FRACTIONS = (0.0, SADDLE / 2, SADDLE, (SADDLE + 0.5) / 2, 0.5)
ZERO_EV = -123.0
SHIFT_EV_PER_A = 0.2
PRESSURE_GPA = 3.0


def put_vasprun(path: Path, atoms: ase.Atoms, energy: float, forces: np.ndarray, pressure_GPa: float) -> None:
    """Write what ASE reads of a vasprun.xml; stress in kbar, with the sign of VASP."""

    def rows(name: str, table: np.ndarray) -> str:
        lines = "".join(f"<v>{' '.join(f'{x:.12f}' for x in row)}</v>" for row in table)
        return f'<varray name="{name}">{lines}</varray>'

    structure = (
        f"<crystal>{rows('basis', atoms.cell.array)}</crystal>"
        f"{rows('positions', atoms.get_scaled_positions(wrap=False))}"
    )
    species = "".join(f"<rc><c>{symbol}</c><c>1</c></rc>" for symbol in atoms.symbols)
    energies = (
        f'<energy><i name="e_fr_energy">{energy:.12f}</i><i name="e_0_energy">{energy:.12f}</i></energy>'
    )
    text = (
        '<?xml version="1.0"?><modeling><kpoints><varray name="kpointlist"/></kpoints>'
        f'<atominfo><array name="atoms"><set>{species}</set></array></atominfo>'
        f'<structure name="initialpos">{structure}</structure><calculation><scstep>{energies}</scstep>'
        f"<structure>{structure}</structure>{rows('forces', forces)}"
        f"{rows('stress', 10 * pressure_GPa * np.eye(3))}{energies}</calculation></modeling>"
    )
    path.write_text(text)


def images() -> list[ase.Atoms]:
    return [lithium_at(fraction, across_A=0.1 * n * (4 - n)).atoms for n, fraction in enumerate(FRACTIONS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A band of 'VASP': the landscape's energies from another zero, its forces but for a known difference."""
    for number, atoms in enumerate(images()):
        place = tmp_path / "LiFePO4" / f"{number:02d}"
        place.mkdir(parents=True)
        energies, forces = TwoWells().evaluate(atoms)
        forces[0, 2] += SHIFT_EV_PER_A  # of the helium atom, across the path
        put_vasprun(place / "vasprun.xml", atoms, ZERO_EV + energies.sum(), forces, PRESSURE_GPA)
    return tmp_path / "LiFePO4"


def test_a_band_of_vasp_is_read(folder: Path) -> None:
    band = read_vasp_band(folder)
    assert band.energies_eV is not None
    assert band.forces is not None
    assert band.stresses is not None
    assert len(band.images) == 5
    for image, atoms in zip(band.images, images(), strict=True):
        assert image.positions == pytest.approx(atoms.positions, abs=1e-9)
    assert band.energies_eV[0] == pytest.approx(ZERO_EV)
    assert band.stresses[0] * 160.2176634 == pytest.approx([-PRESSURE_GPA] * 3 + [0] * 3)
    reference = band.reference("LiFePO4", functional="PBE+U", source="10.1/x")
    assert reference is not None
    across = 0.4**2  # of the spring across at the saddle, 2 eV/A^2 / 2
    assert reference.forward_barrier_eV == pytest.approx(FORWARD_EV + across)
    assert reference.reverse_barrier_eV == pytest.approx(FORWARD_EV + across - TILT_EV)
    assert reference.barrier_eV == pytest.approx(FORWARD_EV + across - TILT_EV / 2)


def test_a_compressed_output_of_real_vasp_is_read(tmp_path: Path) -> None:
    """ASE's own example of an OUTCAR: its last energy for sigma -> 0, as the file says it."""
    example = Path(ase.test.__file__).parent / "testdata" / "vasp" / "OUTCAR_example_1"
    text = example.read_text()
    for number in range(3):
        place = tmp_path / f"{number:02d}"
        place.mkdir()
        with gzip.open(place / "OUTCAR.gz", "wt") as file:
            file.write(text)
    with pytest.raises(StructureError, match=r"the ends are the same structure"):
        read_vasp_band(tmp_path)
    moved = ase.io.read(example, format="vasp-out")
    moved.positions[0, 0] += 0.5
    (tmp_path / "02" / "OUTCAR.gz").unlink()
    moved.write(tmp_path / "02" / "POSCAR", format="vasp", direct=True)
    band = read_vasp_band(tmp_path)
    assert (len(band.images), band.energies_eV) == (3, None)
    assert band.reference("x", functional="", source="") is None


def test_a_model_on_the_images_of_vasp(folder: Path, private_cache: Path) -> None:
    """The same energies; forces that differ on one atom across the path alone; the stress of 'VASP' alone."""
    path = folder.parent / "campaign.yaml"
    model = f"ase:{landscapes.__file__}:TwoWells"
    pairs = [{"vasp": "LiFePO4", "functional": "PBE+U", "images": 3, "force_tolerance_eV_per_A": 0.01}]
    path.write_text(yaml.safe_dump({"name": "x", "models": [model], "pairs": pairs}))
    asked = load_campaign(path)
    jobs = plan(asked, path.parent, [find_model(model)])
    assert [job.kind for job in jobs] == ["neb", "images"]
    root = folder.parent / "results"
    outcomes = run_campaign("x", jobs, root, load_executor("local", 1), verify=False, show=silent)
    assert [outcome.failure for outcome in outcomes] == [None, None]
    tables = collect(root)
    (barrier,) = tables["barriers"]
    assert barrier["error_eV"] == pytest.approx(-(0.4**2), abs=2e-3)  # 'VASP' stayed beside its path
    assert barrier["functional"] == "PBE+U"

    (row,) = tables["images"]
    assert row["saddle_image"] == 2
    assert row["saddle_energy_error_eV"] == pytest.approx(0.0, abs=1e-9)
    assert row["saddle_force_mae_eV_per_A"] == pytest.approx(SHIFT_EV_PER_A / 6)
    assert row["saddle_stress_mae_GPa"] == pytest.approx(PRESSURE_GPA / 2)
    steps = np.array([after.positions - before.positions for before, after in pairwise(images())])
    evaluated = [TwoWells().evaluate(atoms) for atoms in images()]
    energies = [energy.sum() for energy, _ in evaluated]
    expected = normal_forces(evaluated[2][1], improved_tangent(steps[1:3], energies[1:4]))
    assert row["saddle_normal_force_eV_per_A"] == pytest.approx(np.linalg.norm(expected, axis=1).max())
    assert row["saddle_normal_force_mae_eV_per_A"] == pytest.approx(SHIFT_EV_PER_A / 6)


def test_a_torn_output_is_passed_over_where_another_file_can_be_read(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torn = folder / "02" / "vasprun.xml"
    with gzip.open(folder / "02" / "vasprun.xml.gz", "wt") as file:
        file.write(torn.read_text())
    torn.write_text("<modeling>")
    assert read_vasp_band(folder).energies_eV is not None
    assert "cannot be read as VASP vasprun.xml" in caplog.text
    (folder / "02" / "vasprun.xml.gz").unlink()
    images()[2].write(folder / "02" / "POSCAR", format="vasp", direct=True)
    assert read_vasp_band(folder).energies_eV is None


def two_folders(folder: Path) -> None:
    for name in ("02", "03", "04"):
        shutil.rmtree(folder / name)


def empty_folder(folder: Path) -> None:
    (folder / "02" / "vasprun.xml").unlink()


def torn_output(folder: Path) -> None:
    (folder / "02" / "vasprun.xml").write_text("<modeling>")


def other_order(folder: Path) -> None:
    atoms = ase.Atoms("LiHe", cell=[BOX_A] * 3)
    put_vasprun(folder / "03" / "vasprun.xml", atoms, 0.0, np.zeros((2, 3)), 0.0)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (two_folders, r"has 2 folders 00, 01, \.\.\.; a VASP NEB run has at least three"),
        (empty_folder, r"02 has none of vasprun.xml, .*, POSCAR"),
        (torn_output, r"02.vasprun.xml cannot be read as VASP vasprun.xml file: it is cut off"),
        (other_order, r"03 holds other atoms, or in another order, than .*00"),
    ],
)
def test_a_folder_that_is_no_band(folder: Path, spoil: Callable[[Path], None], sentence: str) -> None:
    spoil(folder)
    with pytest.raises(StructureError, match=sentence):
        read_vasp_band(folder)
