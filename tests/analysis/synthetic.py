"""A campaign of hand-made runs whose metrics are known: planted numbers, real files."""

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase.spacegroup import crystal

from hopkin.analysis.transport.tables import write_table

SLOPE, BIAS = 0.8, -0.05
"""Computed barriers are SLOPE times the known ones, plus BIAS [eV], and the model's number times 0.01."""
R_A = np.linspace(0.05, 9.95, 100)
RDF_AREA_A = 0.2
"""Integral of the difference that each model's number brings."""
CHARGE_PER_KELVIN = 8.617333262e-5
HOPS_A = (3.0, 3.6, 4.5)
"""Of a vacancy, along the axes of the cell of one site."""
ABOVE_EV = (0.0, 0.1, 5.0)
"""Barriers of these, above `computed_energy`: along the last one nothing moves."""
ATTEMPTS_PER_S = 1e13
VACANT_PART = 0.01


def known_barrier(material: int) -> float:
    return 0.2 + 0.05 * material


def computed_barrier(model: int, material: int) -> float:
    return SLOPE * known_barrier(material) + BIAS + 0.01 * model


def known_diffusivity(material: int, kelvin: float) -> float:
    """Arrhenius's law of activation energy 0.2 + 0.02 n eV [cm^2/s]."""
    return float(1e-3 * np.exp(-known_energy(material) / (CHARGE_PER_KELVIN * kelvin)))


def known_energy(material: int) -> float:
    return 0.2 + 0.02 * material


def computed_energy(model: int, material: int) -> float:
    return known_energy(material) + 0.01 * (model + 1)


def computed_diffusivity(model: int, material: int, kelvin: float) -> float:
    return float(1e-3 * np.exp(-computed_energy(model, material) / (CHARGE_PER_KELVIN * kelvin)))


def vacancy_diffusivity(model: int, material: int, kelvin: float, axis: int) -> float:
    """Of one hop along an axis: length squared times rate [cm^2/s]."""
    barrier = computed_energy(model, material) + ABOVE_EV[axis]
    rate = ATTEMPTS_PER_S * np.exp(-barrier / (CHARGE_PER_KELVIN * kelvin))
    return float((HOPS_A[axis] * 1e-8) ** 2 * rate)


class Synthetic:
    """A folder of results with `campaign.json`.

    Parameters
    ----------
    root
        the folder, which is made
    models
        names
    n_barriers, n_runs
        materials with a barrier of each model, and materials that are run with each at 800 and 1200 K
    n_kinetics
        of the latter, the first so many have a diffusivity from hops, too
    n_failed
        of the barriers of the last model, the first so many have failed, each class in turn, without a number
    """

    def __init__(
        self,
        root: Path,
        models: tuple[str, ...],
        *,
        n_barriers: int = 0,
        n_runs: int = 0,
        n_kinetics: int = 0,
        n_failed: int = 0,
    ) -> None:
        self.root, self.models, self.jobs = root, models, []
        atoms = crystal(
            ("Na", "Cl"), [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.6] * 3 + [90] * 3
        )
        self.atoms = atoms.repeat((2, 2, 1))
        root.mkdir(parents=True, exist_ok=True)
        for material in range(n_barriers):
            for number in range(len(models)):
                last = number == len(models) - 1
                self._barrier(number, material, failed=last and material < n_failed)
        for material in range(n_runs):
            for kelvin in (800.0, 1200.0):
                self._run(None, material, kelvin)
                for number in range(len(models)):
                    self._run(number, material, kelvin)
        for material in range(n_kinetics):
            for number in range(len(models)):
                self._kinetics(number, material)
        (root / "campaign.json").write_text(json.dumps({"name": root.name, "jobs": self.jobs}))

    def _barrier(self, number: int, material: int, *, failed: bool) -> None:
        name, model = f"Na{material}-layered", self.models[number]
        barrier = computed_barrier(number, material)
        failure = ("type_I_divergence", "endpoint_drift")[material % 2] if failed else None
        result: dict[str, Any] = {
            "material": name,
            "ion": "Na",
            "hop": "Na0(a) -> Na1(a)  3.005 A x4",
            "hop_index": 0,
            "mechanism": "vacancy",
            "path_length_A": 3.0,
            "images": 3,
            "n_atoms": len(self.atoms),
            "model": model,
            "model_sha256": "ab" * 32,
            "converged": not failed,
            "barrier_eV": None if failed else barrier,
            "forward_barrier_eV": None if failed else barrier,
            "reverse_barrier_eV": None if failed else barrier,
            "failure": failure,
            "wall_s": 10.0 * (number + 1),
            "energies_eV": [-5.0, -5.0 + barrier / 2, -5.0 + barrier, -5.0 + barrier / 2, -5.0],
            "reaction_coordinate": [0.0, 0.25, 0.5, 0.75, 1.0],
            "max_atom_force_eV_per_A": 0.03,
            "force_evaluations": 120,
            "verified": True,
            "lammps_version": "22 Jul 2025",
        }
        directory = self._put(f"{name}-{model}", "barrier", result)
        frames = []
        for step in range(5):
            frame = self.atoms.copy()
            frame.positions[0] += np.array([2.8, 2.8, 0.0]) * step / 4
            frames.append(frame)
        ase.io.write(directory / "path.extxyz", frames)
        known = {
            "system": name,
            "barrier_eV": known_barrier(material),
            "functional": "PBE",
            "source": "10.1/x",
        }
        job = {"kind": "barrier", "material": name, "ion": "Na", "family": "layered", "mechanism": "vacancy"}
        self._job(directory, job | {"hop_index": 0, "model": model, "failure": failure, "reference": known})

    def _run(self, number: int | None, material: int, kelvin: float) -> None:
        """Of a model, or of the reference."""
        name, model = f"Na{material}PS4", "PBE" if number is None else self.models[number]
        diffusivity = known_diffusivity(material, kelvin)
        if number is not None:
            diffusivity = computed_diffusivity(number, material, kelvin)
        kind = "reference" if number is None else "md"
        times = np.linspace(0.0, 50.0, 101)
        msd = 6 * diffusivity * 1e4 * times
        result: dict[str, Any] = {
            "material": name,
            "ion": "Na",
            "model": model,
            "temperature_K": kelvin,
            "seed": 1,
            "timestep_fs": 2.0,
            "time_ps": 50.0,
            "n_ions": 16,
            "msd_A2_final": float(msd[-1]),
            "diffusivity_cm2_per_s": diffusivity,
            "diffusivity_windowed_cm2_per_s": diffusivity,
            "diffusivity_std": diffusivity / 10,
            "n_hops": 50.0,
            "failure": None,
            "wall_s": 100.0,
            "ns_per_day": 2.0 * ((number or 0) + 1),
            "verified": True,
        }
        directory = self._put(f"{name}-{model}-{kelvin:g}K", kind, result)
        (directory / "log.lammps").write_text("".join(f"{n} 0.1 800.0\n" for n in range(300)))
        names = ("time_ps", "msd_single_origin_A2", "msd_windowed_A2")
        write_table(directory / "msd.csv", names, np.column_stack([times, msd, msd]))
        peak = np.exp(-0.5 * ((R_A - 3.0) / 0.3) ** 2) / (0.3 * np.sqrt(2 * np.pi))
        write_table(
            directory / "rdf.csv",
            ("r_A", "Na-Na", "Na-S"),
            np.column_stack([R_A, peak, peak * (1 + RDF_AREA_A * (0 if number is None else number + 1))]),
        )
        ase.io.write(directory / "start.data", self.atoms, format="lammps-data", masses=True)
        known = {
            "material": name,
            "temperature_K": kelvin,
            "trajectory": ["aimd.extxyz"],
            "functional": "PBE",
        }
        job = {
            "kind": kind,
            "material": name,
            "ion": "Na",
            "model": model,
            "failure": None,
            "reference": known,
        }
        self._job(directory, job)

    def _kinetics(self, number: int, material: int) -> None:
        name, model = f"Na{material}PS4", self.models[number]
        kelvin = [300.0, 800.0, 1200.0]
        vacancy = [[vacancy_diffusivity(number, material, t, axis) for axis in range(3)] for t in kelvin]
        barriers = [computed_energy(number, material) + above for above in ABOVE_EV]
        result: dict[str, Any] = {
            "material": name,
            "ion": "Na",
            "model": model,
            "temperatures_K": kelvin,
            "axes": ["a", "b", "c"],
            "vacant_part": VACANT_PART,
            "vacancy_tensors_cm2_per_s": [np.diag(row).tolist() for row in vacancy],
            "vacancy_diffusivity_cm2_per_s": vacancy,
            "ion_diffusivity_cm2_per_s": (VACANT_PART * np.array(vacancy)).tolist(),
            "believed_low_cm2_per_s": (np.array(vacancy) / 10).tolist(),
            "believed_high_cm2_per_s": (np.array(vacancy) * 10).tolist(),
            "activation_energy_eV": barriers,
            "site_positions_A": [[0.0, 0.0, 0.0]],
            "primitive_cell_A": np.diag(HOPS_A).tolist(),
            "bonds": [[[0, 0, *image]] for image in np.eye(3, dtype=int).tolist()],
            "hops": [
                {
                    "hop_index": n,
                    "forward_barrier_eV": barrier,
                    "reverse_barrier_eV": barrier,
                    "frequency_from": "harmonic",
                }
                for n, barrier in enumerate(barriers)
            ],
            "failure": None,
        }
        job = {"kind": "kinetics", "material": name, "ion": "Na", "model": model, "failure": None}
        self._job(self._put(f"{name}-{model}-kinetics", "kinetics", result), job)

    def _put(self, name: str, kind: str, result: dict[str, Any]) -> Path:
        directory = self.root / name
        directory.mkdir()
        asked = {"kind": kind, "hopkin_version": "0.1.0", "structure": {"symbols": str(self.atoms.symbols)}}
        (directory / "run.json").write_text(json.dumps(asked))
        (directory / "result.json").write_text(json.dumps(result))
        return directory

    def _job(self, directory: Path, job: dict[str, Any]) -> None:
        self.jobs.append(
            {"id": f"{len(self.jobs):012x}", "directory": directory.name, "message": None, **job}
        )
