"""Orb (orb-models package), through its ASE calculator."""

from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from orb_models.forcefield.calculator import ORBCalculator
from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import load
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import known_models


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with.

    In full single precision, uncompiled: compilation costs minutes, which short runs do not earn back.
    """
    load_model = ORB_PRETRAINED_MODELS[model.options["architecture"]]
    network = load_model(
        weights_path=str(model.checkpoint()), device=device, precision="float32-highest", compile=False
    )
    orb: Calculator = ORBCalculator(network, device=device)
    return orb


def facts(path: Path) -> dict[str, Any]:
    """Tell the architecture of a checkpoint by its file name: it holds weights alone."""
    content = load(path, weights_only=True)
    if not isinstance(content, dict) or not any("head" in key for key in content):
        raise ModelError("it holds no weights of Orb")
    names = [name for name in ORB_PRETRAINED_MODELS if path.name.startswith(name)]
    if not names:
        raise ModelError(
            "a checkpoint of Orb holds weights alone: let its file name begin with the architecture, one of"
            f" {', '.join(ORB_PRETRAINED_MODELS)}"
        )
    architecture = max(names, key=len)
    return {
        "elements": known_models()["orb-v2"].elements,
        "options": {"architecture": architecture},
        "conservative": "conservative" in architecture,
        "cutoff_A": None,
        "layers": None,
    }
