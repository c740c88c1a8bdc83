"""The whole way from a crystal to a barrier: the vacancy of copper in effective medium theory."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.mep.neb import NEB
from ase.optimize import FIRE
from bands import Outcome, silent

from hopkin.drivers import engine
from hopkin.drivers.bands import interpolate, load_pair, paths
from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BandSpecification, BarrierSpecification
from hopkin.drivers.workflows.barrier import run_barrier, run_neb, select_hops
from hopkin.drivers.workflows.relaxation import read_relaxed

Barrier = Callable[[], Outcome]


@pytest.fixture(scope="module")
def barrier(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> Barrier:
    """Barrier of the nearest-neighbour hop of copper in a 2x2x2 supercell, by 3 images."""
    root = tmp_path_factory.mktemp("copper")
    model = find_model("ase:ase.calculators.emt:EMT")
    structure = Structure(atoms=bulk("Cu", cubic=True), material="Cu", source="test")
    (hop,) = select_hops(structure, "Cu", 3.0, "0")
    asked = BarrierSpecification(
        model=model.name, ion="Cu", images=3, repeats=(2, 2, 2), force_tolerance_eV_per_A=0.02
    )
    return lambda: run_barrier(structure, hop, model, asked, root, say=silent)


def test_barrier_is_that_of_ase(barrier: Barrier) -> None:
    """The same ends, the same first path, the same tangent and springs."""
    run, result = barrier()
    assert result["failure"] is None
    ends = [read_relaxed(run.path / "ends", name).atoms for name in ("initial", "final")]
    images = interpolate(ends[0], ends[1], 3)
    for image in images:
        image.calc = EMT()
    band = NEB(images, method="improvedtangent", climb=True, k=1.0)
    assert FIRE(band, logfile=None).run(fmax=0.02, steps=300)
    theirs = paths.barrier([image.get_potential_energy() for image in images])
    assert result["barrier_eV"] == pytest.approx(theirs.barrier_eV, abs=0.002)
    assert result["forward_barrier_eV"] == pytest.approx(result["reverse_barrier_eV"], abs=0.002)
    assert result["hop"].startswith("Cu0(a) -> Cu")
    assert result["n_atoms"] == 31


def test_bulk_is_relaxed_to_no_pressure(barrier: Barrier) -> None:
    """Lattice constant of copper where EMT has its minimum, 3.59 A; read from its own equation of state."""
    run, result = barrier()
    relaxed = read_relaxed(run.path.with_name(result["bulk_run"]), "bulk").atoms
    relaxed.calc = EMT()
    assert relaxed.get_stress() == pytest.approx(0.0, abs=2e-3)
    assert relaxed.cell.lengths() == pytest.approx(3.59, abs=0.01)


def test_a_torn_run_is_taken_up_at_its_stage(barrier: Barrier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bulk and ends that were relaxed are read, and so is a band that ended; then the whole is read."""
    run, result = barrier()
    decks: list[str] = []
    run_deck = engine.run_deck

    def counted(directory: Path, deck: str, **settings: object) -> float:
        decks.append(f"{directory.name}/{deck}")
        return run_deck(directory, deck, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "run_deck", counted)
    (run.path / "result.json").unlink()
    _, again = barrier()
    assert decks == []
    assert again["energies_eV"] == result["energies_eV"]

    (run.path / "result.json").unlink()
    (run.path / "attempt.json").unlink()  # written when the band has ended
    (run.path / "image_3.band.dump").unlink()
    (run.path / "neb.in").write_text("torn")
    _, again = barrier()
    assert decks == [f"{run.path.name}/neb.in"]
    assert again["energies_eV"] == pytest.approx(result["energies_eV"], abs=1e-9)

    decks.clear()
    (run.path / "result.json").unlink()
    (run.path / "ends" / "initial.yaml").unlink()
    _, again = barrier()
    assert decks == ["ends/relax.in"]  # to the same ends, between which the band still is
    assert again["energies_eV"] == pytest.approx(result["energies_eV"], abs=1e-9)

    decks.clear()
    before = (run.path / "result.json").stat().st_mtime_ns
    _, last = barrier()
    assert decks == []
    assert last == again == json.loads((run.path / "result.json").read_text())
    assert (run.path / "result.json").stat().st_mtime_ns == before


def test_the_result_says_that_ends_were_shifted(tmp_path: Path, private_cache: Path) -> None:
    """Two files whose ends drifted apart by 0.37 A."""
    crystal = bulk("Cu", cubic=True).repeat(2)
    initial = crystal[1:]
    final = initial.copy()
    final.positions[0] = crystal.positions[0]
    final.positions += [0.3, 0.2, 0.1]
    for name, end in (("initial", initial), ("final", final)):
        end.write(tmp_path / f"{name}.vasp")
    ends = load_pair(str(tmp_path / "initial.vasp"), str(tmp_path / "final.vasp"))
    model = find_model("ase:ase.calculators.emt:EMT")
    asked = BandSpecification(model=model.name, ion="Cu", images=3, force_tolerance_eV_per_A=0.05)
    _, result = run_neb(*ends, model, asked, tmp_path / "runs", verify=False, say=silent)
    assert result["note"] == "the final end was shifted as a whole by 0.37 A, which was taken back"
    assert result["failure"] is None
    assert result["path_length_A"] == pytest.approx(2.55, abs=0.01)
