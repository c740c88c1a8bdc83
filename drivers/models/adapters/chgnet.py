"""CHGNet (chgnet package) behind the adapter interface."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import load
from hopkin.drivers.models.adapters.chgnet_layers import take_apart
from hopkin.drivers.models.adapters.interface import (
    BatchingAdapter,
    Configuration,
    Evaluation,
    FloatArray,
)
from hopkin.drivers.models.adapters.neighbours import Edges, IntArray, NeighbourList, angles
from hopkin.drivers.models.model import Model

# chgnet's own calculator takes the volume of the cell from a tensor that carries a gradient
warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True", module="chgnet")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """Graph of one configuration.

    Attributes
    ----------
    vectors
        (n_edges, 3) from the neighbour to the centre [A], in the single precision of chgnet's positions
    undirected
        (n_bonds,) edge that stands for a bond, as the pair of an edge and its reverse is called here
    to_undirected
        (n_edges,) bond of an edge
    angles
        (n_angles,) first and second edge
    """

    edges: Edges
    vectors: NDArray[np.float32]
    undirected: IntArray
    to_undirected: IntArray
    angles: tuple[IntArray, IntArray]


class CHGNetAdapter(BatchingAdapter):
    """CHGNet, single precision.

    Energies, forces and virial are those of `chgnet.model.CHGNetCalculator`. What that calculator does beside
    them (magnetic moments, crystal features, a graph for second derivatives) is left out. Its graph, which
    chgnet makes in loops over objects and one crystal after the other, is made from arrays here, with
    positions rounded as chgnet rounds them: its forces change by 1e-4 eV/A with the last digit of a position.
    """

    def __init__(self, checkpoint: Path, *, device: str) -> None:
        self._model = _load(checkpoint).to(device)
        self._model.eval()
        self._model.requires_grad_(False)
        take_apart(self._model)
        self._neighbours = NeighbourList(self._model.graph_converter.atom_graph_cutoff)
        self._device = device
        composition = self._model.composition_model
        assert composition is None or isinstance(composition, AtomRef)
        self._shifts = None if composition is None else composition.fc.weight[0]

    def __str__(self) -> str:
        return "CHGNet, single precision"

    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch: one graph, each step of it made for all of them at once."""
        graphs = [self._graph(configuration) for configuration in configurations]
        sizes = np.array([len(configuration.numbers) for configuration in configurations])
        first_atoms, first_bonds = _starts(sizes), _starts([len(graph.undirected) for graph in graphs])
        first_edges = _starts([len(graph.edges.centers) for graph in graphs])

        def tensor(arrays: Iterable[NDArray[Any]], dtype: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.as_tensor(np.concatenate(list(arrays)), dtype=dtype, device=self._device)

        def counted_on(arrays: Iterable[NDArray[Any]], starts: NDArray[Any]) -> torch.Tensor:
            return tensor(array + start for array, start in zip(arrays, starts, strict=True))

        vectors = tensor((graph.vectors for graph in graphs), torch.float32).requires_grad_()
        nowhere = torch.zeros_like(vectors)
        bases, short_bases, directions = self._model.bond_basis_expansion(
            center=vectors,
            neighbor=nowhere,
            undirected2directed=counted_on((graph.undirected for graph in graphs), first_edges),
            image=nowhere,
            lattice=nowhere.new_zeros(3, 3),
        )
        left, right = (counted_on((graph.angles[side] for graph in graphs), first_edges) for side in (0, 1))
        to_bonds = counted_on((graph.to_undirected for graph in graphs), first_bonds)
        centers = counted_on((graph.edges.centers for graph in graphs), first_atoms)
        neighbours = counted_on((graph.edges.neighbours for graph in graphs), first_atoms)
        numbers = tensor(configuration.numbers for configuration in configurations)
        batch = BatchedGraph(
            atomic_numbers=numbers,
            bond_bases_ag=bases,
            bond_bases_bg=short_bases,
            angle_bases=self._model.angle_basis_expansion(directions[left], directions[right]),
            batched_atom_graph=torch.stack([centers, neighbours], dim=1),
            batched_bond_graph=torch.stack([centers[left], to_bonds[left], to_bonds[right]], dim=1),
            atom_owners=tensor([np.repeat(np.arange(len(sizes)), sizes)]),
            directed2undirected=to_bonds,
            atom_positions=(),  # of `_compute`'s own forces and stresses
            strains=(),
            volumes=(),
        )
        energies = torch.cat(self._model._compute(batch, return_site_energies=True)["site_energies"])
        (gradients,) = torch.autograd.grad(energies.sum(), vectors)
        energies = energies.detach().double()
        if self._shifts is not None:
            energies += self._shifts[numbers - 1]
        energies_of = np.split(energies.cpu().numpy(), first_atoms[1:])
        gradients_of = np.split(gradients.double().cpu().numpy(), first_edges[1:])
        return [_evaluation(*of_one) for of_one in zip(graphs, energies_of, gradients_of, strict=True)]

    def _graph(self, configuration: Configuration) -> _Graph:
        """Make the graph of `chgnet.graph.CrystalGraphConverter`, its undirected edges in another order."""
        positions, cell = configuration.positions, configuration.cell
        edges = self._neighbours.edges(positions, cell)
        lattice = torch.as_tensor(cell, dtype=torch.float32)
        atoms = torch.as_tensor(positions @ np.linalg.inv(cell), dtype=torch.float32) @ lattice
        neighbours = atoms[edges.neighbours] + torch.as_tensor(edges.images, dtype=torch.float32) @ lattice
        # an undirected edge is the first of its two directed ones
        own = np.arange(len(edges.centers))
        is_first = own < edges.reverse
        bonds = np.flatnonzero(edges.distances < self._model.graph_converter.bond_graph_cutoff)
        left, right = (bonds[side] for side in angles(edges.centers[bonds]))
        return _Graph(
            edges=edges,
            vectors=(atoms[edges.centers] - neighbours).numpy(),
            undirected=np.flatnonzero(is_first),
            to_undirected=(np.cumsum(is_first) - 1)[np.minimum(own, edges.reverse)],
            angles=(left, right),
        )


def _starts(lengths: Sequence[int] | IntArray) -> IntArray:
    """Where each of several arrays begins in the one that is made of them."""
    array = np.asarray(lengths, dtype=np.int64)
    return np.cumsum(array) - array


def _evaluation(graph: _Graph, atomic_energies: FloatArray, gradients: FloatArray) -> Evaluation:
    """Sum up what edges give; `gradients` are those of the energy along their vectors."""
    n_atoms, edges = len(atomic_energies), graph.edges
    forces = np.stack(
        [
            np.bincount(edges.neighbours, gradient, n_atoms) - np.bincount(edges.centers, gradient, n_atoms)
            for gradient in gradients.T
        ],
        axis=1,
    )
    virial = -graph.vectors.T.astype(np.float64) @ gradients
    return Evaluation(
        energy=float(atomic_energies.sum()),
        atomic_energies=atomic_energies,
        forces=forces,
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
