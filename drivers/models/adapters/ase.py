"""Any ASE calculator behind the adapter interface: `ase:module:factory` or `ase:/path/file.py:factory`."""

import importlib
import runpy

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.interface import Adapter, Configuration, Evaluation
from hopkin.drivers.models.model import Model


class ASEAdapter(Adapter):
    """An ASE calculator with energy, forces and stress."""

    def __init__(self, calculator: Calculator, name: str) -> None:
        missing = {"energy", "forces", "stress"} - set(calculator.implemented_properties)
        if missing:
            raise ModelError(f"model {name}: its calculator gives no {', '.join(sorted(missing))}")
        self._atomic = "energies" in calculator.implemented_properties
        self._atoms = Atoms(pbc=True)
        self._calculator = calculator
        self._name = name

    def __str__(self) -> str:
        return f"ASE calculator {self._name}"

    def evaluate(self, configuration: Configuration) -> Evaluation:
        """Evaluate a configuration."""
        if not np.array_equal(self._atoms.numbers, configuration.numbers):
            self._atoms = Atoms(numbers=configuration.numbers, pbc=True)
            self._atoms.calc = self._calculator
        self._atoms.set_cell(configuration.cell)
        self._atoms.positions = configuration.positions
        stress = voigt_6_to_full_3x3_stress(self._atoms.get_stress())
        return Evaluation(
            energy=float(self._atoms.get_potential_energy()),
            atomic_energies=(
                np.asarray(self._atoms.get_potential_energies(), dtype=np.float64) if self._atomic else None
            ),
            forces=np.asarray(self._atoms.get_forces(), dtype=np.float64),
            virial=-stress * self._atoms.get_volume(),
        )


def calculator(model: Model, *, device: str) -> Calculator:  # noqa: ARG001  its own choice
    """Make the calculator: `factory` is called without arguments.

    Raises
    ------
    ModelError
        when the module or the factory cannot be imported, fails, or gives no calculator
    """
    module, factory = model.entry.removeprefix("ase:").rsplit(":", 1)
    try:
        if model.path is not None:
            namespace = runpy.run_path(str(model.path))
            made = namespace[factory]()
        else:
            made = getattr(importlib.import_module(module), factory)()
    except Exception as error:  # the user's own code
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"model {model.name}: its factory cannot be imported or fails: {reason}") from error
    if not isinstance(made, Calculator):
        raise ModelError(
            f"model {model.name}: the factory gave {type(made).__name__}, wanted an ASE calculator"
        )
    return made
