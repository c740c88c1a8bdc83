"""Functions of MKL's vector mathematics are settled before threads call them."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import torch

from hopkin.drivers.models.adapters import vector_math

# what MKL calls differently, and what is exact
NAMES = {b"Ln": "log", b"Log10": "log10", b"Log2": "log2", b"ErfInv": "erfinv"}
EXACT = {"trunc"}


def test_every_function_that_torch_takes_from_mkl_is_settled() -> None:
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = set(re.findall(rb"\x00vm[sd]([A-Z][A-Za-z0-9]*)\x00", content))
    taken = {NAMES.get(name, name.decode().lower()) for name in found}
    assert {"sin", "exp", "sqrt"} <= taken  # else torch is built in another way, and this test is blind
    assert taken - EXACT <= set(vector_math._NAMES)


def test_all_of_them_can_be_called() -> None:
    vector_math.settle_vector_math()
