"""What calculations have in common, and how large they are: known before the first one runs."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

from hopkin.drivers.crystals import Structure
from hopkin.drivers.hops import Hop
from hopkin.drivers.models import Model, fetch
from hopkin.drivers.specification import (
    BarrierSpecification,
    KineticsSpecification,
    MDSpecification,
    Specification,
)
from hopkin.drivers.workflows.barrier import barrier_ends
from hopkin.drivers.workflows.calculation import Say, fingerprint
from hopkin.drivers.workflows.dynamics import schedule_of, supercell_of
from hopkin.drivers.workflows.kinetics import of_hop
from hopkin.drivers.workflows.parity import ensure_parity
from hopkin.drivers.workflows.rates import hessian_evaluations
from hopkin.drivers.workflows.relaxation import BULK_SETTINGS, relax_bulk

# Of bands that converge at once, measured on cathodes (benchmarks/results/cathodes.md): of both ends
# together, and of each image.
_OF_ENDS, _OF_IMAGE = 60, 50
_HESSIAN_A3 = 400.0
"""Volume around a hop whose atoms vibrate: 18 atoms of Li3YCl6 and 55 of LiCoO2 did."""


def _relaxes(specification: Specification) -> bool:
    return (isinstance(specification, BarrierSpecification) and specification.relax_bulk) or (
        isinstance(specification, MDSpecification) and specification.relax
    )


def shared_key(structure: Structure, model: Model, specification: Specification) -> str:
    """Tell apart what :func:`prepare` does: the same for calculations that share it."""
    settings = (
        specification.model_dump(mode="json", include=BULK_SETTINGS) if _relaxes(specification) else None
    )
    crystal = fingerprint(structure.atoms) if settings else sorted(set(structure.atoms.symbols))
    return json.dumps([model.name, crystal, settings], sort_keys=True)


def prepare(
    structure: Structure, model: Model, specification: Specification, root: Path, *, verify: bool, say: Say
) -> None:
    """Pass the gate and, where the calculation relaxes it, relax the crystal; at once where that was done.

    Parameters
    ----------
    root
        folder that holds the run directories
    """
    if verify:
        ensure_parity(model, structure.atoms, say=say)
    else:
        fetch(model, say=say)
    if _relaxes(specification):
        assert isinstance(specification, BarrierSpecification | MDSpecification)
        relax_bulk(structure, model, root, specification, say=say)


def barrier_size(structure: Structure, hop: Hop, specification: BarrierSpecification) -> tuple[int, int]:
    """Atoms of a band, and evaluations of one that converges at once; see :func:`run_barrier` for errors."""
    return len(barrier_ends(structure, hop, specification)[0]), band_evaluations(specification.images)


def band_evaluations(images: int) -> int:
    """Return the evaluations of a band that converges at once, those of its ends too."""
    return _OF_ENDS + _OF_IMAGE * images


def kinetics_size(
    structure: Structure, hops: Sequence[Hop], specification: KineticsSpecification
) -> tuple[int, int]:
    """Atoms of a band, and evaluations of the Hessians of all hops, whose bands are runs of their own."""
    n_atoms, _ = barrier_size(structure, hops[0], of_hop(specification, hops[0].index))
    moving = min(n_atoms, round(_HESSIAN_A3 * len(structure.atoms) / structure.atoms.cell.volume))
    return n_atoms, len(hops) * hessian_evaluations(moving)


def dynamics_size(structure: Structure, specification: MDSpecification) -> tuple[int, int]:
    """Atoms and steps of a run.

    Raises
    ------
    SpecificationError
        when it is too short for its frames, or too long
    """
    schedule = schedule_of(specification)
    n_atoms = len(structure.atoms) * math.prod(supercell_of(structure.atoms, specification))
    return n_atoms, schedule["n_steps"] + schedule["equilibration_steps"]
