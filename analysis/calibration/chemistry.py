"""Classes of crystals: by what holds the framework together, read off its elements."""

from collections.abc import Iterable

_HALOGENS = frozenset(("F", "Cl", "Br", "I"))
_CHALCOGENS = frozenset(("S", "Se", "Te"))
_CENTRES = frozenset(("B", "C", "N", "Si", "P", "S", "Ge", "As", "Se", "Te"))
"""Of polyanions with oxygen: borates, carbonates, nitrates, silicates, phosphates, sulphates, ..."""


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
