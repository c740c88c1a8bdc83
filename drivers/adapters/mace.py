"""MACE (mace-torch package): its ASE calculator, and the export that `pair_style mace` reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ase.calculators.calculator import Calculator

if TYPE_CHECKING:
    from hopkin.drivers.models import Model


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with _quiet():
        from mace.calculators import MACECalculator

        options = _options(model)
        head = {"head": options["head"]} if "head" in options else {}
        with _default_dtype_kept():
            made: Calculator = MACECalculator(
                model_paths=str(model.checkpoint()),
                device=device,
                default_dtype=options.get("dtype", "float32"),
                **head,
            )
    return made


def export(model: Model, path: Path) -> None:
    """Write the TorchScript file of the model's checkpoint, as `mace_create_lammps_model` does."""
    with _quiet(), _default_dtype_kept():
        import torch
        from e3nn.util import jit
        from mace.calculators import LAMMPS_MACE

        options = _options(model)
        dtype = getattr(torch, options.get("dtype", "float32"))
        torch.set_default_dtype(dtype)
        network = torch.load(model.checkpoint(), map_location="cpu", weights_only=False).to(dtype)
        head = options.get("head") or _default_head(getattr(network, "heads", None))
        wrapped = LAMMPS_MACE(network, **({} if head is None else {"head": head}))
        jit.compile(wrapped).save(str(path))


def _options(model: Model) -> dict[str, str]:
    """Return `dtype` (float32 unless said otherwise) and `head` of a model with several."""
    options: dict[str, str] = getattr(model, "options", {})
    return options


def _default_head(heads: list[str] | None) -> str | None:
    """Return the head that MACECalculator takes; LAMMPS_MACE alone would take the last."""
    if heads is None or len(heads) == 1:
        return None
    named = [head for head in heads if head.lower() == "default"]
    if not named:
        from hopkin.drivers.errors import ModelError

        raise ModelError(
            f"this MACE model has the heads {', '.join(heads)}: say which one with its option head"
        )
    return named[0]


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
