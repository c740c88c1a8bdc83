"""SevenNet (sevenn package): its ASE calculator, and the export that `pair_style e3gnn` reads."""

import warnings
from pathlib import Path

from ase.calculators.calculator import Calculator

from hopkin.drivers.models import Model


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No tensor product accelerator")
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator(str(model.checkpoint()), device=device)


def export(model: Model, path: Path) -> None:
    """Write the TorchScript file of the model's checkpoint, as `sevenn get_model` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sevenn.scripts.deploy import deploy

        deploy(str(model.checkpoint()), str(path))
