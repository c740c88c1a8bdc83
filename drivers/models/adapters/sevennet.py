"""SevenNet (sevenn package): its ASE calculator, and the files that `pair_style e3gnn` reads.

One is the network as numbers, which hopkin evaluates on a CPU without torch, many times faster; the other
is upstream's TorchScript, for libtorch: on a GPU, and for networks that hopkin's evaluator does not know.
"""

import importlib.metadata
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

        from hopkin.drivers.models.adapters.sevennet_double import DoubleCalculator

        kind = {"float32": SevenNetCalculator, "float64": DoubleCalculator}[_dtype(model)]
        return kind(str(model.checkpoint()), device=device, modal=_modal(model))


def export(model: Model, path: Path) -> str | None:
    """Write the file of the model's checkpoint for `pair_style e3gnn`.

    Returns
    -------
    str or None
        that it is one for libtorch, and why, where hopkin's evaluator was wanted

    Raises
    ------
    ModelError
        when the evaluator or the precision that its name asks for cannot be had
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if model.evaluator == "libtorch":
            _export_for_libtorch(model, path)
            return None
        try:
            _export_network(model, path)
        except ModelError as error:
            if {"evaluator", "dtype"} & set(model.options):
                raise
            _export_for_libtorch(model, path)
            return f"evaluated by libtorch, many times slower, as {error}"
    return None


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


def _export_network(model: Model, path: Path) -> None:
    from sevenn.util import load_checkpoint

    from hopkin.drivers.models.adapters.sevennet_network import network_of

    network = network_of(
        load_checkpoint(str(model.checkpoint())),
        _modal(model),
        precision="double" if _dtype(model) == "float64" else "single",
        made_by=f"sevenn {importlib.metadata.version('sevenn')}",
    )
    network.write(path)


def _export_for_libtorch(model: Model, path: Path) -> None:
    """Write TorchScript, as `sevenn get_model` does."""
    from sevenn.scripts.deploy import deploy

    if _dtype(model) != "float32":
        raise ModelError("sevenn writes TorchScript in single precision alone: leave out dtype=float64")
    deploy(str(model.checkpoint()), str(path), modal=_modal(model))


def _dtype(model: Model) -> str:
    return model.options.get("dtype", "float32")


def _modal(model: Model) -> str | None:
    """Return the data set whose labels a multi-fidelity model is to speak of."""
    config = load(model.checkpoint(), weights_only=False)["config"]
    return choose(model.options, "modal", list(config.get("_modal_map") or ()))
