"""The path between two ends as numbers and files: images, barrier and rate from it, VASP in and out.

`interpolation` makes paths, `paths` shapes and classes them; `profile` is the spline along one; `rates` are
harmonic; `endpoints` and `vaspbands` read ends and bands; `export` writes finished runs, by `vasp`. Nothing
here runs LAMMPS.
"""

from hopkin.drivers.bands.endpoints import Pair, check_pair, load_pair, read_pairs
from hopkin.drivers.bands.export import export_vasp, finished_band
from hopkin.drivers.bands.interpolation import interpolate
from hopkin.drivers.bands.paths import (
    barrier,
    check_endpoints,
    classify,
    collision,
    displacements,
    off_symmetry,
    refined,
    reshaped,
)
from hopkin.drivers.bands.profile import Profile, fit_profile
from hopkin.drivers.bands.rates import RateError, kinetics, region
from hopkin.drivers.bands.vaspbands import VaspBand, read_vasp_band

__all__ = [
    "Pair",
    "Profile",
    "RateError",
    "VaspBand",
    "barrier",
    "check_endpoints",
    "check_pair",
    "classify",
    "collision",
    "displacements",
    "export_vasp",
    "finished_band",
    "fit_profile",
    "interpolate",
    "kinetics",
    "load_pair",
    "off_symmetry",
    "read_pairs",
    "read_vasp_band",
    "refined",
    "region",
    "reshaped",
]
