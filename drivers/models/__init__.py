"""Potentials: their names, weights and trust, and the environment and adapter that evaluate each.

`registry` finds a `model` by name (`models.toml`); `weights` and `trust` are about its file; `environments`
makes the Python of its family (`requirements/`), `worker` has `tasks` done there; `service` evaluates a model
for the LAMMPS processes of this node, and `adapters` holds one module for each family. `running` tells what
LAMMPS needs to run a model.
"""

from hopkin.drivers.models.environments import families, install, interpreter, package_version
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model, known_models
from hopkin.drivers.models.running import lammps_environment
from hopkin.drivers.models.service import (
    Service,
    peak_memory,
    prepare,
    require_served,
    service_of,
    services,
    take_processors,
    wait_for,
)
from hopkin.drivers.models.weights import cache_directory, sha256_of
from hopkin.drivers.models.worker import call

__all__ = [
    "Model",
    "Service",
    "cache_directory",
    "call",
    "families",
    "fetch",
    "find_model",
    "install",
    "interpreter",
    "known_models",
    "lammps_environment",
    "package_version",
    "peak_memory",
    "prepare",
    "require_served",
    "service_of",
    "services",
    "sha256_of",
    "take_processors",
    "wait_for",
]
