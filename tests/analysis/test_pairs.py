"""Pairs of atoms over all periodic images, beside an oracle that looks at every image."""

import subprocess
import sys

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.transport.neighbours import pairs_within


def every_image(positions: FloatArray, cell: FloatArray, distance: float) -> list[tuple[int, int, float]]:
    n_images = np.ceil(distance * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(int) + 1
    wrapped = (positions @ np.linalg.inv(cell) % 1.0) @ cell
    found = []
    for image in np.ndindex(*(2 * n_images + 1)):
        shift = (np.array(image) - n_images) @ cell
        lengths = np.linalg.norm(wrapped + shift - wrapped[:, None], axis=-1)
        for i, j in np.argwhere(lengths < distance):
            if i != j or shift.any():
                found.append((int(i), int(j), float(lengths[i, j])))
    return found


@given(
    lengths=st.tuples(*[st.floats(3.0, 9.0)] * 3),
    tilts=st.tuples(*[st.floats(-4.0, 4.0)] * 3),
    distance=st.floats(1.0, 6.0),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_all_images_are_found(
    lengths: tuple[float, float, float], tilts: tuple[float, float, float], distance: float, seed: int
) -> None:
    cell = np.diag(lengths)
    cell[np.tril_indices(3, -1)] = tilts
    positions = np.random.default_rng(seed).uniform(-2.0, 3.0, (5, 3)) @ cell
    around = every_image(positions, cell, distance + 1e-6)
    assume(all(abs(length - distance) > 1e-6 for _, _, length in around))  # neither in nor out
    i, j, distances = pairs_within(positions, cell, distance)
    found = sorted(zip(i.tolist(), j.tolist(), distances.round(6).tolist(), strict=True))
    expected = sorted((i, j, round(length, 6)) for i, j, length in around)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    assert_allclose([pair[2] for pair in found], [pair[2] for pair in expected], atol=2e-6)


def test_atoms_in_one_place_are_a_pair() -> None:
    i, j, distances = pairs_within(np.zeros((2, 3)), 5.0 * np.eye(3), 1.0)
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert distances.tolist() == [0.0, 0.0]


def test_an_analysis_does_not_wait_for_torch() -> None:
    """Seconds of every `hopkin analyze` and `hopkin md`, where it is installed."""
    code = (
        "import sys, hopkin.analysis.transport, hopkin.analysis.trajectories; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_atoms_that_have_gone_far_are_found_at_once() -> None:
    """Unwrapped positions, a million cells away."""
    cell = np.array([[4.0, 0.0, 0.0], [1.0, 5.0, 0.0], [0.0, 0.5, 6.0]])
    positions = np.array([[0.1, 0.2, 0.3], [1.1, 0.2, 0.3]])
    far = positions + np.array([[0, 0, 0], [1_000_000, -2_000_000, 3_000_000]]) @ cell
    near_pairs, far_pairs = pairs_within(positions, cell, 4.5), pairs_within(far, cell, 4.5)
    for near, gone in zip(near_pairs, far_pairs, strict=True):
        np.testing.assert_allclose(np.sort(near), np.sort(gone), atol=1e-6)
