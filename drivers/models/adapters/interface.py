"""What the module of a family offers, and the interface between the LAMMPS bridge and a model in Python.

The module of a family, `adapters/FAMILY.py`, is imported in that family's environment alone, and has

    calculator(model, *, device) -> Calculator   of ASE, the package's own: what LAMMPS has to agree with
    facts(path) -> dict                          what a checkpoint says of itself: elements, and where it does
                                                 cutoff_A, layers, options, conservative
    adapter(model, *, device) -> Adapter         where the bridge can do better than the calculator
    export(model, path) -> None                  where the family has a native pair style: its file

The first two are needed.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model says of one configuration.

    Attributes
    ----------
    energy
        total energy [eV]
    atomic_energies
        (n_atoms,) energies [eV] whose sum is `energy`, or None where the model has none
    forces
        (n_atoms, 3) forces, -dE/dr [eV/A]
    virial
        (3, 3) -dE/d(strain) = -stress * volume [eV]
    """

    energy: float
    atomic_energies: FloatArray | None
    forces: FloatArray
    virial: FloatArray


class Adapter(Protocol):
    """A loaded model."""

    def __str__(self) -> str:
        """One line for the log: name, precision, device."""

    def evaluate(self, *, positions: FloatArray, cell: FloatArray, numbers: NDArray[np.int64]) -> Evaluation:
        """Evaluate a configuration that is periodic in three dimensions.

        Parameters
        ----------
        positions
            (n_atoms, 3) positions, not necessarily wrapped [A]
        cell
            (3, 3) rows are the cell vectors [A]
        numbers
            (n_atoms,) atomic numbers; the atoms keep their order from one call to the next
        """
        ...
