"""Cells, crystals and reference data that several tests share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hopkin.analysis.trajectories.arrays import FloatArray, frozen

ORTHOGONAL = np.diag([8.0, 9.5, 11.0])
TRICLINIC = np.array([[8.0, 0.0, 0.0], [2.5, 8.5, 0.0], [-1.5, 2.0, 9.0]])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Reference data beside the project; the tests that need it are skipped without it."""
    path = Path(__file__).parents[2].parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no reference data beside the project")
    return path


@pytest.fixture(params=[ORTHOGONAL, TRICLINIC], ids=["orthogonal", "triclinic"])
def cell(request: pytest.FixtureRequest) -> FloatArray:
    """(3, 3) cell, rows are vectors [A]."""
    matrix: FloatArray = request.param
    return matrix


@pytest.fixture(scope="session")
def random_walk() -> Callable[..., FloatArray]:
    """Make walks of independent atoms, read-only."""

    def walk(seed: int, *, n_frames: int, n_atoms: int, diffusivity: float, interval: float) -> FloatArray:
        """(n_frames, n_atoms, 3) unwrapped positions [A] for a diffusivity [A^2/ps]."""
        rng = np.random.default_rng(seed)
        scale = np.sqrt(2.0 * diffusivity * interval)
        steps = rng.normal(scale=scale, size=(n_frames, n_atoms, 3))
        steps[0] = rng.uniform(0.0, 8.0, size=(n_atoms, 3))
        return frozen(np.cumsum(steps, axis=0))

    return walk
