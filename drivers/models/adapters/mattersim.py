"""MatterSim (mattersim package) behind the adapter interface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import units
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from mattersim.forcefield import MatterSimCalculator
from mattersim.forcefield.potential import Potential
from numpy.typing import NDArray

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.checkpoint import load
from hopkin.drivers.models.adapters.interface import BatchingAdapter, Configuration, Evaluation
from hopkin.drivers.models.adapters.mattersim_layers import take_apart
from hopkin.drivers.models.adapters.neighbours import NeighbourList, angles
from hopkin.drivers.models.model import Model

_ALONG_ROWS = (
    *("atom_pos", "cell", "pbc_offsets", "atom_attr"),
    *("three_body_indices", "num_three_body", "num_triple_ij", "num_bonds", "num_atoms"),
)


class MatterSimAdapter(BatchingAdapter):
    """MatterSim, single precision, with a graph made from arrays."""

    def __init__(self, potential: Potential, *, device: str) -> None:
        take_apart(potential.model)
        self._potential = potential
        self._device = device
        arguments = potential.model.model_args
        self._neighbours = NeighbourList(arguments["cutoff"])
        self._threebody_cutoff = arguments["threebody_cutoff"]

    def __str__(self) -> str:
        return "MatterSim, single precision"

    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch."""
        graph = _together([self._graph(configuration) for configuration in configurations])
        said = self._potential(
            {name: tensor.to(self._device) for name, tensor in graph.items()},
            include_forces=True,
            include_stresses=True,
        )
        sizes = [len(configuration.numbers) for configuration in configurations]
        energies = said["total_energy"].detach().double().cpu().numpy().reshape(-1)
        forces = np.split(said["forces"].detach().double().cpu().numpy(), np.cumsum(sizes)[:-1])
        stresses = said["stresses"].detach().double().cpu().numpy() * units.GPa
        return [
            Evaluation(
                energy=float(energy),
                atomic_energies=None,
                forces=force,
                virial=-(stress + stress.T) / 2 * abs(np.linalg.det(configuration.cell)),
            )
            for energy, force, stress, configuration in zip(
                energies, forces, stresses, configurations, strict=True
            )
        ]

    def _graph(self, configuration: Configuration) -> dict[str, torch.Tensor]:
        """Make what `mattersim.forcefield.potential.batch_to_dict` makes of one structure."""
        positions, cell, numbers = configuration.positions, configuration.cell, configuration.numbers
        edges = self._neighbours.edges(positions, cell)
        near = np.flatnonzero(edges.distances <= self._threebody_cutoff)
        triples = near[np.column_stack(angles(edges.centers[near]))]

        def integers(array: Any) -> torch.Tensor:
            return torch.as_tensor(array, dtype=torch.int64)

        def reals(array: NDArray[Any]) -> torch.Tensor:
            return torch.as_tensor(array, dtype=torch.float32)

        return {
            "atom_pos": reals(positions),
            "cell": reals(cell)[None],
            "pbc_offsets": reals(edges.images),
            "atom_attr": reals(numbers)[:, None],
            "edge_index": integers(np.stack([edges.centers, edges.neighbours])),
            "three_body_indices": integers(triples),
            "num_three_body": integers([len(triples)]),
            "num_triple_ij": integers(np.bincount(triples[:, 0], minlength=len(edges.centers)))[:, None],
            "num_bonds": integers([len(edges.centers)]),
            "num_atoms": integers([len(numbers)]),
            "num_graphs": integers(1),
            "batch": integers(np.zeros(len(numbers))),
        }


def _together(graphs: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Make one graph of several: atoms are counted on from one to the next; MatterSim counts edges itself."""
    if len(graphs) == 1:
        return graphs[0]
    one = {name: torch.cat([graph[name] for graph in graphs]) for name in _ALONG_ROWS}
    n_atoms = torch.cat([graph["num_atoms"] for graph in graphs])
    first_atoms = (n_atoms.cumsum(0) - n_atoms).tolist()
    one["edge_index"] = torch.cat(
        [graph["edge_index"] + first for graph, first in zip(graphs, first_atoms, strict=True)], dim=1
    )
    one["batch"] = torch.cat([graph["batch"] + n for n, graph in enumerate(graphs)])
    one["num_graphs"] = torch.as_tensor(len(graphs))
    return one


def adapter(model: Model, *, device: str) -> MatterSimAdapter:
    """Return the model behind `pair_style hopkin`."""
    return MatterSimAdapter(_load(model, device), device=device)


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    mattersim: Calculator = MatterSimCalculator(_load(model, device), device=device)
    return mattersim


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint says of itself."""
    content = load(path, weights_only=True)
    if not isinstance(content, dict) or content.get("model_name") != "m3gnet":
        raise ModelError("it holds no arguments and weights of MatterSim")
    arguments = content["model_args"]
    return {
        "elements": chemical_symbols[1 : arguments["max_z"] + 1],
        "cutoff_A": float(arguments["cutoff"]),
        "layers": arguments["num_blocks"],
    }


def _load(model: Model, device: str) -> Potential:
    return Potential.from_checkpoint(
        load_path=str(model.checkpoint()), device=device, load_training_state=False
    )
