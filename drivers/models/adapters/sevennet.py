"""SevenNet (sevenn package): its ASE calculator, and the export that `pair_style e3gnn` reads."""

import warnings
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import choose, load
from hopkin.drivers.models.model import Model


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No tensor product accelerator")
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator(str(model.checkpoint()), device=device, modal=_modal(model))


def export(model: Model, path: Path) -> None:
    """Write the TorchScript file of the model's checkpoint, as `sevenn get_model` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sevenn.scripts.deploy import deploy

        deploy(str(model.checkpoint()), str(path), modal=_modal(model))


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself."""
    # it holds its configuration as objects of Python, and runs their code
    content = load(path, weights_only=False)
    if not isinstance(content, dict) or not {"config", "model_state_dict"} <= set(content):
        raise ModelError("it holds no configuration and weights of SevenNet")
    config = content["config"]
    return {
        "elements": [chemical_symbols[z] for z in config["_type_map"]],
        "cutoff_A": float(config["cutoff"]),
        "layers": config["num_convolution_layer"],
    }


def _modal(model: Model) -> str | None:
    """Return the data set whose labels a multi-fidelity model is to speak of."""
    config = load(model.checkpoint(), weights_only=False)["config"]
    return choose(model.options, "modal", list(config.get("_modal_map") or ()))
