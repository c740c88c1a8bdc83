"""The parity gate: LAMMPS and the model's own Python calculator must agree before a run is believed.

Forces and pressure are compared with finite differences of the energy, too: a wrong unit in both LAMMPS and
Python would pass a comparison of the two. Energies are compared with the golden one of the registry.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers import engine, models
from hopkin.drivers.crystals import build_material
from hopkin.drivers.engine import alone, read_json, write_json
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import Model, cache_directory, fetch, lammps_environment, sha256_of

# Single precision of an energy near -1000 eV and of forces near 10 eV/A; double is far below.
ENERGY_TOLERANCE_EV_PER_ATOM = 1e-5
FORCE_TOLERANCE_EV_PER_A = 1e-4
WIDEST_FORCE_TOLERANCE_EV_PER_A = 1e-3  # for a model whose own forces have less digits
STRESS_TOLERANCE_GPA = 1e-3
GOLDEN_TOLERANCE_EV_PER_ATOM = 1e-4
GRADIENT_TOLERANCE = 0.02  # of energies in single precision, 0.01 and 0.02 A apart
PRESSURE_TOLERANCE_GPA = 0.5  # the same, strains of 0.4 % apart; a wrong unit or sign is far beyond

_GOLDEN_MATERIAL = "LiFePO4-olivine"
_GOLDEN_ATOMS = 28
_GRADIENT_STEP_A = 0.01
_STRAIN = 0.002
_RATTLE_A = 0.05
_SHIFT_A = np.array([0.123, 0.057, 0.032])
_SPREAD = 2.0  # of two evaluations, each as far off as the shifted crystal
_POINT_S, _POINT_S_PER_ATOM = 600.0, 1.0  # a single point has ended by then: the slowest models on one core


class Parity(BaseModel):
    """Largest differences between LAMMPS and the model's own calculator on one configuration."""

    model_config = ConfigDict(frozen=True)

    formula: str = Field(description="composition of the rattled cell")
    energy_difference_eV_per_atom: float
    force_difference_eV_per_A: float = Field(description="largest over atoms and components")
    force_noise_eV_per_A: float = Field(
        description="by how much the calculator's own forces change when the crystal is shifted as a whole"
    )
    stress_difference_GPa: float = Field(description="largest over components")
    atomic_energies_difference_eV_per_atom: float | None = Field(
        description="mean of LAMMPS's atomic energies against its energy; None where the model has none"
    )
    golden_difference_eV_per_atom: float | None = Field(description="against the golden energy")
    pressure_difference_GPa: float = Field(
        description="pressure in LAMMPS against the central difference of the energy"
    )
    gradient_difference: float = Field(
        description="force along itself in LAMMPS against the central difference of the energy, relative"
    )
    conservative: bool = Field(description="the model's forces are meant to be the gradient of its energy")

    @property
    def force_tolerance(self) -> float:
        """Largest difference of forces that passes [eV/A]: more than usual where the model's own noise is."""
        wanted = max(FORCE_TOLERANCE_EV_PER_A, _SPREAD * self.force_noise_eV_per_A)
        return min(wanted, WIDEST_FORCE_TOLERANCE_EV_PER_A)

    @property
    def passed(self) -> bool:
        """Whether every difference is within its tolerance; NaN is not."""
        golden = self.golden_difference_eV_per_atom
        atomic = self.atomic_energies_difference_eV_per_atom
        return bool(
            self.energy_difference_eV_per_atom <= ENERGY_TOLERANCE_EV_PER_ATOM
            and self.force_difference_eV_per_A <= self.force_tolerance
            and np.isfinite(self.force_noise_eV_per_A)
            and self.stress_difference_GPa <= STRESS_TOLERANCE_GPA
            and (atomic is None or atomic <= ENERGY_TOLERANCE_EV_PER_ATOM)
            and (golden is None or golden <= GOLDEN_TOLERANCE_EV_PER_ATOM)
            and (not self.conservative or self.gradient_difference <= GRADIENT_TOLERANCE)
            and (not self.conservative or self.pressure_difference_GPa <= PRESSURE_TOLERANCE_GPA)
        )


def rattled(atoms: Atoms, *, seed: int = 1, amplitude_A: float = _RATTLE_A) -> Atoms:
    """Return a copy with every coordinate displaced by a normal deviate of width `amplitude_A` [A]."""
    copy = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell, pbc=True)
    copy.positions += np.random.default_rng(seed).normal(scale=amplitude_A, size=(len(copy), 3))
    return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePoint:
    """What LAMMPS says of a structure.

    Attributes
    ----------
    energy
        [eV]
    forces
        (n_atoms, 3) [eV/A]
    stress
        (6,) xx yy zz yz xz xy, positive under tension as in ASE [eV/A^3]
    atomic_energies
        (n_atoms,) [eV], or None where the model has none
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    atomic_energies: NDArray[np.float64] | None


def single_point(atoms: Atoms, model: Model, directory: Path) -> SinglePoint:
    """Evaluate a structure, in LAMMPS orientation, by the deck `single_point.in` in a directory."""
    elements = engine.elements_of(atoms)
    engine.write_structure(directory / "point.data", atoms, elements)
    deck = engine.write_deck(
        directory,
        "single_point",
        model,
        elements,
        title=f"Single point with {model.name}",
        name="point",
        atomic_energies=model.atomic_energies,
    )
    timeout_s = _POINT_S + _POINT_S_PER_ATOM * len(atoms)
    engine.run_deck(directory, deck, environment=lammps_environment(model), timeout_s=timeout_s)
    state = engine.read_fields(directory / "point.yaml", "energy_eV", "pressure_bar")
    return SinglePoint(
        energy=float(state["energy_eV"]),
        forces=engine.read_state(directory / "point.dump").arrays["forces"],
        stress=-np.array(state["pressure_bar"]) * 1e5 * units.Pascal,
        atomic_energies=(
            np.loadtxt(directory / "point.atomic.dump", skiprows=9, ndmin=2)[:, 1]
            if model.atomic_energies
            else None
        ),
    )


def verify(model: Model, atoms: Atoms, evidence: Path | None = None) -> Parity:
    """Compare LAMMPS with the model's own calculator on a rattled copy of a structure.

    Parameters
    ----------
    atoms
        a structure in LAMMPS orientation
    evidence
        file for the structure and what both say of it, written where they do not agree

    Raises
    ------
    ModelError
        when the model does not cover an element
    LammpsError
        when LAMMPS fails, or hangs
    """
    model.require_elements(atoms.get_chemical_symbols())
    shaken = rattled(atoms)
    shaken.wrap(eps=0)  # as LAMMPS does: in single precision, the digits of a model depend on it
    with tempfile.TemporaryDirectory(prefix="hopkin-parity-") as directory:
        lammps = single_point(shaken, model, Path(directory))
    # all atoms along their forces: the energy changes by the norm of the force
    norm = float(np.linalg.norm(lammps.forces))
    if not (np.isfinite(norm) and norm > 0):
        raise ModelError(f"model {model.name} is not usable on {shaken.symbols}: its forces are {norm} eV/A")
    step = _GRADIENT_STEP_A * lammps.forces / np.abs(lammps.forces).max()
    displaced = [_moved(shaken, part * step) for part in (1, -1, 0.5, -0.5)]
    strained = [_strained(shaken, _STRAIN), _strained(shaken, -_STRAIN)]
    there, shifted, forth, back, half_forth, half_back, large, small, *golden = own_results(
        model, [shaken, _shifted(shaken), *displaced, *strained, *_golden_structure(model)]
    )
    tension = (large["energy"] - small["energy"]) / (2 * _STRAIN) / shaken.get_volume() / 3
    # of fourth order: in a small cell, the second order is off by more than the tolerance
    whole, half = back["energy"] - forth["energy"], half_back["energy"] - half_forth["energy"]
    fall = (8 * half - whole) / (6 * float(np.linalg.norm(step)))
    expected = model.golden_energy_eV_per_atom
    parity = Parity(
        formula=shaken.get_chemical_formula(),
        energy_difference_eV_per_atom=abs(lammps.energy - there["energy"]) / len(shaken),
        force_difference_eV_per_A=float(np.abs(lammps.forces - there["forces"]).max()),
        force_noise_eV_per_A=float(np.abs(np.subtract(shifted["forces"], there["forces"])).max()),
        stress_difference_GPa=float(np.abs(lammps.stress - there["stress"]).max() / units.GPa),
        atomic_energies_difference_eV_per_atom=(
            abs(float(lammps.atomic_energies.sum()) - lammps.energy) / len(shaken)
            if lammps.atomic_energies is not None
            else None
        ),
        golden_difference_eV_per_atom=(
            None if expected is None else abs(golden[0]["energy"] / _GOLDEN_ATOMS - expected)
        ),
        pressure_difference_GPa=float(abs(tension - lammps.stress[:3].mean()) / units.GPa),
        gradient_difference=abs(fall - norm) / norm,
        conservative=model.conservative,
    )
    if evidence is not None and not parity.passed:
        ours = {"energy": lammps.energy, "forces": lammps.forces.tolist(), "stress": lammps.stress.tolist()}
        structure = {
            "symbols": str(shaken.symbols),
            "cell_A": shaken.cell.array.tolist(),
            "positions_A": shaken.positions.tolist(),
        }
        known = {"model": model.name, "structure": structure, "parity": parity.model_dump()}
        moved = {
            "displaced_eV": [forth["energy"], back["energy"]],
            "strained_eV": [large["energy"], small["energy"]],
        }
        write_json(evidence, {**known, "lammps": ours, "own": there | moved})
    return parity


def own_results(model: Model, structures: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Evaluate structures with the model's own ASE calculator, in its own environment.

    Returns
    -------
    list
        `energy` [eV], `forces` (n_atoms, 3) [eV/A], `stress` (6,) [eV/A^3] of each
    """
    asked = [
        {"numbers": a.numbers.tolist(), "positions": a.positions.tolist(), "cell": a.cell.array.tolist()}
        for a in structures
    ]
    python = model.interpreter()
    said: list[dict[str, Any]] = models.call(
        python, "evaluate", model=model.model_dump_json(), structures=asked, device="cpu"
    )
    return said


def _shifted(atoms: Atoms) -> Atoms:
    shifted = _moved(atoms, _SHIFT_A)
    shifted.wrap(eps=0)
    return shifted


def _moved(atoms: Atoms, step: NDArray[np.float64]) -> Atoms:
    moved: Atoms = atoms.copy()
    moved.positions += step
    return moved


def _strained(atoms: Atoms, strain: float) -> Atoms:
    strained: Atoms = atoms.copy()
    strained.set_cell((1 + strain) * atoms.cell.array, scale_atoms=True)
    return strained


def _golden_structure(model: Model) -> list[Atoms]:
    return [] if model.golden_energy_eV_per_atom is None else [build_material(_GOLDEN_MATERIAL)]


def ensure_parity(model: Model, atoms: Atoms, *, say: Callable[[str], None]) -> dict[str, object]:
    """Verify a model on a composition, unless these weights, LAMMPS and plugins have been on these elements.

    Returns
    -------
    dict
        the fields of `Parity`

    Raises
    ------
    ModelError
        when LAMMPS and the model's own calculator disagree
    """
    fetch(model, say=say)
    stamp = cache_directory() / "parity" / f"{_key(model, atoms)}.json"
    known = read_json(stamp, *Parity.model_fields)
    if known is not None:
        return known
    with alone(stamp):  # jobs that begin at the same time verify once
        known = read_json(stamp, *Parity.model_fields)
        if known is None:
            known = _passed(model, atoms, cache_directory() / "refused" / stamp.name, say=say)
            write_json(stamp, known)
    return known


def _passed(model: Model, atoms: Atoms, evidence: Path, *, say: Callable[[str], None]) -> dict[str, object]:
    say(f"verifying {model.name}: LAMMPS against its own calculator")
    parity = verify(model, atoms, evidence)
    model.require_unchanged()
    golden = parity.golden_difference_eV_per_atom
    if not parity.passed:
        raise ModelError(
            f"model {model.name} is not usable on {parity.formula}: LAMMPS and its own calculator"
            f" differ by {parity.energy_difference_eV_per_atom:.2g} eV/atom,"
            f" {parity.force_difference_eV_per_A:.2g} eV/A (accepted: {parity.force_tolerance:.2g}),"
            f" {parity.stress_difference_GPa:.2g} GPa;"
            f" forces and energies by {parity.gradient_difference:.1%},"
            f" pressure and energies by {parity.pressure_difference_GPa:.2g} GPa"
            + ("" if golden is None else f"; its golden energy is off by {golden:.2g} eV/atom")
            + f": what both say is in {evidence}"
        )
    return parity.model_dump()


def _key(model: Model, atoms: Atoms) -> str:
    """Hash of all that parity depends on: weights, their file, package, LAMMPS, hopkin, elements."""
    weights = model.sha256 if model.family == "ase" else model.checkpoint_sha256()
    parts = [model.name, weights, model.route, str(model.options), engine.lammps_version()]
    parts += [models.package_version(model.family), engine.hopkin_hash()]
    parts += [os.environ.get(name, "") for name in ("HOPKIN_LAMMPS", "LAMMPS_PLUGIN_PATH")]
    parts += sorted(set(atoms.get_chemical_symbols()))
    if model.route == "native":
        parts.append(sha256_of(model.exported()))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:20]
