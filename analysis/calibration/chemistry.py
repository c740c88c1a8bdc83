"""Classes of crystals, by what holds the framework together, read off its elements; and of hops."""

from collections.abc import Iterable

_HALOGENS = frozenset(("F", "Cl", "Br", "I"))
_CHALCOGENS = frozenset(("S", "Se", "Te"))
_CENTRES = frozenset(("B", "C", "N", "Si", "P", "S", "Ge", "As", "Se", "Te"))
"""Of polyanions with oxygen: borates, carbonates, nitrates, silicates, phosphates, sulphates, ..."""


LONG_HOP_A = 4.0
"""A longer hop leads past other atoms: there are several ways, and the published one may be another [A]."""


def reach_of(path_length_A: float) -> str:
    """Return the class of a hop: `short hops` or `long hops`."""
    return "long hops" if path_length_A > LONG_HOP_A else "short hops"


def framework_of(elements: Iterable[str], ion: str) -> tuple[str, ...]:
    """Return the elements of a crystal but its mobile ion, sorted: the same for LiFePO4 and NaFePO4."""
    return tuple(sorted(set(elements) - {ion}))


def chemistry_of(framework: Iterable[str]) -> str:
    """Return the class of a framework.

    `oxide`, `polyanionic oxide`, `chalcogenide`, `halide`, `mixed anion` or `other`. Mixed anions are a
    halogen beside oxygen or a chalcogen: oxyfluorides, antiperovskites, argyrodites.
    """
    elements = set(framework)
    halogens, chalcogens = elements & _HALOGENS, elements & _CHALCOGENS
    if halogens and (chalcogens or "O" in elements):
        return "mixed anion"
    if "O" in elements:
        return "polyanionic oxide" if elements & _CENTRES else "oxide"
    if chalcogens:
        return "chalcogenide"
    return "halide" if halogens else "other"
