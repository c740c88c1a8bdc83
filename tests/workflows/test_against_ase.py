"""The lithium channel hop of LiFePO4 in LAMMPS against ASE's own climbing-image band."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.mep.neb import NEB
from bands import Outcome, silent

from hopkin.drivers import engine
from hopkin.drivers.bands import paths
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.engine import decks
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BarrierSpecification
from hopkin.drivers.workflows.barrier import run_barrier, select_hops
from hopkin.drivers.workflows.relaxation import read_relaxed

FORCE_TOLERANCE_EV_PER_A = 0.05
BAND_FORCE_TOLERANCE_EV_PER_A = 1e-3
BARRIER_TOLERANCE_EV = 0.005
# single precision of a total energy near -400 eV, and threads that add in another order
ENERGY_TOLERANCE_EV = 1e-4

CHGNET = "chgnet-0.3.0"
SEVENNET = "sevennet-0"

pytestmark = pytest.mark.filterwarnings(  # of the packages of the models
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.fixture(scope="module")
def channel_hop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcome]:
    """Barrier of the shortest hop of LiFePO4 as published, 1x2x1, 3 images; what ran before is read."""
    root = tmp_path_factory.mktemp("channel")

    def channel_hop(name: str) -> Outcome:
        structure, model = load_structure("LiFePO4-olivine"), find_model(name)
        (hop,) = select_hops(structure, "Li", 5.0, "0")
        asked = BarrierSpecification(
            model=name,
            images=3,
            repeats=(1, 2, 1),
            force_tolerance_eV_per_A=FORCE_TOLERANCE_EV_PER_A,
            relax_bulk=False,
        )
        return run_barrier(structure, hop, model, asked, root, say=silent)

    return channel_hop


@pytest.mark.parametrize("name", [CHGNET, pytest.param(SEVENNET, marks=pytest.mark.slow)])
def test_band_is_converged_for_ase_too(
    channel_hop: Callable[[str], Outcome], name: str, record_property: Callable[[str, object], None]
) -> None:
    """On the band of LAMMPS, ASE's climbing image, tangent and springs give the same forces on every atom.

    Bands that are run independently from the same start stop at different points of a soft landscape (here up
    to 20 meV apart at 0.05 eV/A), which says nothing of either; the forces of one and the same band do.
    """
    run, result = channel_hop(name)
    assert result["failure"] is None
    assert result["max_atom_force_eV_per_A"] <= FORCE_TOLERANCE_EV_PER_A * 1.000001
    model = find_model(name)
    images = [decks.read_state(run.path / f"image_{n}.band.dump") for n in range(5)]
    lammps_forces = np.array([image.arrays["forces"] for image in images[1:-1]])
    calculator = model.module.calculator(model, device="cpu")
    for image in images:
        image.calc = calculator
    band = NEB(images, method="improvedtangent", climb=True, k=1.0, allow_shared_calculator=True)
    ase_forces = band.get_forces().reshape(lammps_forces.shape)
    difference = float(np.abs(lammps_forces - ase_forces).max())
    record_property("largest_difference_of_a_band_force_eV_per_A", difference)
    assert difference < BAND_FORCE_TOLERANCE_EV_PER_A
    assert np.linalg.norm(ase_forces, axis=2).max() < FORCE_TOLERANCE_EV_PER_A + BAND_FORCE_TOLERANCE_EV_PER_A
    theirs = paths.barrier([float(image.get_potential_energy()) for image in images])
    assert result["barrier_eV"] == pytest.approx(theirs.barrier_eV, abs=BARRIER_TOLERANCE_EV)
    assert result["forward_barrier_eV"] == pytest.approx(theirs.forward_barrier_eV, abs=BARRIER_TOLERANCE_EV)
    # the ends are equivalent sites
    assert result["forward_barrier_eV"] == pytest.approx(result["reverse_barrier_eV"], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", [CHGNET, SEVENNET])
def test_deck_stands_alone(channel_hop: Callable[[str], Outcome], tmp_path: Path, name: str) -> None:
    """Only the deck, the images and the exported model, elsewhere, and no hopkin process."""
    run, result = channel_hop(name)
    links = ["model.pt"] if find_model(name).route == "native" else []
    for file in ("neb.in", *links, *(f"image_{n}.data" for n in range(5))):
        shutil.copy(run.path / file, tmp_path)
    argv = [engine.executable("mpirun"), "-np", "5", engine.executable("lmp"), "-partition", "5x1"]
    subprocess.run([*argv, "-in", "neb.in"], cwd=tmp_path, check=True, capture_output=True, timeout=3000)
    energies = [read_relaxed(tmp_path, f"image_{n}").energy_eV for n in range(5)]
    assert energies == pytest.approx(result["energies_eV"], abs=ENERGY_TOLERANCE_EV)
