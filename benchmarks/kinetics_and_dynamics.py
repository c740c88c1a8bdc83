"""Diffusivity of a vacancy by the rates of its hops, beside dynamics of the same model with one vacancy.

    python -m benchmarks.kinetics_and_dynamics LiFePO4-olivine --repeats 1 2 2 --model sevennet-0 \\
        -T 800 -T 1200 --time-ps 20

adds its rows to benchmarks/results/kinetics_and_dynamics.csv and writes the page beside it. Only what is
missing is computed; runs are kept in --out.

In dynamics, hops of the vacancy are counted: arrivals of ions at the vacant site. With the displacements d
of n of them in the time t, D = sum d^2 / 2t along an axis if they were independent, times (1 + c) / (1 - c)
with the mean cosine c of successive ones if each remembers the last (on a lattice of equivalent sites).
In a superionic crystal there is no vacancy to count, as many ions are between sites. The diffusivity of the
ions by their MSD stands beside that from hops at the same number of vacancies in both cases; in a chain ions
cannot pass each other, and hops give none.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase.units import kB

from benchmarks.page import COMMIT, RESULTS, read_table, table, write_page
from hopkin.analysis.trajectories import read_trajectory
from hopkin.analysis.transport.sites import site_of_ions
from hopkin.analysis.transport.transport import framework_drift
from hopkin.drivers.crystals import Structure, load_structure, mobile_ion, supercell
from hopkin.drivers.models import fetch, find_model
from hopkin.drivers.specification import KineticsSpecification, MDSpecification
from hopkin.drivers.workflows import run_kinetics, run_md
from hopkin.drivers.workflows.from_hops import TYPICAL_THZ

NAME = "kinetics_and_dynamics"
CM2_PER_S = 1e-4  # of A^2/ps
ROOM_K = 300.0
_LEAST_CM2_PER_S = 1e-20  # below it nothing moves
_SEEN_CM2_PER_S = 1e-8  # 0.08 A in 30 ps
_LEAST_AT_SITES = 0.8  # of the ions: with fewer there is no vacancy to count
_LEAST_JUMPS = 5  # fewer say nothing of a diffusivity


def vacancy_jumps(at: np.ndarray, sites: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(n_jumps, 3) displacements of the vacancy [A], from (n_frames, n_ions) sites, -1 between them."""
    last = at[0].copy()
    assert len(set(last)) == len(last) == len(sites) - 1, "one vacancy, and all ions at sites"
    (vacant,) = set(range(len(sites))) - set(last)
    jumps = []
    for frame in at[1:]:
        arrived = np.flatnonzero(frame == vacant)  # who else moves waits for the next vacancy
        while len(arrived):
            left, last[arrived[0]] = last[arrived[0]], vacant
            move = sites[left] - sites[vacant]
            images = np.array(list(np.ndindex(3, 3, 3))) - 1
            moves = (move - np.rint(move) + images) @ cell
            jumps.append(moves[np.linalg.norm(moves, axis=1).argmin()])
            vacant = left
            arrived = np.flatnonzero((frame == vacant) & (last != vacant))
    return np.array(jumps).reshape(-1, 3)


def dynamics(
    crystal: Structure,
    repeats: tuple[int, int, int],
    name: str,
    kelvin: float,
    args: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Diffusivities of the vacancy along the axes, from one run."""
    model, ion = find_model(name), mobile_ion(crystal.atoms.symbols, crystal.material)
    whole = supercell(crystal.atoms, repeats)
    ions = np.flatnonzero(whole.symbols == ion)
    sites = whole.get_scaled_positions()[ions]
    del whole[ions[0]]
    structure = Structure(atoms=whole, material=f"{crystal.material}-vacancy", source=crystal.source)
    asked = MDSpecification(
        model=model.name, ion=ion, temperature_K=kelvin, time_ps=args.time_ps, frame_interval_fs=20.0
    )
    run, result = run_md(structure, model, asked, args.out, say=print)
    trajectory = read_trajectory(run.path / "trajectory.dump.gz", timestep_fs=asked.timestep_fs)
    drift = framework_drift(trajectory, ion)
    positions = trajectory.positions[:, trajectory.species == ion] - drift[:, None]
    at = site_of_ions(positions, trajectory.cells, sites)
    cell = trajectory.cells.mean(axis=0)
    settled = (at >= 0).all(axis=1) & np.array([len(set(frame)) == len(frame) for frame in at])
    at_sites, first = np.mean(at >= 0), int(np.argmax(settled))
    countable = settled.any() and at_sites > _LEAST_AT_SITES
    jumps = vacancy_jumps(at[first:], sites, cell) if countable else None
    time_ps = trajectory.times_ps[-1] - trajectory.times_ps[first]
    rows = []
    for axis, vector in zip("abc", cell, strict=True):
        unit = vector / np.linalg.norm(vector)
        row: dict[str, Any] = dict.fromkeys(("ions, dynamics", "jumps", "dynamics", "cosine"))
        row |= {"axis": axis, "at sites": at_sites, "failure": result["failure"]}
        if result["diffusivity_tensor_cm2_per_s"] is not None:
            row["ions, dynamics"] = unit @ np.array(result["diffusivity_tensor_cm2_per_s"]) @ unit
        if jumps is not None:
            along, row["jumps"] = jumps @ unit, len(jumps)
            if len(jumps) >= _LEAST_JUMPS and np.any(along):
                last, this = along[:-1], along[1:]
                cosine = 2 * (last @ this) / (last @ last + this @ this)
                free = (along @ along) / (2 * time_ps)
                row["dynamics"] = free * (1 + cosine) / (1 - cosine) * CM2_PER_S
                row["cosine"] = cosine
        rows.append(row)
    return rows


def hops(crystal: Structure, name: str, kelvin: list[float], args: argparse.Namespace) -> dict[str, Any]:
    """Result of `hopkin kinetics`."""
    model, ion = find_model(name), mobile_ion(crystal.atoms.symbols, crystal.material)
    asked = KineticsSpecification(
        model=model.name,
        ion=ion,
        temperatures_K=tuple(kelvin),
        max_length_A=args.max_length,
        min_image_distance_A=args.image_distance,
    )
    return run_kinetics(crystal, model, asked, args.out, say=print)[1]


def jumps_per_ps(found: dict[str, Any], n: int, kelvin: float) -> float:
    """Rate at which a vacancy leaves the site where it is, the mean over sites [1/ps]."""
    computed = [hop for hop in found["hops"] if hop["frequency_from"] is not None]
    total, weights = 0.0, found["site_weights"][n]
    for hop, bonds in zip(computed, found["bonds"], strict=True):
        barriers = hop["forward_barrier_eV"], hop["reverse_barrier_eV"]
        there, back = (hop["attempt_frequency_THz"] or TYPICAL_THZ) * np.exp(
            -np.array(barriers) / (kB * kelvin)
        )
        total += sum(there * weights[start] + back * weights[end] for start, end, *_ in bonds)
    return total


def rows_of(material: str, model: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of a material with a model: of each temperature and axis."""
    crystal, temperatures = load_structure(material), [ROOM_K, *args.temperature]
    fetch(find_model(model))
    found = hops(crystal, model, temperatures, args)
    ions = (crystal.atoms.symbols == found["ion"]).sum() * np.prod(args.repeats) - 1  # and one vacancy
    as_in_dynamics = (1 / ions) / (found["vacant_part"] / (1 - found["vacant_part"]))
    rows = []
    for n, kelvin in enumerate(temperatures):
        counted: list[dict[str, Any]] = [{"axis": axis} for axis in "abc"]
        if kelvin != ROOM_K:
            counted = dynamics(crystal, tuple(args.repeats), model, kelvin, args)
        for axis, by_dynamics in enumerate(counted):
            row = {"material": material, "model": model, "T [K]": kelvin, **by_dynamics}
            row["hops"] = found["vacancy_diffusivity_cm2_per_s"][n][axis]
            row["E_a [eV]"] = found["activation_energy_eV"][axis]
            of_ions = found["ion_diffusivity_cm2_per_s"][n][axis]
            row["ions, hops"] = None if of_ions is None else as_in_dynamics * of_ions
            row["expected"] = args.time_ps * jumps_per_ps(found, n, kelvin)
            for end in ("low", "high"):
                believed = found[f"believed_{end}_cm2_per_s"]
                row[f"believed {end}"] = believed and believed[n][axis]
            row["frequencies"] = ", ".join(sorted({str(hop["frequency_from"]) for hop in found["hops"]}))
            rows.append(row | {"time [ps]": args.time_ps, "commit": COMMIT})
    return rows


def page(rows: pd.DataFrame) -> str:
    """Tables: of all temperatures where dynamics ran, and of room temperature."""
    rows = rows[(rows.hops > _LEAST_CM2_PER_S) | (rows["ions, dynamics"] > _LEAST_CM2_PER_S)].copy()
    counted, measured = rows.jumps.notna(), rows["ions, dynamics"].notna()
    fast = (rows.hops > _SEEN_CM2_PER_S) | (rows["ions, dynamics"] > _SEEN_CM2_PER_S)
    rows["dynamics/hops"] = rows.dynamics / rows.hops
    for name in ("hops", "dynamics", "believed low", "believed high", "ions, hops", "ions, dynamics"):
        rows[name] = rows[name].map("{:.1e}".format, na_action="ignore")
    for name in ("dynamics/hops", "cosine", "E_a [eV]", "at sites"):
        rows[name] = rows[name].map("{:.2f}".format, na_action="ignore")
    rows["expected"] = rows.expected.map("{:.1f}".format, na_action="ignore")
    rows["jumps"] = rows.jumps.map("{:.0f}".format, na_action="ignore")
    keys = ["material", "model", "T [K]", "axis", "hops"]
    at_room = [*keys, "believed low", "believed high", "E_a [eV]", "frequencies", "commit"]
    beside = [*keys, "dynamics", "dynamics/hops", "jumps", "expected", "cosine", "time [ps]", "failure"]
    of_ions = [*keys[:-1], "ions, hops", "ions, dynamics", "at sites", "time [ps]", "failure", "commit"]
    cold = rows["T [K]"] == ROOM_K
    seen = ~cold & fast

    return "\n".join(
        [
            "Diffusivities in cm2/s, of a vacancy where nothing else is said.\n",
            "## At room temperature\n",
            table(rows[cold][at_room], 0),
            "## Beside dynamics\n",
            table(rows[seen & counted][beside], 0),
            "## Of the ions, with one vacancy in the cell of the dynamics\n",
            table(rows[seen & measured][of_ions], 0),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("material")
    parser.add_argument("--model", required=True)
    parser.add_argument("--repeats", type=int, nargs=3, required=True, help="of the cell, in dynamics")
    parser.add_argument("-T", "--temperature", type=float, action="append", required=True)
    parser.add_argument("--time-ps", type=float, default=20.0)
    parser.add_argument("--max-length", type=float, default=5.0)
    parser.add_argument("--image-distance", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    file = RESULTS / f"{NAME}.csv"
    rows = pd.DataFrame(rows_of(args.material, args.model, args))
    if file.is_file():
        old = read_table(file)
        rows = pd.concat([old[(old.material != args.material) | (old.model != args.model)], rows])
    rows.to_csv(file, index=False)
    write_page(NAME, "From hops and from dynamics", f"`python -m benchmarks.{NAME}`", page(rows))
    print(page(rows))


if __name__ == "__main__":
    main()
