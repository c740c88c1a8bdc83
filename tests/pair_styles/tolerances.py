"""How close two numbers have to be, by the precision behind them: each tolerance is named here, once."""

from typing import NamedTuple

from ase.units import GPa

# LAMMPS against the model's own calculator, both in single precision.
ENERGY_EV_PER_ATOM = 1e-5
FORCE_EV_PER_A = 1e-4
STRESS_EV_PER_A3 = 1e-3 * GPa

# The same crystal written down in another way, by pair style. The forces of CHGNet's own calculator change
# by up to 7e-4 eV/A when the crystal is shifted: single precision, next to its cutoff of angles at 3 A.
INVARIANCE_FORCE_EV_PER_A = {"e3gnn": FORCE_EV_PER_A, "hopkin": 2e-3}


class Tolerance(NamedTuple):
    energy_eV_per_atom: float
    force_eV_per_A: float


# A network evaluated without torch against the model's own calculator in double precision.
NETWORK = {"float32": Tolerance(1e-5, 1e-4), "float64": Tolerance(1e-6, 1e-5)}
# One whose weights are of chance: in units of its energy, and of its largest force.
NETWORK_OF_CHANCE = {"single": 2e-5, "double": 1e-7}

# Two ways to the same number in double precision.
DOUBLE_EV = 1e-10
DOUBLE_EV_PER_A = 1e-10
DOUBLE_EV_PER_A3 = 1e-12

# Central differences of the energy LAMMPS reports, by pair style: SevenNet and MACE in double precision, with
# short steps because SevenNet's cutoff makes jumps in second derivatives; CHGNet in single, whose energy of
# four atoms is rough by 5e-7 eV.
DISPLACEMENT_A = {"e3gnn": 1e-4, "mace": 1e-4, "hopkin": 2e-3}
SLOPE_EV_PER_A = {"e3gnn": 2e-6, "mace": 2e-6, "hopkin": 2e-3}
STRAIN = {"e3gnn": 5e-5, "mace": 5e-5, "hopkin": 2e-3}
VIRIAL_EV = {"e3gnn": 1e-6, "mace": 1e-6, "hopkin": 5e-3}

# Positions that a run ended with, read again from a file with 17 digits.
AS_READ_ANEW_EV = {"e3gnn": 1e-9, "mace": 1e-9, "hopkin": 1e-3}

# GRACE in double precision.
GRACE_DISPLACEMENT_A = 1e-4
GRACE_SLOPE_EV_PER_A = 1e-5
GRACE_STRAIN = 1e-4
GRACE_VIRIAL_EV = 1e-4
