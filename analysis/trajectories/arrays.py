"""The array type of the kernels, and how their results are made read-only."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def frozen(array: FloatArray) -> FloatArray:
    """Return a read-only view of an array."""
    view = array.view()
    view.flags.writeable = False
    return view
