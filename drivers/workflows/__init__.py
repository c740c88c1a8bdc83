"""One calculation each: the order of the steps, and the fields of the result.

`calculation` is what all have in common, `parity` the gate before them, `groundwork` what several share.
`barrier`: `relaxation`, then `band`, which goes down the `ladder` of `attempts`; `rates` beside it.
`kinetics`: all hops of a crystal, and `from_hops` what they make together.
`dynamics`: `relaxation`, then LAMMPS under `monitor`, on by `continuation`. `trajectories` and
`known_dynamics` analyse what others ran; `images` and `evaluation` compare with labels.
"""

from hopkin.drivers.workflows.barrier import (
    list_hops,
    percolation,
    run_barrier,
    run_neb,
    select_hops,
    write_endpoints,
)
from hopkin.drivers.workflows.calculation import Run, Say
from hopkin.drivers.workflows.dynamics import run_md
from hopkin.drivers.workflows.evaluation import evaluate
from hopkin.drivers.workflows.groundwork import (
    band_evaluations,
    barrier_size,
    dynamics_size,
    kinetics_size,
    prepare,
    shared_key,
)
from hopkin.drivers.workflows.images import run_images
from hopkin.drivers.workflows.kinetics import run_kinetics
from hopkin.drivers.workflows.known_dynamics import run_reference
from hopkin.drivers.workflows.parity import (
    ENERGY_TOLERANCE_EV_PER_ATOM,
    FORCE_TOLERANCE_EV_PER_A,
    GOLDEN_TOLERANCE_EV_PER_ATOM,
    GRADIENT_TOLERANCE,
    PRESSURE_TOLERANCE_GPA,
    STRESS_TOLERANCE_GPA,
    Parity,
    verify,
)
from hopkin.drivers.workflows.rates import with_rates
from hopkin.drivers.workflows.trajectories import Options, analyze_run, find_trajectories

__all__ = [
    "ENERGY_TOLERANCE_EV_PER_ATOM",
    "FORCE_TOLERANCE_EV_PER_A",
    "GOLDEN_TOLERANCE_EV_PER_ATOM",
    "GRADIENT_TOLERANCE",
    "PRESSURE_TOLERANCE_GPA",
    "STRESS_TOLERANCE_GPA",
    "Options",
    "Parity",
    "Run",
    "Say",
    "analyze_run",
    "band_evaluations",
    "barrier_size",
    "dynamics_size",
    "evaluate",
    "find_trajectories",
    "kinetics_size",
    "list_hops",
    "percolation",
    "prepare",
    "run_barrier",
    "run_images",
    "run_kinetics",
    "run_md",
    "run_neb",
    "run_reference",
    "select_hops",
    "shared_key",
    "verify",
    "with_rates",
    "write_endpoints",
]
