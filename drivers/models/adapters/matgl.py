"""M3GNet and CHGNet of the matgl package, through its ASE calculator."""

import json
from pathlib import Path
from typing import Any

import matgl
import torch
from ase import units
from ase.calculators.calculator import Calculator
from matgl.apps import pes as matgl_pes
from matgl.ext.ase import PESCalculator

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.model import Model


def _gradient(*arguments: Any, **options: Any) -> Any:
    """Gradient without a graph of its own, which matgl keeps for its training: 0.85 of the time of a step."""
    return torch.autograd.grad(*arguments, **{**options, "create_graph": False})


matgl_pes.grad = _gradient


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    potential = matgl.load_model(model.checkpoint()).to(device)
    # matgl's own default leaves the stress in GPa
    pes: Calculator = PESCalculator(potential, stress_weight=units.GPa)
    return pes


def facts(path: Path) -> dict[str, Any]:
    """Read what a model says of itself: a folder with model.json, model.pt and state.pt."""
    missing = [name for name in ("model.json", "model.pt", "state.pt") if not (path / name).is_file()]
    if missing:  # matgl would look for them on the network
        raise ModelError(
            f"no folder with model.json, model.pt and state.pt of matgl: no {', '.join(missing)}"
        )
    try:
        content = json.loads((path / "model.json").read_text())
        arguments = content["kwargs"]["model"]["init_args"]
        return {
            "elements": arguments["element_types"],
            "cutoff_A": float(arguments["cutoff"]),
            "layers": arguments["nblocks"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"its model.json is none of matgl: {error}") from error
