"""Potentials: their names, weights and trust, and the environment and adapter that evaluate each.

`registry` finds a `model` by name (`models.toml`); `weights` and `trust` are about its file; `environments`
makes the Python of its family (`requirements/`), `worker` has `tasks` done there; `bridge` is what
`pair_style hopkin` calls, and `adapters` holds one module for each family.
"""

from hopkin.drivers.models.environments import families, install, interpreter, package_version
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model, known_models
from hopkin.drivers.models.weights import cache_directory, sha256_of
from hopkin.drivers.models.worker import call

__all__ = [
    "Model",
    "cache_directory",
    "call",
    "families",
    "fetch",
    "find_model",
    "install",
    "interpreter",
    "known_models",
    "package_version",
    "sha256_of",
]
