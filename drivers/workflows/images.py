"""A model on the images of a band that VASP has computed: no relaxation, one evaluation of each."""

from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.comparison import image_errors
from hopkin.drivers.bands import VaspBand, displacements
from hopkin.drivers.crystals import lammps_orientation
from hopkin.drivers.engine import slug
from hopkin.drivers.models import Model
from hopkin.drivers.specification import Specification
from hopkin.drivers.workflows.calculation import Run, Say, calculate, fingerprint
from hopkin.drivers.workflows.parity import own_results


def run_images(
    name: str,
    band: VaspBand,
    model: Model,
    specification: Specification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Energies, forces across the path and stresses of a model at the images of a DFT band.

    The model's own calculator does it; that LAMMPS gives the same is what the parity gate is for.
    """
    assert band.energies_eV is not None
    assert band.forces is not None
    assert band.stresses is not None
    known = band.energies_eV, band.forces, band.stresses
    facts = {"material": name, "images": len(band.images) - 2, "n_atoms": len(band.images[0])}

    def work(_: Path) -> dict[str, Any]:
        say(f"evaluating {len(band.images)} images")
        said = own_results(model, band.images)
        own = (np.array([result[key] for result in said]) for key in ("energy", "forces", "stress"))
        steps = np.array([displacements(before, after) for before, after in pairwise(band.images)])
        rows = image_errors(steps, *known, *own)
        saddle = max(rows, key=lambda row: row.reference_energy_eV)
        return {
            **facts,
            "saddle_energy_error_eV": saddle.energy_eV - saddle.reference_energy_eV,
            **{f"saddle_{field}": value for field, value in asdict(saddle).items()},
            "image_errors": [asdict(row) for row in rows],
        }

    return calculate(
        root,
        f"{slug(name, hyphens=True)}-images",
        "images",
        lammps_orientation(band.images[0]),
        model,
        specification,
        work,
        asked={
            "material": name,
            "structures": [fingerprint(image) for image in band.images],
            "reference_energies_eV": band.energies_eV.tolist(),
        },
        diverged=facts,
        verify=verify,
        say=say,
    )
