"""The path with which a band starts: straight, or from there by the image dependent pair potential."""

from collections.abc import Sequence
from typing import Any, Literal

import ase
import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from hopkin.drivers.bands.paths import (
    COINCIDENCE_A,
    SEPARATE_A,
    check_endpoints,
    displacements,
    minimum_image,
)
from hopkin.drivers.crystals import OVERLAP_FRACTION
from hopkin.drivers.errors import SpecificationError

Interpolation = Literal["idpp", "linear"]

_FORCE_TOLERANCE = 0.1  # of the pair potential, as in ASE's idpp_interpolate [1/A]
_MOST_STEPS = 100
_AT_ONCE = 20_000  # vectors whose nearest images are found together: ASE makes 27 of each


def interpolate(
    initial: ase.Atoms, final: ase.Atoms, n_images: int, method: Interpolation = "idpp"
) -> list[ase.Atoms]:
    """Interpolate between two ends along the shortest way of every atom.

    Linear, or from there by the image dependent pair potential, which keeps atoms apart: Smidstrup,
    Pedersen, Stokbro, Jonsson, J. Chem. Phys. 140, 214106 (2014).

    Parameters
    ----------
    initial, final
        The ends; either may be wrapped into the cell in any way.
    n_images
        Images between the ends, at least 3.
    method
        ``"idpp"`` or ``"linear"``.

    Returns
    -------
    list of ase.Atoms
        ``n_images + 2`` structures from `initial` to `final`, of unwrapped, continuous positions:
        no atom moves more than half the cell from one to the next.

    Raises
    ------
    StructureError
        The ends do not belong together, or are the same structure.
    SpecificationError
        Too few images, or an unknown method.
    """
    if n_images < 3:
        raise SpecificationError(
            f"{n_images} images asked for; accepted: at least 3, counted without the two ends"
        )
    if method not in ("idpp", "linear"):
        raise SpecificationError(f"unknown interpolation {method!r}; accepted: 'idpp', 'linear'")
    check_endpoints(initial, final)
    start, cell = initial.positions, initial.cell.array
    displacement = displacements(initial, final)
    images = [
        ase.Atoms(numbers=initial.numbers, positions=start + fraction * displacement, cell=cell, pbc=True)
        for fraction in np.linspace(0.0, 1.0, n_images + 2)
    ]
    if method == "idpp":
        _bow(images)
        _relax_pair_potential(images)
    return images


def _bow(images: Sequence[ase.Atoms]) -> None:
    """Have a straight path pass by the atoms that it meets, which a collinear IDPP path cannot.

    The middle of the way of an atom is moved aside by the distance that two atoms keep, along a sine.
    """
    cell = images[0].cell.array
    way = images[-1].positions - images[0].positions
    radii = OVERLAP_FRACTION * covalent_radii[images[0].numbers]
    for n in np.flatnonzero(np.linalg.norm(way, axis=1) > SEPARATE_A).tolist():
        others = np.delete(np.arange(len(way)), n)
        apart = minimum_image(
            images[0].positions[others] + way[others] / 2 - images[0].positions[n] - way[n] / 2, cell
        )
        along = way[n] / np.linalg.norm(way[n])
        aside = apart - np.outer(apart @ along, along)
        limit = radii[others] + radii[n]
        met = (np.linalg.norm(aside, axis=1) < limit) & (np.abs(apart @ along) < np.linalg.norm(way[n]) / 2)
        if not met.any():
            continue
        nearest = np.flatnonzero(met)[np.argmin(np.linalg.norm(aside[met], axis=1))]
        away = -aside[nearest]
        if np.linalg.norm(away) < COINCIDENCE_A:
            away = np.cross(along, np.eye(3)[np.argmin(np.abs(along))])
        away *= limit[nearest] / np.linalg.norm(away)
        for fraction, image in zip(np.linspace(0.0, 1.0, len(images)), images, strict=True):
            image.positions[n] += np.sin(np.pi * fraction) * away


class _PairPotential:
    """A calculator as ASE's bands use one: the sum over pairs of (d - target)^2 / d^4, eq. 7 of the paper.

    Parameters
    ----------
    target
        (n_atoms, n_atoms) distances that are wanted [A]
    shifts
        (n_atoms, n_atoms, 3) to the image of the second atom that is taken [A]
    """

    def __init__(self, target: NDArray[np.float64], shifts: NDArray[np.float64]) -> None:
        self._target, self._shifts = target, shifts

    def get_potential_energy(self, atoms: ase.Atoms) -> float:
        _, distance, longer = self._pairs(atoms)
        return 0.5 * float(np.sum(longer**2 / distance**4))

    def get_forces(self, atoms: ase.Atoms) -> NDArray[np.float64]:
        apart, distance, longer = self._pairs(atoms)
        pull = longer * (1 - 2 * longer / distance) / distance**5
        forces: NDArray[np.float64] = -2 * np.einsum("ij,ijk->jk", pull, apart)
        return forces

    def _pairs(self, atoms: ase.Atoms) -> tuple[NDArray[np.float64], ...]:
        apart = _between(atoms) + self._shifts
        distance = np.linalg.norm(apart, axis=2)
        np.fill_diagonal(distance, 1.0)
        longer = distance - self._target
        np.fill_diagonal(longer, 0.0)
        return apart, distance, longer


def _relax_pair_potential(images: Sequence[ase.Atoms]) -> None:
    """Do what ASE's `idpp_interpolate` does, the nearest images of the atoms found once.

    ASE finds them anew at each step, atom by atom, and takes ten times as long: 0.8 s for 5 images of 55
    atoms.
    """
    from ase.mep.neb import NEB
    from ase.optimize import MDMin

    nearest = [_nearest(image) for image in images]
    ends = [np.linalg.norm(nearest[end], axis=2) for end in (0, -1)]
    for fraction, apart, image in zip(np.linspace(0.0, 1.0, len(images)), nearest, images, strict=True):
        target = (1 - fraction) * ends[0] + fraction * ends[1]
        image.calc = _PairPotential(target, apart - _between(image))
    band: Any = NEB(images, method="improvedtangent")
    nowhere: Any = None
    with MDMin(band, logfile=nowhere) as optimiser:
        optimiser.run(fmax=_FORCE_TOLERANCE, steps=_MOST_STEPS)
    for image in images:
        image.calc = None


def _between(atoms: ase.Atoms) -> NDArray[np.float64]:
    """(n_atoms, n_atoms, 3) vectors from the first atom to the second [A]."""
    between: NDArray[np.float64] = atoms.positions[None] - atoms.positions[:, None]
    return between


def _nearest(atoms: ase.Atoms) -> NDArray[np.float64]:
    """(n_atoms, n_atoms, 3) vectors from the first atom to the nearest image of the second [A]."""
    between = _between(atoms)
    rows = max(1, _AT_ONCE // len(atoms))
    for first in range(0, len(atoms), rows):
        some = between[first : first + rows]
        between[first : first + rows] = minimum_image(some.reshape(-1, 3), atoms.cell.array).reshape(
            some.shape
        )
    return between
