"""Densities of states of motions whose frequencies are known."""

from pathlib import Path

import numpy as np
import pytest

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.trajectory import Trajectory
from hopkin.analysis.transport.tables import read_table
from hopkin.analysis.transport.vibrations import density_of_states, write_density_of_states


def oscillators(*, interval: float = 0.002, with_velocities: bool = True) -> Trajectory:
    """A Li and an S that swing at 10 and 4 THz, in equipartition: m v^2 the same."""
    times = interval * np.arange(5000)
    frequencies, masses = np.array([10.0, 4.0]), np.array([6.94, 32.06])
    phase = 2 * np.pi * times[:, None] * frequencies
    speed = 1.0 / np.sqrt(masses)
    positions, velocities = np.zeros((5000, 2, 3)), np.zeros((5000, 2, 3))
    positions[:, :, 1] = speed / (2 * np.pi * frequencies) * np.sin(phase)
    velocities[:, :, 1] = speed * np.cos(phase)
    return Trajectory(
        times_ps=times,
        positions=positions,
        cells=np.repeat(8.0 * np.eye(3)[None], 5000, axis=0),
        species=np.array(["Li", "S"]),
        velocities=velocities if with_velocities else None,
    )


def test_each_oscillator_has_its_line_and_its_share() -> None:
    states = density_of_states(oscillators())
    assert states.species == ("Li", "S")
    step = states.frequencies[1]
    assert states.by_species.sum() * step == pytest.approx(1.0)
    for part, frequency in zip(states.by_species, (10.0, 4.0), strict=True):
        assert states.frequencies[part.argmax()] == pytest.approx(frequency, abs=0.11)
        assert part.sum() * step == pytest.approx(0.5, abs=0.01)


def test_the_table_holds_it(tmp_path: Path) -> None:
    states = density_of_states(oscillators())
    write_density_of_states(states, tmp_path / "vdos.csv")
    table = read_table(tmp_path / "vdos.csv")
    assert list(table) == ["frequency_THz", "Li_per_THz", "S_per_THz"]
    assert table["S_per_THz"] == pytest.approx(states.by_species[1], rel=1e-6)


def test_what_has_no_vibrations_is_refused() -> None:
    with pytest.raises(TrajectoryError, match="a vibrational density of states needs velocities"):
        density_of_states(oscillators(with_velocities=False))
    with pytest.raises(
        TrajectoryError, match="frames every 100 fs do not resolve vibrations; 12 fs or less do"
    ):
        density_of_states(oscillators(interval=0.1))
