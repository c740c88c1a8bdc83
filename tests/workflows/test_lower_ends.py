"""Images of a band that are better ends: those downhill in the same site, and no others."""

from pathlib import Path

import ase
import pytest

from hopkin.drivers.workflows.attempts import Attempt, Settings
from hopkin.drivers.workflows.band import _lower_ends
from hopkin.drivers.workflows.ladder import _forget
from hopkin.drivers.workflows.relaxation import Relaxed

BUILT_A = (0.0, 4.0)


def lithium_at(x: float, *, framework: float = 0.0) -> ase.Atoms:
    return ase.Atoms("HeLi", positions=[[2.0, framework, 6.0], [x, 0.0, 0.0]], cell=3 * [12.0], pbc=True)


def band(*images: tuple[float, float], framework: float = 0.0) -> Attempt:
    """A band of a lithium ion, by its places and energies."""
    places = [
        lithium_at(x, framework=framework * (0 < n < len(images) - 1)) for n, (x, _) in enumerate(images)
    ]
    replicas = [
        Relaxed(atoms=atoms, energy_eV=energy, max_force_eV_per_A=0.0, max_pressure_GPa=0.0, cell_changes=0)
        for atoms, (_, energy) in zip(places, images, strict=True)
    ]
    return Attempt(settings=Settings(), images=len(images) - 2, start="", replicas=tuple(replicas))


def ends_of(attempt: Attempt) -> list[float] | None:
    built = (lithium_at(BUILT_A[0]), lithium_at(BUILT_A[1]))
    found = _lower_ends(built, attempt, ion=1)
    return None if found is None else [float(atoms.positions[1, 0]) for atoms in found]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([(0, 0), (0.7, -0.2), (2, 0.3), (3.3, -0.1), (4, 0)], [0.7, 3.3]),
        ([(0, 0), (0.3, -0.1), (0.6, -0.2), (2, 0.3), (4, 0)], [0.6, 4.0]),
        ([(0, 0), (0.7, -0.04), (2, 0.3), (3.3, 0.1), (4, 0)], None),  # within what relaxation leaves
        ([(0, 0), (0.7, 0.15), (1.2, 0.4), (1.9, -0.2), (3.1, 0.08), (4, 0)], None),  # beyond a barrier
        ([(0, 0), (0.6, -0.2), (1.4, -0.25), (2, -0.3), (3, 0.4), (4, 0)], [0.6, 4.0]),  # on to another site
        ([(0, 0), (1.4, -0.2), (2, 0.3), (3, 0.2), (4, 0)], None),  # further than a site is large
    ],
)
def test_downhill_in_the_same_site(images: list[tuple[float, float]], expected: list[float] | None) -> None:
    assert ends_of(band(*images)) == expected


def test_another_framework_is_no_better_end() -> None:
    """A model with a hole: the energy falls because the crystal falls apart."""
    images = [(0.0, 0.0), (0.7, -0.2), (2.0, 0.3), (3.3, -0.1), (4.0, 0.0)]
    assert ends_of(band(*images, framework=0.9)) == [0.7, 3.3]
    assert ends_of(band(*images, framework=1.1)) is None


@pytest.mark.parametrize(("number", "left"), [(1, "ends"), (3, "ends ends_2"), (11, "ends ends_10 ends_2")])
def test_ends_that_came_of_lost_attempts_are_forgotten(tmp_path: Path, number: int, left: str) -> None:
    """The band goes on between the ends that attempt was between."""
    for name in ("ends", "ends_2", "ends_10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "initial.yaml").write_text(name)
    for _ in range(2):
        _forget(tmp_path, number)
        assert " ".join(sorted(folder.name for folder in tmp_path.iterdir())) == left
        between = {1: "ends_2", 3: "ends_10", 11: "ends"}[number]
        assert (tmp_path / "ends" / "initial.yaml").read_text() == between
