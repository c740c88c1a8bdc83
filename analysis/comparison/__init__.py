"""What is known, how far the computed is off, and the tables of a folder of results.

`results` finds the runs; `references` reads what is known; `metrics` has the errors; `comparison` joins
them for barriers, `dynamics_comparison` and `dynamics_tables` for dynamics, `pathimages` and `labels` for
forces.
"""

from hopkin.analysis.comparison.changes import compare_campaigns
from hopkin.analysis.comparison.comparison import collect, write_tables
from hopkin.analysis.comparison.jobs import ENDED, read_ended, read_jobs
from hopkin.analysis.comparison.labels import (
    Difference,
    element_energies,
    errors_of,
    force_errors_by_element,
    tells_elements_apart,
)
from hopkin.analysis.comparison.leaderboard import Card, card_of, leaderboard_of
from hopkin.analysis.comparison.pathimages import image_errors
from hopkin.analysis.comparison.published import cathode_barriers, published_errors
from hopkin.analysis.comparison.references import (
    KIND,
    DynamicsReference,
    Reference,
    find_dynamics_reference,
    find_reference,
    read_dynamics_references,
    read_references,
)
from hopkin.analysis.comparison.results import Row, Run, count_failures, find_runs
from hopkin.analysis.comparison.yamltext import parse_yaml

__all__ = [
    "ENDED",
    "KIND",
    "Card",
    "Difference",
    "DynamicsReference",
    "Reference",
    "Row",
    "Run",
    "card_of",
    "cathode_barriers",
    "collect",
    "compare_campaigns",
    "count_failures",
    "element_energies",
    "errors_of",
    "find_dynamics_reference",
    "find_reference",
    "find_runs",
    "force_errors_by_element",
    "image_errors",
    "leaderboard_of",
    "parse_yaml",
    "published_errors",
    "read_dynamics_references",
    "read_ended",
    "read_jobs",
    "read_references",
    "tells_elements_apart",
    "write_tables",
]
