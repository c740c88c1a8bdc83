"""What the terminal shows: progress, tables and JSON, of results that are there.

`console` is shared; `catalogue` shows what there is, `runs` and `campaigns` what came out, `calibration` what
that is worth.
"""

from hopkin.drivers.terminal.calibration import show_advice, show_quality
from hopkin.drivers.terminal.campaigns import (
    show_changes,
    show_jobs,
    show_standing,
    show_tables,
    standing_shown,
)
from hopkin.drivers.terminal.catalogue import show_checks, show_hops, show_materials, show_models, show_parity
from hopkin.drivers.terminal.console import print_json, progress, show_fields
from hopkin.drivers.terminal.kinetics import show_kinetics
from hopkin.drivers.terminal.runs import show_arrhenius, show_barriers, show_dynamics, show_evaluation

__all__ = [
    "print_json",
    "progress",
    "show_advice",
    "show_arrhenius",
    "show_barriers",
    "show_changes",
    "show_checks",
    "show_dynamics",
    "show_evaluation",
    "show_fields",
    "show_hops",
    "show_jobs",
    "show_kinetics",
    "show_materials",
    "show_models",
    "show_parity",
    "show_quality",
    "show_standing",
    "show_tables",
    "standing_shown",
]
