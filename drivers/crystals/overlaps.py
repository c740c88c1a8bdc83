"""Atoms closer to each other than any bond."""

import ase
import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

OVERLAP_FRACTION = 0.5
"""Two atoms overlap when closer than this fraction of the sum of their covalent radii.

Chemical bonds lie between about 0.8 and 1.3 times that sum (Cordero et al., Dalton Trans. 2832
(2008)), also under pressure and in hot liquids; the partners of a split or doubly listed site lie
far below: 0.5 is 0.3 A for H-H, 0.97 A for Li-O, 1.3 A for Li-Li.
"""


def overlaps(
    atoms: ase.Atoms,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Find atoms that overlap.

    Returns
    -------
    tuple
        (n,) one atom; (n,) the other; (n,) their distance [A]; (n, 3) cell of the image of the other.
    """
    from ase.neighborlist import neighbor_list

    i, j, distance, image = neighbor_list("ijdS", atoms, OVERLAP_FRACTION * covalent_radii[atoms.numbers])
    return i, j, distance, image
