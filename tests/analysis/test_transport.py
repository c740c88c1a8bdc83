"""From a trajectory to the numbers and tables of a run."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.frame import atomic_masses
from hopkin.analysis.trajectories.trajectory import Trajectory, read_trajectory
from hopkin.analysis.transport.msd import windowed_msd
from hopkin.analysis.transport.result import TRANSPORT_FIELDS, TransportResult, write_tables
from hopkin.analysis.transport.tables import read_table
from hopkin.analysis.transport.transport import analyze

DESIGN_FIELDS = {
    "n_ions", "time_ps", "msd_A2_final", "diffusivity_cm2_per_s", "diffusivity_windowed_cm2_per_s",
    "diffusivity_std", "n_hops", "log_log_slope", "framework_msd_A2",
}  # fmt: skip
LGPS_INTERVAL_FS = 4.0  # see test_the_frame_interval_of_lgps_follows_from_equipartition
K_B = 8.617333e-5  # eV/K
U_A2_PER_PS2_IN_EV = 1.036427e-4


@pytest.fixture(scope="module")
def crystal(random_walk: Callable[..., FloatArray]) -> Trajectory:
    """Ions that walk through a framework at rest, the whole of it sliding."""
    rng = np.random.default_rng(41)
    ions = random_walk(42, n_frames=501, n_atoms=30, diffusivity=0.2, interval=0.1)
    framework = np.broadcast_to(rng.uniform(0.0, 9.0, size=(10, 3)), (501, 10, 3))
    drift = np.linspace(0.0, 30.0, 501)[:, None, None] * np.array([1.0, 0.5, -0.2])
    return Trajectory(
        times_ps=np.linspace(3.0, 53.0, 501),
        positions=np.concatenate([framework, ions], axis=1) + drift,
        cells=np.repeat(9.0 * np.eye(3)[None], 501, axis=0),
        species=np.array(["S"] * 10 + ["Li"] * 30),
    )


@pytest.fixture(scope="module")
def result(crystal: Trajectory) -> TransportResult:
    return analyze(crystal, "Li")


def test_the_drift_of_the_crystal_is_no_diffusion(result: TransportResult) -> None:
    numbers = result.as_dict()
    assert numbers["framework_msd_A2"] == pytest.approx(0.0, abs=1e-12)
    assert numbers["n_ions"] == 30
    assert numbers["time_ps"] == pytest.approx(50.0)
    assert numbers["msd_A2_final"] == pytest.approx(6 * 0.2 * 50.0, rel=0.5)
    assert numbers["diffusivity_windowed_cm2_per_s"] == pytest.approx(2.0e-5, rel=0.5)
    assert numbers["log_log_slope"] == pytest.approx(1.0, abs=0.3)
    assert numbers["paper_fit_window_ps"] == pytest.approx([30.0, 50.0])
    assert numbers["paper_fit_rule"] == "last 20 ps"
    assert numbers["diffusivity_windowed_reason"] is None


def test_the_names_of_the_design_are_all_there(result: TransportResult) -> None:
    assert set(TRANSPORT_FIELDS) > DESIGN_FIELDS
    assert sorted(result.as_dict()) == sorted(TRANSPORT_FIELDS)


def test_the_diffusivity_by_blocks_holds_the_truth(result: TransportResult) -> None:
    numbers = result.as_dict()
    low, high = numbers["diffusivity_block_interval_95"]
    assert low < 2.0e-5 < high
    assert numbers["n_blocks"] >= 3
    assert numbers["diffusivity_kinisi_reason"] == "not asked for"
    assert np.trace(numbers["diffusivity_tensor_cm2_per_s"]) / 3 == pytest.approx(
        numbers["diffusivity_windowed_cm2_per_s"], rel=1e-9
    )


def moving(ions: FloatArray) -> Trajectory:
    """Ions beside a framework of two atoms at rest."""
    n_frames = len(ions)
    framework = np.broadcast_to(np.array([[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]]), (n_frames, 2, 3))
    return Trajectory(
        times_ps=0.1 * np.arange(n_frames),
        positions=np.concatenate([framework, ions], axis=1),
        cells=np.repeat(9.0 * np.eye(3)[None], n_frames, axis=0),
        species=np.array(["S"] * 2 + ["Li"] * ions.shape[1]),
    )


def test_pairs_of_ions_have_a_haven_ratio_of_one_half(random_walk: Callable[..., FloatArray]) -> None:
    """And conduct twice as well as Nernst and Einstein say; four runs, to a tolerance of three errors."""
    ratios = []
    for seed in range(12):
        pairs = random_walk(seed, n_frames=2001, n_atoms=10, diffusivity=0.3, interval=0.1)
        numbers = analyze(moving(np.repeat(pairs, 2, axis=1)), "Li", temperature_K=600.0, r_max=4.0).as_dict()
        ratios.append(numbers["haven_ratio"])
        assert numbers["conductivity_collective_S_per_cm"] == pytest.approx(
            numbers["conductivity_nernst_einstein_S_per_cm"] / numbers["haven_ratio"]
        )
    error = np.std(ratios, ddof=1) / np.sqrt(len(ratios))
    assert error < 0.1
    assert np.mean(ratios) == pytest.approx(0.5, abs=3 * error)


def test_nothing_follows_from_a_collective_diffusivity_that_may_be_zero(
    random_walk: Callable[..., FloatArray],
) -> None:
    """Ions of which every other one goes the opposite way: they diffuse, and carry no current."""
    half = random_walk(50, n_frames=2001, n_atoms=10, diffusivity=0.3, interval=0.1)
    jitter = np.random.default_rng(51).normal(scale=0.1, size=(2001, 20, 3))
    opposite = np.concatenate([half, -half], axis=1) + jitter
    numbers = analyze(moving(opposite), "Li", temperature_K=600.0, r_max=4.0).as_dict()
    assert numbers["conductivity_nernst_einstein_S_per_cm"] > 0
    assert numbers["diffusivity_collective_interval_95"][0] < 0
    assert numbers["haven_ratio"] is None
    assert numbers["conductivity_collective_S_per_cm"] is None
    assert "interval of the collective diffusivity holds zero" in numbers["conductivity_collective_reason"]


def test_the_tensor_tells_a_channel_from_the_bulk(random_walk: Callable[..., FloatArray]) -> None:
    along = random_walk(45, n_frames=1001, n_atoms=40, diffusivity=0.3, interval=0.1) * [0.0, 0.0, 1.0]
    tensor = np.array(analyze(moving(along), "Li", r_max=4.0).as_dict()["diffusivity_tensor_cm2_per_s"])
    assert tensor[2, 2] == pytest.approx(3.0e-5, rel=0.5)
    tensor[2, 2] = 0.0
    assert np.abs(tensor).max() < 1e-12


def test_a_drift_free_run_is_not_changed_by_the_removal_of_drift(
    random_walk: Callable[..., FloatArray],
) -> None:
    ions = random_walk(46, n_frames=301, n_atoms=10, diffusivity=0.3, interval=0.1)
    result = analyze(moving(ions), "Li", r_max=4.0)
    assert result.msd_windowed == pytest.approx(windowed_msd(ions).mean(axis=1), rel=1e-9, abs=1e-9)


def test_hops_between_sites_are_among_the_numbers(random_walk: Callable[..., FloatArray]) -> None:
    rng = np.random.default_rng(47)
    places = np.cumsum(rng.choice((-1, 0, 0, 0, 0, 1), size=(801, 8, 3)), axis=0)
    result = analyze(
        moving(4.5 * places + rng.normal(scale=0.1, size=places.shape)),
        "Li",
        sites=np.array(list(np.ndindex(2, 2, 2))) / 2.0,
        r_max=4.0,
    )
    numbers = result.as_dict()
    assert numbers["n_site_hops"] == np.any(places[1:] != places[:-1], axis=-1).sum()
    assert numbers["jump_diffusivity_cm2_per_s"] == pytest.approx(4.5**2 / 3 * 10 / 2 * 1e-4, rel=0.1)
    assert numbers["correlation_factor"] == pytest.approx(1.0, abs=0.4)


def test_the_posterior_is_sampled_where_it_is_asked_for(random_walk: Callable[..., FloatArray]) -> None:
    pytest.importorskip("kinisi")
    ions = random_walk(48, n_frames=301, n_atoms=20, diffusivity=0.5, interval=0.1)
    numbers = analyze(moving(ions), "Li", with_posterior=True, r_max=4.0).as_dict()
    assert numbers["diffusivity_kinisi_cm2_per_s"] == pytest.approx(5e-5, rel=0.3)
    still = analyze(moving(ions * 0.01), "Li", with_posterior=True, r_max=4.0).as_dict()
    assert still["diffusivity_kinisi_cm2_per_s"] is None
    assert still["diffusivity_kinisi_reason"] == still["diffusivity_windowed_reason"]


def test_the_tables_hold_the_curves(result: TransportResult, tmp_path: Path) -> None:
    write_tables(result, tmp_path)
    msd, rdf = read_table(tmp_path / "msd.csv"), read_table(tmp_path / "rdf.csv")
    names = ["time_ps", "msd_single_origin_A2", "msd_windowed_A2", "framework_msd_A2"]
    assert list(msd)[:4] == names
    parts = sum(msd[f"msd_{direction}_A2"] for direction in ("xx", "yy", "zz"))
    assert parts == pytest.approx(msd["msd_windowed_A2"], abs=1e-5)
    assert msd["msd_windowed_Li_A2"] == pytest.approx(msd["msd_windowed_A2"])
    coordination = read_table(tmp_path / "coordination.csv")
    assert list(coordination) == ["r_A", "Li around Li", "S around Li", "Li around S", "S around S"]
    assert coordination["Li around S"] == pytest.approx(3.0 * coordination["S around Li"], abs=1e-5)
    assert list(rdf) == ["r_A", "Li-Li", "Li-S", "S-S"]
    assert msd["time_ps"] == pytest.approx(result.times)
    assert msd["msd_windowed_A2"] == pytest.approx(result.msd_windowed, rel=1e-7)
    assert rdf["Li-S"] == pytest.approx(result.rdf.g[1], rel=1e-7)
    with (tmp_path / "msd.csv").open() as file:
        assert len(list(csv.reader(file))) == 502


def test_the_order_of_the_atoms_does_not_matter(crystal: Trajectory, result: TransportResult) -> None:
    order = np.random.default_rng(43).permutation(40)
    shuffled = Trajectory(
        times_ps=crystal.times_ps,
        positions=crystal.positions[:, order],
        cells=crystal.cells,
        species=crystal.species[order],
    )
    other = analyze(shuffled, "Li").as_dict()
    for name, value in result.as_dict().items():
        if isinstance(value, float):
            assert other[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_an_ion_that_is_not_there_is_refused(crystal: Trajectory) -> None:
    with pytest.raises(TrajectoryError, match="no Na in the trajectory; it holds Li, S"):
        analyze(crystal, "Na")


def test_ions_of_unknown_charge_have_no_conductivity_but_all_else(
    random_walk: Callable[..., FloatArray],
) -> None:
    ions = random_walk(49, n_frames=501, n_atoms=30, diffusivity=0.3, interval=0.1)
    known = moving(ions)
    other = Trajectory(
        times_ps=known.times_ps,
        positions=known.positions,
        cells=known.cells,
        species=np.where(known.species == "Li", "Fe", known.species),
    )
    numbers = analyze(other, "Fe", temperature_K=600.0, r_max=4.0).as_dict()
    same = analyze(known, "Li", temperature_K=600.0, r_max=4.0).as_dict()
    assert numbers["conductivity_nernst_einstein_S_per_cm"] is None
    assert same["conductivity_nernst_einstein_S_per_cm"] > 0
    assert numbers["diffusivity_windowed_cm2_per_s"] == same["diffusivity_windowed_cm2_per_s"]


def test_species_must_be_elements() -> None:
    with pytest.raises(TrajectoryError, match="not chemical symbols: Vac"):
        atomic_masses(["Li", "Vac"])


@pytest.fixture(scope="module")
def lgps(shared_data: Path) -> Trajectory:
    path = shared_data / "aimd" / "Li10GeP2S12_600K.extxyz"
    return read_trajectory(path, frame_interval_fs=LGPS_INTERVAL_FS)


def test_the_frame_interval_of_lgps_follows_from_equipartition(lgps: Trajectory) -> None:
    """Between its frames the atoms fly freely, so m v^2 = 3 k T tells the time: 4 fs at 600 K."""
    velocities = np.diff(lgps.positions, axis=0) / np.diff(lgps.times_ps)[:, None, None]
    kinetic = 0.5 * atomic_masses(lgps.species) * (velocities**2).sum(axis=-1).mean(axis=0)
    temperature = 2.0 / 3.0 * kinetic.mean() * U_A2_PER_PS2_IN_EV / K_B
    assert temperature == pytest.approx(600.0, rel=0.1)


def test_lgps_at_600_kelvin_diffuses_as_published(lgps: Trajectory) -> None:
    """To the factor of a few that 2 ps allow: of the order of 1e-5 cm^2/s.

    Mo, Ong, Ceder, Chem. Mater. 24, 15 (2012), by AIMD: 9 mS/cm at 300 K and 0.21 eV, which by
    the Nernst-Einstein relation are 4e-6 cm^2/s at 600 K.
    """
    numbers = analyze(lgps, "Li").as_dict()
    assert 3e-6 < numbers["diffusivity_cm2_per_s"] < 5e-5
    assert numbers["framework_msd_A2"] < 0.5
    assert numbers["diffusivity_windowed_cm2_per_s"] is None  # 2 ps: too short for a number
    assert "by half the run" in numbers["diffusivity_windowed_reason"]


def test_argyrodite_at_500_kelvin(shared_data: Path) -> None:
    """Li6PS5Cl with S and Cl exchanged: the ions pass the gate, the framework stays."""
    files = sorted((shared_data / "aimd" / "Li6PS5Cl_500K_100p").glob("run*_XDATCAR.gz"))
    trajectory = read_trajectory(files, frame_interval_fs=100.0)
    numbers = analyze(trajectory, "Li", temperature_K=500.0).as_dict()
    assert numbers["time_ps"] == pytest.approx(69.9)
    assert numbers["n_ions"] == 192
    assert 1e-6 < numbers["diffusivity_windowed_cm2_per_s"] < 1e-5
    assert 0.0 < numbers["diffusivity_std"] < numbers["diffusivity_windowed_cm2_per_s"]
    assert numbers["framework_msd_A2"] < 1.0
    assert numbers["conductivity_nernst_einstein_S_per_cm"] is None  # the ions stay in their cages
    assert numbers["diffusivity_tracer_reason"].startswith("ln MSD grows as 0.46 ln t, not 1")
