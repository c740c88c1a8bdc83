"""Potentials: names, weights, trust, and the environment and adapter that evaluate each."""

from hopkin.drivers.models.environments import families, hopkin_hash, install, interpreter, package_version
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
    "hopkin_hash",
    "install",
    "interpreter",
    "known_models",
    "package_version",
    "sha256_of",
]
