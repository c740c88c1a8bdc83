"""The command line. Nothing is computed here: arguments in, one call, a table or JSON out."""

import logging
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hopkin.drivers.errors import LammpsError
    from hopkin.drivers.models import Model
    from hopkin.drivers.workflows.calculation import Run, Say

app = typer.Typer(
    name="hopkin",
    help="Migration barriers and diffusion of alkali ions, in LAMMPS, with machine-learned potentials.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models_app = typer.Typer(help="The models that hopkin knows.", no_args_is_help=True)
app.add_typer(models_app, name="models")

StructureArgument = Annotated[str, typer.Argument(help="Structure file, or name of a built-in material.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="Registry name, FAMILY:/path/to/checkpoint, or ase:module:factory.")
]
IonOption = Annotated[str, typer.Option("--ion", help="Chemical symbol of the mobile ion.")]
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
ImagesOption = Annotated[int, typer.Option("--images", help="Images between the two ends.")]
PresetOption = Annotated[Literal["quick", "paper"], typer.Option("--preset", help="Size of the supercell.")]
RepeatsOption = Annotated[
    tuple[int, int, int] | None,
    typer.Option(
        "--supercell", help="Repeats of the cell, such as 1 2 2; chosen by the preset if not given."
    ),
]


_INTERRUPTED = 130  # exit code after Ctrl-C


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Try what works on this machine: LAMMPS, MPI, pair styles, accelerator, models."""
    from hopkin.drivers import terminal
    from hopkin.drivers.doctor import examine

    with terminal.progress("trying") as _:
        checks = examine()
    terminal.show_checks(checks, as_json=json)
    if any(check.works is False for check in checks):
        raise typer.Exit(1)


@models_app.command("list")
def models_list(json: JsonOption = False) -> None:
    """List the models of the registry, and what each still needs here."""
    from hopkin.drivers import terminal
    from hopkin.drivers.models import registry

    terminal.show_models(list(registry().values()), as_json=json)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="Name of a model.")], json: JsonOption = False
) -> None:
    """Everything the registry holds of one model."""
    from hopkin.drivers import terminal
    from hopkin.drivers.models import find_model

    model = find_model(name)
    terminal.show_fields(model.describe(), as_json=json)


@models_app.command("install")
def models_install(family: Annotated[str, typer.Argument(help="Name of a model family.")]) -> None:
    """Make the environment that evaluates a family, or mend a half-made one; print its Python."""
    from hopkin.drivers import terminal
    from hopkin.drivers.environments import install

    with terminal.progress(f"installing {family}") as say:
        typer.echo(install(family, say=say))


@models_app.command("fetch")
def models_fetch(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    file: Annotated[Path | None, typer.Option("--from", help="Weights that are here already.")] = None,
    trust: TrustOption = False,
) -> None:
    """Download the weights and make the file that LAMMPS reads; print where it is."""
    from hopkin.drivers import terminal
    from hopkin.drivers.models import fetch, find_model

    with terminal.progress(f"fetching {name}") as say:
        path = fetch(find_model(name, trusted=trust), file=file, trusted=trust, say=say)
    typer.echo(path or f"{name} needs no file")


@models_app.command("verify")
def models_verify(
    name: Annotated[str, typer.Argument(help="Name of a model.")],
    structure: Annotated[str, typer.Option(help="Structure to verify it on.")] = "LiFePO4-olivine",
    trust: TrustOption = False,
    json: JsonOption = False,
) -> None:
    """Compare LAMMPS with the model's own Python calculator on a rattled cell."""
    from hopkin.drivers import terminal
    from hopkin.drivers.models import fetch
    from hopkin.drivers.parity import verify
    from hopkin.drivers.structures import load_structure

    model = _model(name, trust)
    atoms = load_structure(structure).atoms
    model.require_elements(atoms.get_chemical_symbols())
    with terminal.progress(f"verifying {name}") as say:
        fetch(model, say=say)
        parity = verify(model, atoms)
    terminal.show_parity(model, parity, as_json=json)
    if not parity.passed:
        raise typer.Exit(1)


@app.command()
def hops(
    structure: StructureArgument,
    ion: IonOption = "Li",
    max_length: MaxLengthOption = 5.0,
    json: JsonOption = False,
) -> None:
    """List the symmetry-distinct vacancy hops of a crystal."""
    from hopkin.drivers import terminal
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.barrier import select_hops

    loaded = load_structure(structure)
    terminal.show_hops(loaded.material, select_hops(loaded, ion, max_length, "all"), as_json=json)


@app.command()
def barrier(
    structure: StructureArgument,
    model: ModelOption,
    ion: IonOption = "Li",
    hop: Annotated[str, typer.Option(help="Number of a hop as `hopkin hops` lists them, or all.")] = "0",
    mechanism: Annotated[Literal["vacancy"], typer.Option(help="How the ion finds room to hop.")] = "vacancy",
    images: ImagesOption = 5,
    preset: PresetOption = "quick",
    supercell: RepeatsOption = None,
    max_length: MaxLengthOption = 5.0,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Migration barrier of a vacancy hop: relaxed ends, climbing-image NEB in LAMMPS."""
    from hopkin.drivers import terminal
    from hopkin.drivers.hops import Hop
    from hopkin.drivers.specification import BarrierSpecification, preset_fields, specify
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.barrier import run_barrier, select_hops

    found, loaded = _model(model, trust), load_structure(structure)

    def run(selected: Hop, *, say: "Say") -> "Run":
        specification = specify(
            BarrierSpecification,
            model=found.name,
            ion=ion,
            hop=selected.index,
            mechanism=mechanism,
            images=images,
            repeats=supercell,
            max_length_A=max_length,
            **preset_fields(preset),
        )
        return run_barrier(loaded, selected, found, specification, out, verify=verify, say=say)

    runs, errors = _each(
        (f"{loaded.material} hop {selected.index}, {model}", partial(run, selected))
        for selected in select_hops(loaded, ion, max_length, hop)
    )
    terminal.show_barriers(runs, as_json=json)
    _raise_together(errors)


@app.command()
def neb(
    initial: Annotated[str, typer.Argument(help="Structure file of the initial end.")],
    final: Annotated[str, typer.Argument(help="Structure file of the final end.")],
    model: ModelOption,
    ion: IonOption = "Li",
    images: ImagesOption = 5,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Climbing-image NEB between two given ends, which are relaxed first."""
    from hopkin.drivers import terminal
    from hopkin.drivers.specification import BandSpecification, specify
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.barrier import run_neb

    found = _model(model, trust)
    specification = specify(
        BandSpecification,
        model=found.name,
        ion=ion,
        images=images,
    )
    ends = load_structure(initial), load_structure(final)
    with terminal.progress(f"{initial} to {final}, {model}") as say:
        run = run_neb(*ends, found, specification, out, verify=verify, say=say)
    terminal.show_barriers([run], as_json=json)


@app.command()
def md(
    structure: StructureArgument,
    model: ModelOption,
    temperature: Annotated[
        list[float], typer.Option("-T", "--temperature", help="Temperature [K]; repeatable.")
    ],
    ion: IonOption = "Li",
    time_ps: Annotated[float, typer.Option(help="Length of the run [ps].")] = 50.0,
    timestep_fs: Annotated[float, typer.Option(help="Time step [fs].")] = 2.0,
    frame_interval_fs: Annotated[float, typer.Option(help="Time between frames [fs].")] = 100.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs with different initial velocities.")] = 1,
    ensemble: Annotated[Literal["nvt", "nve"], typer.Option(help="Nose-Hoover, or none.")] = "nvt",
    supercell: Annotated[tuple[int, int, int], typer.Option(help="Repeats of the cell.")] = (1, 1, 1),
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Molecular dynamics in LAMMPS, with MSD, diffusivity and RDF; a killed run goes on where it was."""
    from hopkin.drivers import terminal
    from hopkin.drivers.specification import MDSpecification, specify
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.dynamics import run_md

    found, loaded = _model(model, trust), load_structure(structure)
    specifications = [
        specify(
            MDSpecification,
            model=found.name,
            ion=ion,
            temperature_K=kelvin,
            time_ps=time_ps,
            timestep_fs=timestep_fs,
            frame_interval_fs=frame_interval_fs,
            seed=seed,
            ensemble=ensemble,
            repeats=supercell,
        )
        for kelvin in temperature
        for seed in range(1, seeds + 1)
    ]
    runs, errors = _each(
        (
            f"{loaded.material} at {specification.temperature_K:g} K, {model}",
            partial(run_md, loaded, found, specification, out, verify=verify),
        )
        for specification in specifications
    )
    terminal.show_dynamics(runs, as_json=json)
    _raise_together(errors)


@app.command()
def analyze(
    trajectory: Annotated[
        list[Path], typer.Argument(help="Trajectory files that continue one another, or a run directory.")
    ],
    ion: IonOption = "Li",
    temperature: Annotated[float | None, typer.Option("-T", "--temperature", help="Temperature [K].")] = None,
    timestep_fs: Annotated[
        float | None, typer.Option(help="Time step, for files that count steps [fs].")
    ] = None,
    frame_interval_fs: Annotated[
        float | None, typer.Option(help="Time between frames, for files that say neither [fs].")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for msd.csv and rdf.csv.")] = None,
    json: JsonOption = False,
) -> None:
    """MSD, diffusivity and RDF of a trajectory: LAMMPS dump, XDATCAR, vasprun.xml, extxyz."""
    from hopkin.analysis.trajectory import read_trajectory
    from hopkin.analysis.transport import analyze as analyze_trajectory
    from hopkin.analysis.transport import write_tables
    from hopkin.drivers import terminal
    from hopkin.drivers.rundirectory import writing_to

    files = [path / "trajectory.dump" if path.is_dir() else path for path in trajectory]
    frames = read_trajectory(files, timestep_fs=timestep_fs, frame_interval_fs=frame_interval_fs)
    result = analyze_trajectory(frames, ion)
    if out is not None:
        with writing_to(out):
            out.mkdir(parents=True, exist_ok=True)
            write_tables(result, out)
    fields: dict[str, Any] = {"ion": ion, "temperature_K": temperature, **result.as_dict()}
    terminal.show_fields(fields, as_json=json)


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="Folder that holds run directories.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page that is written.")] = Path(
        "report.html"
    ),
) -> None:
    """One HTML page of all runs below a folder."""
    from hopkin.analysis.report import write_report
    from hopkin.drivers.rundirectory import writing_to

    with writing_to(output):
        write_report(results, output)
    typer.echo(output)


def _model(name: str, trust: bool) -> "Model":
    """Find a model; with --trust, have its weights here and trusted."""
    from hopkin.drivers import terminal
    from hopkin.drivers.models import fetch, find_model

    found = find_model(name, trusted=trust)
    if trust:
        with terminal.progress(f"fetching {name}") as say:
            fetch(found, trusted=True, say=say)
    return found


def _each(jobs: "Iterable[tuple[str, Callable[..., Run]]]") -> "tuple[list[Run], list[LammpsError]]":
    """Do jobs, by title, one after the other: where LAMMPS fails in one, the others may do."""
    from hopkin.drivers import terminal
    from hopkin.drivers.errors import LammpsError

    runs, errors = [], []
    for title, job in jobs:
        with terminal.progress(title) as say:
            try:
                runs.append(job(say=say))
            except LammpsError as error:
                errors.append(error)
    return runs, errors


def _raise_together(errors: "list[LammpsError]") -> None:
    """Report the runs that failed, after the table of those that did not."""
    if errors:
        raise type(errors[0])("; ".join(map(str, errors)))


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2, never a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's end is as clean as Ctrl-C
    try:
        app()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            typer.echo("interrupted: the same command goes on where it was", err=True)
        raise
    except OSError as error:
        typer.echo(f"hopkin: {error.filename or 'the disk'}: {error.strerror or error}", err=True)
        sys.exit(2)
    except Exception as error:
        from hopkin.analysis.errors import AnalysisError
        from hopkin.drivers.errors import HopkinError

        if not isinstance(error, HopkinError | AnalysisError):
            raise
        typer.echo(f"hopkin: {error}", err=True)
        sys.exit(2)
