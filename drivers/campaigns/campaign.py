"""Campaigns: one YAML file that says which hops, pairs of ends and runs are wanted, of which models."""

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from hopkin.analysis.comparison import parse_yaml
from hopkin.drivers.errors import CampaignError
from hopkin.drivers.specification import (
    LONGEST_HOP_A,
    Images,
    Iterations,
    Mechanism,
    Preset,
    Repeats,
    sentences,
)

MOST_WORKERS = 1024

Names = Annotated[tuple[str, ...], Field(min_length=1)]
Workers = Annotated[int, Field(gt=0, le=MOST_WORKERS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BandOptions(_Part):
    """Options of every band; what an entry leaves out is taken from the defaults of the campaign."""

    ion: str | None = Field(default=None, description="mobile ion; None: the alkali metal of the structure")
    images: Images | None = Field(default=None, description="images between the two ends")
    force_tolerance_eV_per_A: float | None = Field(default=None, gt=0, description="[eV/A]")
    max_iterations: Iterations | None = Field(default=None, description="steps of a relaxation or band")
    symmetric_path: bool | None = Field(default=None, description="leave the first path its symmetry")


class HopOptions(BandOptions):
    """Options of the hops of a crystal."""

    preset: Preset | None = Field(default=None, description="size of the supercell")
    max_length_A: float | None = Field(default=None, gt=0, le=LONGEST_HOP_A, description="longest hop [A]")
    keep_symmetry: bool | None = Field(default=None, description="whether relaxed crystals keep their group")


class Barriers(HopOptions):
    """The shortest distinct hops of crystals."""

    structures: Names = Field(description="built-in materials, files, *.cif, data sets as set.extxyz@:")
    hops: PositiveInt | Literal["all"] = Field(default=1, description="how many, shortest first")
    mechanism: Mechanism = Field(default="vacancy", description="how the ion finds room to hop")
    supercell: Repeats | None = Field(default=None, description="repeats of the cell")
    family: str = Field(default="", description="family of structures, for statistics")
    kinetics: bool = Field(
        default=False, description="the diffusivity that all hops up to max_length_A make together, too"
    )

    @model_validator(mode="after")
    def _of_single_vacancies(self) -> "Barriers":
        if self.kinetics and self.mechanism != "vacancy":
            raise ValueError("kinetics is of single vacancies: leave out mechanism")
        if self.kinetics and self.hops != "all":
            raise ValueError("kinetics is of all hops: give `hops: all`, too")
        return self


class Select(_Part):
    """Which pairs of a file with many; the smallest come first."""

    names: tuple[str, ...] = Field(default=(), description="these only")
    ion: str | None = Field(default=None, description="those of this ion only")
    max_atoms: PositiveInt | None = Field(default=None, description="no larger ones")
    limit: PositiveInt | None = Field(default=None, description="at most so many")


class Pairs(BandOptions):
    """Bands between given ends: of a file with many, of two files, or of a VASP NEB run."""

    endpoints: Path | None = Field(default=None, description="extxyz with sys_name and image=initial|final")
    select: Select = Field(default=Select(), description="which of them")
    initial: Path | None = Field(default=None, description="structure file of the initial end")
    final: Path | None = Field(default=None, description="structure file of the final end")
    vasp: Path | None = Field(default=None, description="folder with 00, 01, ... of a VASP NEB run")
    name: str | None = Field(default=None, description="name of the system; None: of the file or folder")
    references: Path | None = Field(default=None, description="CSV, JSON or YAML table of known barriers")
    columns: dict[str, str] = Field(default={}, description="field of a reference: its column in the table")
    reference_eV: float | None = Field(default=None, description="known barrier of the pair [eV]")
    functional: str = Field(default="", description="functional of that reference")
    doi: str = Field(default="", description="source of the references that name none themselves")
    family: str = Field(default="", description="family of structures, for statistics")

    @model_validator(mode="after")
    def _one_kind(self) -> "Pairs":
        if (self.initial is None) != (self.final is None):
            raise ValueError("initial and final belong together")
        if sum(given is not None for given in (self.endpoints, self.initial, self.vasp)) != 1:
            raise ValueError("give endpoints, or initial and final, or vasp")
        if self.endpoints is None and self.select != Select():
            raise ValueError("select belongs to endpoints")
        if self.endpoints is not None and (self.name is not None or self.reference_eV is not None):
            raise ValueError("name and reference_eV belong to one pair, not to a file of many")
        return self


class Dynamics(_Part):
    """Molecular dynamics of crystals: every temperature, every seed."""

    structures: Names = Field(description="built-in materials, files, *.cif, data sets as set.extxyz@:")
    temperatures_K: Annotated[tuple[float, ...], Field(min_length=1)] = Field(description="[K]")
    ion: str | None = Field(default=None, description="mobile ion; None: the alkali metal of the structure")
    seeds: PositiveInt = Field(default=1, le=1000, description="runs with different initial velocities")
    time_ps: float | None = Field(default=None, gt=0, description="length of a run that is analysed [ps]")
    equilibration_ps: float | None = Field(default=None, ge=0, description="length of the run before it [ps]")
    timestep_fs: float | None = Field(default=None, gt=0, description="time step [fs]")
    frame_interval_fs: float | None = Field(default=None, gt=0, description="time between frames [fs]")
    ensemble: Literal["nvt", "npt", "nve"] | None = Field(default=None, description="as `hopkin md` has it")
    supercell: Repeats | None = Field(default=None, description="repeats of the cell")
    min_edge_A: float | None = Field(
        default=None, gt=0, description="instead: distance between opposite faces of the supercell [A]"
    )
    references: Path | None = Field(default=None, description="table of known dynamics")


class Campaign(_Part):
    """What a campaign file holds."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="name of the folder of results"
    )
    models: Names = Field(
        description="as --model of the other commands takes them; a family, `paper` or `all` for several"
    )
    start_from: str | None = Field(
        default=None, description="one of the models: bands of the others start from the shape of its bands"
    )
    workers: Workers | None = Field(default=None, description="jobs at a time on this machine")
    defaults: HopOptions = Field(default=HopOptions(), description="for all bands")
    barriers: tuple[Barriers, ...] = Field(default=(), description="hops of crystals")
    pairs: tuple[Pairs, ...] = Field(default=(), description="bands between given ends")
    dynamics: tuple[Dynamics, ...] = Field(default=(), description="molecular dynamics")
    references: Path | None = Field(
        default=None, description="table of known barriers of the hops; None: those of the built-in cathodes"
    )

    @model_validator(mode="after")
    def _something(self) -> "Campaign":
        if not (self.barriers or self.pairs or self.dynamics):
            raise ValueError("it asks for nothing: give barriers, pairs or dynamics")
        if self.start_from is not None and any(entry.kinetics for entry in self.barriers):
            raise ValueError("kinetics and start_from exclude one another")
        return self


def options_of(entry: BandOptions, defaults: HopOptions, kind: type[BandOptions]) -> dict[str, Any]:
    """Options of an entry over those of the campaign; what neither gives is left to the specification.

    Parameters
    ----------
    kind
        whose fields they are: of all bands, or of the hops of crystals
    """
    names = set(kind.model_fields) - {"ion"}
    given = (source.model_dump(include=names, exclude_none=True) for source in (defaults, entry))
    return {name: value for options in given for name, value in options.items()}


def load_campaign(path: Path) -> Campaign:
    """Read a campaign file.

    Raises
    ------
    CampaignError
        when it is missing, no YAML, or holds what a campaign does not; one sentence for each wrong field
    """
    content = read_yaml(path)
    try:
        return Campaign.model_validate(content)
    except ValidationError as error:
        lines = lines_of(path.read_text(encoding="utf-8"))
        raise CampaignError(f"{path}: {sentences(error, named=partial(_placed, lines))}") from error


def _placed(lines: Mapping[str, int], where: str) -> str:
    """Say where a field is: by the line of the deepest part of it that the file has."""
    part = where
    while part and part not in lines:
        part = part.rpartition(".")[0]
    return f"line {lines[part]}, {where}" if part else where


def lines_of(text: str) -> dict[str, int]:
    """Line of each field and entry of a YAML document, by where it is, such as `barriers.0.hops`."""
    found: dict[str, int] = {}
    walked: set[int] = set()

    def walk(node: yaml.Node, where: str) -> None:
        if id(node) in walked:  # an anchor may come a billion times, and hold itself
            return
        walked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            parts = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            parts = [(str(n), value, value) for n, value in enumerate(node.value)]
        else:
            return
        for name, marked, value in parts:
            place = f"{where}.{name}" if where else name
            found.setdefault(place, marked.start_mark.line + 1)
            walk(value, place)

    with contextlib.suppress(RecursionError):
        walk(yaml.compose(text, Loader=yaml.SafeLoader), "")
    return found


def read_yaml(path: Path) -> object:
    """Read a YAML file; CampaignError of one sentence where it is none."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CampaignError(f"no such file: {path}") from error
    except UnicodeDecodeError as error:
        raise CampaignError(f"{path} is no YAML: it is not text in UTF-8") from error
    except OSError as error:
        raise CampaignError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CampaignError(f"{path} is no YAML: {error}") from error
