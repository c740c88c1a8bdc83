"""Paths between two ends of a hop: checks, shapes, and the barrier of a band."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import ase
import numpy as np
from ase.data import covalent_radii
from ase.geometry import find_mic
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.crystals import OVERLAP_FRACTION
from hopkin.drivers.errors import Failure, SpecificationError, StructureError

CELL_TOLERANCE_A = 1e-4
"""Largest difference between the cell vectors of the two ends [A]."""

COINCIDENCE_A = 1e-3
"""Ends whose path is shorter than this are the same structure [A]."""

DIVERGED_SPREAD_EV = 50.0
"""A band whose energies spread over more than this has diverged [eV]: no barrier that a crystal
survives comes near it (barriers of alkali ions stay below about 3 eV, the strongest bonds near
10 eV), and atoms that fall into each other soon exceed it."""

SEPARATE_A = 1.0
"""An atom that moves further between the ends hops [A]; the others give way."""

MOVING_A = 0.05
"""An atom that moves less from one image to the next comes no closer to others by it [A]."""


def check_endpoints(initial: ase.Atoms, final: ase.Atoms) -> None:
    """Refuse two structures that cannot be the ends of one path.

    Raises
    ------
    StructureError
        The numbers of atoms, the cells, or the species atom by atom differ; the message names the
        first difference. Or nothing differs: there is no path between a structure and itself.
    """
    if len(initial) != len(final):
        raise StructureError(f"the ends hold different numbers of atoms: {len(initial)} and {len(final)}")
    _check_same_cell(initial, final)
    different = np.flatnonzero(initial.numbers != final.numbers)
    if len(different) == 0:
        if np.linalg.norm(displacements(initial, final)) < COINCIDENCE_A:
            raise StructureError("the ends are the same structure: there is no path between them")
        return
    n = int(different[0])
    first = f"atom {n + 1} is {initial.symbols[n]} in the initial and {final.symbols[n]} in the final"
    if sorted(initial.numbers) == sorted(final.numbers):
        raise StructureError(f"the ends hold the same atoms in a different order: {first} structure")
    raise StructureError(f"the ends hold different species: {first} structure")


def _check_same_cell(initial: ase.Atoms, final: ase.Atoms) -> None:
    difference = np.abs(initial.cell.array - final.cell.array)
    if difference.max() > CELL_TOLERANCE_A:
        row, column = np.unravel_index(np.argmax(difference), (3, 3))
        raise StructureError(
            f"the ends have different cells: component {'xyz'[column]} of vector {'abc'[row]} is "
            f"{initial.cell.array[row, column]:.4f} A in the initial and "
            f"{final.cell.array[row, column]:.4f} A in the final structure (accepted: equal within "
            f"{CELL_TOLERANCE_A:g} A)"
        )


def minimum_image(displacements: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) shortest displacements that end at images of where the given ones end [A]."""
    shortest: NDArray[np.float64]
    shortest, _ = find_mic(displacements, cell)
    return shortest


def displacements(initial: ase.Atoms, final: ase.Atoms) -> NDArray[np.float64]:
    """(n_atoms, 3) shortest displacement of every atom from one structure to the other [A]."""
    return minimum_image(final.positions - initial.positions, initial.cell.array)


@dataclass(frozen=True, slots=True, kw_only=True)
class Barriers:
    """Barriers of a band; all energies [eV]."""

    saddle_image: int
    """Index of the highest interior image, counted from the initial end, which is 0."""
    barrier_eV: float
    """``E_saddle - (E_initial + E_final) / 2``; negative for an unphysical band, never clamped."""
    forward_barrier_eV: float
    """``E_saddle - E_initial``."""
    reverse_barrier_eV: float
    """``E_saddle - E_final``."""


def barrier(energies_eV: ArrayLike) -> Barriers:
    """Read the barriers off the energies of a band.

    Parameters
    ----------
    energies_eV
        (n_images,) total energies of all images, ends included [eV].

    Raises
    ------
    SpecificationError
        Fewer than three energies, or some that are not finite: ask :func:`classify` first.
    """
    energies = _band(energies_eV)
    if not np.all(np.isfinite(energies)):
        raise SpecificationError("a band with energies that are not finite has no barrier")
    saddle_image = 1 + int(np.argmax(energies[1:-1]))
    initial, saddle, final = (float(energies[n]) for n in (0, saddle_image, -1))
    return Barriers(
        saddle_image=saddle_image,
        barrier_eV=saddle - (initial + final) / 2.0,
        forward_barrier_eV=saddle - initial,
        reverse_barrier_eV=saddle - final,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """In which way a band failed, and what shows it in one sentence."""

    kind: Failure
    evidence: str


def classify(energies_eV: ArrayLike) -> Failed | None:
    """Tell in which way a band failed by its energies, if it did.

    Parameters
    ----------
    energies_eV
        (n_images,) total energies of all images, ends included [eV].

    Returns
    -------
    Failed or None
        ``"type_I_divergence"``: an energy is not finite, or they spread over more than
        `DIVERGED_SPREAD_EV`. ``"type_II_unphysical"``: the saddle, which is the highest interior
        image, lies below an end. None: neither.
    """
    energies = _band(energies_eV)
    lost = np.flatnonzero(~np.isfinite(energies))
    if len(lost):
        return Failed(
            kind="type_I_divergence", evidence=f"the energy of image {lost[0]} is {energies[lost[0]]}"
        )
    if np.ptp(energies) > DIVERGED_SPREAD_EV:
        evidence = (
            f"energies spread over {np.ptp(energies):.4g} eV, from image {np.argmin(energies)} to image"
            f" {np.argmax(energies)} (accepted: {DIVERGED_SPREAD_EV:g} eV)"
        )
        return Failed(kind="type_I_divergence", evidence=evidence)
    saddle = 1 + int(np.argmax(energies[1:-1]))
    below = float(max(energies[0], energies[-1]) - energies[saddle])
    if below > 0.0:
        end = "initial" if energies[0] > energies[-1] else "final"
        evidence = f"the highest image, {saddle}, lies {below:.3f} eV below the {end} end"
        return Failed(kind="type_II_unphysical", evidence=evidence)
    return None


def collision(images: Sequence[ase.Atoms]) -> str | None:
    """Tell, in one sentence, which atoms come too close on the way from image to image; None: none.

    Atoms move on straight lines between images, so that one that jumps over another is found, too.
    The limit is that of :func:`hopkin.drivers.crystals.structures.check_crystal`.
    """
    cell = images[0].cell.array
    radii = OVERLAP_FRACTION * covalent_radii[images[0].numbers]
    closest, worst = 1.0, None
    for number, (before, after) in enumerate(pairwise(images)):
        step = displacements(before, after)
        for n in np.flatnonzero(np.linalg.norm(step, axis=1) > MOVING_A).tolist():
            others = np.delete(np.arange(len(before)), n)
            apart = minimum_image(before.positions[others] - before.positions[n], cell)
            distance, limit = _closest(apart, step[others] - step[n]), radii[others] + radii[n]
            nearest = int(np.argmin(distance / limit))
            if distance[nearest] < closest * limit[nearest]:
                closest = float(distance[nearest] / limit[nearest])
                a, b = (f"{before.symbols[m]} {m + 1}" for m in (n, others[nearest]))
                worst = (
                    f"between images {number} and {number + 1}, {a} and {b} come within"
                    f" {distance[nearest]:.2f} A of each other (accepted: {limit[nearest]:.2f} A)"
                )
    return worst


def _closest(apart: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) least lengths of the (n, 3) vectors ``apart + t change`` for t from 0 to 1 [A]."""
    squared = np.maximum((change**2).sum(axis=1), 1e-12)
    t = np.clip(-(apart * change).sum(axis=1) / squared, 0.0, 1.0)
    closest: NDArray[np.float64] = np.linalg.norm(apart + t[:, None] * change, axis=1)
    return closest


def off_symmetry(images: Sequence[ase.Atoms], *, aside: bool = True) -> list[ase.Atoms]:
    """Return a path that no symmetry keeps where it is: images a tenth of a step further, atoms moved aside.

    Symmetric forces keep a path symmetric. A straight one stays on a ridge with a lower saddle beside it,
    and converges there (LiTiS2 with M3GNet: 0.48 instead of 0.32 eV; ASE from the same path, too); and its
    middle image feels no force along it, so that it climbs nowhere from a minimum halfway, such as the
    tetrahedral site of a layered host. Every atom is moved by a normal deviate of 0.03 A, the same in all
    images and at every call; the ends stay. Not by more: a push of 0.2 A took the ion of LiTiS2-layered-O3
    with two vacancies into the wrong valley. Without `aside` (`symmetric_path` of a specification), a path
    keeps the symmetries that all its images share: for crystals that want to distort, and for published
    bands that kept their symmetry.
    """
    across = aside * 0.03 * np.random.default_rng(0).normal(size=(len(images[0]), 3))
    moved = [image.copy() for image in images]
    for image, after in zip(moved[1:-1], images[2:], strict=True):
        image.positions += 0.1 * displacements(image, after) + across
    return moved


def reshaped(
    path: Sequence[ase.Atoms], initial: ase.Atoms, final: ase.Atoms, n_images: int
) -> list[ase.Atoms]:
    """Return a path between two ends that leaves the straight line as another path of the same hop does.

    Parameters
    ----------
    path
        Ends and images of the other one, such as the band of another model. The cells may differ by a strain.
    initial, final, n_images
        The ends, and the images between them.

    Raises
    ------
    StructureError
        The other path has other atoms.
    """
    check_endpoints(initial, final)
    if any(not np.array_equal(image.numbers, initial.numbers) for image in path):
        raise StructureError("the path to start from holds other atoms than the ends, or in another order")
    steps = [np.zeros_like(initial.positions)]
    steps += [
        displacements(before, after) @ np.linalg.inv(before.cell.array) for before, after in pairwise(path)
    ]
    moved = np.cumsum(steps, axis=0)  # in fractions of the cell
    where = np.linspace(0.0, 1.0, len(path))
    aside = moved - where[:, None, None] * moved[-1]
    straight = displacements(initial, final)
    images = []
    for fraction in np.linspace(0.0, 1.0, n_images + 2):
        n = min(int(fraction * (len(path) - 1)), len(path) - 2)
        rest = fraction * (len(path) - 1) - n
        image = initial.copy()
        image.positions += (
            fraction * straight + ((1 - rest) * aside[n] + rest * aside[n + 1]) @ initial.cell.array
        )
        images.append(image)
    return images


def refined(images: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Return a path with an image in the middle of each step added, on the shortest way."""
    finer = []
    for before, after in pairwise(images):
        middle = before.copy()
        middle.positions += 0.5 * displacements(before, after)
        finer += [before, middle]
    return [*finer, images[-1]]


def _band(energies_eV: ArrayLike) -> NDArray[np.float64]:
    energies = np.asarray(energies_eV, dtype=np.float64)
    if energies.ndim != 1 or len(energies) < 3:
        raise SpecificationError(
            f"energies of shape {energies.shape}; accepted: one for each of at least 3 images"
        )
    return energies
