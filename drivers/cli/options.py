"""Options that several commands share, one alias each, and what commands have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hopkin.analysis.calibration import Calibration
    from hopkin.drivers.crystals import Structure
    from hopkin.drivers.errors import HopkinError
    from hopkin.drivers.models import Model
    from hopkin.drivers.specification import Specification
    from hopkin.drivers.workflows import Run, Say

S = TypeVar("S", bound="Specification")

StructureArgument = Annotated[str, typer.Argument(help="Structure file, or name of a built-in material.")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="Registry name, FAMILY:/path/to/checkpoint, or ase:module:factory; options after it, as in"
        " mace-mp-0-small:dtype=float64.",
    ),
]
RouteOption = Annotated[
    Literal["native", "service", "mliap"] | None,
    typer.Option(
        help="By what LAMMPS evaluates it, as :route= after its name: the pair style of its family, the"
        " evaluation service, or the service by ML-IAP."
    ),
]
IonOption = Annotated[
    str | None,
    typer.Option(
        "--ion", help="Chemical symbol of the mobile ion; not needed where there is one alkali metal."
    ),
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(
        "--calibration", help="Table of `hopkin calibrate`; that of hopkin's benchmark if not given."
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the run directories.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MaxLengthOption = Annotated[float, typer.Option("--max-length", help="Longest hop [A].")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Load this unknown checkpoint; remembered by its hash.")
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify/--no-verify", help="Compare LAMMPS with the model's own calculator first."),
]
RatesOption = Annotated[
    bool, typer.Option("--rates", help="Attempt frequency and rate of the hop, too, by harmonic theory.")
]
RateTemperaturesOption = Annotated[
    list[float] | None,
    typer.Option("--temperature", "-T", min=1.0, max=1e5, help="Of the rates [K]; 300 if not given."),
]
ImagesOption = Annotated[int, typer.Option("--images", help="Images between the two ends.")]
NoSymmetryOption = Annotated[
    bool, typer.Option("--no-symmetry", help="Let the relaxed crystal leave its space group.")
]
SymmetricPathOption = Annotated[
    bool,
    typer.Option(
        "--symmetric-path", help="Leave the first path its symmetry; a lower saddle may lie beside it."
    ),
]
MechanismOption = Annotated[
    Literal["vacancy", "divacancy"],
    typer.Option("--mechanism", help="Into a vacancy, or with a second one next to the path."),
]
PresetOption = Annotated[Literal["quick", "paper"], typer.Option("--preset", help="Size of the supercell.")]
ImageDistanceOption = Annotated[
    float | None,
    typer.Option(
        "--image-distance", help="From a vacancy to its periodic images, at least [A]; else by the preset."
    ),
]
RepeatsOption = Annotated[
    tuple[int, int, int] | None,
    typer.Option(
        "--supercell", help="Repeats of the cell, such as 1 2 2; chosen by the preset if not given."
    ),
]


# Options whose names are not those of the fields that they fill
_OPTIONS = {
    "max_length_A": "--max-length",
    "min_edge_A": "--min-edge",
    "min_image_distance_A": "--image-distance",
    "repeats": "--supercell",
    "temperature_K": "--temperature",
}


def specify(kind: type[S], **fields: Any) -> S:
    """Make a specification of what a command was given; SpecificationError names the wrong options."""
    from pydantic import ValidationError

    from hopkin.drivers.errors import SpecificationError
    from hopkin.drivers.specification import sentences

    try:
        return kind(**fields)
    except ValidationError as error:
        raise SpecificationError(sentences(error, named=_option)) from error


def _option(where: str) -> str:
    field = where.split(".")[0]  # without the number of an entry
    return _OPTIONS.get(field, f"--{field.replace('_', '-')}")


def chosen_model(name: str, trust: bool, route: str | None = None) -> "Model":
    """Find a model; with --trust, have its weights here and trusted."""
    from hopkin.drivers.models import fetch, find_model
    from hopkin.drivers.terminal import progress

    name = f"{name}:route={route}" if route else name
    found = find_model(name, trusted=trust)
    if trust:
        with progress(f"fetching {name}") as say:
            fetch(found, trusted=True, say=say)
    return found


def chosen_crystal(
    structure: str, model: str, ion: str | None, *, trust: bool, route: str | None
) -> "tuple[Model, Structure, str]":
    """Find a model, a crystal and its ion; what evaluates the model starts while the crystal is read."""
    from hopkin.drivers.crystals import load_structure, mobile_ion
    from hopkin.drivers.models import prepare

    found = chosen_model(model, trust, route)
    prepare(found)
    loaded = load_structure(structure)
    prepare(found, loaded.atoms.symbols)
    return found, loaded, ion or mobile_ion(loaded.atoms.symbols, loaded.material)


def chosen_calibration(path: Path | None) -> "Calibration":
    """Return the calibration of a table, or that which hopkin comes with."""
    from hopkin.analysis.calibration import Calibration, read_cases

    return Calibration.shipped() if path is None else Calibration(read_cases(path))


def add_rates(run: "Run", model: "Model", temperatures_K: list[float] | None, *, say: "Say") -> "Run":
    """Add attempt frequency and rates to a band."""
    from hopkin.drivers.workflows import with_rates

    return with_rates(run, model, temperatures_K or [300.0], say=say)


def each(jobs: "Iterable[tuple[str, Callable[..., Run]]]") -> "tuple[list[Run], list[HopkinError]]":
    """Do jobs, by title, one after the other: where LAMMPS or the supercell fails one, the others may do."""
    from hopkin.drivers.errors import LammpsError, StructureError
    from hopkin.drivers.terminal import progress

    runs: list[Run] = []
    errors: list[HopkinError] = []
    for title, job in jobs:
        with progress(title) as say:
            try:
                runs.append(job(say=say))
            except (LammpsError, StructureError) as error:
                errors.append(error)
    return runs, errors


def raise_together(errors: "Sequence[Exception]") -> None:
    """Report the runs that failed, after the table of those that did not."""
    if errors:
        raise type(errors[0])("; ".join(dict.fromkeys(map(str, errors))))
