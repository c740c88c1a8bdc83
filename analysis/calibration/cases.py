"""Computed barriers beside known ones: what a calibration is made from."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hopkin.analysis.calibration.chemistry import chemistry_of, reach_of
from hopkin.analysis.errors import ReferencesError

_OF_THE_EVALUATOR = re.compile(r":(?:dtype|evaluator|route)=[^:/=]*")
"""Options of a model's name that do not change its energies."""


class Case(BaseModel):
    """One hop with one model."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    hop: str = Field(description="which hop it is: the same for all models")
    family: str = Field(default="", description="family of structures")
    ion: str = Field(description="chemical symbol of the mobile ion")
    framework: tuple[str, ...] = Field(min_length=1, description="elements of the crystal but the mobile ion")
    path_length_A: float = Field(gt=0, description="of the hop, straight [A]")
    model: str = Field(description="name of the model")
    barrier_eV: float | None = Field(default=None, description="as computed; None: the run failed [eV]")
    reference_eV: float | None = Field(default=None, description="as known, of the same kind; None: not [eV]")
    failure: str | None = Field(default=None, description="class of the failure; None: it converged")
    n_atoms: int | None = Field(default=None, description="of the supercell")
    force_evaluations: int | None = Field(default=None, description="of all images, of all attempts")
    wall_s: float | None = Field(default=None, description="how long it took [s]")
    functional: str = Field(default="", description="how the known barrier was computed")
    source: str = Field(default="", description="DOI or publication of the known barrier")
    note: str = Field(default="", description="what made it")

    @field_validator("*", mode="before")
    @classmethod
    def _cell(cls, value: Any, info: Any) -> Any:
        """Read a cell of a table: empty is unknown; a framework is written Fe-O-P."""
        if info.field_name == "framework" and isinstance(value, str):
            return tuple(filter(None, value.split("-")))
        return None if value == "" and cls.model_fields[info.field_name].annotation is not str else value

    @property
    def chemistry(self) -> str:
        """Class of its framework."""
        return chemistry_of(self.framework)

    @property
    def reach(self) -> str:
        """Class of its length."""
        return reach_of(self.path_length_A)

    @property
    def usable(self) -> bool:
        """Whether it says how far the model is off."""
        return self.failure is None and None not in (self.barrier_eV, self.reference_eV)


def plain_name(model: str) -> str:
    """Name of a model without the options that do not change its energies."""
    return _OF_THE_EVALUATOR.sub("", model)


def hop_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Tell which hop a row is of: by its number, or between given ends by how far these are apart."""
    if row["hop_index"] is None:
        return row["material"], f"{row['path_length_A']:.3f} A"
    return row["material"], row["mechanism"], row["hop_index"]


def cases_of(barriers: Iterable[Mapping[str, Any]], *, note: str = "") -> list[Case]:
    """Cases of the rows `barriers` of `comparison.collect`; those of jobs that never began are none.

    The barrier is the one that the known one is compared with: forward, where only that is known.
    """
    cases = []
    for row in barriers:
        if not row["framework"] or not row["path_length_A"] or not (row["failure"] or row["converged"]):
            continue
        known, error, failed = row["reference_eV"], row["error_eV"], row["failure"]
        computed = row["barrier_eV"] if error is None else known + error
        hop = " ".join(map(str, hop_of(row)))
        cases.append(
            Case.model_validate(
                {name: row.get(name) for name in Case.model_fields if row.get(name) is not None}
                | {"hop": hop, "barrier_eV": None if failed else computed, "note": note}
            )
        )
    return cases


def read_cases(path: Path) -> list[Case]:
    """Read a table of cases, as `write_cases` writes it.

    Raises
    ------
    ReferencesError
        when it cannot be read, or a row is no case
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReferencesError(f"cannot read the calibration {path}: {reason}") from error
    if not (cases := _parsed(text, str(path))):
        raise ReferencesError(f"{path} holds no case; accepted: a table as `hopkin calibrate` writes it")
    return cases


@cache
def shipped_cases() -> tuple[Case, ...]:
    """Cases of hopkin's own benchmark (`benchmarks/results`)."""
    return tuple(_parsed((resources.files(__package__) / "cases.csv").read_text(), "cases.csv"))


def _parsed(text: str, source: str) -> list[Case]:
    cases = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=1):
        try:
            cases.append(Case.model_validate(row))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ReferencesError(
                f"row {number} of {source} is no case: {where}: {problem['msg']}"
            ) from error
    return cases


def merged(cases: Iterable[Case], more: Iterable[Case]) -> list[Case]:
    """Join two tables; of the same hop with the same model the latter has the word."""
    by_key = {(case.hop, case.model): case for case in (*cases, *more)}
    return sorted(by_key.values(), key=lambda case: (case.model, case.hop))


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write cases as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, Case.model_fields, lineterminator="\n")
        writer.writeheader()
        for case in cases:
            fields = case.model_dump()
            writer.writerow(fields | {"framework": "-".join(case.framework)})
