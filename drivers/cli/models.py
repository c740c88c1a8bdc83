"""`hopkin models`: what hopkin knows of the models, and what they need here; `hopkin serve`."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from hopkin.drivers.cli.options import JsonOption, RouteOption, TrustOption, chosen_model
from hopkin.drivers.errors import MachineError

models_app = typer.Typer(help="The models that hopkin knows.", no_args_is_help=True)


@models_app.command("list")
def models_list(json: JsonOption = False) -> None:
    """List the models of the registry, and what each still needs here."""
    from hopkin.drivers.models import known_models
    from hopkin.drivers.terminal import show_models

    show_models(list(known_models().values()), as_json=json)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="Name of a model.")], json: JsonOption = False
) -> None:
    """Everything the registry holds of one model."""
    from hopkin.drivers.models import find_model
    from hopkin.drivers.terminal import show_fields

    model = find_model(name)
    show_fields(model.describe(), as_json=json)


@models_app.command("install")
def models_install(family: Annotated[str, typer.Argument(help="Name of a model family.")]) -> None:
    """Make the environment that evaluates a family, or mend a half-made one; print its Python."""
    from hopkin.drivers.models import install
    from hopkin.drivers.terminal import progress

    with progress(f"installing {family}") as say:
        typer.echo(install(family, say=say))


@models_app.command("fetch")
def models_fetch(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    file: Annotated[Path | None, typer.Option("--from", help="Weights that are here already.")] = None,
    trust: TrustOption = False,
) -> None:
    """Download the weights and make the file that LAMMPS reads; print where it is."""
    from hopkin.drivers.models import fetch, find_model
    from hopkin.drivers.terminal import progress

    with progress(f"fetching {name}") as say:
        path = fetch(find_model(name, trusted=trust), file=file, trusted=trust, say=say)
    typer.echo(path or f"{name} needs no file")


@models_app.command("export")
def models_export(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file that is written.")] = Path(
        "model.mliap"
    ),
    form: Annotated[
        Literal["mliap"], typer.Option("--format", help="mliap: for `pair_style mliap unified`.")
    ] = "mliap",
    trust: TrustOption = False,
) -> None:
    """Write the file with which a LAMMPS without hopkin's plugins runs a model, by its ML-IAP in Python."""
    from hopkin.drivers.engine import writing_to
    from hopkin.drivers.models import fetch

    model = chosen_model(name, trust, form)
    made = fetch(model)
    with writing_to(output):
        shutil.copyfile(str(made), output)
    typer.echo(output)


@models_app.command("verify")
def models_verify(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    structure: Annotated[str, typer.Option(help="Structure to verify it on.")] = "LiFePO4-olivine",
    route: RouteOption = None,
    trust: TrustOption = False,
    json: JsonOption = False,
) -> None:
    """Compare LAMMPS with the model's own Python calculator on a rattled cell."""
    from hopkin.drivers.crystals import load_structure
    from hopkin.drivers.models import fetch
    from hopkin.drivers.terminal import progress, show_parity
    from hopkin.drivers.workflows import verify

    model = chosen_model(name, trust, route)
    atoms = load_structure(structure).atoms
    model.require_elements(atoms.get_chemical_symbols())
    with progress(f"verifying {name}") as say:
        fetch(model, say=say)
        parity = verify(model, atoms)
    show_parity(model, parity, as_json=json)
    if not parity.passed:
        raise typer.Exit(1)


def serve(
    model: Annotated[str, typer.Argument(help="Name of a model, or FAMILY:/path/to/checkpoint.")],
    trust: TrustOption = False,
) -> None:
    """Keep a model warm for the decks that are run on this machine, until Ctrl-C."""
    from hopkin.drivers.models import fetch, require_served, service_of, wait_for
    from hopkin.drivers.terminal import progress

    found = chosen_model(model, trust)
    require_served(found)
    with progress(f"starting the service of {found.name}") as say:
        fetch(found, say=say)
        path = service_of(found)
    typer.echo(f"{found.name} is served at {path}; decks that name it find it. End it by Ctrl-C.")
    wait_for(path)
    raise MachineError(f"the service of {found.name} was ended")
