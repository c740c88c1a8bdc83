"""CHGNet (chgnet package) behind the adapter interface."""

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from chgnet.model.composition_model import AtomRef
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import BatchedGraph, CHGNet
from numpy.typing import NDArray
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from hopkin.drivers.adapters.checkpoint import load
from hopkin.drivers.adapters.interface import Evaluation, FloatArray
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import Model

# chgnet takes the volume of the cell from a tensor that carries a gradient, and does not need it
warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True", module="chgnet")


class CHGNetAdapter:
    """CHGNet, single precision.

    Energies, forces and virial are those of `chgnet.model.CHGNetCalculator`. What that calculator does beside
    them (magnetic moments, crystal features, a graph for second derivatives) is left out.
    """

    def __init__(self, checkpoint: Path, *, device: str) -> None:
        self._model = _load(checkpoint).to(device)
        self._model.eval()
        self._model.requires_grad_(False)
        self._model.graph_converter.set_isolated_atom_response("ignore")
        self._device = device

    def __str__(self) -> str:
        return f"CHGNet, single precision, on {self._device}, {torch.get_num_threads()} thread(s)"

    def evaluate(self, *, positions: FloatArray, cell: FloatArray, numbers: NDArray[np.int64]) -> Evaluation:
        """Evaluate a configuration; see `Adapter.evaluate`."""
        structure = Structure(
            Lattice(cell), [chemical_symbols[z] for z in numbers], positions, coords_are_cartesian=True
        )
        graph = self._model.graph_converter(structure).to(self._device)
        batch = BatchedGraph.from_graphs(
            [graph],
            bond_basis_expansion=self._model.bond_basis_expansion,
            angle_basis_expansion=self._model.angle_basis_expansion,
            compute_stress=True,
        )
        prediction = self._model._compute(batch, return_site_energies=True)
        (atomic_energies,) = prediction["site_energies"]
        gradient, strain_gradient = torch.autograd.grad(
            atomic_energies.sum(), [batch.atom_positions[0], batch.strains[0]]
        )
        atomic = atomic_energies.detach().double().cpu().numpy()
        composition = self._model.composition_model
        if composition is not None:
            assert isinstance(composition, AtomRef)
            (shifts,) = composition.get_site_energies([graph])
            atomic = atomic + shifts.detach().double().cpu().numpy()
        virial = -strain_gradient.double().cpu().numpy()
        return Evaluation(
            energy=float(atomic.sum()),
            atomic_energies=atomic,
            forces=-gradient.double().cpu().numpy(),
            virial=(virial + virial.T) / 2,
        )


def adapter(model: Model, *, device: str) -> CHGNetAdapter:
    """Return the model behind `pair_style hopkin`."""
    return CHGNetAdapter(model.checkpoint(), device=device)


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its device
        return CHGNetCalculator(
            model=_load(model.checkpoint()),
            use_device=device,
            return_site_energies=True,
            on_isolated_atoms="ignore",
        )


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself."""
    content = load(path, weights_only=True)
    if not isinstance(content, dict) or "model_args" not in content.get("model", ()):
        raise ModelError("it holds no arguments and weights of CHGNet")
    arguments = content["model"]["model_args"]
    return {
        "elements": chemical_symbols[1:95],
        "cutoff_A": float(arguments["atom_graph_cutoff"]),
        "layers": arguments["n_conv"],
    }


def _load(checkpoint: Path) -> CHGNet:
    state = load(checkpoint, weights_only=True)["model"]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its size
        # what `CHGNet.load` gives published weights; weights of one's own carry it in their arguments
        missing = {"mlp_out_bias": False} if "mlp_out_bias" not in state["model_args"] else {}
        return CHGNet.from_dict(state, **missing)
