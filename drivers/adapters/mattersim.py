"""MatterSim (mattersim package), through its ASE calculator."""

from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from mattersim.forcefield import MatterSimCalculator
from mattersim.forcefield.potential import Potential

from hopkin.drivers.adapters.checkpoint import load
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import Model


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    potential = Potential.from_checkpoint(
        load_path=str(model.checkpoint()), device=device, load_training_state=False
    )
    mattersim: Calculator = MatterSimCalculator(potential, device=device)
    return mattersim


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself."""
    content = load(path, weights_only=True)
    if not isinstance(content, dict) or content.get("model_name") != "m3gnet":
        raise ModelError("it holds no arguments and weights of MatterSim")
    arguments = content["model_args"]
    return {
        "elements": chemical_symbols[1 : arguments["max_z"] + 1],
        "cutoff_A": float(arguments["cutoff"]),
        "layers": arguments["num_blocks"],
    }
