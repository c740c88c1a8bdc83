"""What the module of a family offers, and the interface between the evaluation service and a model.

The module of a family, `adapters/FAMILY.py`, is imported in that family's environment alone, and has

    calculator(model, *, device) -> Calculator   of ASE, the package's own: what LAMMPS has to agree with
    facts(path) -> dict                          what a checkpoint says of itself: elements, and where it does
                                                 cutoff_A, layers, options, conservative
    adapter(model, *, device) -> Adapter         where the service can do better than the calculator
    export(model, path) -> str | None            where the family has a native pair style: its file; and what
                                                 the user has to know of it

The first two are needed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a model is asked for: a crystal that is periodic in three dimensions.

    Attributes
    ----------
    positions
        (n_atoms, 3) positions, not necessarily wrapped [A]
    cell
        (3, 3) rows are the cell vectors [A]
    numbers
        (n_atoms,) atomic numbers
    """

    positions: FloatArray
    cell: FloatArray
    numbers: NDArray[np.int64]


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


class Adapter(ABC):
    """A loaded model."""

    @abstractmethod
    def __str__(self) -> str:
        """One line for the log: name and precision."""

    @abstractmethod
    def evaluate(self, configuration: Configuration) -> Evaluation:
        """Evaluate a configuration."""

    def prepare(self, numbers: Sequence[int]) -> None:  # noqa: B027  most have nothing to do
        """Have ready what takes time, before the first crystal of these atomic numbers comes."""

    def evaluate_batch(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations that wait at the same time."""
        return [self.evaluate(configuration) for configuration in configurations]


class BatchingAdapter(Adapter):
    """A loaded model whose package can evaluate several configurations together.

    On a CPU they are evaluated one by one, so that each gets the same numbers to the last bit in whatever
    company; on a GPU together, which changes the order of sums.
    """

    _device: str

    @abstractmethod
    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch."""

    def evaluate(self, configuration: Configuration) -> Evaluation:
        """Evaluate a configuration: a batch of one."""
        (evaluation,) = self.evaluate_together([configuration])
        return evaluation

    def evaluate_batch(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations that wait at the same time."""
        if self._device == "cpu" or len(configurations) == 1:
            return super().evaluate_batch(configurations)
        return self.evaluate_together(configurations)
