"""Known barriers and dynamics to compare with: tables, from CSV, JSON or YAML."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hopkin.analysis.comparison.yamltext import parse_yaml
from hopkin.analysis.errors import ReferencesError

BARRIERS = ("barrier_eV", "forward_barrier_eV", "reverse_barrier_eV", "highest_barrier_eV")
"""Fields of a known barrier; the first that is given is compared with the same of a band."""

# Names of columns that are understood beside those of the fields; the first that a table has counts
ALIASES: Mapping[str, Sequence[str]] = {
    "system": ("sys_name", "material"),
    "family": ("cls",),
    "functional": ("xc",),
    "source": ("doi",),
    "hop": ("hop_index",),
}
DYNAMICS_ALIASES: Mapping[str, Sequence[str]] = {
    "material": ("system",),
    "functional": ("xc",),
    "source": ("doi",),
    "msd_A2": ("msd_A2_final",),
}
SAME_TEMPERATURE_K = 1.0
KIND = "reference"
"""Kind of a run that is the trajectory of a reference."""

_Kind = TypeVar("_Kind", bound=BaseModel)


class Reference(BaseModel):
    """One known barrier; `barrier_eV` is that over the mean of the ends, where both are known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    system: str = Field(description="material, or name of the pair of ends")
    hop: int | None = Field(default=None, description="number of the hop; None: the system has one")
    mechanism: Literal["vacancy", "divacancy"] | None = Field(default=None, description="None: any")
    path: str = Field(default="", description="what the source calls the path")
    barrier_eV: float | None = Field(default=None, description="[eV]")
    forward_barrier_eV: float | None = Field(default=None, description="over the initial end [eV]")
    reverse_barrier_eV: float | None = Field(default=None, description="over the final end [eV]")
    highest_barrier_eV: float | None = Field(
        default=None, description="over the lower end, whichever it is: maximum less minimum of a path [eV]"
    )
    functional: str = Field(default="", description="how it was computed")
    source: str = Field(default="", description="DOI or publication")
    family: str = Field(default="", description="family of structures")

    @field_validator("mechanism", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _mean(cls, fields: Any) -> Any:
        both = (fields.get("forward_barrier_eV"), fields.get("reverse_barrier_eV"))
        if fields.get("barrier_eV") is None and None not in both:
            with suppress(TypeError, ValueError):  # no numbers: their own fields say so
                return {**fields, "barrier_eV": sum(map(float, both)) / 2}
        return fields

    @model_validator(mode="after")
    def _some_barrier(self) -> "Reference":
        if all(getattr(self, name) is None for name in BARRIERS):
            raise ValueError(f"it has no barrier: {', '.join(BARRIERS[:-1])} or {BARRIERS[-1]}")
        return self

    @property
    def known(self) -> tuple[str, float]:
        """The barrier to compare with: the name of its field, and its value [eV]."""
        return next((name, value) for name in BARRIERS if (value := getattr(self, name)) is not None)


class DynamicsReference(BaseModel):
    """Known dynamics of one material at one temperature: numbers, a trajectory that gives them, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    material: str = Field(description="name of the material, as its runs have it")
    temperature_K: float = Field(gt=0, description="[K]")
    ion: str | None = Field(default=None, description="mobile ion; None: the alkali metal of the trajectory")
    msd_A2: float | None = Field(default=None, ge=0, description="MSD of the ions at time_ps [A^2]")
    time_ps: float | None = Field(default=None, gt=0, description="length of the run; None: as the compared")
    diffusivity_cm2_per_s: float | None = Field(default=None, description="[cm^2/s]")
    trajectory: tuple[Path, ...] = Field(
        default=(), description="files that continue one another: a list, or a text with blanks between them"
    )
    timestep_fs: float | None = Field(default=None, gt=0, description="of files that count steps [fs]")
    frame_interval_fs: float | None = Field(default=None, gt=0, description="of files without times [fs]")
    species: tuple[str, ...] = Field(
        default=(),
        description="of files without elements: of LAMMPS atom types, or of the counts of an XDATCAR",
    )
    functional: str = Field(default="", description="how it was computed")
    source: str = Field(default="", description="DOI or publication")

    @property
    def label(self) -> str:
        """What stands in the place of a model's name."""
        return self.functional or KIND

    @field_validator("trajectory", "species", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return value.split() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_one_thing(self) -> "DynamicsReference":
        if not self.trajectory and self.msd_A2 is None and self.diffusivity_cm2_per_s is None:
            raise ValueError("it says nothing: give msd_A2, diffusivity_cm2_per_s or a trajectory")
        if self.trajectory and self.msd_A2 is not None:
            raise ValueError("msd_A2 and a trajectory, which gives it too: leave out one")
        if self.timestep_fs is not None and self.frame_interval_fs is not None:
            raise ValueError("timestep_fs and frame_interval_fs exclude one another")
        return self


def read_references(
    path: Path, columns: Mapping[str, str] | None = None, *, source: str = ""
) -> list[Reference]:
    """Read a table of known barriers.

    Parameters
    ----------
    path
        CSV with a header, or JSON or YAML with a list of objects, or with an object that holds such a list as
        `references`
    columns
        for a field of `Reference`, the column that holds it, where it has another name (`ALIASES` are known);
        a column of the field's own name is left out then, as further ones are
    source
        source of those that name none

    Raises
    ------
    ReferencesError
        when it cannot be read, or a row is no reference
    """
    return _read(path, Reference, ALIASES, columns or {}, source)


def read_dynamics_references(path: Path) -> list[DynamicsReference]:
    """Read a table of known dynamics, CSV, JSON or YAML as that of barriers; its paths are relative to it.

    Raises
    ------
    ReferencesError
        when it cannot be read, a row is no reference, or a material has two at one temperature
    """
    references = []
    for reference in _read(path, DynamicsReference, DYNAMICS_ALIASES, {}, ""):
        files = tuple(path.parent.resolve() / file for file in reference.trajectory)
        references.append(reference.model_copy(update={"trajectory": files}))
    for number, reference in enumerate(references):
        find_dynamics_reference(references[: number + 1], reference.material, reference.temperature_K)
    return references


def _read(
    path: Path,
    kind: type[_Kind],
    aliases: Mapping[str, Sequence[str]],
    columns: Mapping[str, str],
    source: str,
) -> list[_Kind]:
    """Read the rows of a table as references."""
    rows = _rows(path)
    if not rows:
        raise ReferencesError(f"{path} holds no reference")
    unknown = sorted(set(columns) - set(kind.model_fields))
    if unknown:
        raise ReferencesError(
            f"a reference has no {', '.join(unknown)}; accepted: {', '.join(kind.model_fields)}"
        )
    lacking = sorted(set(columns.values()) - {column for row in rows for column in row})
    if lacking:
        raise ReferencesError(
            f"{path} has no column {', '.join(lacking)}; its columns are {', '.join(map(str, rows[0]))}"
        )
    places = {
        field: (columns[field],) if field in columns else (field, *aliases.get(field, ()))
        for field in kind.model_fields
    }
    references = []
    for number, row in enumerate(rows, start=1):
        fields = {
            field: given[0]
            for field, names in places.items()
            if (given := [row[name] for name in names if row.get(name) not in ("", None)])
        }
        try:
            references.append(kind(**{"source": source, **fields}))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ReferencesError(
                f"row {number} of {path} is no reference: {where}{': ' if where else ''}"
                f"{problem['msg'].removeprefix('Value error, ')}; its columns are {', '.join(map(str, row))}"
            ) from error
    return references


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin with a byte order mark
        if path.suffix.lower() == ".csv":
            return [_stripped(row, path) for row in csv.DictReader(io.StringIO(text), skipinitialspace=True)]
        rows = json.loads(text) if path.suffix.lower() == ".json" else parse_yaml(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ReferencesError(f"cannot read the references {path}: {reason}") from error
    if isinstance(rows, dict):
        rows = rows.get("references")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ReferencesError(f"{path} holds no list of references")
    return rows


def _stripped(row: Mapping[str | None, Any], path: Path) -> dict[str, Any]:
    """Return a row of a CSV without the blanks around its cells."""
    if None in row:
        raise ReferencesError(
            f"{path} has a row with more cells than its header: {', '.join(row[None])} too many"
        )
    return {str(column).strip(): cell and cell.strip() for column, cell in row.items()}


def find_reference(
    references: Iterable[Reference], system: str, hop: int | None, mechanism: str | None
) -> Reference | None:
    """Find the one reference of a hop; None where there is none.

    A reference without a hop or a mechanism stands for any of its system, and one with them for a pair of
    given ends, which has neither.

    Raises
    ------
    ReferencesError
        when several differ
    """
    found = {
        reference
        for reference in references
        if reference.system == system
        and (None in (reference.hop, hop) or reference.hop == hop)
        and (None in (reference.mechanism, mechanism) or reference.mechanism == mechanism)
    }
    if len(found) > 1:
        raise ReferencesError(
            f"{len(found)} references for {system}, hop {hop}, {mechanism}: give each its hop and mechanism,"
            " or keep one"
        )
    return found.pop() if found else None


def find_dynamics_reference(
    references: Iterable[DynamicsReference], material: str, temperature_K: float
) -> DynamicsReference | None:
    """Find the reference of a material at a temperature; None where there is none.

    Raises
    ------
    ReferencesError
        when there are several
    """
    found = [
        reference
        for reference in references
        if reference.material == material
        and abs(reference.temperature_K - temperature_K) < SAME_TEMPERATURE_K
    ]
    if len(found) > 1:
        raise ReferencesError(f"{len(found)} references for {material} at {temperature_K:g} K: keep one")
    return found[0] if found else None
