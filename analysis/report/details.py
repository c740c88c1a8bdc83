"""What the page shows of one run: its path in three dimensions, its curves, the end of its log."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ase.io
import numpy as np

from hopkin.analysis.comparison import Run
from hopkin.analysis.errors import ResultsError
from hopkin.analysis.trajectories import FloatArray
from hopkin.analysis.transport import read_table

_MOVES_A = 0.3  # atoms that move less along a path are drawn at one place
_MOST_ATOMS = 1000
_MOST_POINTS = 200
_LOG_BYTES, _LOG_LINES = 4096, 15
_FACTS = (
    *("failure", "evidence", "message", "ion", "mechanism", "hop", "path_length_A", "n_atoms", "n_ions"),
    *("barrier_eV", "forward_barrier_eV", "reverse_barrier_eV", "converged", "max_atom_force_eV_per_A"),
    *("temperature_K", "temperature_mean_K", "seed", "timestep_fs", "time_ps", "msd_A2_final"),
    *("diffusivity_cm2_per_s", "diffusivity_windowed_cm2_per_s", "diffusivity_std"),
    *("diffusivity_windowed_reason", "n_hops", "log_log_slope", "framework_msd_A2", "ns_per_day"),
    *("saddle_reference_energy_eV", "saddle_energy_eV", "saddle_normal_force_mae_eV_per_A"),
    *(
        "force_evaluations",
        "wall_s",
        "verified",
        "conservative",
        "model_sha256",
        "route",
        "evaluator",
        "lammps_version",
    ),
    *("activation_energy_eV", "believed_activation_energy_eV", "percolating_barriers_eV", "limiting_hops"),
    *("hops_as_bounds", "not_believed", "vacant_part", "rate_disagreement"),
    "hopkin_version",
)


def details_of(run: Run, link: str) -> dict[str, Any]:
    """Gather what the page shows of a run when it is opened.

    Parameters
    ----------
    link
        path of its directory from the page
    """
    parity = run.get("parity")
    facts = {name: value for name in _FACTS if (value := run.get(name)) is not None}
    if isinstance(parity, Mapping):
        facts["parity_force_eV_per_A"] = parity.get("force_difference_eV_per_A")
    return {
        "name": run.name,
        "link": link,
        "kind": run.kind,
        "state": run.state,
        "material": str(run.get("material") or run.name),
        "model": str(run.get("model") or ""),
        "title": _title(run),
        "facts": facts,
        "log": log_tail(run.directory),
        **(_band(run) if run.get("energies_eV") else {}),
        **(_kinetics(run) if run.get("bonds") else {}),
        **_tables(run.directory),
        "crystal": _crystal(run),
    }


def _title(run: Run) -> str:
    parts = [str(run.get("material") or run.name)]
    if run.get("hop_index") is not None:
        parts.append(f"hop {run.get('hop_index')}")
    if run.get("mechanism") not in (None, "vacancy"):
        parts.append(str(run.get("mechanism")))
    if run.get("temperature_K") is not None:
        parts.append(f"{run.get('temperature_K'):g} K")
    if (run.get("seed") or 1) != 1:
        parts.append(f"seed {run.get('seed')}")
    return ", ".join(parts)


def log_tail(directory: Path) -> str:
    """Last lines of LAMMPS's log; empty where there is none."""
    log = directory / "log.lammps"
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _LOG_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-_LOG_LINES:])


def _band(run: Run) -> dict[str, Any]:
    energies = run.get("energies_eV")
    coordinate = run.get("reaction_coordinate")
    if not coordinate or len(coordinate) != len(energies):
        coordinate = list(range(len(energies)))
    points, spline = run.get("spline_coordinate_A"), run.get("spline_energies_eV")
    curve = None
    if points and spline and coordinate[-1] == 1.0:
        curve = [_rounded(np.array(points) / points[-1]), _rounded(np.array(spline) - spline[0])]
    first = energies[0] if energies[0] is not None else np.nan
    relative = [None if energy is None else energy - first for energy in energies]
    return {"band": {"coordinate": coordinate, "energies_eV": relative, "curve": curve}}


def _kinetics(run: Run) -> dict[str, Any]:
    """Diffusivities over temperature, and the hops as lines between sites, each with its barrier."""
    names = (
        *("vacancy_diffusivity_cm2_per_s", "ion_diffusivity_cm2_per_s"),
        *("believed_low_cm2_per_s", "believed_high_cm2_per_s"),
    )
    cell, places = np.array(run.get("primitive_cell_A")), np.array(run.get("site_positions_A"))
    computed = [hop for hop in run.get("hops") if hop["frequency_from"] is not None]
    lines = []
    for hop, bonds in zip(computed, run.get("bonds"), strict=True):
        barrier = max(hop["forward_barrier_eV"], hop["reverse_barrier_eV"])
        for start, end, *image in bonds:
            ends = np.array([places[start], places[end] + np.array(image) @ cell])
            lines.append({"hop": hop["hop_index"], "barrier_eV": barrier, "ends": _rounded(ends, 3)})
    return {
        "kinetics": {
            "kelvin": run.get("temperatures_K"),
            "axes": run.get("axes"),
            **{name: run.get(name) for name in names},
        },
        "network": {"cell": _rounded(cell, 4), "sites": _rounded(places, 3), "lines": lines},
    }


def _tables(directory: Path) -> dict[str, Any]:
    """Thinned curves of molecular dynamics, where their tables are whole."""
    found = {}
    for name, keys in (
        ("msd", ("time_ps", "msd_windowed_A2", "msd_single_origin_A2")),
        ("rdf", ("r_A",)),
    ):
        with suppress(ResultsError, KeyError):
            table = read_table(directory / f"{name}.csv")
            if all(key in table for key in keys):
                step = max(1, len(table[keys[0]]) // _MOST_POINTS)
                found[name] = {column: _rounded(values[::step]) for column, values in table.items()}
    return found


def _crystal(run: Run) -> dict[str, Any] | None:
    """Atoms and cell, and along a path the places of those that move; None where no file has them."""
    band, start = run.directory / "path.extxyz", run.directory / "start.data"
    try:
        if band.is_file():
            frames: Any = ase.io.read(band, index=":")
        elif start.is_file():
            frames = ase.io.read(start, index=":", format="lammps-data")
        else:
            return None
    except Exception:  # readers raise whatever their format trips over; the run is shown without
        return None
    first = frames[0]
    if len(first) > _MOST_ATOMS:
        return None
    crystal: dict[str, Any] = {
        "symbols": first.get_chemical_symbols(),
        "positions": _rounded(first.positions, 3),
        "cell": _rounded(first.cell.array, 4),
    }
    if len(frames) > 1:
        places = np.array([frame.positions for frame in frames])
        inverse = np.linalg.inv(first.cell.array)
        fractional = (places - places[0]) @ inverse
        places = places - np.round(fractional) @ first.cell.array  # the nearest image, as paths are short
        moved = np.linalg.norm(places - places[0], axis=2).max(axis=0)
        crystal["moving"] = {
            str(atom): _rounded(places[:, atom], 3) for atom in np.flatnonzero(moved > _MOVES_A).tolist()
        }
    return crystal


def _rounded(values: FloatArray, digits: int = 5) -> list[Any]:
    """Plain numbers with so many significant or decimal places; what is no number is None."""
    rounded = np.round(np.asarray(values, dtype=np.float64), digits)
    listed = rounded.astype(object)
    listed[~np.isfinite(rounded)] = None
    return list(listed.tolist())
