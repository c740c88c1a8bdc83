"""M3GNet and CHGNet of the matgl package, through its ASE calculator; on a GPU in batches."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dgl
import matgl
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from matgl.apps import pes as matgl_pes
from matgl.ext.ase import Atoms2Graph, PESCalculator

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.adapters.interface import BatchingAdapter, Configuration, Evaluation
from hopkin.drivers.models.adapters.matgl_layers import take_apart
from hopkin.drivers.models.model import Model


def _gradient(*arguments: Any, **options: Any) -> Any:
    """Gradient without a graph of its own, which matgl keeps for its training: 0.85 of the time of a step."""
    return torch.autograd.grad(*arguments, **{**options, "create_graph": False})


matgl_pes.grad = _gradient


class MatglAdapter(ASEAdapter, BatchingAdapter):
    """matgl's calculator, which makes one graph of the configurations that wait for a GPU."""

    def __init__(self, calculator: PESCalculator, name: str, *, device: str) -> None:
        super().__init__(calculator, name)
        take_apart(calculator.potential.model)
        self._potential = calculator.potential
        self._graphs = Atoms2Graph(calculator.element_types, calculator.cutoff)
        self._device = device

    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch, as the calculator does one."""
        made = [
            self._graphs.get_graph(
                Atoms(numbers=asked.numbers, positions=asked.positions, cell=asked.cell, pbc=True)
            )
            for asked in configurations
        ]
        graphs, lattices, states = zip(*made, strict=True)
        energies, forces, stresses, *_ = self._potential(
            dgl.batch(graphs).to(self._device),
            torch.cat(lattices).to(self._device),
            torch.stack([torch.as_tensor(state) for state in states]).to(self._device),
        )
        counts = [len(asked.numbers) for asked in configurations]
        return [
            Evaluation(
                energy=energy.item(),
                atomic_energies=None,
                forces=force.double().cpu().numpy(),
                virial=-stress.double().cpu().numpy() * units.GPa * abs(np.linalg.det(asked.cell)),
            )
            for energy, force, stress, asked in zip(
                energies.detach().double().reshape(-1),
                forces.detach().split(counts),
                stresses.detach().reshape(-1, 3, 3),
                configurations,
                strict=True,
            )
        ]


def adapter(model: Model, *, device: str) -> MatglAdapter:
    """Return the model behind `pair_style hopkin`."""
    return MatglAdapter(calculator(model, device=device), model.name, device=device)


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    potential = matgl.load_model(model.checkpoint()).to(device)
    # matgl's own default leaves the stress in GPa
    pes: Calculator = PESCalculator(potential, stress_weight=units.GPa)
    return pes


def facts(path: Path) -> dict[str, Any]:
    """Read what a model says of itself: a folder with model.json, model.pt and state.pt."""
    missing = [name for name in ("model.json", "model.pt", "state.pt") if not (path / name).is_file()]
    if missing:  # matgl would look for them on the network
        raise ModelError(
            f"no folder with model.json, model.pt and state.pt of matgl: no {', '.join(missing)}"
        )
    try:
        content = json.loads((path / "model.json").read_text())
        arguments = content["kwargs"]["model"]["init_args"]
        return {
            "elements": arguments["element_types"],
            "cutoff_A": float(arguments["cutoff"]),
            "layers": arguments["nblocks"],
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"its model.json is none of matgl: {error}") from error
