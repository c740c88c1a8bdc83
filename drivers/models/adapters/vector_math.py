"""What torch takes from MKL's vector mathematics, settled before threads use it."""

import sys

_NAMES = (
    *("acos", "asin", "atan", "cos", "erf", "erfc", "erfinv", "exp"),
    *("log", "log10", "log2", "sin", "sqrt", "tan", "tanh"),
)


def settle_vector_math() -> None:
    """Call each function once, alone; nothing where torch is not in use.

    MKL chooses the kernel of a function when it is first called. Two threads that do so at the same time may
    be given the least accurate one: forces of a first step were seen off by 4e-4 eV/A on busy cores
    (https://github.com/pytorch/pytorch/issues/188792).
    """
    if "torch" not in sys.modules:
        return
    import torch

    for dtype in (torch.float32, torch.float64):
        one = torch.full((1,), 0.5, dtype=dtype)
        for name in _NAMES:
            getattr(torch, name)(one)
