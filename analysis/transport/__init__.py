"""Numbers of a trajectory: displacements, diffusivities, activation energies, distributions, errors.

`transport` gathers all of one run, `result` holds and writes it, `temperatures` compares several; the other
rooms are one kernel each, arrays in and numbers out.
"""

from hopkin.analysis.transport.arrhenius import Point, fit_arrhenius
from hopkin.analysis.transport.density import find_sites, write_cube
from hopkin.analysis.transport.integrity import find_damage, find_framework
from hopkin.analysis.transport.msd import drift, single_origin_msd, windowed_msd, windowed_msd_tensor
from hopkin.analysis.transport.rdf import mae_rdf, radial_distribution, wasserstein_distance
from hopkin.analysis.transport.result import TRANSPORT_FIELDS, write_tables
from hopkin.analysis.transport.sites import repeat_sites
from hopkin.analysis.transport.tables import read_table
from hopkin.analysis.transport.temperatures import arrhenius_table
from hopkin.analysis.transport.transport import analyze, density_of_ions
from hopkin.analysis.transport.vibrations import density_of_states, write_density_of_states

__all__ = [
    "TRANSPORT_FIELDS",
    "Point",
    "analyze",
    "arrhenius_table",
    "density_of_ions",
    "density_of_states",
    "drift",
    "find_damage",
    "find_framework",
    "find_sites",
    "fit_arrhenius",
    "mae_rdf",
    "radial_distribution",
    "read_table",
    "repeat_sites",
    "single_origin_msd",
    "wasserstein_distance",
    "windowed_msd",
    "windowed_msd_tensor",
    "write_cube",
    "write_density_of_states",
    "write_tables",
]
