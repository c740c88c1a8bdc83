"""What the tests of bands share: a box with one ion that hops."""

from typing import Any

import ase

from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.engine.rundirectory import RunDirectory

BOX_A = 8.0

Outcome = tuple[RunDirectory, dict[str, Any]]


def silent(_: object) -> None:
    """Show no progress."""


def lithium_at(
    fraction: float, *, across_A: float = 0.0, helium: tuple[float, float, float] = (2.0, 1.0, 1.0)
) -> Structure:
    """A box with one lithium ion in a landscape, and a helium atom that feels nothing."""
    positions = [helium, [fraction * BOX_A, BOX_A / 2 + across_A, BOX_A / 2]]
    atoms = ase.Atoms("HeLi", positions=positions, cell=3 * [BOX_A], pbc=True)
    return Structure(atoms=atoms, material=f"Li-at-{fraction:g}", source="test")
