"""From a crystal to a diffusivity: copper in effective medium theory, and planted hops."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms, units
from ase.build import bulk
from bands import silent

from hopkin.analysis.comparison import collect
from hopkin.drivers import kinetics
from hopkin.drivers.campaigns.bench import run_campaign
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.errors import CampaignError, SpecificationError
from hopkin.drivers.hops import Hop, Sites
from hopkin.drivers.kinetics import HopRate
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import KineticsSpecification, specify
from hopkin.drivers.workflows import from_hops
from hopkin.drivers.workflows import kinetics as workflow
from hopkin.drivers.workflows.relaxation import Bulk

CHAINS = Atoms("Li", cell=[3.0, 3.6, 4.5], pbc=True)
"""Hops of 3, 3.6 and 4.5 A along the axes."""


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory, private_cache: Path) -> dict[str, Any]:
    model = find_model("ase:ase.calculators.emt:EMT")
    asked = KineticsSpecification(
        model=model.name,
        ion="Cu",
        images=3,
        repeats=(2, 2, 2),
        force_tolerance_eV_per_A=0.02,
        max_length_A=3.0,
        temperatures_K=(600.0, 900.0),
    )
    crystal = Structure(atoms=bulk("Cu", cubic=True), material="Cu", source="test")
    root = tmp_path_factory.mktemp("copper")
    _, result = workflow.run_kinetics(crystal, model, asked, root, say=silent)
    again, read = workflow.run_kinetics(crystal, model, asked, root, say=silent)
    assert read == result
    assert (again.path / "result.json").is_file()
    return result


def test_copper_diffuses_as_an_fcc_lattice_does(copper: dict[str, Any]) -> None:
    """A vacancy by a^2 w, and atoms by that times the vacant part and the correlation factor."""
    (hop,) = copper["hops"]
    a = (4 * abs(np.linalg.det(copper["primitive_cell_A"]))) ** (1 / 3)
    assert a == pytest.approx(3.59, abs=0.03)  # where EMT has its minimum
    for kelvin, vacancy, ion in zip(
        copper["temperatures_K"],
        copper["vacancy_diffusivity_cm2_per_s"],
        copper["ion_diffusivity_cm2_per_s"],
        strict=True,
    ):
        frequency = 1e12 * hop["attempt_frequency_THz"]
        rate = frequency * math.exp(-hop["forward_barrier_eV"] / (units.kB * kelvin))
        assert vacancy == pytest.approx([a**2 * 1e-16 * rate] * 3, rel=0.02)  # there and back differ a little
        assert np.array(ion) / (0.01 / 0.99 * np.array(vacancy)) == pytest.approx(0.7815, abs=1e-3)
    assert copper["activation_energy_eV"] == pytest.approx([hop["forward_barrier_eV"]] * 3, abs=1e-3)
    assert copper["limiting_hops"] == {"1D": 0, "2D": 0, "3D": 0}
    assert copper["hops_as_bounds"] == []
    assert copper["not_believed"] is not None  # copper is no ion of the benchmark


Planted = Callable[..., dict[str, Any]]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, landscape: Callable[[str], Model]) -> Planted:
    """Kinetics of the chains, of which each hop has the result that is given by its number."""

    def of(results: dict[int, dict[str, Any]], **fields: Any) -> dict[str, Any]:
        def hop_result(_: Structure, hop: Hop, *__: Any, **___: Any) -> dict[str, Any]:
            told = {"hop_index": hop.index, "verified": True, "evidence": None, "not_believed": None}
            return {**told, **results[hop.index]}

        def relaxed(*_: Any, **__: Any) -> Bulk:
            return Bulk(directory=tmp_path, atoms=CHAINS, facts={}, evidence=None)

        monkeypatch.setattr(workflow, "_hop", hop_result)
        monkeypatch.setattr(workflow, "relax_bulk", relaxed)
        model = landscape("TwoWells")
        asked = KineticsSpecification(
            model=model.name, max_length_A=4.5, temperatures_K=(300.0, 600.0), **fields
        )
        crystal = Structure(atoms=CHAINS, material="chains", source="test")
        return workflow.run_kinetics(crystal, model, asked, tmp_path, say=silent)[1]

    return of


def hop(barrier: float, *, frequency: float | None = 5.0, error: float | None = None) -> dict[str, Any]:
    """Result of a symmetric hop; `error`: half of its 90 % interval."""
    rates = frequency and {"attempt_frequency_THz": frequency, "reverse_attempt_frequency_THz": frequency}
    believed = {"believed_barrier_eV": None, "not_believed": "nothing is known"}
    if error is not None:
        believed = {
            "believed_barrier_eV": barrier + 0.1,
            "believed_low_eV": barrier + 0.1 - error,
            "believed_high_eV": barrier + 0.1 + error,
        }
    return {
        **dict.fromkeys(("barrier_eV", "forward_barrier_eV", "reverse_barrier_eV"), barrier),
        "rates": rates,
        "rates_evidence": None if rates else "the saddle has 2 imaginary modes",
        "failure": None,
        **believed,
    }


FAILED = {
    "failure": "endpoint_drift",
    "evidence": "the ion left its site",
    "barrier_eV": None,
    "directory": "there",
}


def arrhenius(length: float, terahertz: float, barrier: float, kelvin: float) -> float:
    """Of a chain of one site [cm^2/s]."""
    return length**2 * 1e-16 * terahertz * 1e12 * math.exp(-barrier / (units.kB * kelvin))


def test_each_axis_goes_by_its_own_hop(planted: Planted) -> None:
    found = planted({0: hop(0.2), 1: hop(0.4, frequency=None), 2: hop(0.6)})
    for n, kelvin in enumerate((300.0, 600.0)):
        expected = [
            arrhenius(3, 5.0, 0.2, kelvin),
            arrhenius(3.6, from_hops.TYPICAL_THZ, 0.4, kelvin),
            arrhenius(4.5, 5.0, 0.6, kelvin),
        ]
        assert found["vacancy_diffusivity_cm2_per_s"][n] == pytest.approx(expected)
    assert found["activation_energy_eV"] == pytest.approx([0.2, 0.4, 0.6])
    assert found["percolating_barriers_eV"] == pytest.approx({"1D": 0.2, "2D": 0.4, "3D": 0.6})
    assert found["limiting_hops"] == {"1D": 0, "2D": 1, "3D": 2}
    assert [hop["frequency_from"] for hop in found["hops"]] == ["harmonic", "typical", "harmonic"]
    # e^2 n x D / kT with n = 1 / 48.6 A^3: of the first axis, by numbers of its own
    charge = 1.602e-19**2 * 0.01 / 48.6e-30 * found["vacancy_diffusivity_cm2_per_s"][0][0] * 1e-4
    assert found["conductivity_S_per_cm"][0][0] == pytest.approx(charge / (1.381e-23 * 300) / 100, rel=1e-3)


def test_a_frequency_that_is_given_is_that_of_all(planted: Planted) -> None:
    found = planted({n: hop(0.2) for n in range(3)}, attempt_frequency_THz=20.0)
    assert found["vacancy_diffusivity_cm2_per_s"][0][0] == pytest.approx(arrhenius(3, 20.0, 0.2, 300.0))


def test_vacancies_that_walk_are_slowed_by_one_another(planted: Planted) -> None:
    found = planted({n: hop(0.3) for n in range(3)}, vacant_part=0.2, blocked_part=0.1, monte_carlo=True)
    walked, alone = found["monte_carlo"][1], found["vacancy_diffusivity_cm2_per_s"][1]
    assert (walked["n_sites"], walked["temperature_K"]) == (pytest.approx(100, rel=0.3), 600.0)
    assert walked["n_vacancies"] == round(0.2 * walked["n_sites"])
    assert walked["n_blocked"] == round(0.1 * walked["n_sites"])
    for with_others, without in zip(walked["vacancy_diffusivity_cm2_per_s"], alone, strict=True):
        assert 0.3 * without < with_others < 0.9 * without
    with pytest.raises(SpecificationError, match="leave no ion that could move"):
        specify(KineticsSpecification, model="m", vacant_part=0.6, blocked_part=0.5)


def test_a_hop_that_failed_is_a_bound(planted: Planted) -> None:
    found = planted({0: hop(0.2), 1: FAILED, 2: hop(0.6)})
    assert found["hops_as_bounds"] == [1]
    least, most = (np.array(found[f"vacancy_diffusivity_{name}cm2_per_s"][0]) for name in ("", "at_most_"))
    assert least[1] == 0.0
    assert most[1] > 1e-4
    assert most[[0, 2]] == pytest.approx(least[[0, 2]])  # it does not matter there
    assert found["hops"][1]["evidence"] == "the ion left its site"


def test_a_hop_that_symmetry_reverses_is_the_same_both_ways(planted: Planted) -> None:
    noisy = {**hop(0.2), "reverse_barrier_eV": 0.23, "barrier_eV": 0.215}
    found = planted({0: noisy, 1: hop(0.4), 2: hop(0.6)})
    assert found["vacancy_diffusivity_cm2_per_s"][0][0] == pytest.approx(arrhenius(3, 5.0, 0.215, 300.0))


def test_what_could_not_be_run_is_tried_again(planted: Planted) -> None:
    broken = {"failure": "LammpsError", "evidence": "out of memory", "barrier_eV": None, "lost": True}
    first = planted({0: hop(0.2), 1: broken, 2: hop(0.6)})
    assert first["hops_as_bounds"] == [1]
    without_hessian = hop(0.4, frequency=None) | {"lost": True}
    second = planted({0: hop(0.2), 1: without_hessian, 2: hop(0.6)})
    assert (second["hops_as_bounds"], second["hops"][1]["frequency_from"]) == ([], "typical")
    assert planted({0: hop(0.2), 1: hop(0.4), 2: hop(0.6)})["hops"][1]["frequency_from"] == "harmonic"
    assert planted({0: hop(0.3), 1: hop(0.4), 2: hop(0.6)})["hops"][0]["forward_barrier_eV"] == 0.2  # is read


def test_a_hop_that_a_crystal_cannot_have_is_not_tried_again(planted: Planted) -> None:
    refused = {"failure": "StructureError", "evidence": "too small", "barrier_eV": None, "lost": False}
    assert planted({0: hop(0.2), 1: refused, 2: hop(0.6)})["hops_as_bounds"] == [1]
    assert planted({0: hop(0.2), 1: hop(0.4), 2: hop(0.6)})["hops_as_bounds"] == [1]


def test_it_is_made_anew_where_other_cases_say_what_barriers_are_worth(planted: Planted) -> None:
    """Here all hops have beliefs that no case of hopkin's gives: they are of another table."""
    believed = {n: hop(0.2 * (n + 1), error=0.1) for n in range(3)}
    assert planted(believed)["believed_diffusivity_cm2_per_s"] is not None
    again = planted({n: hop(0.2 * (n + 1)) for n in range(3)})
    assert again["believed_diffusivity_cm2_per_s"] is None


def test_a_walk_that_would_not_meet_what_decides_says_nothing(planted: Planted) -> None:
    found = planted({0: hop(0.1), 1: hop(0.6), 2: hop(0.9)}, monte_carlo=True)
    cold = found["monte_carlo"][0]
    assert cold["vacancy_diffusivity_cm2_per_s"] is None
    assert "would be those that decide" in cold["evidence"]


def test_bounds_keep_the_energies_of_the_sites() -> None:
    # sites of a chain that the vacancy does not like, and a hop beside it that failed
    cell, places = np.diag([3.0, 4.0, 4.0]), np.array([[0, 0, 0], [1.5, 0.5, 0]])
    sites = Sites(cell=cell, positions=places, atoms=(0, 1), wyckoff=("a", "b"))

    def of(index: int, *bonds: tuple[int, ...]) -> Hop:
        blank: dict[str, Any] = dict.fromkeys(("bottleneck_A",))
        return Hop(
            **blank,
            index=index,
            ion="Li",
            initial_site=0,
            final_site=1,
            image=(0, 0, 0),
            vector=(1.5, 0.5, 0.0),
            length_A=1.6,
            multiplicity=1,
            bonds=bonds,
            symmetric=False,
            wyckoff=("a", "b"),
            through_ion=False,
            dimension=1,
            dimension_up_to=1,
        )

    chain, across = of(0, (0, 1, 0, 0, 0), (1, 0, 1, 0, 0)), of(1, (0, 0, 0, 1, 0))
    rates = [HopRate(forward_eV=0.3, reverse_eV=0.3, forward_THz=5.0, reverse_THz=5.0)]
    found = from_hops._bounds(sites, [chain], [across], rates, [300.0], np.eye(3))
    along, other, _ = found["vacancy_diffusivity_at_most_cm2_per_s"][0]
    network = kinetics.network_of(places, cell, [chain.bonds])
    alone = kinetics.vacancy_diffusivity(network, kinetics.rates_at(network, rates, 300.0))
    assert along == pytest.approx(1e-16 * alone[0, 0])
    assert other > 1e3 * along
    apart = of(2, (0, 0, 1, 0, 0))
    lost = from_hops._bounds(sites, [apart], [chain], rates, [300.0], np.eye(3))
    assert lost["vacancy_diffusivity_at_most_cm2_per_s"] is None
    assert lost["unbounded_hops"] == [0]  # it leads to a site of which nothing is known


def test_without_any_barrier_there_is_a_failure(planted: Planted) -> None:
    found = planted(dict.fromkeys(range(3), FAILED))
    assert found["failure"] == "endpoint_drift"
    assert "no hop up to 4.5 A has a barrier" in found["evidence"]


def test_corrected_barriers_have_an_interval(planted: Planted) -> None:
    found = planted({n: hop(0.2 + 0.1 * n, error=0.08) for n in range(3)})
    middle, low, high = (
        np.array(found[f"believed_{name}_cm2_per_s"]) for name in ("diffusivity", "low", "high")
    )
    assert middle[0, 0] == pytest.approx(arrhenius(3, 5.0, 0.3, 300.0), rel=0.5)
    assert (low < middle).all()
    assert (middle < high).all()
    # half of the interval of ln D is that of the barrier over kT, about
    assert np.log(high / low)[0] / 2 == pytest.approx(0.08 / (units.kB * 300), rel=0.2)
    low_eV, middle_eV, high_eV = found["believed_activation_energy_eV"][0]
    assert (low_eV, middle_eV, high_eV) == pytest.approx((0.22, 0.3, 0.38), abs=0.02)
    without = planted({n: hop(0.2) for n in range(3)}, seed=2)
    assert without["believed_diffusivity_cm2_per_s"] is None
    assert without["not_believed"] == "hop 0 is not believed: nothing is known"


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    bonds = [[(0, 1, 0, 0, 0)], [(1, 0, 1, 0, 0)], [(0, 0, 0, 1, 0)], [(1, 1, 0, 0, 1)]]
    network = kinetics.network_of([[0, 0, 0], [1.5, 0.5, 0]], np.diag([3.0, 4.0, 5.0]), bonds)
    errors, inside = np.array([0.05, 0.1, 0.08, 0.15]), []
    for _ in range(100):
        truth = rng.uniform(0.5, 0.9, 4)
        off = math.sqrt(0.5) * (rng.standard_normal() + rng.standard_normal(4))
        computed = truth + errors * off
        factor = np.exp(math.log(1.3) * rng.standard_normal(4))

        def rates(barriers: Any, errors: Any, factors: Any) -> list[HopRate]:
            return [
                HopRate(
                    forward_eV=e,
                    reverse_eV=e,
                    forward_THz=5 * f,
                    reverse_THz=5 * f,
                    lower_eV=s,
                    higher_eV=s,
                    factor=1.3,
                )
                for e, s, f in zip(barriers, errors, factors, strict=True)
            ]

        drawn = kinetics.sampled(network, rates(computed, errors, np.ones(4)), [300.0], n_samples=200)
        low, high = np.quantile(kinetics.along(drawn[:, 0], np.eye(3)), (0.05, 0.95), axis=0)
        exact = kinetics.rates_at(network, rates(truth, np.zeros(4), factor), 300.0)
        true = np.diag(kinetics.CM2_PER_A2 * kinetics.vacancy_diffusivity(network, exact))
        inside.append((low <= true) & (true <= high))
    assert 0.85 <= np.mean(inside) <= 0.95


def test_a_campaign_has_the_kinetics_of_a_crystal_after_its_hops(tmp_path: Path, private_cache: Path) -> None:
    bulk("Cu", cubic=True).write(tmp_path / "Cu.cif")
    barriers = {"structures": ["Cu.cif"], "supercell": [2, 2, 2], "max_length_A": 3.0}
    barriers |= {"hops": "all", "kinetics": True}
    asked = {
        "name": "copper",
        "models": ["ase:ase.calculators.emt:EMT"],
        "defaults": {"images": 3, "ion": "Cu", "force_tolerance_eV_per_A": 0.02},
        "barriers": [barriers],
    }
    path = tmp_path / "copper.yaml"
    path.write_text(yaml.safe_dump(asked))
    loaded = load_campaign(path)
    jobs = plan(loaded, tmp_path, [find_model(name) for name in loaded.models])
    assert sorted(job.title.partition(",")[0] for job in jobs) == ["Cu hop 0", "Cu kinetics"]
    executor, root = load_executor("local", 2), tmp_path / "results"
    outcomes = run_campaign(loaded.name, jobs, root, executor, verify=False, show=lambda _: None)
    assert [outcome.failure for outcome in outcomes] == [None, None]
    tables = collect(root)
    assert len(tables["barriers"]) == 1
    assert [row["axis"] for row in tables["kinetics"]] == ["a", "b", "c"]
    assert len([*root.glob("Cu-hop0-*")]) == 1  # the hop of the campaign, read
    path.write_text(yaml.safe_dump({**asked, "barriers": [{**barriers, "mechanism": "divacancy"}]}))
    with pytest.raises(CampaignError, match="kinetics is of single vacancies"):
        load_campaign(path)
