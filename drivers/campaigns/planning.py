"""The calculations of a campaign: planned, each checked, before the first one runs."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from ase import Atoms

from hopkin.analysis.comparison import (
    DynamicsReference,
    Reference,
    find_dynamics_reference,
    find_reference,
    read_dynamics_references,
    read_references,
)
from hopkin.analysis.errors import AnalysisError
from hopkin.drivers.bands import Pair, VaspBand, check_pair, load_pair, read_pairs, read_vasp_band
from hopkin.drivers.campaigns.campaign import BandOptions, Barriers, Campaign, Dynamics, HopOptions, Pairs
from hopkin.drivers.campaigns.jobs import Ground, Job
from hopkin.drivers.campaigns.selection import structure_names
from hopkin.drivers.crystals import Structure, load_structure, mobile_ion, require_few_atoms
from hopkin.drivers.errors import CampaignError, HopkinError, ModelError, StructureError
from hopkin.drivers.models import Model, find_model
from hopkin.drivers.specification import (
    BandSpecification,
    BarrierSpecification,
    MDSpecification,
    Specification,
    preset_fields,
    specify,
)
from hopkin.drivers.workflows import (
    Run,
    Say,
    band_evaluations,
    barrier_size,
    dynamics_size,
    prepare,
    run_barrier,
    run_images,
    run_md,
    run_neb,
    run_reference,
    select_hops,
    shared_key,
)

_logger = logging.getLogger(__name__)


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
            jobs += _pair_jobs(pairs, campaign.defaults, folder, models, base)
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
    for structure in _structures(asked.structures, folder):
        ion = asked.ion or defaults.ion or mobile_ion(structure.atoms.symbols, structure.material)
        options = _options(asked, defaults, HopOptions)
        max_length = options.pop("max_length_A", BarrierSpecification.model_fields["max_length_A"].default)
        if "preset" in options:
            options |= preset_fields(options.pop("preset"))
        if asked.supercell is not None:
            require_few_atoms(len(structure.atoms) * math.prod(asked.supercell))
        hops = select_hops(structure, ion, max_length, "all")
        if asked.hops != "all":
            if len(hops) < asked.hops:
                raise CampaignError(
                    f"{structure.material} has {len(hops)} distinct hops up to {max_length:g} A, not"
                    f" {asked.hops}"
                )
            hops = hops[: asked.hops]
        for hop in hops:
            reference = find_reference(known, structure.material, hop.index, asked.mechanism)
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
                    ground=_ground(structure, model, specification),
                    n_atoms=n_atoms,
                    n_evaluations=n_evaluations,
                )


def _ground(structure: Structure, model: Model, specification: Specification) -> Ground:
    return Ground(
        key=shared_key(structure, model, specification),
        title=f"{structure.material}, {model.name}",
        work=partial(prepare, structure, model, specification),
    )


def _pair_jobs(
    asked: Pairs, defaults: HopOptions, folder: Path, models: Sequence[Model], base: str | None
) -> Iterator[Job]:
    options = _options(asked, defaults, BandOptions)
    band = None if asked.vasp is None else read_vasp_band(folder / asked.vasp)
    if band is not None and band.energies_eV is None:
        _logger.warning(
            "%s: no barrier to compare with, and no comparison of images: each of its folders needs an OUTCAR"
            " or a vasprun.xml, the first and the last that of the relaxed end",
            asked.vasp,
        )
    known = _pair_references(asked, folder, band)
    pairs = _pairs(asked, defaults, folder, band)
    if asked.references is not None and not {name for name, *_ in pairs} & {r.system for r in known}:
        raise CampaignError(
            f"{asked.references}: none is of a pair; the pairs are {_some(name for name, *_ in pairs)}, the"
            f" references of {_some(reference.system for reference in known)}"
        )
    for (name, ion, pair), model in product(pairs, models):
        specification = specify(
            BandSpecification,
            **options,
            model=model.name,
            ion=ion,
            start_from=None if model.name == base else base,
        )
        yield Job(
            kind="neb",
            material=name,
            source=str(asked.endpoints or asked.vasp or f"{asked.initial}, {asked.final}"),
            mechanism="given ends",
            family=asked.family,
            specification=specification,
            work=(
                partial(_refuse, pair)
                if isinstance(pair, StructureError)
                else partial(run_neb, *pair, model, specification)
            ),
            reference=find_reference(known, name, None, None),
            ground=None if isinstance(pair, StructureError) else _ground(pair[0], model, specification),
            n_atoms=0 if isinstance(pair, StructureError) else len(pair[0].atoms),
            n_evaluations=band_evaluations(specification.images),
        )
        if band is not None and band.energies_eV is not None:
            bare = Specification(model=model.name, ion=ion)
            yield Job(
                kind="images",
                material=name,
                source=str(asked.vasp),
                family=asked.family,
                specification=bare,
                work=partial(run_images, name, band, model, bare),
            )


def _refuse(error: StructureError, *_: Any, **__: Any) -> Run:
    """Stand in for the work on a pair that cannot be used: one of many does not keep the others waiting."""
    raise error


def _pairs(
    asked: Pairs, defaults: HopOptions, folder: Path, band: VaspBand | None
) -> list[tuple[str, str, Pair | StructureError]]:
    """Read the pairs that are asked for: name, mobile ion, and both ends or what is wrong with them.

    Those of a file with many come smallest first.
    """

    def ion_of(atoms: Atoms, name: str) -> str:
        told = asked.ion or atoms.info.get("ion") or defaults.ion
        return told or mobile_ion(atoms.symbols, name)

    if asked.initial is not None and asked.final is not None:
        ends = load_pair(str(folder / asked.initial), str(folder / asked.final), name=asked.name)
        return [(ends[0].material, ion_of(ends[0].atoms, ends[0].material), ends)]
    if band is not None and asked.vasp is not None:
        name, first, last = _name(asked), band.images[0], band.images[-1]
        return [(name, ion_of(first, name), _checked((first, last), name, asked.vasp))]
    assert asked.endpoints is not None
    pairs, select = read_pairs(folder / asked.endpoints), asked.select
    unknown = sorted(set(select.names) - set(pairs))
    if unknown:
        raise CampaignError(f"{asked.endpoints} holds no pair {', '.join(unknown)}")
    chosen = [
        name
        for name, (initial, _) in pairs.items()
        if (not select.names or name in select.names)
        and len(initial) <= (select.max_atoms or math.inf)
        and (select.ion is None or (select.ion in initial.symbols and ion_of(initial, name) == select.ion))
    ]
    if not chosen:
        raise CampaignError(f"{asked.endpoints} holds no pair that is selected")
    chosen = sorted(chosen, key=lambda name: len(pairs[name][0]))[: select.limit]
    return [
        (name, ion_of(pairs[name][0], name), _checked(pairs[name], name, asked.endpoints)) for name in chosen
    ]


def _checked(ends: tuple[Atoms, Atoms], name: str, path: Path) -> Pair | StructureError:
    try:
        return check_pair(*ends, name=name, source=f"{path.name}, {name}")
    except StructureError as error:
        return error


def _name(asked: Pairs) -> str:
    """Name of the one pair of an entry."""
    return asked.name or (asked.vasp.resolve().name if asked.vasp else (asked.initial or Path()).stem)


def _pair_references(asked: Pairs, folder: Path, band: VaspBand | None) -> list[Reference]:
    known = {"functional": asked.functional, "source": asked.doi}
    if asked.references is not None:
        return read_references(folder / asked.references, asked.columns, source=asked.doi)
    if asked.reference_eV is not None:
        return [Reference.model_validate({"system": _name(asked), "barrier_eV": asked.reference_eV, **known})]
    computed = band and band.reference(_name(asked), **known)
    return [computed] if computed else []


def _dynamics_jobs(asked: Dynamics, folder: Path, models: Sequence[Model]) -> Iterator[Job]:
    of_campaign = {"structures", "temperatures_K", "ion", "seeds", "supercell", "references"}
    given = asked.model_dump(exclude_none=True, exclude=of_campaign)
    if asked.supercell is not None:
        given["repeats"] = asked.supercell
    seeds = range(1, asked.seeds + 1)
    structures = _structures(asked.structures, folder)
    known = [] if asked.references is None else read_dynamics_references(folder / asked.references)
    for structure, kelvin in product(structures, asked.temperatures_K):
        reference = find_dynamics_reference(known, structure.material, kelvin)
        if reference is not None and reference.trajectory:
            ion = reference.ion or asked.ion or mobile_ion(structure.atoms.symbols, structure.material)
            yield _reference_job(reference, ion)
    for structure, kelvin, seed, model in product(structures, asked.temperatures_K, seeds, models):
        ion = asked.ion or mobile_ion(structure.atoms.symbols, structure.material)
        specification = specify(
            MDSpecification, **given, model=model.name, ion=ion, temperature_K=kelvin, seed=seed
        )
        n_atoms, n_steps = dynamics_size(structure, specification)
        require_few_atoms(n_atoms)
        yield Job(
            kind="md",
            material=structure.material,
            source=structure.source,
            specification=specification,
            work=partial(run_md, structure, model, specification),
            reference=find_dynamics_reference(known, structure.material, kelvin),
            ground=_ground(structure, model, specification),
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
            f" {_some(job.material for job in jobs if job.kind == 'barrier')}, they are of"
            f" {_some(reference.system for reference in known)}"
        )


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))[:5])


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


def _structures(names: Sequence[str], folder: Path) -> list[Structure]:
    return [load_structure(name) for name in structure_names(names, folder)]


def _options(asked: BandOptions, defaults: HopOptions, kind: type[BandOptions]) -> dict[str, Any]:
    """Options of an entry over those of the campaign; what neither gives is left to the specification."""
    names = set(kind.model_fields) - {"ion"}
    return {part: value for source in (defaults, asked) for part, value in _given(source, names).items()}


def _given(source: BandOptions, names: set[str]) -> dict[str, Any]:
    return source.model_dump(include=names, exclude_none=True)
