"""Laws of percolation: dimensions against a walk over an unfolded lattice, thresholds, invariances."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.geometry import find_mic
from hypothesis import given, settings
from hypothesis import strategies as st

from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.engine.rundirectory import RunDirectory
from hopkin.drivers.hops.find import find_hops
from hopkin.drivers.hops.percolation import Bond, Bonded, dimension_of, percolating_barriers
from hopkin.drivers.hops.vacancies import vacancy_endpoints
from hopkin.drivers.terminal.runs import show_barriers
from hopkin.drivers.workflows.barrier import percolation

REACH = 4  # cells of the unfolded lattice to each side: as far as a ring of four sites winds

bonds_strategy = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), *(st.integers(-1, 1) for _ in range(3))), max_size=7
)


@dataclass(frozen=True)
class Bonds:
    bonds: tuple[Bond, ...]
    symmetric: bool = False


def thresholds(hops: Sequence[Bonded], barriers: Sequence[float | None]) -> Mapping[int, float | None]:
    """Percolating barriers of hops whose ends are at the same energy."""
    found, apart = percolating_barriers(hops, [None if b is None else (b, b) for b in barriers])
    assert apart == 0
    return found


def naive_dimension(bonds: list[Bond]) -> int:
    """Walk from each site through the unfolded lattice; images of it that are reached span the dimension."""
    steps: dict[int, list[tuple[int, np.ndarray]]] = {}
    for i, j, *cell in bonds:
        steps.setdefault(i, []).append((j, np.array(cell)))
        steps.setdefault(j, []).append((i, -np.array(cell)))
    largest = 0
    for origin in steps:
        reached, front = {(origin, 0, 0, 0)}, [(origin, 0, 0, 0)]
        while front:
            site, *cell = front.pop()
            for other, by in steps[site]:
                to = (other, *(np.array(cell) + by).tolist())
                if max(map(abs, to[1:])) <= REACH and to not in reached:
                    reached.add(to)
                    front.append(to)
        images = np.array([cell for site, *cell in reached if site == origin])
        largest = max(largest, int(np.linalg.matrix_rank(images)))
    return largest


@given(bonds=bonds_strategy)
@settings(deadline=None, max_examples=60)
def test_dimension_is_that_of_a_walk_over_the_lattice(bonds: list[Bond]) -> None:
    assert dimension_of(bonds) == naive_dimension(bonds)


@given(bonds=bonds_strategy, seed=st.integers(0, 1000))
@settings(deadline=None)
def test_dimension_does_not_depend_on_order_direction_or_the_cells_of_the_sites(
    bonds: list[Bond], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    home = rng.integers(-3, 4, (4, 3))
    moved: list[Bond] = []
    for i, j, *cell in (bonds[n] for n in rng.permutation(len(bonds))):
        by = np.array(cell) + home[j] - home[i]
        moved.append((i, j, *by.tolist()) if rng.random() < 0.5 else (j, i, *(-by).tolist()))
    assert dimension_of(moved) == dimension_of(bonds)


def test_known_networks() -> None:
    along_a, along_b, along_c = (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1)
    assert dimension_of([]) == 0
    assert dimension_of([along_a]) == dimension_of([along_a, (0, 0, 2, 0, 0)]) == 1
    assert dimension_of([along_a, (0, 0, 1, 1, 0)]) == 2
    assert dimension_of([along_a, along_b, along_c]) == 3
    assert dimension_of([(0, 1, 0, 0, 0), (1, 0, 1, 0, 0)]) == 1  # there and on to the next cell
    assert dimension_of([(0, 1, 0, 0, 0), (1, 0, 0, 0, 0)]) == 0  # there and back
    assert dimension_of([along_a, (1, 1, 0, 1, 0)]) == 1  # two chains that cross without a bond
    assert dimension_of([along_a, (1, 1, 0, 1, 0), (0, 1, 0, 0, 0)]) == 2


def test_thresholds_are_the_barriers_at_which_dimensions_open() -> None:
    hops = [Bonds(((0, 0, 1, 0, 0),)), Bonds(((0, 0, 0, 1, 0), (0, 0, 0, 0, 1))), Bonds(((0, 0, 0, 1, 0),))]
    assert thresholds(hops, [0.3, 0.9, 0.5]) == {1: 0.3, 2: 0.5, 3: 0.9}
    assert thresholds(hops, [0.3, 0.2, 0.5]) == {1: 0.2, 2: 0.2, 3: 0.3}
    assert thresholds(hops, [0.3, None, 0.5]) == {1: 0.3, 2: 0.5, 3: None}
    assert thresholds(hops, [float("nan"), None, None]) == {1: None, 2: None, 3: None}


@given(bonds=bonds_strategy, seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_threshold_is_the_lowest_barrier_whose_network_has_the_dimension(
    bonds: list[Bond], seed: int
) -> None:
    barriers = np.random.default_rng(seed).integers(1, 5, len(bonds)) / 10.0
    found = thresholds([Bonds((bond,)) for bond in bonds], barriers.tolist())
    for dimension in (1, 2, 3):
        enough = [
            threshold
            for threshold in sorted(set(barriers.tolist()))
            if naive_dimension([b for b, e in zip(bonds, barriers, strict=True) if e <= threshold])
            >= dimension
        ]
        assert found[dimension] == (enough[0] if enough else None)


def test_saddles_count_from_the_lowest_vacancy() -> None:
    """A vacancy at A at 0 eV, at B at 0.3: between A and A a saddle at 0.5 eV, A and B 0.6, B and B 0.9."""
    vacancy, saddles = {0: 0.0, 1: 0.3}, {(0, 0, 1, 0, 0): 0.5, (0, 1, 0, 0, 0): 0.6, (1, 1, 0, 1, 0): 0.9}
    for bond_of in (tuple, lambda bond: (bond[1], bond[0], *(-n for n in bond[2:]))):
        bonds = [bond_of(bond) for bond in saddles]
        # the vacancy is where the ion goes
        barriers = [
            (saddle - vacancy[j], saddle - vacancy[i])
            for (i, j, *_), saddle in zip(bonds, saddles.values(), strict=True)
        ]
        found, apart = percolating_barriers([Bonds((bond,)) for bond in bonds], barriers)
        assert (found[1], found[2], found[3]) == (pytest.approx(0.5), pytest.approx(0.9), None)
        assert apart == pytest.approx(0)
    apart_from_them = Bonds(((2, 2, 1, 0, 0),))  # joined to neither: counts from its own site
    mixed = [Bonds((bond,)) for bond in bonds] + [apart_from_them]
    assert percolating_barriers(mixed, [*barriers, (0.4, 0.4)])[0][1] == pytest.approx(0.4)


def test_the_ends_of_a_hop_are_the_vacancies_that_percolation_takes_them_for() -> None:
    """In the initial end the ion is at the first site of the hop's bonds, and the second is vacant."""
    structure = load_structure("Li10GeP2S12")
    hop = next(hop for hop in find_hops(structure.atoms) if hop.wyckoff[0] != hop.wyckoff[1])
    i, j, *cell = next(bond for bond in hop.bonds if bond[:2] == (hop.initial_site, hop.final_site))
    initial, final = vacancy_endpoints(structure.atoms, hop, (2, 2, 2))
    places = structure.atoms.positions[i], structure.atoms.positions[j] + cell @ structure.atoms.cell.array
    for end, (taken, vacant) in ((initial, places), (final, places[::-1])):
        distances = [find_mic(end.positions - place, end.cell)[1].min() for place in (taken, vacant)]
        assert distances[0] < 1e-6
        assert distances[1] > 1.0


def test_hops_that_disagree_about_the_sites() -> None:
    """A vacancy at A is 0.3 eV above one at B, and by the way back 0.2 eV: 0.05 eV is left of each."""
    hops = [Bonds(((0, 1, 0, 0, 0),)), Bonds(((1, 0, 1, 0, 0),))]
    assert percolating_barriers(hops, [(0.4, 0.1), (0.2, 0.4)])[1] == pytest.approx(0.05)


def test_bonds_lead_where_their_hop_does() -> None:
    """Between sites of two kinds all equivalent hops begin at the same kind."""
    hops = find_hops(load_structure("Li10GeP2S12").atoms)
    mixed = [hop for hop in hops if hop.wyckoff[0] != hop.wyckoff[1]]
    assert mixed
    for hop in mixed:
        starts, ends = ({bond[n] for bond in hop.bonds} for n in (0, 1))
        assert starts.isdisjoint(ends)


@pytest.mark.parametrize("barriers", [(0.3, 1.2), (1.2, 0.3)])
def test_olivine_needs_the_channel_for_one_dimension_and_never_has_three(
    barriers: tuple[float, float],
) -> None:
    hops = find_hops(load_structure("LiFePO4-olivine").atoms)
    assert len(hops) == 2
    assert thresholds(hops, barriers) == {1: 0.3, 2: 1.2, 3: None}


def results_of(barriers: list[tuple[float, float] | None]) -> list[dict[str, Any]]:
    """Results of the hops of olivine: forward and reverse barrier, or a failure."""
    facts: dict[str, Any] = {"conservative": True, "verified": True, "model": "m", "material": "LiFePO4"}
    return [
        facts
        | {"hop_index": n, "failure": "not_converged" if barrier is None else None}
        | dict(zip(("forward_barrier_eV", "reverse_barrier_eV"), barrier or (None, None), strict=True))
        for n, barrier in enumerate(barriers)
    ]


def test_the_higher_of_two_saddles_counts_and_failures_are_named() -> None:
    hops = find_hops(load_structure("LiFePO4-olivine").atoms)
    network = percolation(hops, results_of([(0.3, 0.4), None]))
    assert network["percolating_barriers_eV"] == {"1D": 0.4, "2D": None, "3D": None}
    assert network["site_energy_disagreement_eV"] == pytest.approx(0.1)  # symmetry makes the ends equal
    assert network["hops_without_barrier"] == [1]
    assert percolation(hops, results_of([(0.3, 0.4)]))["hops_without_barrier"] == [1]  # never ended


def test_barriers_are_shown_with_the_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hops = find_hops(load_structure("LiFePO4-olivine").atoms)
    results = results_of([(0.3, 0.4), (0.9, 0.9)])
    runs = [(RunDirectory(tmp_path / str(n), {}), result) for n, result in enumerate(results)]
    show_barriers(runs, percolation(hops, results), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["percolating_barriers_eV"] == {"1D": 0.4, "2D": 0.9, "3D": None}
    assert [run["hop_index"] for run in shown["runs"]] == [0, 1]
    show_barriers(runs[:1], percolation(hops, results[:1]), as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "percolating barriers [eV]: 1D 0.400, 2D -, 3D -, without hop 1" in out
    assert "the hops disagree by up to 0.100 eV about the energies of the sites" in out
