"""Checkpoints of torch."""

from pathlib import Path
from typing import Any

import torch

from hopkin.drivers.errors import ModelError


def load(path: Path, *, weights_only: bool) -> Any:
    """Load a checkpoint onto the CPU; ModelError when it is damaged, or holds more than is wanted of it.

    Parameters
    ----------
    weights_only
        refuse a file that holds anything but tensors and plain values: it could run code
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=weights_only)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"damaged, or no checkpoint of torch: {reason}") from error
