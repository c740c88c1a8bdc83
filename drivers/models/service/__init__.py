"""The evaluation service: one process per model and node that evaluates it for every LAMMPS there.

`lease` starts a service and keeps it for the life of this process; `find` does so for a deck that is run
alone. `broker` is the service: it loads the model, takes requests (`protocol`) and hands them to the
`evaluators` that it forks. docs/service.md describes it.
"""

from hopkin.drivers.models.service.lease import (
    Service,
    peak_memory,
    prepare,
    require_served,
    service_of,
    services,
    take_processors,
    wait_for,
)

__all__ = [
    "Service",
    "peak_memory",
    "prepare",
    "require_served",
    "service_of",
    "services",
    "take_processors",
    "wait_for",
]
