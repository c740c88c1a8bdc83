"""Model adapters: one small class per model family, behind one interface.

An adapter is what the LAMMPS bridge (`pair_style hopkin`) evaluates. A further family is a further module
here with a class that has `evaluate`, and an entry in `models.toml`.
"""

from hopkin.drivers.models.adapters.interface import Adapter, Evaluation

__all__ = ["Adapter", "Evaluation"]
