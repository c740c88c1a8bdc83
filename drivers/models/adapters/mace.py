"""MACE (mace-torch package): its ASE calculator, and the export that `pair_style mace` reads."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import choose, load
from hopkin.drivers.models.model import Model


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with _quiet():
        from mace.calculators import MACECalculator

        with _default_dtype_kept():
            made = MACECalculator(
                model_paths=str(model.checkpoint()),
                device=device,
                default_dtype=model.options.get("dtype", "float32"),
                head=model.options.get("head"),
            )
        _head(model, made.available_heads)  # MACE takes its last head for one that it does not have
    calculator: Calculator = made
    return calculator


def export(model: Model, path: Path) -> None:
    """Write the TorchScript file of the model's checkpoint, as `mace_create_lammps_model` does."""
    with _quiet(), _default_dtype_kept():
        import torch
        from e3nn.util import jit
        from mace.calculators import LAMMPS_MACE

        dtype = getattr(torch, model.options.get("dtype", "float32"))
        torch.set_default_dtype(dtype)
        network = torch.load(model.checkpoint(), map_location="cpu", weights_only=False).to(dtype)
        heads = getattr(network, "heads", None)
        head = _head(model, heads or ["Default"])
        wrapped = LAMMPS_MACE(network, **({} if heads is None else {"head": head}))
        jit.compile(wrapped).save(str(path))


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint, a pickled network, says of itself."""
    with _quiet(), _default_dtype_kept():
        network = load(path, weights_only=False)
        if not {"atomic_numbers", "r_max", "num_interactions"} <= set(dir(network)):
            raise ModelError("it holds no network of MACE")
        return {
            "elements": [chemical_symbols[z] for z in network.atomic_numbers.tolist()],
            "cutoff_A": float(network.r_max),
            "layers": int(network.num_interactions),
        }


def _head(model: Model, heads: list[str]) -> str | None:
    """Return the head that is chosen, or that MACECalculator takes; LAMMPS_MACE alone takes the last."""
    named = heads if len(heads) == 1 else [head for head in heads if head.lower() == "default"]
    return choose(model.options, "head", heads, default=next(iter(named), None))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _default_dtype_kept() -> Iterator[None]:
    """Undo what mace does to torch's default precision: others in this process rely on it."""
    import torch

    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)
