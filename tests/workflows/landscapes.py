"""Analytic potentials as ASE calculators, whose answers are known: `ase:.../landscapes.py:NAME`."""

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

WELL_EV = 0.4
"""Half the difference between top and bottom of a symmetric `TwoWells`."""
TILT_EV = 0.3
"""How much the second well lies above the first."""
SPRING_EV_PER_A2 = 2.0


class Landscape(Calculator):
    """Energy of each atom by its place in the box alone; no stress."""

    implemented_properties: ClassVar[list[str]] = ["energy", "energies", "forces", "stress"]

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        energies, forces = self.evaluate(self.atoms)
        self.results = {
            "energy": float(energies.sum()),
            "energies": energies,
            "forces": forces,
            "stress": np.zeros(6),
        }

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        """(n_atoms,) energies [eV] and (n_atoms, 3) forces [eV/A]."""
        raise NotImplementedError


class TwoWells(Landscape):
    """Lithium in two wells along x, at 0 and at half the box, the second higher; harmonic across.

    V(s) = A (1 - cos 4 pi s) + B (1 - cos 2 pi s)/2 at s = x/L. Other elements feel nothing.
    """

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = np.zeros(len(atoms)), np.zeros((len(atoms), 3))
        length = atoms.cell[0, 0]
        ions = atoms.symbols == "Li"
        angle = 2 * np.pi * atoms.positions[ions, 0] / length
        across = atoms.positions[ions, 1:] - atoms.cell.array.diagonal()[1:] / 2
        energies[ions] = (
            WELL_EV * (1 - np.cos(2 * angle))
            + TILT_EV * (1 - np.cos(angle)) / 2
            + SPRING_EV_PER_A2 / 2 * (across**2).sum(axis=1)
        )
        forces[ions, 0] = (
            -2 * np.pi / length * (2 * WELL_EV * np.sin(2 * angle) + TILT_EV / 2 * np.sin(angle))
        )
        forces[ions, 1:] = -SPRING_EV_PER_A2 * across
        return energies, forces


SADDLE = float(np.arccos(-TILT_EV / (8 * WELL_EV)) / (2 * np.pi))
"""Where the saddle of `TwoWells` lies, as a fraction of the box: V'(s) = 0."""
FORWARD_EV = float(
    WELL_EV * (1 - np.cos(4 * np.pi * SADDLE)) + TILT_EV * (1 - np.cos(2 * np.pi * SADDLE)) / 2
)
"""Its barrier seen from the first well."""


class Bow(TwoWells):
    """The same, but that the straight way leads over a ridge: + B sin^2(2 pi s) (u^4 - 2 u^2), u = y/b."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        ions, length = atoms.symbols == "Li", atoms.cell[0, 0]
        angle = 2 * np.pi * atoms.positions[ions, 0] / length
        y = atoms.positions[ions, 1] - atoms.cell[1, 1] / 2
        energies[ions] += bow(angle / (2 * np.pi), y)
        u = y / BOW_WIDTH_A
        forces[ions, 0] -= BOW_EV * np.sin(2 * angle) * 2 * np.pi / length * (u**4 - 2 * u**2)
        forces[ions, 1] -= BOW_EV * np.sin(angle) ** 2 * 4 * (u**3 - u) / BOW_WIDTH_A
        return energies, forces


BOW_EV = 0.8
BOW_WIDTH_A = 0.8


def bow(s: Any, y: Any) -> Any:
    """What `Bow` adds [eV], at a fraction of the box and a distance from its axis [A]."""
    u = y / BOW_WIDTH_A
    return BOW_EV * np.sin(2 * np.pi * s) ** 2 * (u**4 - 2 * u**2)


def bow_valley(s: float) -> float:
    """Energy [eV] of `Bow` in the valley beside its axis."""
    y = np.linspace(0, 1, 2001)
    straight = WELL_EV * (1 - np.cos(4 * np.pi * s)) + TILT_EV * (1 - np.cos(2 * np.pi * s)) / 2
    return float(straight + (SPRING_EV_PER_A2 / 2 * y**2 + bow(s, y)).min())


class Pockets(TwoWells):
    """The same with a shallow pocket on a hump amid each well: B (1 + 2 u^2) exp(-u^2) at u = x/w from it."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        ions, length = atoms.symbols == "Li", atoms.cell[0, 0]
        x = atoms.positions[ions, 0]
        u = (x - length / 2 * np.round(2 * x / length)) / POCKET_WIDTH_A
        energies[ions] += pocket(u)
        forces[ions, 0] -= POCKET_EV * np.exp(-(u**2)) * 2 * u * (1 - 2 * u**2) / POCKET_WIDTH_A
        return energies, forces


POCKET_EV = 0.6
POCKET_WIDTH_A = 0.25


def pocket(u: Any) -> Any:
    """Energy [eV] of a pocket of `Pockets`, by the distance from its middle in its widths."""
    return POCKET_EV * np.exp(-(u**2)) * (1 + 2 * u**2)


class Swells(TwoWells):
    """The same, but that a band whose time step is 4 fs finds its energies to grow with every step."""

    evaluations = 0

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        deck = Path("neb.in")
        if deck.is_file() and "timestep        0.004\n" in deck.read_text():
            self.evaluations += 1
            energies *= 1 + 0.5 * self.evaluations
            forces *= 1 + 0.5 * self.evaluations
        return energies, forces


class Abyss(TwoWells):
    """The same with no number on the way from one well to the other."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        fraction = atoms.positions[:, 0] / atoms.cell[0, 0] % 1.0
        lost = (atoms.symbols == "Li") & (fraction > 0.1) & (fraction < 0.4)
        energies[lost] = forces[lost] = np.nan
        return energies, forces


class Pit(TwoWells):
    """The same with no number at the bottom of the second well."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        fraction = atoms.positions[:, 0] / atoms.cell[0, 0] % 1.0
        lost = (atoms.symbols == "Li") & (fraction > 0.45) & (fraction < 0.55)
        energies[lost] = forces[lost] = np.nan
        return energies, forces


class Fades(TwoWells):
    """The same, with no number from the 40th evaluation of a process on."""

    evaluations = 0

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        self.evaluations += 1
        if self.evaluations >= 40:
            energies[:] = forces[:] = np.nan
        return energies, forces


class Hasty(TwoWells):
    """The same, which no band survives whose time step is 4 fs: it reads the deck that it runs in."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        deck = Path("neb.in")
        if deck.is_file() and "timestep        0.004\n" in deck.read_text():
            energies[:] = forces[:] = np.nan
        return energies, forces


class Steady(TwoWells):
    """The same, which a band survives only with a time step of 4 fs: it reads the deck that it runs in."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        deck = Path("neb.in")
        if deck.is_file() and "timestep        0.004\n" not in deck.read_text():
            energies[:] = forces[:] = np.nan
        return energies, forces


class Ridge(Landscape):
    """Lithium in five wells along x, `RIDGE_TILT_EV` deeper halfway; harmonic across.

    V(s) = A (1 - cos 10 pi s) - B (1 - cos 2 pi s)/2 at s = x/L.
    """

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = np.zeros(len(atoms)), np.zeros((len(atoms), 3))
        length = atoms.cell[0, 0]
        ions = atoms.symbols == "Li"
        s = atoms.positions[ions, 0] / length
        across = atoms.positions[ions, 1:] - atoms.cell.array.diagonal()[1:] / 2
        energies[ions] = ridge(s) + SPRING_EV_PER_A2 / 2 * (across**2).sum(axis=1)
        slope = 5 * WELL_EV * np.sin(10 * np.pi * s) - RIDGE_TILT_EV / 2 * np.sin(2 * np.pi * s)
        forces[ions, 0] = -2 * np.pi / length * slope
        forces[ions, 1:] = -SPRING_EV_PER_A2 * across
        return energies, forces


RIDGE_TILT_EV = 0.2


def ridge(s: Any) -> Any:
    """Energy [eV] of `Ridge` at a fraction of the box, on its axis."""
    return WELL_EV * (1 - np.cos(10 * np.pi * s)) - RIDGE_TILT_EV * (1 - np.cos(2 * np.pi * s)) / 2


class ScarceRidge(Ridge):
    """The same, too large for the accelerator with seven images: it looks at the files beside it."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        if Path("image_8.data").is_file():
            raise RuntimeError("out of memory on the accelerator")
        return super().evaluate(atoms)


class Crowd(TwoWells):
    """The same with helium halfway, on a spring, that repels lithium by 6 eV (1 - r/2 A)^2 within 2 A."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        (ion,), (helium,) = (np.flatnonzero(atoms.symbols == symbol) for symbol in ("Li", "He"))
        moved = atoms.positions[helium] - np.array([0.25, 0.5, 0.5]) @ atoms.cell.array
        apart = atoms.positions[ion] - atoms.positions[helium]
        distance = float(np.linalg.norm(apart))
        energies[helium] = HELIUM_SPRING_EV_PER_A2 / 2 * moved @ moved
        forces[helium] = -HELIUM_SPRING_EV_PER_A2 * moved
        if 0.0 < distance < 2.0:
            push = CROWD_EV * (1 - distance / 2.0) * apart / distance
            energies[ion] += CROWD_EV * (1 - distance / 2.0) ** 2
            forces[ion] += push
            forces[helium] -= push
        return energies, forces


HELIUM_SPRING_EV_PER_A2 = 20.0
CROWD_EV = 6.0


class Refusal(TwoWells):
    """Cannot say anything once the lithium is on its way."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        if 1.5 < atoms.positions[atoms.symbols == "Li", 0].max() < 2.5:
            raise RuntimeError("out of memory on the accelerator")
        return energies, forces


class Crash(TwoWells):
    """Takes its process with it once the lithium is on its way."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        if 1.5 < atoms.positions[atoms.symbols == "Li", 0].max() < 2.5:
            os.abort()
        return super().evaluate(atoms)


class EggBox(Landscape):
    """Every atom in its own well of depth 2 eV around the sites of a cubic lattice of constant 3 A.

    The lattice goes with the box: there is no stress.
    """

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        edges = atoms.cell.array.diagonal()
        wave = 2 * np.pi * np.round(edges / 3.0) / edges
        depth = 1.0
        energies = depth * (1 - np.cos(wave * atoms.positions)).sum(axis=1)
        return energies, -depth * wave * np.sin(wave * atoms.positions)


class Blast(EggBox):
    """The same in a wind that grows to 2^24 eV/A by time steps of 4 fs: it reads the deck that it runs in."""

    evaluations = 0

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        energies, forces = super().evaluate(atoms)
        deck = Path("relax.in")
        hasty = deck.is_file() and "timestep        0.004\n" in deck.read_text()
        if hasty:
            self.evaluations += 1
            forces[:, 0] += 2.0 ** min(self.evaluations, 24)
        return energies, forces


class Balloon(EggBox):
    """The same under a pressure of 5 GPa, whatever its volume."""

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results["stress"] = np.array([-5.0, -5.0, -5.0, 0.0, 0.0, 0.0]) * units.GPa


class NoisyCopper(EMT):
    """Copper in effective medium theory, its energy rounded to 0.05 eV: no line search finds a way down."""

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        for name in ("energy", "free_energy"):
            self.results[name] = round(self.results[name] / 0.05) * 0.05


class SlowEggBox(EggBox):
    """The same, slow enough to be interrupted."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.01)
        return super().evaluate(atoms)


class SlowTwoWells(TwoWells):
    """The same, slow enough to be interrupted."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.008)
        return super().evaluate(atoms)


class SlowVoid(Landscape):
    """Nothing at all, slow enough to be watched."""

    def evaluate(self, atoms: Any) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.005)
        return np.zeros(len(atoms)), np.zeros((len(atoms), 3))
