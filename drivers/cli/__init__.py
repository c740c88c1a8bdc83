"""The command line. Nothing is computed here: arguments in, one call, a table or JSON out.

Each room has the commands that its docstring names; `options` are those that several share.
"""

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from hopkin.drivers.cli import barriers, calibration, campaign, dynamics, structures
from hopkin.drivers.cli.models import models_app, serve
from hopkin.drivers.cli.options import CalibrationOption, JsonOption, chosen_calibration

app = typer.Typer(
    name="hopkin",
    help="Migration barriers and diffusion of alkali ions, in LAMMPS, with machine-learned potentials.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(models_app, name="models")
app.add_typer(campaign.export_app, name="export")
for command in (
    barriers.materials,
    structures.order,
    barriers.hops,
    barriers.barrier,
    barriers.neb,
    barriers.kinetics,
    dynamics.md,
    dynamics.analyze,
    campaign.bench,
    campaign.compare,
    campaign.schema,
    campaign.status,
    campaign.results,
    calibration.calibrate,
    calibration.recommend,
    dynamics.evaluate,
    serve,
):
    app.command()(command)

_INTERRUPTED = 130  # exit code after Ctrl-C


def _show_version(asked: bool) -> None:
    from importlib.metadata import version

    if asked:
        typer.echo(f"hopkin {version('hopkin')}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("hopkin").setLevel(logging.INFO if verbose else logging.WARNING)


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Try what works on this machine: LAMMPS, MPI, pair styles, accelerator, models."""
    from hopkin.drivers.doctor import examine
    from hopkin.drivers.terminal import progress, show_checks

    with progress("trying") as _:
        checks = examine()
    show_checks(checks, as_json=json)
    if any(check.works is False for check in checks):
        raise typer.Exit(1)


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="Folder that holds run directories.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page that is written.")] = Path(
        "report.html"
    ),
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder for the figures as PDF, SVG and PNG, and tables as LaTeX and JSON."),
    ] = None,
    calibration: CalibrationOption = None,
) -> None:
    """One HTML page of all runs below a folder; with --figures, its figures for print, too."""
    from hopkin.analysis.comparison import Card
    from hopkin.analysis.report import write_figures, write_report
    from hopkin.drivers.engine import writing_to
    from hopkin.drivers.models import known_models

    known = {
        name: Card(architecture=model.brand, training_set=model.training_set)
        for name, model in known_models().items()
    }
    with writing_to(output):
        write_report(results, output, known, chosen_calibration(calibration))
    typer.echo(output)
    if figures is not None:
        with writing_to(figures):
            write_figures(results, figures, known)
        typer.echo(figures)


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
        _say_why(f"{error.filename or 'the disk'}: {error.strerror or error}")
        sys.exit(2)
    except MemoryError as error:
        typer.echo(f"hopkin: not enough memory: take a smaller cell or trajectory ({error})", err=True)
        sys.exit(2)
    except Exception as error:
        from hopkin.analysis.errors import AnalysisError
        from hopkin.drivers.errors import HopkinError

        if not isinstance(error, HopkinError | AnalysisError):
            raise
        _say_why(str(error))
        sys.exit(2)


def _say_why(message: str) -> None:
    """Write a message in one line, whatever the words hold that it quotes from files."""
    words = " ".join(message.split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
    typer.echo(f"hopkin: {shown}", err=True)
