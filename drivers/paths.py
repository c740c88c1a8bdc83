"""Paths between two ends of a hop: checks, interpolation, length, and the barrier of a band."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import ase
import numpy as np
from ase.geometry import find_mic
from ase.mep.neb import NEB, idpp_interpolate
from numpy.typing import ArrayLike, NDArray

from hopkin.drivers.errors import SpecificationError, StructureError

CELL_TOLERANCE_A = 1e-4
"""Largest difference between the cell vectors of the two ends [A]."""

COINCIDENCE_A = 1e-3
"""Ends whose path is shorter than this are the same structure [A]."""

DIVERGED_SPREAD_EV = 50.0
"""A band whose energies spread over more than this has diverged [eV]: no barrier that a crystal
survives comes near it (barriers of alkali ions stay below about 3 eV, the strongest bonds near
10 eV), and atoms that fall into each other soon exceed it."""

Interpolation = Literal["idpp", "linear"]
Failure = Literal["type_I_divergence", "type_II_unphysical"]


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
        band = NEB(images, method="improvedtangent")
        idpp_interpolate(band, traj=None, log=None, mic=True)
        for image in images:
            image.calc = None
    return images


def _minimum_image(displacements: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    shortest: NDArray[np.float64]
    shortest, _ = find_mic(displacements, cell)
    return shortest


def displacements(initial: ase.Atoms, final: ase.Atoms) -> NDArray[np.float64]:
    """(n_atoms, 3) shortest displacement of every atom from one structure to the other [A]."""
    return _minimum_image(final.positions - initial.positions, initial.cell.array)


def path_length(images: Sequence[ase.Atoms]) -> float:
    """Return the length of a path in the space of all positions [A].

    The sum over neighbouring images of ``sqrt(sum_i |r_i' - r_i|^2)``, each displacement taken to
    the nearest periodic image.
    """
    return float(_segments(images).sum())


def reaction_coordinate(images: Sequence[ase.Atoms]) -> NDArray[np.float64]:
    """Return the (n_images,) path length from the first to each image, 1 at the last.

    Raises
    ------
    StructureError
        All images are the same structure.
    """
    distance = np.concatenate([[0.0], np.cumsum(_segments(images))])
    if distance[-1] < COINCIDENCE_A:
        raise StructureError("all images of the path are the same structure")
    coordinate: NDArray[np.float64] = distance / distance[-1]
    return coordinate


def _segments(images: Sequence[ase.Atoms]) -> NDArray[np.float64]:
    cell = images[0].cell.array
    return np.array(
        [
            np.linalg.norm(_minimum_image(after.positions - before.positions, cell))
            for before, after in pairwise(images)
        ]
    )


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


def classify(energies_eV: ArrayLike) -> Failure | None:
    """Tell in which way a band failed, if it did.

    Parameters
    ----------
    energies_eV
        (n_images,) total energies of all images, ends included [eV].

    Returns
    -------
    Failure or None
        ``"type_I_divergence"``: an energy is not finite, or they spread over more than
        `DIVERGED_SPREAD_EV`. ``"type_II_unphysical"``: the saddle, which is the highest interior
        image, lies below an end. None: neither.
    """
    energies = _band(energies_eV)
    if not np.all(np.isfinite(energies)) or np.ptp(energies) > DIVERGED_SPREAD_EV:
        return "type_I_divergence"
    if energies[1:-1].max() < max(energies[0], energies[-1]):
        return "type_II_unphysical"
    return None


def _band(energies_eV: ArrayLike) -> NDArray[np.float64]:
    energies = np.asarray(energies_eV, dtype=np.float64)
    if energies.ndim != 1 or len(energies) < 3:
        raise SpecificationError(
            f"energies of shape {energies.shape}; accepted: one for each of at least 3 images"
        )
    return energies
