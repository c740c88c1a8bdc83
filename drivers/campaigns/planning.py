"""The calculations of a campaign: planned, each checked, before the first one runs."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from hopkin.analysis.comparison import (
    DynamicsReference,
    Reference,
    cathode_barriers,
    find_dynamics_reference,
    find_reference,
    read_dynamics_references,
    read_references,
)
from hopkin.analysis.errors import AnalysisError
from hopkin.drivers.campaigns.campaign import Barriers, Campaign, Dynamics, HopOptions, options_of
from hopkin.drivers.campaigns.jobs import Job, ground_of, refuse
from hopkin.drivers.campaigns.pairs import pair_jobs
from hopkin.drivers.campaigns.selection import Candidate, candidates, some
from hopkin.drivers.crystals import Structure, mobile_ion, require_few_atoms
from hopkin.drivers.errors import (
    CampaignError,
    HopkinError,
    ModelError,
    SpecificationError,
    StructureError,
)
from hopkin.drivers.hops import Hop
from hopkin.drivers.models import Model, find_model
from hopkin.drivers.specification import (
    BarrierSpecification,
    KineticsSpecification,
    MDSpecification,
    Specification,
    preset_fields,
    specify,
)
from hopkin.drivers.workflows import (
    Run,
    Say,
    barrier_size,
    dynamics_size,
    kinetics_size,
    run_barrier,
    run_kinetics,
    run_md,
    run_reference,
    select_hops,
)


def plan(campaign: Campaign, folder: Path, models: Sequence[Model]) -> list[Job]:
    """List the jobs of a campaign, each once.

    Parameters
    ----------
    folder
        what relative paths in the campaign start from: where its file is
    models
        the models it names

    Raises
    ------
    HopkinError, AnalysisError
        for whatever is wrong with a structure, a pair, a reference or an option
    """
    known = () if campaign.references is None else read_references(folder / campaign.references)
    base = _base(campaign, models)
    jobs: list[Job] = []
    for n, barriers in enumerate(campaign.barriers):
        with _within(f"barriers.{n}"):
            jobs += _barrier_jobs(barriers, campaign.defaults, folder, models, base, known)
    for n, pairs in enumerate(campaign.pairs):
        with _within(f"pairs.{n}"):
            jobs += pair_jobs(pairs, campaign.defaults, folder, models, base)
    for n, dynamics in enumerate(campaign.dynamics):
        with _within(f"dynamics.{n}"):
            jobs += _dynamics_jobs(dynamics, folder, models)
            _require_one_reference(jobs)
    _require_hops_of_references(jobs, known)
    return list({job.key: job for job in jobs}.values())


def _base(campaign: Campaign, models: Sequence[Model]) -> str | None:
    """Name of the model from whose bands those of the others start."""
    if campaign.start_from is None:
        return None
    names = [model.name for model in models]
    if campaign.start_from in names:
        return campaign.start_from
    with suppress(ModelError):
        if (name := find_model(campaign.start_from).name) in names:  # its options in another order
            return name
    raise CampaignError(f"start_from: {campaign.start_from} is none of its models: {', '.join(names)}")


@contextmanager
def _within(part: str) -> Iterator[None]:
    """Say in which part of the campaign an error is."""
    try:
        yield
    except (HopkinError, AnalysisError) as error:
        raise CampaignError(f"{part}: {error}") from error


def _barrier_jobs(
    asked: Barriers,
    defaults: HopOptions,
    folder: Path,
    models: Sequence[Model],
    base: str | None,
    known: Sequence[Reference],
) -> Iterator[Job]:
    def of_hops(structure: Structure) -> Iterator[Job]:
        return _hop_jobs(structure, asked, defaults, models, base, known)

    for candidate in candidates(asked.structures, folder):
        unusable = {"kind": "barrier", "mechanism": asked.mechanism, "family": asked.family}
        yield from _jobs_of(candidate, of_hops, unusable, asked.ion or defaults.ion, models)


def _jobs_of(
    candidate: Candidate,
    planned: Callable[[Structure], Iterator[Job]],
    unusable: dict[str, Any],
    ion: str | None,
    models: Sequence[Model],
) -> list[Job]:
    """Plan the jobs of a structure; where one of many cannot be used, jobs that say so, with these fields."""
    try:
        return list(planned(candidate.load()))
    except StructureError as error:
        if not candidate.one_of_many:
            raise
        return [
            Job(
                **unusable,
                material=candidate.material,
                source=candidate.source,
                specification=Specification(model=model.name, ion=ion or "-"),
                work=partial(refuse, error),
            )
            for model in models
        ]


def _require_few_atoms(structure: Structure, n_atoms: int) -> None:
    """Refuse a supercell that is too large for its structure alone: one of many may be."""
    try:
        require_few_atoms(n_atoms)
    except SpecificationError as error:
        raise StructureError(f"{structure.material}: {error}") from error


def _hop_jobs(
    structure: Structure,
    asked: Barriers,
    defaults: HopOptions,
    models: Sequence[Model],
    base: str | None,
    known: Sequence[Reference],
) -> Iterator[Job]:
    ion = asked.ion or defaults.ion or mobile_ion(structure.atoms.symbols, structure.material)
    options = options_of(asked, defaults, HopOptions)
    max_length = options.pop("max_length_A", BarrierSpecification.model_fields["max_length_A"].default)
    if "preset" in options:
        options |= preset_fields(options.pop("preset"))
    if asked.supercell is not None:
        _require_few_atoms(structure, len(structure.atoms) * math.prod(asked.supercell))
    hops = select_hops(structure, ion, max_length, "all")
    if asked.kinetics:
        yield from _kinetics_jobs(structure, asked, options, ion, max_length, hops, models)
    if asked.hops != "all":
        if len(hops) < asked.hops:
            raise StructureError(
                f"{structure.material} has {len(hops)} distinct hops up to {max_length:g} A, not {asked.hops}"
            )
        hops = hops[: asked.hops]
    for hop in hops:
        reference = find_reference(
            known or cathode_barriers(), structure.material, hop.index, asked.mechanism
        )
        n_atoms = n_evaluations = 0
        for model in models:
            specification = specify(
                BarrierSpecification,
                **options,
                model=model.name,
                ion=ion,
                hop=hop.index,
                mechanism=asked.mechanism,
                repeats=asked.supercell,
                max_length_A=max_length,
                start_from=None if model.name == base else base,
            )
            if not n_atoms:  # the same for all models
                n_atoms, n_evaluations = barrier_size(structure, hop, specification)
            yield Job(
                kind="barrier",
                material=structure.material,
                source=structure.source,
                mechanism=asked.mechanism,
                hop_index=hop.index,
                path_length_A=hop.length_A,
                family=asked.family,
                specification=specification,
                work=partial(run_barrier, structure, hop, model, specification),
                reference=reference,
                ground=ground_of(structure, model, specification),
                n_atoms=n_atoms,
                n_evaluations=n_evaluations,
            )


def _kinetics_jobs(
    structure: Structure,
    asked: Barriers,
    options: dict[str, Any],
    ion: str,
    max_length: float,
    hops: Sequence[Hop],
    models: Sequence[Model],
) -> Iterator[Job]:
    """Plan what the hops make together, after them: attempt frequencies, and the master equation."""
    n_atoms = n_evaluations = 0
    for model in models:
        specification = specify(
            KineticsSpecification,
            **options,
            model=model.name,
            ion=ion,
            repeats=asked.supercell,
            max_length_A=max_length,
        )
        if not n_atoms:  # the same for all models
            n_atoms, n_evaluations = kinetics_size(structure, hops, specification)
        yield Job(
            kind="kinetics",
            material=structure.material,
            source=structure.source,
            family=asked.family,
            specification=specification,
            work=partial(run_kinetics, structure, model, specification),
            n_atoms=n_atoms,
            n_evaluations=n_evaluations,
        )


def _dynamics_jobs(asked: Dynamics, folder: Path, models: Sequence[Model]) -> Iterator[Job]:
    known = [] if asked.references is None else read_dynamics_references(folder / asked.references)

    def of_runs(structure: Structure) -> Iterator[Job]:
        return _run_jobs(structure, asked, models, known)

    for candidate in candidates(asked.structures, folder):
        yield from _jobs_of(candidate, of_runs, {"kind": "md"}, asked.ion, models)


def _run_jobs(
    structure: Structure, asked: Dynamics, models: Sequence[Model], known: Sequence[DynamicsReference]
) -> Iterator[Job]:
    of_campaign = {"structures", "temperatures_K", "ion", "seeds", "supercell", "references"}
    given = asked.model_dump(exclude_none=True, exclude=of_campaign)
    if asked.supercell is not None:
        given["repeats"] = asked.supercell
    ion = asked.ion or mobile_ion(structure.atoms.symbols, structure.material)
    for kelvin in asked.temperatures_K:
        reference = find_dynamics_reference(known, structure.material, kelvin)
        if reference is not None and reference.trajectory:
            yield _reference_job(reference, reference.ion or ion)
    for kelvin, seed, model in product(asked.temperatures_K, range(1, asked.seeds + 1), models):
        specification = specify(
            MDSpecification, **given, model=model.name, ion=ion, temperature_K=kelvin, seed=seed
        )
        n_atoms, n_steps = dynamics_size(structure, specification)
        _require_few_atoms(structure, n_atoms)
        yield Job(
            kind="md",
            material=structure.material,
            source=structure.source,
            specification=specification,
            work=partial(run_md, structure, model, specification),
            reference=find_dynamics_reference(known, structure.material, kelvin),
            ground=ground_of(structure, model, specification),
            n_atoms=n_atoms,
            n_evaluations=n_steps,
        )


def _require_hops_of_references(jobs: Sequence[Job], known: Sequence[Reference]) -> None:
    """Refuse a known barrier of several hops at once, and a table of which none is of any hop."""
    hops: dict[Reference, set[str]] = {}
    for job in jobs:
        if job.kind == "barrier" and isinstance(job.reference, Reference):
            hops.setdefault(job.reference, set()).add(f"hop {job.hop_index}, {job.mechanism}")
    for reference, several in hops.items():
        if len(several) > 1:
            raise CampaignError(
                f"references: one barrier of {reference.system} stands for {'; '.join(sorted(several))}:"
                " give it its hop and mechanism"
            )
    if known and not hops:
        raise CampaignError(
            "references: none is of a hop of this campaign; it has"
            f" {some(job.material for job in jobs if job.kind == 'barrier')}, they are of"
            f" {some(reference.system for reference in known)}"
        )


def _require_one_reference(jobs: Sequence[Job]) -> None:
    """Refuse two references of one material and temperature, even where two entries name them."""
    known = {
        job.reference for job in jobs if job.kind == "md" and isinstance(job.reference, DynamicsReference)
    }
    for reference in known:
        find_dynamics_reference(known, reference.material, reference.temperature_K)


def _reference_job(reference: DynamicsReference, ion: str) -> Job:
    reference = reference.model_copy(update={"ion": ion})
    missing = [str(file) for file in reference.trajectory if not file.exists()]
    if missing:
        raise CampaignError(f"no such trajectory: {', '.join(missing)}")
    return Job(
        kind="reference",
        material=reference.material,
        source=", ".join(map(str, reference.trajectory)),
        specification=Specification(model=reference.label, ion=ion),
        work=partial(_analyse, reference),
        reference=reference,
    )


def _analyse(reference: DynamicsReference, root: Path, *, say: Say, **_: Any) -> Run:
    """Stand in for the work on a model, where there is none to be verified."""
    return run_reference(reference, root, say=say)
