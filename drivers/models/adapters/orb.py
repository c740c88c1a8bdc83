"""Orb (orb-models package), through its ASE calculator; on a GPU in batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress
from orb_models.forcefield.atomic_system import ase_atoms_to_atom_graphs
from orb_models.forcefield.base import batch_graphs
from orb_models.forcefield.calculator import ORBCalculator
from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.adapters.checkpoint import load
from hopkin.drivers.models.adapters.interface import BatchingAdapter, Configuration, Evaluation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import known_models


class OrbAdapter(ASEAdapter, BatchingAdapter):
    """Orb's calculator, which makes one graph of the configurations that wait for a GPU."""

    def __init__(self, calculator: ORBCalculator, name: str, *, device: str) -> None:
        super().__init__(calculator, name)
        self._orb = calculator
        self._device = device

    def evaluate_together(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        """Evaluate configurations as one batch, as the calculator does one."""
        orb = self._orb
        crystals = [
            Atoms(numbers=asked.numbers, positions=asked.positions, cell=asked.cell, pbc=True)
            for asked in configurations
        ]
        graphs = [
            ase_atoms_to_atom_graphs(
                crystal,
                system_config=orb.system_config,
                max_num_neighbors=orb.max_num_neighbors,
                edge_method=orb.edge_method,
                half_supercell=orb.half_supercell,
                device=orb.device,
            )
            for crystal in crystals
        ]
        said = orb.model.predict(batch_graphs(graphs).to(orb.device))
        names = (
            (orb.model.grad_forces_name, orb.model.grad_stress_name)
            if orb.conservative
            else ("forces", "stress")
        )
        energies, forces, stresses = (
            said[name].detach().double().cpu().numpy() for name in ("energy", *names)
        )
        ends = np.cumsum([len(crystal) for crystal in crystals])
        return [
            Evaluation(
                energy=float(energy),
                atomic_energies=None,
                forces=force,
                virial=-voigt_6_to_full_3x3_stress(stress) * crystal.get_volume(),
            )
            for energy, force, stress, crystal in zip(
                energies.reshape(-1),
                np.split(forces, ends[:-1]),
                stresses.reshape(-1, 6),
                crystals,
                strict=True,
            )
        ]


def adapter(model: Model, *, device: str) -> OrbAdapter:
    """Return the model behind `pair_style hopkin`."""
    return OrbAdapter(calculator(model, device=device), model.name, device=device)


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with.

    In full single precision, uncompiled: compilation costs minutes, which short runs do not earn back.
    """
    load_model = ORB_PRETRAINED_MODELS[model.options["architecture"]]
    network = load_model(
        weights_path=str(model.checkpoint()), device=device, precision="float32-highest", compile=False
    )
    orb: Calculator = ORBCalculator(network, device=device)
    return orb


def facts(path: Path) -> dict[str, Any]:
    """Tell the architecture of a checkpoint by its file name: it holds weights alone."""
    content = load(path, weights_only=True)
    if not isinstance(content, dict) or not any("head" in key for key in content):
        raise ModelError("it holds no weights of Orb")
    names = [name for name in ORB_PRETRAINED_MODELS if path.name.startswith(name)]
    if not names:
        raise ModelError(
            "a checkpoint of Orb holds weights alone: let its file name begin with the architecture, one of"
            f" {', '.join(ORB_PRETRAINED_MODELS)}"
        )
    architecture = max(names, key=len)
    return {
        "elements": known_models()["orb-v2"].elements,
        "options": {"architecture": architecture},
        "conservative": "conservative" in architecture,
        "cutoff_A": None,
        "layers": None,
    }
