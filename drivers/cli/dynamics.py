"""`hopkin md`, `analyze`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hopkin.drivers.cli.options import (
    IonOption,
    JsonOption,
    ModelOption,
    OutOption,
    StructureArgument,
    TrustOption,
    VerifyOption,
    chosen_model,
    each,
    raise_together,
)


def md(
    structure: StructureArgument,
    model: ModelOption,
    temperature: Annotated[
        list[float], typer.Option("-T", "--temperature", help="Temperature [K]; repeatable.")
    ],
    ion: IonOption = None,
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
    from hopkin.drivers.structures import load_structure, mobile_ion
    from hopkin.drivers.workflows.dynamics import run_md

    found, loaded = chosen_model(model, trust), load_structure(structure)
    ion = ion or mobile_ion(loaded.atoms.symbols, loaded.material)
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
    runs, errors = each(
        (
            f"{loaded.material} at {specification.temperature_K:g} K, {model}",
            partial(run_md, loaded, found, specification, out, verify=verify),
        )
        for specification in specifications
    )
    terminal.show_dynamics(runs, as_json=json)
    raise_together(errors)


def analyze(
    trajectory: Annotated[
        list[Path], typer.Argument(help="Trajectory files that continue one another, or a run directory.")
    ],
    ion: IonOption = None,
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
    from hopkin.drivers.structures import mobile_ion

    files = [path / "trajectory.dump" if path.is_dir() else path for path in trajectory]
    frames = read_trajectory(files, timestep_fs=timestep_fs, frame_interval_fs=frame_interval_fs)
    ion = ion or mobile_ion(frames.species, "the trajectory")
    result = analyze_trajectory(frames, ion)
    if out is not None:
        with writing_to(out):
            out.mkdir(parents=True, exist_ok=True)
            write_tables(result, out)
    fields: dict[str, Any] = {"ion": ion, "temperature_K": temperature, **result.as_dict()}
    terminal.show_fields(fields, as_json=json)
