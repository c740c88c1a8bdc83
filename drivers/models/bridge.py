"""What `pair_style hopkin` calls: loads a model, and evaluates LAMMPS's atoms with it.

The C++ side (pair_styles/python_evaluator.cpp) embeds Python, calls `load` once and `Bridge.evaluate` at
every step. Arrays cross as memory views of LAMMPS's own buffers and are copied at once. Beside the model, the
bridge costs 2 % at most, and for CHGNet half as much as its own calculator (`benchmarks/adapter_cost.py`).
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from ase.data import atomic_numbers

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters import Adapter
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model


class Bridge:
    """A model bound to the elements of a pair_coeff line."""

    def __init__(self, adapter: Adapter, name: str, elements: Sequence[str]) -> None:
        self._adapter = adapter
        self._name = name
        self._numbers = np.array([atomic_numbers[element] for element in elements], dtype=np.int64)

    def __str__(self) -> str:
        return f"model {self._name}: {self._adapter}"

    def evaluate(
        self,
        positions: memoryview,
        species: memoryview,
        cell: memoryview,
        pbc: tuple[int, int, int],
        atomic_energies: memoryview,
        forces: memoryview,
        virial: memoryview,
    ) -> float:
        """Evaluate one configuration.

        Parameters
        ----------
        positions
            (n_atoms, 3) float64 positions [A]
        species
            (n_atoms,) int64 index into the elements of `load`
        cell
            (3, 3) float64, rows are the cell vectors [A]
        pbc
            1 where periodic
        atomic_energies, forces, virial
            written: (n_atoms,) [eV] (NaN where the model has none), (n_atoms, 3) [eV/A],
            xx yy zz xy xz yz of -dE/d(strain) [eV]

        Returns
        -------
        float
            total energy [eV]
        """
        if not all(pbc):
            raise ModelError(
                f"model {self._name} needs boundary p p p, received"
                f" {' '.join('p' if periodic else 'f' for periodic in pbc)}"
            )
        with _within_memory(self._name):
            said = self._adapter.evaluate(
                positions=np.frombuffer(positions).reshape(-1, 3).copy(),
                cell=np.frombuffer(cell).reshape(3, 3).copy(),
                numbers=self._numbers[np.frombuffer(species, dtype=np.int64)],
            )
        np.frombuffer(atomic_energies)[:] = np.nan if said.atomic_energies is None else said.atomic_energies
        np.frombuffer(forces).reshape(-1, 3)[:] = said.forces
        np.frombuffer(virial)[:] = said.virial[(0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)]
        return said.energy


def load(model: str, elements: Sequence[str], threads: int, rank: int) -> Bridge:
    """Load a model.

    Parameters
    ----------
    model
        registry name, FAMILY:/path/to/checkpoint, or ase:module:factory; a path may be that of a link
    elements
        chemical symbols of the pair_coeff line
    threads
        threads within the model
    rank
        rank of this process in the run; modulo the accelerators of a node, its accelerator, unless
        HOPKIN_DEVICE names another

    Raises
    ------
    ModelError
        when there is no such model, or it does not cover an element
    """
    found = find_model(model)
    if found.route != "bridge":
        raise ModelError(f"model {model} runs natively: use pair_style {found.pair_style}")
    found.require_elements(elements)
    if found.family == "ase":  # threads and accelerator are the calculator's own choice
        return Bridge(_adapter(found, "cpu"), found.name, elements)
    import torch

    torch.set_num_threads(threads)
    device = _device(rank, torch.cuda.device_count())
    with _within_memory(found.name):
        return Bridge(_adapter(found, device), found.name, elements)


def _device(rank: int, n_gpus: int) -> str:
    """Name the device of a rank, as pair_styles/device.cpp does for the native styles."""
    wanted = os.environ.get("HOPKIN_DEVICE") or ("cuda" if n_gpus else "cpu")
    found = re.fullmatch(r"cpu|cuda(?::(\d{1,3}))?", wanted)
    if found is None:
        raise ModelError(f"HOPKIN_DEVICE={wanted} names no device: wanted cpu, cuda or cuda:1")
    if wanted == "cpu":
        return wanted
    gpu = int(found[1] or rank % max(n_gpus, 1))
    if gpu >= n_gpus:
        raise ModelError(f"HOPKIN_DEVICE={wanted} but there are {n_gpus} GPU(s)")
    return f"cuda:{gpu}"


@contextmanager
def _within_memory(name: str) -> Iterator[None]:
    """Turn what torch, and Python, say where memory does not suffice into one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error)
        told = (
            "CUDA out of memory",
            "DefaultCPUAllocator: can't allocate memory",
            "CUDA error: out of memory",
        )
        # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(words in said for words in told):
            raise
        raise ModelError(
            f"model {name}: not enough memory: take a smaller cell, fewer replicas on this device, or another"
            " device (HOPKIN_DEVICE)"
        ) from error


def _adapter(model: Model, device: str) -> Adapter:
    """Adapter of the model's family; its ASE calculator behind the interface where it has none of its own."""
    module = model.module
    if hasattr(module, "adapter"):
        made: Adapter = module.adapter(model, device=device)
        return made
    return ASEAdapter(module.calculator(model, device=device), model.name)
