r"""Errors of a model against labels: energies, forces and stresses of structures.

Energies of different sources differ by a reference for each element (corrections, other pseudopotentials,
atoms instead of nothing) that no structure depends on. So the error of the energy per atom comes twice: as it
is, and without the energies :math:`\mu_e` of the elements that fit the differences best,

.. math::

    \min_\mu \sum_i \Big[ \frac{E_i - E_i^\text{label} - \sum_e n_{ie} \mu_e}{N_i} \Big]^2 ,

one set for all structures, :math:`n_{ie}` the atoms of element *e* among the :math:`N_i` of structure *i*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

from hopkin.analysis.trajectories import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Difference:
    """One structure, the model minus its label.

    Attributes
    ----------
    group
        Name of the set it belongs to.
    species
        (n_atoms,) chemical symbols.
    energy
        [eV]
    forces
        (n_atoms, 3) [eV/A]
    stress
        (6,) [eV/A^3]; None where it has no such label.
    """

    group: str
    species: NDArray[np.str_]
    energy: float
    forces: FloatArray
    stress: FloatArray | None


def element_energies(differences: Sequence[Difference]) -> dict[str, float] | None:
    """Energy of each element [eV] that the model has more than the labels; None where the labels cannot tell.

    They cannot where there are no more structures than elements: nothing of the error would be left. Where
    :func:`tells_elements_apart` is not true they fit the structures, but none means anything alone.
    """
    elements, fractions = _compositions(differences)
    if len(differences) <= len(elements):
        return None
    per_atom = np.array([d.energy / len(d.species) for d in differences])
    energies = np.linalg.lstsq(fractions, per_atom)[0]
    return dict(zip(elements, energies.tolist(), strict=True))


def tells_elements_apart(differences: Sequence[Difference]) -> bool:
    """Whether the compositions determine an energy of each element, as those of one compound do not."""
    elements, fractions = _compositions(differences)
    return bool(np.linalg.matrix_rank(fractions) == len(elements))


def _compositions(differences: Sequence[Difference]) -> tuple[list[str], FloatArray]:
    """Return the elements, and (n_structures, n_elements) their fractions of the atoms."""
    elements = sorted({symbol for d in differences for symbol in d.species.tolist()})
    return elements, np.array([[np.mean(d.species == element) for element in elements] for d in differences])


def errors_of(
    differences: Sequence[Difference], offsets: Mapping[str, float] | None
) -> dict[str, int | float | None]:
    """Mean absolute and root mean square errors of some structures.

    Parameters
    ----------
    differences
        at least one
    offsets
        energy of each element [eV] that is taken off; None: no error of the energy without it
    """
    per_atom = np.array([d.energy / len(d.species) for d in differences])
    shifted = None
    if offsets is not None:
        shifted = per_atom - [np.mean([offsets[symbol] for symbol in d.species]) for d in differences]
    forces = np.concatenate([d.forces.ravel() for d in differences])
    stresses = [d.stress / units.GPa for d in differences if d.stress is not None]
    return {
        "n_structures": len(differences),
        "n_atoms": len(forces) // 3,
        **_errors("energy", "eV_per_atom", per_atom),
        **_errors("energy_shifted", "eV_per_atom", shifted),
        **_errors("force", "eV_per_A", forces),
        **_errors("stress", "GPa", np.concatenate(stresses) if stresses else None),
    }


def force_errors_by_element(differences: Sequence[Difference]) -> dict[str, dict[str, int | float | None]]:
    """Errors of the components of the forces on the atoms of each element."""
    species = np.concatenate([d.species for d in differences])
    forces = np.concatenate([d.forces for d in differences])
    return {
        str(element): {
            "n_atoms": int(np.sum(species == element)),
            **_errors("force", "eV_per_A", forces[species == element]),
        }
        for element in np.unique(species)
    }


def _errors(quantity: str, unit: str, differences: FloatArray | None) -> dict[str, float | None]:
    if differences is None:
        return {f"{quantity}_mae_{unit}": None, f"{quantity}_rmse_{unit}": None}
    return {
        f"{quantity}_mae_{unit}": float(np.abs(differences).mean()),
        f"{quantity}_rmse_{unit}": float(np.sqrt((differences**2).mean())),
    }
