"""CHGNet (chgnet package) behind the adapter interface."""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from chgnet.graph.crystalgraph import CrystalGraph
from chgnet.model.composition_model import AtomRef
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import BatchedGraph, CHGNet
from numpy.typing import NDArray

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import load
from hopkin.drivers.models.adapters.interface import BatchingAdapter, Configuration, Evaluation
from hopkin.drivers.models.adapters.neighbours import NeighbourList, angles
from hopkin.drivers.models.model import Model

# chgnet takes the volume of the cell from a tensor that carries a gradient, and does not need it
warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True", module="chgnet")


class CHGNetAdapter(BatchingAdapter):
    """CHGNet, single precision.

    Energies, forces and virial are those of `chgnet.model.CHGNetCalculator`. What that calculator does beside
    them (magnetic moments, crystal features, a graph for second derivatives) is left out. Its graph, which
    chgnet makes in loops over objects, is made from arrays here.
    """

    def __init__(self, checkpoint: Path, *, device: str) -> None:
        self._model = _load(checkpoint).to(device)
        self._model.eval()
        self._model.requires_grad_(False)
        self._neighbours = NeighbourList(self._model.graph_converter.atom_graph_cutoff)
        self._device = device

    def __str__(self) -> str:
        return "CHGNet, single precision"

    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch."""
        graphs = [self._graph(configuration) for configuration in configurations]
        batch = BatchedGraph.from_graphs(
            graphs,
            bond_basis_expansion=self._model.bond_basis_expansion,
            angle_basis_expansion=self._model.angle_basis_expansion,
            compute_stress=True,
        )
        site_energies = self._model._compute(batch, return_site_energies=True)["site_energies"]
        gradients = torch.autograd.grad(
            torch.cat(site_energies).sum(), [*batch.atom_positions, *batch.strains]
        )
        composition = self._model.composition_model
        shifts: Sequence[torch.Tensor | None] = [None] * len(graphs)
        if composition is not None:
            assert isinstance(composition, AtomRef)
            shifts = composition.get_site_energies(graphs)
        return [
            _evaluation(*of_one)
            for of_one in zip(
                *(site_energies, shifts, gradients[: len(graphs)], gradients[len(graphs) :]), strict=True
            )
        ]

    def _graph(self, configuration: Configuration) -> CrystalGraph:
        """Make the graph of `chgnet.graph.CrystalGraphConverter`, its undirected edges in another order."""
        positions, cell = configuration.positions, configuration.cell
        converter = self._model.graph_converter
        edges = self._neighbours.edges(positions, cell)
        # an undirected edge is the first of its two directed ones
        own = np.arange(len(edges.centers))
        undirected = np.flatnonzero(own < edges.reverse)
        to_undirected = (np.cumsum(own < edges.reverse) - 1)[np.minimum(own, edges.reverse)]
        bonds = np.flatnonzero(edges.distances < converter.bond_graph_cutoff)
        left, right = (bonds[side] for side in angles(edges.centers[bonds]))
        columns = (edges.centers[left], to_undirected[left], left, to_undirected[right], right)

        def tensor(array: NDArray[Any], dtype: torch.dtype = torch.int32) -> torch.Tensor:
            return torch.as_tensor(array, dtype=dtype, device=self._device)

        return CrystalGraph(
            atomic_number=tensor(configuration.numbers),
            atom_frac_coord=tensor(positions @ np.linalg.inv(cell), torch.float32).requires_grad_(),
            atom_graph=tensor(np.column_stack([edges.centers, edges.neighbours])),
            atom_graph_cutoff=converter.atom_graph_cutoff,
            neighbor_image=tensor(edges.images, torch.float32),
            directed2undirected=tensor(to_undirected),
            undirected2directed=tensor(undirected),
            bond_graph=tensor(np.column_stack(columns)),
            bond_graph_cutoff=converter.bond_graph_cutoff,
            lattice=tensor(cell, torch.float32).requires_grad_(),
        )


def _evaluation(
    site_energies: torch.Tensor,
    shifts: torch.Tensor | None,
    gradient: torch.Tensor,
    strain_gradient: torch.Tensor,
) -> Evaluation:
    atomic = site_energies.detach().double().cpu().numpy()
    if shifts is not None:
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
