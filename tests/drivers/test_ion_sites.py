"""Ions that leave their sites, and what is said of them."""

import ase
import numpy as np
import pytest
from ase.geometry import find_mic

from hopkin.drivers.crystals.lattices import supercell_matrix
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.hops.find import find_hops
from hopkin.drivers.hops.sites import strayed
from hopkin.drivers.hops.vacancies import vacancy_endpoints, vacant_sites

Ends = tuple[ase.Atoms, ase.Atoms]


@pytest.fixture(scope="module")
def ends() -> Ends:
    """The channel hop of LiFePO4 in 1x2x1."""
    crystal = load_structure("LiFePO4-olivine").atoms
    hop = find_hops(crystal)[0]
    return vacancy_endpoints(crystal, hop, supercell_matrix((1, 2, 1)), vacant_sites(crystal, hop, "vacancy"))


def ion_of(ends: Ends) -> int:
    return len(ends[0]) - 1


def moved(ends: Ends, end: int, atom: int, vector: np.ndarray) -> Ends:
    copies = ends[0].copy(), ends[1].copy()
    copies[end].positions[atom] += vector
    return copies


def test_ends_that_stay(ends: Ends) -> None:
    """Relaxed by less than half the hop in any direction, and wrapped into any cell."""
    rng = np.random.default_rng(1)
    relaxed = ends[0].copy(), ends[1].copy()
    for end in relaxed:
        steps = rng.normal(size=end.positions.shape)
        end.positions += 0.7 * steps / np.linalg.norm(steps, axis=1)[:, None]
        end.positions += rng.integers(-1, 2, end.positions.shape) @ end.cell.array
    assert strayed(ends, relaxed, ion_of(ends)) is None


@pytest.mark.parametrize("end", [0, 1])
def test_the_ion_that_hops_falls_back(ends: Ends, end: int) -> None:
    ion = ion_of(ends)
    hop = ends[1].positions[ion] - ends[0].positions[ion]
    found = strayed(ends, moved(ends, end, ion, (1 - 2 * end) * 0.95 * hop), ion)
    which, other = [("initial", "final"), ("final", "initial")][end]
    name = f"Li {ion + 1}"
    assert str(found).startswith(f"in the {which} end {name} fell into another site: it relaxed by")
    assert str(found).endswith(f"A from the {other} site of the hop")


def test_another_ion_falls_into_the_vacancy(ends: Ends) -> None:
    """A neighbour of the vacancy in the initial end, which is the final site of the hop."""
    ion = ion_of(ends)
    others = [n for n in np.flatnonzero(ends[0].symbols == "Li").tolist() if n != ion]
    vacancy = ends[1].positions[ion]
    ways, lengths = find_mic(vacancy - ends[0].positions[others], ends[0].cell.array)
    closest = int(np.argmin(lengths))
    nearest = others[closest]
    found = strayed(ends, moved(ends, 0, nearest, 0.9 * ways[closest]), ion)
    assert str(found).startswith(f"in the initial end Li {nearest + 1} ")
    assert str(found).endswith("A from the final site of the hop")


def test_an_ion_goes_where_no_site_is(ends: Ends) -> None:
    ion = ion_of(ends)
    across = np.array([0.0, 0.0, 1.6])
    hop = ends[1].positions[ion] - ends[0].positions[ion]
    assert abs(across @ hop) < 1.0
    found = str(strayed(ends, moved(ends, 1, ion, across), ion))
    assert "left its site: it relaxed by 1.60 A, more than half of the hop" in found


def test_the_framework_may_move(ends: Ends) -> None:
    """Only ions of the kind that hops have sites."""
    oxygen = int(np.flatnonzero(ends[0].symbols == "O")[0])
    assert strayed(ends, moved(ends, 0, oxygen, np.array([0.0, 2.0, 0.0])), ion_of(ends)) is None


def test_ends_that_meet_halfway(ends: Ends) -> None:
    ion = ion_of(ends)
    hop = ends[1].positions[ion] - ends[0].positions[ion]
    met = moved(moved(ends, 0, ion, 0.45 * hop), 1, ion, -0.45 * hop)
    assert "the relaxed ends are only 0.30 A apart" in str(strayed(ends, met, ion))
