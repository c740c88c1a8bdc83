"""How close two numbers have to be, by the precision behind them: each tolerance is named here, once."""

from ase.units import GPa

# LAMMPS against the model's own calculator, both in single precision.
ENERGY_EV_PER_ATOM = 1e-5
FORCE_EV_PER_A = 1e-4
STRESS_EV_PER_A3 = 1e-3 * GPa

# Two ways to the same number in double precision.
DOUBLE_EV = 1e-10
DOUBLE_EV_PER_A = 1e-10
DOUBLE_EV_PER_A3 = 1e-12
