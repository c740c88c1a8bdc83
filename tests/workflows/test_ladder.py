"""The ladder of attempts, whose runs of LAMMPS are made up: what counts, what is kept, what is told again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import pytest
from bands import lithium_at, silent

from hopkin.drivers.bands import interpolate
from hopkin.drivers.errors import DivergenceError, HopkinError, LammpsError, MachineError, ScarcityError
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows import band, ladder
from hopkin.drivers.workflows.attempts import Attempt
from hopkin.drivers.workflows.relaxation import Relaxed, read_state

BELOW_AN_END_EV = [0.2, 0.1, 0.1, 0.1, 0.0]  # converged, but refined for it
RESOLVED_EV = [0.0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1, 0.0]

Come = Callable[[], list[float]]


def come_to(*energies_eV: float) -> Come:
    return lambda: list(energies_eV)


def failing(error: HopkinError) -> Come:
    def fail() -> list[float]:
        raise error

    return fail


def write_image(directory: Path, number: int, atoms: ase.Atoms, energy_eV: float) -> Relaxed:
    """Write what LAMMPS leaves of an image, and read it."""
    edges = "".join(f"0.0 {edge}\n" for edge in atoms.cell.array.diagonal())
    rows = "".join(
        f"{n} 1 {atom.symbol} {' '.join(map(str, atom.position))} 0.0 0.0 0.0\n"
        for n, atom in enumerate(atoms, 1)
    )
    (directory / f"image_{number}.dump").write_text(
        f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS pp pp pp\n{edges}"
        f"ITEM: ATOMS id type element xu yu zu fx fy fz\n{rows}"
    )
    (directory / f"image_{number}.yaml").write_text(f"energy_eV: {energy_eV}\npressure_bar: [0, 0, 0]\n")
    return read_state(directory, f"image_{number}")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> list[Come]:
    """What the next runs of LAMMPS come to: energies, no numbers, or an error; those that are done go."""
    coming = list[Come]()

    def run(asked: Attempt, images: Sequence[ase.Atoms], *words: Any, say: Any) -> Attempt:
        directory = words[3]
        (directory / "neb.in").write_text(asked.start)
        (directory / "model.py").unlink(missing_ok=True)
        (directory / "model.py").symlink_to(__file__)
        energies = coming.pop(0)()
        if not energies:
            return replace(asked, evidence="no numbers")
        replicas = [write_image(directory, n, images[n], energy) for n, energy in enumerate(energies)]
        return replace(
            asked,
            outcome="converged",
            replicas=tuple(replicas),
            max_force_eV_per_A=0.0,
            climbing_image=1,
        )

    monkeypatch.setattr(ladder, "run_attempt", run)
    return coming


def end_at(fraction: float) -> Relaxed:
    atoms = lithium_at(fraction).atoms
    return Relaxed(atoms=atoms, energy_eV=0.0, max_force_eV_per_A=0.0, max_pressure_GPa=0.0, cell_changes=0)


def climb(
    directory: Path, *, final: float = 0.5, path: Sequence[ase.Atoms] | None = None
) -> tuple[Attempt, list[Attempt]]:
    asked: Any = {"model": "x", "images": 3, "start_from": path and "y"}
    return ladder.climb(
        (end_at(0.0), end_at(final)),
        None,  # type: ignore[arg-type]
        BandSpecification(**asked),
        directory,
        path=path,
        enough=None,
        say=silent,
    )


# Bands that start from those of others


def test_a_band_from_which_another_starts_gives_its_shape_and_no_more(
    tmp_path: Path, plan: list[Come]
) -> None:
    """Where it does not converge, the ladder begins as it does without; no symmetry of it stays."""
    nothing = come_to()
    path = interpolate(lithium_at(0.0).atoms, lithium_at(0.5).atoms, 3)
    path[2].positions[0, 1] += 0.5
    plan[:] = [nothing, nothing, come_to(*RESOLVED_EV[::2])]
    _, attempts = climb(tmp_path, path=path)
    assert [attempt.start for attempt in attempts] == ["shape of the band of y", *2 * ["interpolated"]]
    assert attempts[1].settings == attempts[0].settings != attempts[2].settings
    plan[:] = [come_to(*RESOLVED_EV[::2])]
    (tmp_path / "again").mkdir()
    counts, _ = climb(tmp_path / "again", path=path)
    aside = counts.atoms[2].positions - path[2].positions
    assert 0 < abs(aside[:, 1:]).max() < 0.2


# Refined bands that do not end by themselves


@pytest.mark.parametrize(
    "error", [ScarcityError("LAMMPS was killed, signal 9"), LammpsError("out of memory on the accelerator")]
)
def test_a_refined_band_for_which_there_is_too_little_counts_for_nothing(
    tmp_path: Path, plan: list[Come], error: HopkinError
) -> None:
    plan[:] = [come_to(*BELOW_AN_END_EV), failing(error)]
    counts, attempts = climb(tmp_path)
    assert [attempt.outcome for attempt in attempts] == ["converged", "broke down"]
    assert attempts[1].evidence == str(error)
    assert counts is attempts[0]


def test_a_refined_band_that_was_stopped_from_outside_is_run_again(tmp_path: Path, plan: list[Come]) -> None:
    """As the message says: the same command goes on where it was."""
    plan[:] = [come_to(*BELOW_AN_END_EV), failing(MachineError("signal 15: the same command goes on"))]
    with pytest.raises(MachineError, match="signal 15"):
        climb(tmp_path)
    plan[:] = [come_to(*RESOLVED_EV)]
    counts, attempts = climb(tmp_path)
    assert plan == []
    assert [attempt.outcome for attempt in attempts] == ["converged", "converged"]
    assert counts is attempts[1]


# Bands between lower ends

NO_GROUND_STATES_EV = [0.0, -0.2, 0.1, 0.3, 0.1, 0.0, 0.0]


@pytest.mark.parametrize("lost", ["the band", "the ends"])
def test_a_band_outlives_one_between_lower_ends(
    tmp_path: Path, plan: list[Come], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    relaxed = list[int]()

    def relax(
        structures: dict[str, ase.Atoms], model: Any, directory: Path, **settings: Any
    ) -> list[Relaxed]:
        relaxed.append(1)
        if lost == "the ends" and len(relaxed) > 1:
            raise DivergenceError("no numbers")
        directory.mkdir()
        return [replace(end_at(0.0), atoms=atoms) for atoms in structures.values()]

    monkeypatch.setattr(band, "relax", relax)
    plan[:] = [come_to(*NO_GROUND_STATES_EV), *3 * [come_to()]]
    asked: Any = {"model": "x", "images": 5}
    ends = lithium_at(0.0).atoms, lithium_at(0.5).atoms
    result = band.relaxed_band(ends, 1, None, BandSpecification(**asked), tmp_path, say=silent)  # type: ignore[arg-type]
    assert result["energies_eV"] == NO_GROUND_STATES_EV
    assert result["barrier_eV"] == pytest.approx(0.3)
    assert (result["converged"], result["failure"]) == (False, "type_I_divergence")
    where = {"the band": "between ends relaxed from there", "the ends": "relaxed from there"}[lost]
    assert result["evidence"] == f"lower energies lie in the sites of its ends; {where}: no numbers"
    assert len(result["attempts"]) == {"the band": 4, "the ends": 1}[lost]
    assert len(ase.io.read(tmp_path / "path.extxyz", ":")) == 7
    assert read_state(tmp_path, "image_1").energy_eV == -0.2


# Attempts that have ended


@pytest.mark.parametrize("runs", [3 * [come_to()], [come_to(*BELOW_AN_END_EV), come_to(*RESOLVED_EV)]])
def test_attempts_between_other_ends_are_not_taken(
    tmp_path: Path, plan: list[Come], runs: list[Come]
) -> None:
    """Whether they left numbers or not."""
    for final, left in ((0.5, 0), (0.5, len(runs)), (0.49, 0)):
        plan[:] = runs
        climb(tmp_path, final=final)
        assert len(plan) == left


def test_the_deck_of_every_attempt_has_its_model_beside_it(tmp_path: Path, plan: list[Come]) -> None:
    plan[:] = [come_to(*BELOW_AN_END_EV), come_to()]
    climb(tmp_path)
    decks = sorted(tmp_path.rglob("neb.in"))
    assert [deck.parent.name for deck in decks] == ["attempt_2", tmp_path.name]
    assert all((deck.parent / "model.py").resolve() == Path(__file__) for deck in decks)
