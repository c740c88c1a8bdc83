"""Diffusivities from hops: correlation factors of lattices, closed forms, detailed balance."""

from collections.abc import Sequence

import ase
import numpy as np
import pytest
from ase.build import bulk
from numpy.typing import ArrayLike

from hopkin.drivers.crystals import load_structure
from hopkin.drivers.hops import find_hops, primitive_sites
from hopkin.drivers.hops.site_symmetry import site_symmetry
from hopkin.drivers.kinetics import diffusion, montecarlo
from hopkin.drivers.kinetics.diffusion import ion_diffusivity, tracer_diffusivity, vacancy_diffusivity
from hopkin.drivers.kinetics.montecarlo import walk
from hopkin.drivers.kinetics.network import Network, Rates, balanced, network_of

SQUARE = ase.Atoms("Li", cell=[3.0, 3.0, 10.0], pbc=True)
CHAIN = ase.Atoms("Li", cell=[3.0, 10.0, 10.0], pbc=True)
HONEYCOMB = ase.Atoms(
    "Li2",
    scaled_positions=[(0, 0, 0), (1 / 3, 2 / 3, 0)],
    cell=[[3.0, 0, 0], [-1.5, 1.5 * np.sqrt(3), 0], [0, 0, 10.0]],
    pbc=True,
)


def rated(graph: Network, forward: ArrayLike, reverse: ArrayLike) -> Rates:
    return balanced(graph, np.log(forward), np.log(reverse))


def network(atoms: ase.Atoms, longest: float) -> tuple[Network, np.ndarray]:
    """Return the graph of a crystal of ions alone, and its primitive cell."""
    hops = find_hops(atoms, "Li", longest)
    symmetry = site_symmetry(atoms, np.arange(len(atoms)), 0.01)
    return network_of(symmetry.positions, symmetry.cell, [hop.bonds for hop in hops]), symmetry.cell


# Compaan, Haven, Trans. Faraday Soc. 52, 786 (1956); square: Montet, Phys. Rev. B 7, 650 (1973): 1 / (pi - 1)
@pytest.mark.parametrize(
    ("atoms", "longest", "factors"),
    [
        pytest.param(bulk("Li", "sc", a=3.0), 3.1, (0.6531, 0.6531, 0.6531), id="simple cubic"),
        pytest.param(bulk("Li", "fcc", a=4.0), 2.9, (0.7815, 0.7815, 0.7815), id="fcc"),
        pytest.param(bulk("Li", "bcc", a=3.0), 2.7, (0.7272, 0.7272, 0.7272), id="bcc"),
        pytest.param(bulk("Li", "diamond", a=5.0), 2.3, (0.5, 0.5, 0.5), id="diamond"),
        pytest.param(
            bulk("Li", "hcp", a=3.0, c=3.0 * np.sqrt(8 / 3)), 3.05, (0.7812, 0.7812, 0.7815), id="hcp"
        ),
        pytest.param(HONEYCOMB, 1.8, (1 / 3, 1 / 3, 0.0), id="honeycomb"),
        pytest.param(SQUARE, 3.1, (1 / (np.pi - 1), 1 / (np.pi - 1), 0.0), id="square"),
        pytest.param(CHAIN, 3.1, (0.0, 0.0, 0.0), id="chain"),
    ],
)
def test_correlation_factors_are_the_known_ones(
    atoms: ase.Atoms, longest: float, factors: Sequence[float]
) -> None:
    graph, cell = network(atoms, longest)
    rates = rated(graph, [1.0], [1.0]) if graph.hop.max() == 0 else rated(graph, [1.0, 1.0], [1.0, 1.0])
    vacancy = np.diag(vacancy_diffusivity(graph, rates))
    ion = ion_diffusivity(graph, rates, cell, most_states=3000).along(np.eye(3))
    moves = vacancy > 0
    assert ion[moves] / vacancy[moves] == pytest.approx(np.array(factors)[moves], abs=1e-3)
    assert ion[~moves] == pytest.approx(0.0, abs=1e-12)
    # the mean square of a jump, times the rate: 6 D = z r^2, in a lattice of one site
    if graph.n_sites == 1:
        lengths = np.linalg.norm(graph.vectors, axis=1)
        assert 2 * vacancy.sum() == pytest.approx((lengths**2).sum())


def test_a_slow_hop_blocks_a_chain() -> None:
    # sites in turn 1 and 2 A apart, rates a and b: the resistances of a cell of 3 A add up
    graph = network_of([[0, 0, 0], [1, 0, 0]], 3 * np.eye(3), [[(0, 1, 0, 0, 0)], [(1, 0, 1, 0, 0)]])
    for slow in (1.0, 1e-3, 1e-12, 1e-25):
        found = vacancy_diffusivity(graph, rated(graph, [1.0, slow], [1.0, slow]))
        assert found[0, 0] == pytest.approx(9 / 2 / (1 + 1 / slow), rel=1e-9)


def test_sites_of_unequal_energy_trap_the_vacancy() -> None:
    bonds = [[(0, 1, 0, 0, 0)], [(1, 0, 1, 0, 0)]]  # a chain of two sites, 1 A apart
    graph = network_of([[0, 0, 0], [1, 0, 0]], 2 * np.eye(3), bonds)
    # the ion of the second site leaves it quickly: the vacancy, of the first slowly, and it is seldom there
    rates = rated(graph, [1.0, 1e4], [1e4, 1.0])
    assert rates.weights == pytest.approx([1 / (1 + 1e4), 1e4 / (1 + 1e4)])
    conductance = rates.weights[1] * 1.0
    assert vacancy_diffusivity(graph, rates)[0, 0] == pytest.approx(2**2 * conductance / 2)


def test_each_axis_has_its_own_rate() -> None:
    bonds = [[(0, 0, *axis)] for axis in np.eye(3, dtype=int).tolist()]
    graph = network_of([[0, 0, 0]], np.diag([2.0, 3.0, 4.0]), bonds)
    rates = rated(graph, [5.0, 0.7, 1e-6], [5.0, 0.7, 1e-6])
    assert np.diag(vacancy_diffusivity(graph, rates)) == pytest.approx([5.0 * 4, 0.7 * 9, 1e-6 * 16])


def test_rates_are_in_detailed_balance() -> None:
    rng = np.random.default_rng(1)
    bonds = [[(0, 1, 0, 0, 0)], [(1, 2, 0, 0, 0)], [(2, 0, 1, 0, 0)], [(0, 0, 0, 1, 0)], [(1, 1, 0, 0, 1)]]
    graph = network_of(rng.uniform(0, 3, (3, 3)), 4 * np.eye(3), bonds)
    energies = np.array([0.0, 1.0, -0.5])  # of the vacancy, in units of kT
    saddles = np.array([3.0, 4.0, 2.0, 5.0, 3.5])
    ends = np.array([bond[0][:2] for bond in bonds])
    # the ion starts where the vacancy is not: at first the vacancy is at the final site
    forward, reverse = np.exp(energies[ends[:, 1]] - saddles), np.exp(energies[ends[:, 0]] - saddles)
    rates = rated(graph, forward, reverse)
    assert rates.weights == pytest.approx(np.exp(-energies) / np.exp(-energies).sum())
    assert rates.disagreement == pytest.approx(0.0, abs=1e-12)
    assert rates.per_s == pytest.approx(np.concatenate([forward, reverse]))
    half = graph.n_jumps // 2
    flow = rates.weights[graph.initial] * rates.per_s
    assert flow[:half] == pytest.approx(flow[half:])
    # computed one by one, they may disagree: the flows are equal all the same, and it is told
    apart = rated(graph, forward * [1, 2, 1, 1, 1], reverse)
    flow = apart.weights[graph.initial] * apart.per_s
    assert flow[:half] == pytest.approx(flow[half:])
    assert apart.disagreement == pytest.approx(np.log(2) / 6)


def test_parts_that_are_not_joined_each_have_a_vacancy() -> None:
    # two chains side by side, one ten times as fast: the mean of the two
    graph = network_of([[0, 0, 0], [0, 2, 0]], 4 * np.eye(3), [[(0, 0, 1, 0, 0)], [(1, 1, 1, 0, 0)]])
    rates = rated(graph, [1.0, 10.0], [1.0, 10.0])
    assert rates.weights == pytest.approx([0.5, 0.5])
    assert vacancy_diffusivity(graph, rates)[0, 0] == pytest.approx(16 * 5.5)


def test_a_slow_way_out_of_a_fast_cage_keeps_its_digits() -> None:
    # rings of four sites in a square, 1 A wide, fast; from ring to ring, slowly, along each axis
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=float)
    around = [(0, 1, 0, 0, 0), (1, 2, 0, 0, 0), (2, 3, 0, 0, 0), (3, 0, 0, 0, 0)]
    out = [(1, 0, 1, 0, 0), (2, 3, 1, 0, 0), (3, 0, 0, 1, 0), (2, 1, 0, 1, 0)]
    graph = network_of(corners, 5 * np.eye(3), [around, out])
    for slow in (1e-6, 1e-20):
        rates = rated(graph, [1.0, slow], [1.0, slow])
        # the cage is a point of weight 1: two bonds of weight 1/4 lead 5 A on, each way
        expected = 25 * 2 * slow / 4
        assert np.diag(vacancy_diffusivity(graph, rates))[:2] == pytest.approx([expected, expected], rel=1e-5)
        ions = ion_diffusivity(graph, rates, 5 * np.eye(3), most_states=3000).along(np.eye(3))
        assert ions[:2] == pytest.approx(ions[0])
        assert 0.1 * expected < ions[0] < expected


def test_layers_that_are_all_but_apart_are_layers() -> None:
    graph, cell = network(ase.Atoms("Li", cell=[3.0, 3.0, 4.0], pbc=True), 4.1)
    slow = 1e-20
    rates = rated(graph, [1.0, slow], [1.0, slow])
    vacancy = np.diag(vacancy_diffusivity(graph, rates))
    assert vacancy == pytest.approx([9.0, 9.0, 16.0 * slow])
    factors = ion_diffusivity(graph, rates, cell, most_states=3000).along(np.eye(3)) / vacancy
    assert factors[:2] == pytest.approx(1 / (np.pi - 1), abs=1e-3)
    assert (
        0.9 < factors[2] < 1.0
    )  # a vacancy that has left a layer is lost in the next one before it comes back


def test_a_walk_of_one_vacancy_is_what_the_equations_say() -> None:
    # sites of two energies, and a slow way: nothing in it is an accident of symmetry
    bonds = [[(0, 1, 0, 0, 0)], [(1, 0, 1, 0, 0)], [(0, 0, 0, 1, 0)], [(1, 1, 0, 1, 0)], [(0, 0, 0, 0, 1)]]
    graph = network_of([[0, 0, 0], [1.2, 0.5, 0.3]], np.diag([3.0, 2.5, 3.5]), bonds)
    rates = rated(graph, [1.0, 0.5, 0.7, 0.2, 0.4], [3.0, 1.5, 0.7, 0.2, 0.4])
    found = walk(graph, rates, (3, 3, 3), 1, n_jumps=2000, n_crystals=500)
    ions = 53 * tracer_diffusivity(graph, rates, (3, 3, 3))
    assert np.abs(found.ions - ions).max() < 4 * found.ions_error.max()
    assert found.ions_error.max() < 0.02 * ions.max()
    vacancy = vacancy_diffusivity(graph, rates)
    assert np.abs(found.charge - vacancy).max() < 4 * found.charge_error.max()


def test_ions_block_one_another() -> None:
    graph, _ = network(bulk("Li", "fcc", a=4.0), 2.9)
    rates = rated(graph, [1.0], [1.0])
    # one ion on an empty lattice: nothing correlates its jumps, or those of its hole
    alone = walk(graph, rates, (4, 4, 4), 63, n_jumps=300, n_crystals=400)
    free = vacancy_diffusivity(graph, rates)[0, 0]
    assert 63 * np.trace(alone.charge) / 3 == pytest.approx(free, rel=0.1)
    half = walk(graph, rates, (4, 4, 4), 32, n_jumps=600, n_crystals=400)
    # of all jumps half are blocked
    assert np.trace(half.charge) / 3 == pytest.approx(free * 32 / 63, rel=0.15)


def test_ions_of_chains_that_are_all_but_apart() -> None:
    graph, cell = network(ase.Atoms("Li", cell=[3.0, 4.0, 4.5], pbc=True), 4.6)
    axes = np.eye(3)
    for slow in (1e-2, 1e-3):
        rates = rated(graph, [1.0, slow, slow], [1.0, slow, slow])
        along, across, _ = ion_diffusivity(graph, rates, cell, most_states=20_000).along(axes)
        # a vacancy goes over about 1 / sqrt(slow) sites before it changes chains: so goes the factor
        assert along / 9.0 == pytest.approx(0.95 * np.sqrt(slow), rel=0.1)
        assert 0.85 * 16 * slow < across < 16 * slow
    rates = rated(graph, [1.0, 1e-20, 1e-20], [1.0, 1e-20, 1e-20])
    along, across, _ = ion_diffusivity(graph, rates, cell).along(axes)
    assert np.isnan(along)  # it is too small to be told from supercells
    assert 0.85 * 16e-20 < across < 16e-20


def test_a_cell_of_many_sites_is_as_its_primitive_cell() -> None:
    # simple cubic, 27 sites in a cell: of two supercells of so many sites, both could be the same
    places = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1)
    bonds = []
    for site, place in enumerate(places):
        for axis in np.eye(3, dtype=int):
            cells, there = np.divmod(place + axis, 3)
            bonds.append((site, int(np.ravel_multi_index(tuple(there), (3, 3, 3))), *cells.tolist()))
    graph = network_of(2.0 * places, 6.0 * np.eye(3), [bonds])
    rates = rated(graph, [1.0], [1.0])
    ions = ion_diffusivity(graph, rates, 6.0 * np.eye(3)).along(np.eye(3))
    assert ions / np.diag(vacancy_diffusivity(graph, rates)) == pytest.approx(0.6531, abs=0.01)


def test_blocked_sites_stop_a_chain_and_slow_a_crystal() -> None:
    chain, _ = network(CHAIN, 3.1)
    stopped = walk(
        chain, rated(chain, [1.0], [1.0]), (40, 2, 2), 4, n_blocked=40, n_jumps=4000, n_crystals=100
    )
    assert stopped.charge[0, 0] < 0.05 * 9.0  # of 9 A^2/s without them
    cubic, _ = network(bulk("Li", "sc", a=3.0), 3.1)
    rates = rated(cubic, [1.0], [1.0])
    slowed = walk(cubic, rates, (8, 8, 8), 1, n_blocked=51, n_jumps=1500, n_crystals=500)
    # the same by the master equation of single crystals, with other sites blocked
    targets, per_s, vectors = montecarlo._jumps_from(cubic, rates, (8, 8, 8))
    start = np.repeat(np.arange(512), 6)
    rng, exact = np.random.default_rng(1), []
    for _ in range(20):
        open_site = np.ones(512, dtype=bool)
        open_site[rng.permutation(512)[:51]] = False
        kept = open_site[start] & open_site[targets.ravel()]
        found = diffusion._diffusivity(
            start[kept],
            targets.ravel()[kept],
            per_s.ravel()[kept],
            vectors.reshape(-1, 3)[kept],
            open_site / open_site.sum(),
        )
        exact.append(np.trace(found))
    assert np.trace(slowed.charge) == pytest.approx(np.mean(exact), rel=0.08)
    assert np.mean(exact) < 0.9 * 27.0


def test_parts_of_unequal_size_share_a_vacancy_by_their_sites() -> None:
    # a chain of one site beside one of three: in the walk as in the equations
    bonds = [[(0, 0, 1, 0, 0)], [(1, 2, 0, 0, 0), (2, 3, 0, 0, 0), (3, 1, 1, 0, 0)]]
    places = [[0, 0, 0], [0, 2, 0], [1, 2, 0], [2, 2, 0]]
    graph = network_of(places, np.diag([3.0, 4.0, 4.0]), bonds)
    rates = rated(graph, [1.0, 10.0], [1.0, 10.0])
    assert rates.weights == pytest.approx([0.25] * 4)
    expected = vacancy_diffusivity(graph, rates)[0, 0]
    assert expected == pytest.approx(0.25 * 9.0 + 0.75 * 10.0)
    found = walk(graph, rates, (8, 2, 2), 1, n_jumps=2000, n_crystals=1000)
    assert abs(found.charge[0, 0] - expected) < 4 * found.charge_error[0, 0]


def test_a_crystal_that_is_given_as_a_supercell_is_the_same() -> None:
    crystal = load_structure("LiFePO4-olivine").atoms
    found = []
    for repeats in ((1, 1, 1), (1, 2, 1)):
        atoms = crystal.repeat(repeats)
        relaxed = atoms.copy()
        relaxed.set_cell(atoms.cell.array * [[1.01], [0.99], [1.0]], scale_atoms=True)
        hops = [hop for hop in find_hops(atoms, "Li", 5.0) if not hop.through_ion]
        sites = primitive_sites(atoms, "Li").on(atoms, relaxed)
        graph = network_of(sites.positions, sites.cell, [hop.bonds for hop in hops])
        rates = rated(graph, *2 * [[np.exp(-hop.length_A) for hop in hops]])
        assert np.linalg.norm(graph.vectors, axis=1).max() < 5.1
        found.append(vacancy_diffusivity(graph, rates))
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    assert found[0][1, 1] > 0.1
