"""A small MACE of random weights, in the shape of a published one; for the interpreter that has mace.

python seeded_mace.py FILE SHAPE
"""

import sys

import mace  # noqa: F401  without it, e3nn cannot load its constants
import numpy as np
import torch
from e3nn import o3
from mace.modules import ScaleShiftMACE, interaction_classes

NUMBERS = [3, 8, 15, 26]
RESIDUAL = ("RealAgnosticResidualInteractionBlock", "RealAgnosticResidualInteractionBlock")
DENSITY = ("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock")
SHAPES = {  # blocks, features, whether ZBL repels and distances are transformed, heads
    "mp-0-small": (RESIDUAL, "16x0e", False, ["Default"]),
    "mp-0b3": (DENSITY, "16x0e+16x1o", True, ["Default"]),
    "two-heads": (DENSITY, "16x0e+16x1o", True, ["one", "another"]),
}


def main(file: str, shape: str) -> None:
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    (first, later), features, repels, heads = SHAPES[shape]
    energies = np.stack([np.linspace(-1.0, -9.0, len(NUMBERS)), np.linspace(-8.0, -2.0, len(NUMBERS))])
    model = ScaleShiftMACE(
        r_max=5.0,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=interaction_classes[later],
        interaction_cls_first=interaction_classes[first],
        num_interactions=2,
        num_elements=len(NUMBERS),
        hidden_irreps=o3.Irreps(features),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=energies[: len(heads)],
        avg_num_neighbors=15.0,
        atomic_numbers=NUMBERS,
        correlation=3,
        gate=torch.nn.functional.silu,
        pair_repulsion=repels,
        distance_transform="Agnesi" if repels else "None",
        heads=heads,
        atomic_inter_scale=[20.0, 10.0][: len(heads)],
        atomic_inter_shift=[0.1, 0.3][: len(heads)],
    )
    torch.save(model, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
