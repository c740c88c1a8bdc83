"""Exports a MACE model and evaluates crystals with its own calculator; for the interpreter that has mace.

    python mace_reference.py CHECKPOINT DIRECTORY

Where there is no CHECKPOINT yet, a small model of random
weights is made, with the parts that published ones have. Crystals are the files `NAME.structure.npz` in
DIRECTORY; beside them, float32.pt, float64.pt, `NAME.float32.npz` and `NAME.float64.npz` are written.
"""

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import ase
import numpy as np
import torch

from hopkin.drivers.models.adapters import mace as adapter

warnings.simplefilter("ignore")


def make_model(checkpoint: Path) -> None:
    """Two layers, equivariant messages, repulsion at short range (ZBL), transformed distances, two heads."""
    import mace  # noqa: F401  without it, e3nn cannot load its constants
    from e3nn import o3
    from mace.modules import ScaleShiftMACE, interaction_classes

    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    numbers = [2, 3, 8, 11, 15, 16, 22, 26, 27, 29, 32]
    residual = interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = ScaleShiftMACE(
        r_max=4.5,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=residual,
        interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps("8x0e + 8x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.stack(
            [np.linspace(-1.0, -9.0, len(numbers)), np.linspace(-8.0, -2.0, len(numbers))]
        ),
        avg_num_neighbors=15.0,
        atomic_numbers=numbers,
        correlation=2,
        gate=torch.nn.functional.silu,
        pair_repulsion=True,
        distance_transform="Agnesi",
        heads=["Default", "another"],
        atomic_inter_scale=[20.0, 10.0],
        atomic_inter_shift=[0.1, 0.3],
    )
    torch.save(model, checkpoint)


def main(checkpoint: Path, directory: Path) -> None:
    if not checkpoint.exists():
        make_model(checkpoint)
        torch.set_default_dtype(torch.float32)
    for dtype in ("float32", "float64"):
        model = SimpleNamespace(checkpoint=lambda: checkpoint, options={"dtype": dtype})
        adapter.export(model, directory / f"{dtype}.pt")
        calculator = adapter.calculator(model, device="cpu")
        assert torch.get_default_dtype() == torch.float32
        for file in sorted(directory.glob("*.structure.npz")):
            structure = np.load(file)
            atoms = ase.Atoms(
                structure["numbers"],
                structure["positions"],
                cell=structure["cell"],
                pbc=True,
                calculator=calculator,
            )
            np.savez(
                directory / f"{file.name.split('.')[0]}.{dtype}.npz",
                energy=atoms.get_potential_energy(),
                forces=atoms.get_forces(),
                stress=atoms.get_stress(),
                atomic_energies=calculator.results["energies"],
            )


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:]))
