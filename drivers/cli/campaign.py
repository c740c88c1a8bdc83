"""`hopkin bench`, `status`, `results`, `compare`, `schema`, `export`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hopkin.drivers.cli.options import (
    CalibrationOption,
    JsonOption,
    TrustOption,
    VerifyOption,
    chosen_calibration,
    chosen_model,
)

_WATCH_S = 2.0

ResultsArgument = Annotated[Path, typer.Argument(help="Folder of the run directories.")]

export_app = typer.Typer(help="Finished runs as input of other programs.", no_args_is_help=True)


@export_app.command("vasp")
def export_vasp(
    run: Annotated[Path, typer.Argument(help="Directory of a finished barrier or neb run.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder that is written.")] = Path("vasp"),
    kpoint_density: Annotated[
        float, typer.Option(min=1.0, max=1e6, help="k-points per A^-3 of the reciprocal cell.")
    ] = 100.0,
) -> None:
    """Write a finished band as a VASP NEB calculation with PBE+U.

    U, MAGMOM and the symbols of POTCAR are the Materials Project's; 450 eV, the k-points, 1e-5 eV and
    0.05 eV/A are those of the published barriers (the Materials Project has 520 eV, and a density of 64).
    """
    from hopkin.drivers import bands

    images = bands.export_vasp(run, output, kpoint_density=kpoint_density)
    typer.echo(f"{output}: two ends and {images} images; make POTCAR of what POTCAR.spec names")


def bench(
    campaign: Annotated[
        Path, typer.Argument(help="YAML file of the campaign; or quickstart, paper-neb, paper-md, paper.")
    ],
    executor: Annotated[
        str, typer.Option(help="local, or a YAML file that describes an executor of Parsl.")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Jobs at a time on this machine; by its processors if not given."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, list the jobs, and say what they take.")
    ] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure what the models cost on this machine first.")
    ] = False,
    ready: Annotated[
        bool, typer.Option("--ready", help="Skip, and name, the models that cannot run here at once.")
    ] = False,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run directories; runs/NAME if not given.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a campaign of barriers, pairs and dynamics; one that was stopped goes on where it was."""
    from hopkin.analysis.comparison import collect
    from hopkin.drivers import campaigns
    from hopkin.drivers.errors import CampaignError
    from hopkin.drivers.terminal import progress, show_jobs, show_tables, standing_shown

    file = campaigns.campaign_file(campaign)
    asked = campaigns.load_campaign(file)
    where = campaigns.load_executor(executor, workers, asked.workers)
    models = [chosen_model(model, trust) for model in campaigns.model_names(asked.models)]
    if ready:
        models, others = campaigns.ready_models(models)
        for model in others:
            typer.echo(f"{model.name} is skipped: it {model.state()}", err=True)
        if not models:
            raise CampaignError(f"{campaign}: none of its models is ready here")
    jobs = campaigns.plan(asked, file.parent, models)
    root = out or Path("runs") / asked.name
    campaigns.require_folder_of(root, asked.name)
    if calibrate:
        for model in models:
            with progress(f"measuring {model.name}"):
                campaigns.measure(model)
    if dry_run:
        known = {model.name: campaigns.known_cost(model) for model in models}
        costs = {name: cost for name, cost in known.items() if cost is not None}
        ended = campaigns.ended_before(root, jobs)
        show_jobs(jobs, ended, costs, as_json=json)
        return
    with standing_shown(asked.name) as show:
        outcomes = campaigns.run_campaign(asked.name, jobs, root, where, verify=verify, show=show)
    show_tables(collect(root), root, as_json=json)
    without = sum(outcome.result is None for outcome in outcomes)
    if without:
        typer.echo(
            f"hopkin: {without} of {len(jobs)} jobs have no result, `hopkin status {root}` says why; the same"
            " command tries them again",
            err=True,
        )
        raise typer.Exit(1)


def status(
    results: ResultsArgument,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until all jobs have ended.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """How far a campaign is: what has ended, what is at work, what failed and why, the time left."""
    from hopkin.drivers.campaigns import standing_of
    from hopkin.drivers.terminal import show_standing, standing_shown

    standing, errors = standing_of(results)
    if watch:
        with standing_shown(str(results)) as show:
            while standing.ended < standing.total:
                show(standing)
                time.sleep(_WATCH_S)
                standing, errors = standing_of(results)
    show_standing(standing, errors, as_json=json)


def results(
    results: ResultsArgument, calibration: CalibrationOption = None, json: JsonOption = False
) -> None:
    """Show the tables of a folder of run directories, and write them there as CSV and Parquet."""
    from hopkin.analysis.comparison import collect, write_tables
    from hopkin.drivers.engine import writing_to
    from hopkin.drivers.terminal import show_tables

    tables = collect(results, calibration=chosen_calibration(calibration))
    with writing_to(results):
        write_tables(results, tables)
    show_tables(tables, results, as_json=json)


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of the run directories before.")],
    second: Annotated[Path, typer.Argument(help="Folder of those after.")],
    json: JsonOption = False,
) -> None:
    """Compare two campaigns, case by case: what changed from first to second, significantly or not."""
    from hopkin.analysis.comparison import collect, compare_campaigns
    from hopkin.drivers.terminal import show_changes

    show_changes(compare_campaigns(collect(first), collect(second)), as_json=json)


def schema() -> None:
    """Print the JSON schema of a campaign file: editors complete and check by it."""
    from hopkin.drivers.campaigns import Campaign
    from hopkin.drivers.terminal import print_json

    print_json(Campaign.model_json_schema())
