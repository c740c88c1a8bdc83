"""Jobs of a campaign between given ends: pairs of a file with many, of two files, of a band of VASP."""

import logging
import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

from ase import Atoms

from hopkin.analysis.comparison import Reference, find_reference, read_references
from hopkin.drivers.bands import Pair, VaspBand, check_pair, load_pair, read_pairs, read_vasp_band
from hopkin.drivers.campaigns.campaign import BandOptions, HopOptions, Pairs, options_of
from hopkin.drivers.campaigns.jobs import Job, ground_of, refuse
from hopkin.drivers.campaigns.selection import some
from hopkin.drivers.crystals import mobile_ion
from hopkin.drivers.errors import CampaignError, StructureError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification, Specification, specify
from hopkin.drivers.workflows import band_evaluations, run_images, run_neb

_logger = logging.getLogger(__name__)


def pair_jobs(
    asked: Pairs, defaults: HopOptions, folder: Path, models: Sequence[Model], base: str | None
) -> Iterator[Job]:
    """Plan the bands of an entry, with each model; see `planning.plan` for errors.

    Parameters
    ----------
    folder
        what relative paths start from
    base
        name of the model from whose bands those of the others start
    """
    options = options_of(asked, defaults, BandOptions)
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
            f"{asked.references}: none is of a pair; the pairs are {some(name for name, *_ in pairs)}, the"
            f" references of {some(reference.system for reference in known)}"
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
                partial(refuse, pair)
                if isinstance(pair, StructureError)
                else partial(run_neb, *pair, model, specification)
            ),
            reference=find_reference(known, name, None, None),
            ground=None if isinstance(pair, StructureError) else ground_of(pair[0], model, specification),
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
