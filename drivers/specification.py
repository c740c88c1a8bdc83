"""What a user asks for, validated once; and the presets."""

from collections.abc import Callable
from reprlib import Repr
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from hopkin.drivers.errors import SpecificationError

S = TypeVar("S", bound=BaseModel)

Preset = Literal["quick", "paper"]
Mechanism = Literal["vacancy", "divacancy"]
_Repeat = Annotated[int, Field(gt=0, le=1000)]
Repeats = tuple[_Repeat, _Repeat, _Repeat]
Images = Annotated[int, Field(ge=3, le=100)]
Temperature = Annotated[float, Field(gt=0, le=100_000)]
Iterations = Annotated[int, Field(gt=0, le=10_000_000)]

_SHORT = Repr()  # of what was received, whatever it holds
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 200, 200

# What is wrong with a value, by the type of pydantic's error, with the names of its context
_WANTED = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
    "greater_than": "wanted a number greater than {gt:.12g}",
    "greater_than_equal": "wanted a number greater than or equal to {ge:.12g}",
    "less_than": "wanted a number less than {lt:.12g}",
    "less_than_equal": "wanted a number less than or equal to {le:.12g}",
    "finite_number": "wanted a finite number",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "wanted a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "wanted a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "wanted true or false"),
    **dict.fromkeys(("string_type", "invalid_key"), "wanted text"),
    "string_pattern_mismatch": "wanted text that matches {pattern}",
    "path_type": "wanted a path",
    "literal_error": "wanted {expected}",
    **dict.fromkeys(("tuple_type", "list_type"), "wanted a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "wanted fields, as in `name: x`"),
    "too_short": "wanted at least {min_length} of them",
    "too_long": "wanted at most {max_length} of them",
    "union_tag_invalid": "{discriminator} is one of {expected_tags}",
    "union_tag_not_found": "wanted fields, {discriminator} among them",
}

LONGEST_HOP_A = 20.0
"""Beyond it, hops of most crystals are too many to be told apart [A]."""

# Least distance between a vacancy and its periodic images [A]
_PRESETS: dict[Preset, float] = {"quick": 7.0, "paper": 10.0}


class Specification(BaseModel):
    """Base of all specifications: immutable, no unknown fields, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str = Field(description="registry name, FAMILY:/path/to/checkpoint, or ase:module:factory")
    ion: str = Field(default="Li", description="chemical symbol of the mobile ion")


class CrystalSpecification(Specification):
    """How the crystal is relaxed that a calculation starts from."""

    pressure_tolerance_GPa: float = Field(
        default=0.1, gt=0, description="largest component of the pressure on a relaxed cell [GPa]"
    )
    keep_symmetry: bool = Field(
        default=True, description="average what breaks the space group out of a relaxed crystal"
    )


class BandSpecification(Specification):
    """A climbing-image NEB run."""

    images: Images = Field(default=5, description="images between the two ends")
    most_images: int = Field(
        default_factory=lambda fields: max(11, 2 * fields.get("images", 0) + 1),
        ge=3,
        le=201,
        description="images that a band with too few may be refined to; `images`: never",
    )
    force_tolerance_eV_per_A: float = Field(
        default=0.05, gt=0, description="largest force on an atom of a relaxed structure or band [eV/A]"
    )
    max_iterations: Iterations = Field(default=500, description="steps of a relaxation or of the band")
    symmetric_path: bool = Field(
        default=False,
        description="leave the first path its symmetry, though a lower saddle may lie beside it",
    )
    start_from: str | None = Field(
        default=None,
        exclude_if=lambda model: model is None,  # runs of before are found
        description="model whose band, where that has converged, gives the first path its shape",
    )


class BarrierSpecification(BandSpecification, CrystalSpecification):
    """The barrier of one hop of a crystal."""

    mechanism: Mechanism = Field(default="vacancy", description="how the ion finds room to hop")
    hop: Annotated[int, Field(ge=0, description="number of the hop, as `hopkin hops` lists them")] = 0
    max_length_A: float = Field(
        default=5.0, gt=0, le=LONGEST_HOP_A, description="longest hop that is listed [A]"
    )
    repeats: Repeats | None = Field(
        default=None, description="supercell; None: the smallest that keeps min_image_distance_A"
    )
    min_image_distance_A: float = Field(
        default=_PRESETS["paper"], gt=0, le=1000, description="from a vacancy to its periodic images [A]"
    )
    relax_bulk: bool = Field(default=True, description="relax cell and atoms of the crystal first")


class KineticsSpecification(BandSpecification, CrystalSpecification):
    """The diffusivity that all vacancy hops of a crystal make together."""

    max_length_A: float = Field(
        default=5.0, gt=0, le=LONGEST_HOP_A, description="longest hop that is taken [A]"
    )
    repeats: Repeats | None = Field(
        default=None, description="supercell; None: the smallest that keeps min_image_distance_A"
    )
    min_image_distance_A: float = Field(
        default=_PRESETS["paper"], gt=0, le=1000, description="from a vacancy to its periodic images [A]"
    )
    attempt_frequency_THz: float | None = Field(
        default=None, gt=0, le=1000, description="of all hops [THz]; None: by harmonic theory, of each"
    )
    temperatures_K: Annotated[tuple[Temperature, ...], Field(min_length=1)] = Field(
        default=(200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1200.0), description="[K]"
    )
    vacant_part: float = Field(
        default=0.01, gt=0, lt=1, description="of the sites of the ion, for diffusivity and conductivity"
    )
    monte_carlo: bool = Field(
        default=False,
        description="let vacancies walk at this concentration, too, where they block one another",
    )
    blocked_part: float = Field(
        default=0.0, ge=0, lt=1, description="of the sites, which no vacancy of that walk enters"
    )
    samples: PositiveInt = Field(default=200, le=100_000, description="draws of barriers and frequencies")
    seed: int = Field(default=1, ge=1, lt=900_000_000, description="of these, and of the walk")

    @model_validator(mode="after")
    def _some_ions(self) -> "KineticsSpecification":
        if self.vacant_part + self.blocked_part >= 1:
            raise ValueError("vacant_part and blocked_part leave no ion that could move: together below 1")
        return self


class MDSpecification(CrystalSpecification):
    """A molecular-dynamics run."""

    temperature_K: float = Field(gt=0, le=100_000, description="temperature of the thermostat [K]")
    time_ps: float = Field(default=50.0, gt=0, le=1e9, description="length of the run that is analysed [ps]")
    equilibration_ps: float | None = Field(
        default=None, ge=0, le=1e9, description="length of the run before it [ps]; None: a tenth of time_ps"
    )
    timestep_fs: float = Field(default=2.0, gt=0, le=10, description="time step [fs]")
    seed: int = Field(default=1, ge=1, lt=900_000_000, description="seed of the initial velocities")
    ensemble: Literal["nvt", "npt", "nve"] = Field(
        default="nvt",
        description="Nose-Hoover thermostat; with barostat; or neither, after the equilibration",
    )
    thermostat_chain: PositiveInt = Field(default=3, le=100, description="length of the Nose-Hoover chain")
    thermostat_damping_fs: float = Field(default=100.0, gt=0, le=1e9, description="its relaxation time [fs]")
    pressure_bar: float = Field(default=0.0, ge=-1e8, le=1e8, description="pressure of the barostat [bar]")
    barostat_damping_fs: float = Field(default=1000.0, gt=0, le=1e9, description="its relaxation time [fs]")
    frame_interval_fs: float = Field(default=100.0, gt=0, le=1e12, description="time between frames [fs]")
    repeats: Repeats | None = Field(default=None, description="supercell; None: as min_edge_A says")
    min_edge_A: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        description="distance between opposite faces of the supercell [A]; None: any",
    )
    relax: bool = Field(default=True, description="relax cell and atoms first")
    force_tolerance_eV_per_A: float = Field(default=0.05, gt=0, description="of that relaxation [eV/A]")
    max_iterations: Iterations = Field(default=500, description="steps of that relaxation")

    @model_validator(mode="after")
    def _one_supercell(self) -> "MDSpecification":
        if self.repeats is not None and self.min_edge_A is not None:
            raise ValueError(
                "repeats (--supercell) and the least edge (--min-edge) of a supercell exclude one another"
            )
        return self


def preset_fields(name: Preset, min_image_distance_A: float | None = None) -> dict[str, float]:
    """Fields of a BarrierSpecification that a preset stands for, but for those given."""
    return {"min_image_distance_A": _PRESETS[name] if min_image_distance_A is None else min_image_distance_A}


def specify(kind: type[S], **fields: object) -> S:
    """Make a specification; SpecificationError of one sentence per wrong field."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise SpecificationError(sentences(error)) from error


def sentences(error: ValidationError, *, named: Callable[[str], str] = str) -> str:
    """One clause for each wrong field: where it is, what is accepted, what was received.

    Parameters
    ----------
    named
        turns where it is, such as `repeats.0`, into what the user calls it
    """
    clauses: dict[str, list[str]] = {}  # several, where a field may be one thing or another
    received: dict[str, str] = {}
    for problem in error.errors():
        # names of fields, and numbers of entries; what is neither tells alternatives of one field apart
        parts = [part for part in map(str, problem["loc"]) if part.isidentifier() or part.isdecimal()]
        where, kind = ".".join(parts), problem["type"]
        follows = kind == "too_short" and any(place.startswith(f"{where}.") for place in clauses)
        if follows or kind == "default_factory_not_called":  # another field or entry is what is wrong
            continue
        said = _WANTED[kind].format(**problem.get("ctx", {})) if kind in _WANTED else problem["msg"]
        clauses.setdefault(where, []).append(said.removeprefix("Value error, "))
        if kind not in ("missing", "extra_forbidden", "value_error"):
            received[where] = f", received {_SHORT.repr(problem['input'])}"
    return "; ".join(
        f"{named(where)}: " * bool(where)
        + " or ".join(said).replace(" or wanted ", " or ")
        + received.get(where, "")
        for where, said in clauses.items()
    )
