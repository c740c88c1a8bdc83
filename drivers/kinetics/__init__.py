"""From the hops of a crystal to a diffusivity.

`network` is the graph of the sites of an ion, with the rates of its jumps; `diffusion` solves the master
equation on it, `montecarlo` walks on it; `estimate` goes over temperatures and uncertainties.
"""

from hopkin.drivers.kinetics.diffusion import along, decisive_part, supercell_of, vacancy_diffusivity
from hopkin.drivers.kinetics.estimate import (
    CM2_PER_A2,
    Diffusivities,
    HopRate,
    activation_energies,
    diffusivities,
    rates_at,
    sampled,
)
from hopkin.drivers.kinetics.montecarlo import Walk, walk
from hopkin.drivers.kinetics.network import Network, Rates, network_of

__all__ = [
    "CM2_PER_A2",
    "Diffusivities",
    "HopRate",
    "Network",
    "Rates",
    "Walk",
    "activation_energies",
    "along",
    "decisive_part",
    "diffusivities",
    "network_of",
    "rates_at",
    "sampled",
    "supercell_of",
    "vacancy_diffusivity",
    "walk",
]
