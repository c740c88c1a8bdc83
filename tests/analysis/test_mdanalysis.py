"""The classes for MDAnalysis give what the kernels give."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.trajectory import Trajectory, to_universe
from hopkin.analysis.transport.rdf import radial_distribution
from hopkin.analysis.transport.transport import analyze

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hopkin.analysis.mdanalysis import IonTransport, MeanSquaredDisplacement, RadialDistribution

pytestmark = pytest.mark.filterwarnings("ignore")
SINGLE_PRECISION: dict[str, Any] = {"rtol": 2e-4, "atol": 2e-4}
CELL = np.array([[9.0, 0.0, 0.0], [2.5, 8.5, 0.0], [-1.5, 2.0, 9.0]])


def crystal(random_walk: Callable[..., FloatArray], *, wrapped: bool) -> Trajectory:
    ions = random_walk(71, n_frames=301, n_atoms=20, diffusivity=0.4, interval=0.1)
    rng = np.random.default_rng(72)
    framework = rng.uniform(0.0, 8.0, (10, 3)) + np.linspace(0.0, 5.0, 301)[:, None, None]
    positions = np.concatenate([ions, framework], axis=1)
    if wrapped:
        positions = (positions @ np.linalg.inv(CELL) % 1.0) @ CELL
    return Trajectory(
        times_ps=np.linspace(0.0, 30.0, 301),
        positions=positions,
        cells=np.repeat(CELL[None], 301, axis=0),
        species=np.array(["Li"] * 20 + ["S"] * 10),
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_they_equal_the_kernels_wrapped_or_not(random_walk: Callable[..., FloatArray], wrapped: bool) -> None:
    trajectory = crystal(random_walk, wrapped=False)
    expected = analyze(trajectory, "Li", temperature_K=800.0)
    universe = to_universe(crystal(random_walk, wrapped=wrapped))
    ions, framework = universe.select_atoms("element Li"), universe.select_atoms("element S")
    msd = MeanSquaredDisplacement(ions, framework=framework, wrapped=wrapped).run().results
    assert_allclose(msd.lag_times, expected.times, atol=1e-9)
    assert_allclose(msd.msd, expected.msd_windowed, **SINGLE_PRECISION)
    assert_allclose(msd.msd_single_origin, expected.msd_single_origin, **SINGLE_PRECISION)
    assert_allclose(msd.msd_tensor, expected.msd_tensor, rtol=1e-3, atol=1e-3)
    found = IonTransport(universe.atoms, "Li", wrapped=wrapped, temperature_K=800.0).run().results.transport
    assert found.block.diffusivity == pytest.approx(expected.block.diffusivity, rel=1e-3)
    assert found.as_dict()["conductivity_nernst_einstein_S_per_cm"] > 0


def test_radial_distributions_beyond_half_the_cell(random_walk: Callable[..., FloatArray]) -> None:
    trajectory = crystal(random_walk, wrapped=False)
    found = RadialDistribution(to_universe(trajectory).atoms, bin_width=0.5).run(step=30).results.rdf
    expected = radial_distribution(
        trajectory.positions[::30], trajectory.cells[::30], trajectory.species.tolist(), bin_width=0.5
    )
    assert found.pairs == expected.pairs
    assert_allclose(found.g, expected.g, rtol=0.02, atol=0.02)  # pairs at the edge of a bin


def test_without_elements_there_are_no_pairs(random_walk: Callable[..., FloatArray]) -> None:
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(2, trajectory=True)
    universe.dimensions = [9.0, 9.0, 9.0, 90.0, 90.0, 90.0]
    with pytest.raises(TrajectoryError, match="the Universe knows no elements"):
        RadialDistribution(universe.atoms).run()
