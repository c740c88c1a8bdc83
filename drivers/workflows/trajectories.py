"""Trajectories that are there already: which files are which run, and what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopkin.drivers.crystals import load_structure, mobile_ion, require_ion
from hopkin.drivers.engine import read_json, writing_to
from hopkin.drivers.errors import SpecificationError

if TYPE_CHECKING:
    from hopkin.analysis.trajectories import FloatArray, Trajectory

_FROM_DENSITY = "density"
_TRAJECTORIES = ("trajectory.dump.gz", "trajectory.dump")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to analyse beside the diffusivity."""

    sites: str | None = None
    posterior: bool = False
    density: bool = False
    vibrations: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryRun:
    """Files of one run that continue one another, none in a directory without, and what is known of it."""

    name: str
    files: tuple[Path, ...]
    ion: str | None
    temperature_K: float | None
    timestep_fs: float | None
    frame_interval_fs: float | None
    species: tuple[str, ...] = ()
    material: str | None = None
    model: str | None = None
    model_sha256: str | None = None
    failure: str | None = None


def find_trajectories(
    paths: Sequence[Path],
    *,
    ion: str | None,
    temperatures: Sequence[float],
    timestep_fs: float | None,
    frame_interval_fs: float | None,
    species: Sequence[str] = (),
) -> list[TrajectoryRun]:
    """Tell runs apart: every run directory is one, and so is every file where each has a temperature.

    A run directory says its ion, temperature and time step in run.json; what is passed goes before. Names
    that coincide get that of the folder before them.

    Raises
    ------
    SpecificationError
        If files and directories are mixed, temperatures do not match the runs, or one is given
        twice.
    """
    directories = [path for path in paths if path.is_dir()]
    if directories and any(path.is_file() for path in paths):
        raise SpecificationError("run directories and files together: pass the one or the other")
    apart = bool(directories) or len(temperatures) == len(paths)
    groups = [(path,) for path in paths] if apart else [tuple(paths)]
    if temperatures and len(temperatures) != len(groups):
        raise SpecificationError(
            f"{len(temperatures)} temperatures for {len(groups)} run(s): pass one -T for each, or none"
        )
    places = [group[0].resolve() for group in groups]
    names = [place.name for place in places]
    if len(set(names)) < len(names):
        names = [f"{place.parent.name}-{place.name}" for place in places]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SpecificationError(f"two runs are named {twice}: give each once, or rename a folder")
    runs = []
    for k, group in enumerate(groups):
        asked = read_json(group[0] / "run.json") or {}
        own = asked.get("specification", {})
        files = group
        if group[0].is_dir():
            files = tuple(file for name in _TRAJECTORIES if (file := group[0] / name).is_file())[:1]
        runs.append(
            TrajectoryRun(
                name=names[k],
                files=files,
                ion=ion or own.get("ion"),
                temperature_K=temperatures[k] if temperatures else own.get("temperature_K"),
                timestep_fs=timestep_fs if timestep_fs or frame_interval_fs else own.get("timestep_fs"),
                frame_interval_fs=frame_interval_fs,
                species=tuple(species),
                material=asked.get("material"),
                model=own.get("model"),
                model_sha256=asked.get("model_sha256"),
                failure=(read_json(group[0] / "result.json") or {}).get("failure"),
            )
        )
    return runs


def analyze_run(run: TrajectoryRun, options: Options, folder: Path | None) -> dict[str, Any]:
    """Analyse one run: the fields of its result; tables go to the folder.

    Raises
    ------
    SpecificationError
        If its directory holds no trajectory.
    """
    from hopkin.analysis.trajectories import read_trajectory
    from hopkin.analysis.transport import analyze, write_tables

    if not run.files:
        raise SpecificationError(
            f"{run.name} holds no {' or '.join(_TRAJECTORIES)}: it is no run of molecular dynamics"
        )
    trajectory = read_trajectory(
        run.files,
        timestep_fs=run.timestep_fs,
        frame_interval_fs=run.frame_interval_fs,
        species=run.species,
        with_velocities=options.vibrations,
    )
    ion = run.ion or mobile_ion(trajectory.species, run.name)
    result = analyze(
        trajectory,
        ion,
        temperature_K=run.temperature_K,
        sites=None if options.sites is None else _sites(options.sites, trajectory, ion),
        with_posterior=options.posterior,
    )
    if folder is not None:
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_tables(result, folder)
            if options.density:
                _write_density(trajectory, ion, folder)
            if options.vibrations:
                _write_vibrations(trajectory, folder)
    return {
        "run": run.name,
        "material": run.material,
        "model": run.model,
        "model_sha256": run.model_sha256,
        "ion": ion,
        "temperature_K": run.temperature_K,
        **result.as_dict(),
        "failure": run.failure,
    }


def _sites(source: str, trajectory: "Trajectory", ion: str) -> "FloatArray":
    """Sites of the ions in fractions of the cell: peaks of their density, or those of a structure."""
    from hopkin.analysis.transport import density_of_ions, find_sites, repeat_sites

    cell = trajectory.cells.mean(axis=0)
    if source == _FROM_DENSITY:
        return find_sites(density_of_ions(trajectory, ion), cell)
    atoms = load_structure(source).atoms
    require_ion(atoms, ion)
    of_ion = atoms.symbols == ion
    return repeat_sites(atoms.get_scaled_positions()[of_ion], atoms.cell.array, cell)


def _write_density(trajectory: "Trajectory", ion: str, folder: Path) -> None:
    from ase.data import atomic_numbers

    from hopkin.analysis.transport import density_of_ions, write_cube

    write_cube(
        folder / "density.cube",
        density_of_ions(trajectory, ion),
        trajectory.cells.mean(axis=0),
        trajectory.positions[0],
        [atomic_numbers[symbol] for symbol in trajectory.species.tolist()],
    )


def _write_vibrations(trajectory: "Trajectory", folder: Path) -> None:
    from hopkin.analysis.transport import density_of_states, write_density_of_states

    write_density_of_states(density_of_states(trajectory), folder / "vdos.csv")
