"""From a crystal to a diffusivity: the barriers and rates of all its hops, and what they make together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopkin.drivers.crystals import Structure
from hopkin.drivers.engine import find_run, slug
from hopkin.drivers.errors import LammpsError, StructureError
from hopkin.drivers.hops import Hop, primitive_sites
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BarrierSpecification, KineticsSpecification
from hopkin.drivers.workflows.barrier import believed_of, list_hops, run_barrier
from hopkin.drivers.workflows.calculation import Run, Say, fingerprint, model_slug
from hopkin.drivers.workflows.from_hops import diffusivities_of, is_computed, told_of
from hopkin.drivers.workflows.rates import with_rates
from hopkin.drivers.workflows.relaxation import relax_bulk


def run_kinetics(
    structure: Structure,
    model: Model,
    specification: KineticsSpecification,
    root: Path,
    *,
    verify: bool = True,
    say: Say,
) -> Run:
    """Diffusivity of a dilute vacancy, and of the ions, by all distinct hops up to a length.

    Each hop is a run of its own (`run_barrier`), with its harmonic rate; what is there is read. What has
    ended before is read, too, unless other cases say now what its barriers are worth.
    """
    hops = list_hops(structure, specification.ion, specification.max_length_A)
    run = find_run(
        root,
        f"{slug(structure.material, hyphens=True)}-kinetics-{model_slug(model.name)}",
        {
            "kind": "kinetics",
            "material": structure.material,
            "source": structure.source,
            "structure": fingerprint(structure.atoms),
            "model_sha256": model.sha256 or model.checkpoint_sha256(),
            "specification": specification.model_dump(mode="json"),
        },
        *("model", "hops", "verified", "evidence"),
    )
    known = run.result
    if known is not None and (known["verified"] or not verify) and _is_of_now(known, structure, model):
        return run, known
    results = [
        {} if hop.through_ion else _hop(structure, hop, model, specification, root, verify=verify, say=say)
        for hop in hops
    ]
    say("diffusivities")
    facts = {
        "material": structure.material,
        "model": model.name,
        "ion": specification.ion,
        "conservative": model.conservative,
        "verified": all(result.get("verified", True) for result in results),
    }
    if not any(is_computed(result) for result in results):
        result = next((result for result in results if result.get("failure")), {})
        outcome = {
            "hops": told_of(hops, results, []),
            "failure": result.get("failure", "not_converged"),
            "evidence": f"no hop up to {specification.max_length_A:g} A has a barrier;"
            f" {result.get('evidence') or 'all lead through another ion'}",
        }
    else:
        bulk = relax_bulk(structure, model, root, of_hop(specification, hops[0].index), say=say).atoms
        sites = primitive_sites(structure.atoms, specification.ion)
        outcome = diffusivities_of(structure, bulk, sites, hops, results, specification)
    with run.begun():
        if any(result.get("lost") for result in results):
            return run, {**facts, **outcome}  # what LAMMPS did not end may be the next time
        return run, run.finish({**facts, **outcome})


def of_hop(specification: KineticsSpecification, hop: int) -> BarrierSpecification:
    """Return what the run of a hop is asked for."""
    common = set(BarrierSpecification.model_fields) & set(KineticsSpecification.model_fields)
    return BarrierSpecification(**specification.model_dump(include=common, exclude_none=True), hop=hop)


def _is_of_now(known: Mapping[str, Any], structure: Structure, model: Model) -> bool:
    """Whether its hops are worth what they are by the cases that hopkin has now."""
    for hop in known["hops"]:
        if hop["failure"] is None and not hop["through_ion"]:
            belief = believed_of(structure.atoms, model, known["ion"], {**hop, "converged": True})
            if any(belief[name] != hop[name] for name in _BELIEVED):
                return False
    return True


_BELIEVED = ("believed_barrier_eV", "believed_low_eV", "believed_high_eV")


def _hop(
    structure: Structure,
    hop: Hop,
    model: Model,
    specification: KineticsSpecification,
    root: Path,
    *,
    verify: bool,
    say: Say,
) -> dict[str, Any]:
    """Return the result of a hop with its attempt frequencies; one that could not be run says so."""

    def tell(text: str) -> None:
        say(f"hop {hop.index}: {text}")

    try:
        run = run_barrier(
            structure, hop, model, of_hop(specification, hop.index), root, verify=verify, say=tell
        )
    except (LammpsError, StructureError) as error:
        lost = isinstance(error, LammpsError)
        return {"failure": type(error).__name__, "evidence": str(error), "barrier_eV": None, "lost": lost}
    lost = False
    if specification.attempt_frequency_THz is None:
        try:
            run = with_rates(run, model, [300.0], say=tell)
        except LammpsError as error:
            run = run[0], run[1] | {"rates": None, "rates_evidence": str(error)}
            lost = True
    # by the cases that hopkin has now: the hop may have been run by another one
    belief = believed_of(structure.atoms, model, specification.ion, run[1])
    return {**run[1], **belief, "directory": run[0].path.name, "lost": lost}
