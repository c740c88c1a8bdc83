"""A model on the images of somebody else's path: energies, forces across the path, stresses."""

from dataclasses import dataclass

import numpy as np

from hopkin.analysis.comparison.metrics import improved_tangent, normal_forces
from hopkin.analysis.trajectories import FloatArray

EV_PER_A3_IN_GPA = 160.2176634


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageErrors:
    """Errors of a model at one image between the ends of a path.

    Attributes
    ----------
    image
        Its number, counted from the initial end, which is 0.
    reference_energy_eV, energy_eV
        Energies above the mean of the two ends, each its own [eV].
    force_mae_eV_per_A
        Mean absolute error of the force components.
    reference_normal_force_eV_per_A, normal_force_eV_per_A
        Largest force on an atom across the path: what is left of the reference, and what the model has.
    normal_force_mae_eV_per_A
        Mean absolute error of the components of the forces across the path.
    stress_mae_GPa
        Mean absolute error of the stress components; None where the reference has none.
    """

    image: int
    reference_energy_eV: float
    energy_eV: float
    force_mae_eV_per_A: float
    reference_normal_force_eV_per_A: float
    normal_force_eV_per_A: float
    normal_force_mae_eV_per_A: float
    stress_mae_GPa: float | None


def image_errors(
    steps: FloatArray,
    reference_energies: FloatArray,
    reference_forces: FloatArray,
    reference_stresses: FloatArray,
    energies: FloatArray,
    forces: FloatArray,
    stresses: FloatArray,
) -> list[ImageErrors]:
    """Compare a model with the reference at each image between the ends.

    The tangents are those of the reference path, with the reference's energies.

    Parameters
    ----------
    steps
        (n_images - 1, n_atoms, 3) displacements from each image to the next [A].
    reference_energies, energies
        (n_images,) of all images, ends included [eV].
    reference_forces, forces
        (n_images, n_atoms, 3) [eV/A].
    reference_stresses, stresses
        (n_images, 6) [eV/A^3]; NaN where the reference has none.
    """
    rows = []
    for n in range(1, len(energies) - 1):
        tangent = improved_tangent(steps[n - 1 : n + 1], reference_energies[n - 1 : n + 2])
        theirs, ours = (normal_forces(force[n], tangent) for force in (reference_forces, forces))
        stress = float(np.abs(stresses[n] - reference_stresses[n]).mean()) * EV_PER_A3_IN_GPA
        rows.append(
            ImageErrors(
                image=n,
                reference_energy_eV=float(reference_energies[n] - reference_energies[[0, -1]].mean()),
                energy_eV=float(energies[n] - energies[[0, -1]].mean()),
                force_mae_eV_per_A=float(np.abs(forces[n] - reference_forces[n]).mean()),
                reference_normal_force_eV_per_A=float(np.linalg.norm(theirs, axis=1).max()),
                normal_force_eV_per_A=float(np.linalg.norm(ours, axis=1).max()),
                normal_force_mae_eV_per_A=float(np.abs(ours - theirs).mean()),
                stress_mae_GPa=stress if np.isfinite(stress) else None,
            )
        )
    return rows
