"""`hopkin md`, `analyze`, `evaluate`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hopkin.drivers.cli.options import (
    IonOption,
    JsonOption,
    ModelOption,
    OutOption,
    RouteOption,
    StructureArgument,
    TrustOption,
    VerifyOption,
    chosen_model,
    each,
    raise_together,
    specify,
)


def md(
    structure: StructureArgument,
    model: ModelOption,
    temperature: Annotated[
        list[float], typer.Option("-T", "--temperature", help="Temperature [K]; repeatable.")
    ],
    ion: IonOption = None,
    time_ps: Annotated[float, typer.Option(help="Length of the run that is analysed, in ps.")] = 50.0,
    equilibration_ps: Annotated[
        float | None, typer.Option(help="Length of the run before it, in ps; a tenth of it if not given.")
    ] = None,
    timestep_fs: Annotated[float, typer.Option(help="Time step, in fs.")] = 2.0,
    frame_interval_fs: Annotated[float, typer.Option(help="Time between frames, in fs.")] = 100.0,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Runs with different initial velocities.")] = 1,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed of such a run, instead of 1, 2, ...; repeatable.")
    ] = None,
    ensemble: Annotated[
        Literal["nvt", "npt", "nve"],
        typer.Option(help="Nose-Hoover thermostat; with barostat; or neither, after the equilibration."),
    ] = "nvt",
    thermostat_chain: Annotated[int, typer.Option(help="Length of the Nose-Hoover chain.")] = 3,
    thermostat_damping_fs: Annotated[float, typer.Option(help="Its relaxation time, in fs.")] = 100.0,
    pressure_bar: Annotated[float, typer.Option(help="Pressure of the barostat, in bar.")] = 0.0,
    barostat_damping_fs: Annotated[float, typer.Option(help="Its relaxation time, in fs.")] = 1000.0,
    supercell: Annotated[
        tuple[int, int, int] | None, typer.Option(help="Repeats of the cell, such as 1 2 2.")
    ] = None,
    min_edge: Annotated[
        float | None, typer.Option(help="Instead: least distance between its opposite faces [A].")
    ] = None,
    route: RouteOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Molecular dynamics in LAMMPS, with MSD, diffusivity and RDF; a killed run goes on where it was."""
    from hopkin.drivers.crystals import load_structure, mobile_ion
    from hopkin.drivers.models import prepare
    from hopkin.drivers.specification import MDSpecification
    from hopkin.drivers.terminal import show_dynamics
    from hopkin.drivers.workflows import run_md

    found = chosen_model(model, trust, route)
    prepare(found)
    loaded = load_structure(structure)
    ion = ion or mobile_ion(loaded.atoms.symbols, loaded.material)
    specifications = [
        specify(
            MDSpecification,
            model=found.name,
            ion=ion,
            temperature_K=kelvin,
            time_ps=time_ps,
            equilibration_ps=equilibration_ps,
            timestep_fs=timestep_fs,
            frame_interval_fs=frame_interval_fs,
            seed=number,
            ensemble=ensemble,
            thermostat_chain=thermostat_chain,
            thermostat_damping_fs=thermostat_damping_fs,
            pressure_bar=pressure_bar,
            barostat_damping_fs=barostat_damping_fs,
            repeats=supercell,
            min_edge_A=min_edge,
        )
        for kelvin in temperature
        for number in seed or range(1, seeds + 1)
    ]
    prepare(found, loaded.atoms.symbols)
    runs, errors = each(
        (
            f"{loaded.material} at {specification.temperature_K:g} K, {model}",
            partial(run_md, loaded, found, specification, out, verify=verify),
        )
        for specification in specifications
    )
    if runs:
        show_dynamics(runs, as_json=json)
    raise_together(errors)


def analyze(
    trajectory: Annotated[
        list[Path],
        typer.Argument(
            help="Trajectory files that continue one another, or run directories; with one -T for each, "
            "runs at several temperatures."
        ),
    ],
    ion: IonOption = None,
    temperature: Annotated[
        list[float] | None, typer.Option("-T", "--temperature", help="Temperature [K]; repeatable.")
    ] = None,
    timestep_fs: Annotated[
        float | None, typer.Option(help="Time step in fs, for files that count steps.")
    ] = None,
    frame_interval_fs: Annotated[
        float | None, typer.Option(help="Time between frames in fs, for files that say neither.")
    ] = None,
    species: Annotated[
        list[str] | None,
        typer.Option(
            help="Chemical symbols, such as 'Li P S', of the atom types 1, 2, ... of a LAMMPS dump without "
            "elements, or of the counts of an XDATCAR of VASP 4; repeatable."
        ),
    ] = None,
    sites: Annotated[
        str | None,
        typer.Option(
            help="Count hops between sites: a structure that holds them, or `density` to find them."
        ),
    ] = None,
    posterior: Annotated[
        bool, typer.Option("--posterior", help="Sample the diffusivity's posterior, by kinisi.")
    ] = False,
    density: Annotated[
        bool, typer.Option("--density", help="Write density.cube of the ions to --out.")
    ] = False,
    vibrations: Annotated[
        bool, typer.Option("--vibrations", help="Write vdos.csv, from velocities, to --out.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for tables.")] = None,
    json: JsonOption = False,
) -> None:
    """MSD, diffusivity, conductivity and RDF of trajectories; over several temperatures, an Arrhenius fit.

    LAMMPS dump, XDATCAR, vasprun.xml, extxyz, ASE trajectory, also compressed. A run that cannot be
    analysed is left out, and named after the others' results.
    """
    from hopkin.analysis.errors import AnalysisError, MissingPackageError
    from hopkin.analysis.transport import arrhenius_table
    from hopkin.drivers.errors import SpecificationError, StructureError
    from hopkin.drivers.terminal import show_arrhenius, show_fields
    from hopkin.drivers.workflows import Options, analyze_run, find_trajectories

    if (density or vibrations) and out is None:
        raise SpecificationError("--density and --vibrations write files: say where with --out")
    options = Options(sites=sites, posterior=posterior, density=density, vibrations=vibrations)
    found = find_trajectories(
        trajectory,
        ion=ion,
        temperatures=temperature or [],
        timestep_fs=timestep_fs,
        frame_interval_fs=frame_interval_fs,
        species=" ".join(species or []).replace(",", " ").split(),
    )
    if len(found) == 1:
        show_fields(analyze_run(found[0], options, out), as_json=json)
        return
    results: list[dict[str, Any]] = []
    left_out: list[Exception] = []
    for run in found:
        try:
            results.append(analyze_run(run, options, out and out / run.name))
        except (AnalysisError, StructureError, SpecificationError) as error:
            if isinstance(error, MissingPackageError):
                raise
            left_out.append(type(error)(f"{run.name} is left out: {error}"))
    if len(results) == 1:
        show_fields(results[0], as_json=json)
    elif results:
        try:
            show_arrhenius(results, arrhenius_table(results), as_json=json)
        except AnalysisError as error:
            left_out.insert(0, error)
    raise_together(left_out)


def evaluate(
    labelled: Annotated[Path, typer.Argument(help="Structures with energies and forces, extended XYZ.")],
    model: ModelOption,
    group: Annotated[
        str | None, typer.Option(help="Property that sets errors apart, such as temperature.")
    ] = None,
    trust: TrustOption = False,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Errors of a model's energies, forces and stresses against labels; a killed run goes on where it was."""
    from hopkin.drivers.terminal import progress, show_evaluation
    from hopkin.drivers.workflows import evaluate as evaluate_labelled

    found = chosen_model(model, trust)
    with progress(f"{labelled.name}, {model}") as say:
        run = evaluate_labelled(labelled, found, out, group=group, say=say)
    show_evaluation(run, as_json=json)
