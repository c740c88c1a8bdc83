"""Checkpoints of torch, and the choices that some of them leave."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hopkin.drivers.errors import ModelError


def load(path: Path, *, weights_only: bool) -> Any:
    """Load a checkpoint onto the CPU; ModelError when it is damaged, or holds more than is wanted of it.

    Parameters
    ----------
    weights_only
        refuse a file that holds anything but tensors and plain values: it could run code
    """
    import torch  # a second, which a service of MACE does without

    try:
        return torch.load(path, map_location="cpu", weights_only=weights_only)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"damaged, or no checkpoint of torch: {reason}") from error


def choose(
    options: Mapping[str, str], option: str, available: Sequence[str], *, default: str | None = None
) -> str | None:
    """Return the head, modal, ... of a checkpoint that a model's options name; None where there is no choice.

    Raises
    ------
    ModelError
        when there is none of that name, or none is named and there are several
    """
    wanted = options.get(option, default)
    if wanted in available or (wanted is None and not available):
        return wanted
    has = f"it has {', '.join(available) or 'none'}"
    if wanted is not None:
        raise ModelError(f"this checkpoint has no {option} {wanted}: {has}")
    raise ModelError(
        f"this checkpoint wants a {option} after its name, as in NAME:{option}={available[0]}: {has}"
    )
