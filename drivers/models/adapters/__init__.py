"""Model adapters: one module per model family, and what these share.

A further family is a further module here, named as the family, with the functions that `interface`
tells, and an entry in `models.toml`; `matgl` is the shortest that is served, `sevennet` the shortest with a
native pair style, `orb` one that batches. `checkpoint` loads files, `neighbours` keeps edges over a skin,
`vector_math` mends a fault of MKL, `ase` is any ASE calculator.
"""

from hopkin.drivers.models.adapters.interface import Adapter, Configuration, Evaluation

__all__ = ["Adapter", "Configuration", "Evaluation"]
