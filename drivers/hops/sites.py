"""Whether an end of a hop stayed in the site it was built in."""

from collections.abc import Sequence

import ase
import numpy as np
from ase.geometry import find_mic
from numpy.typing import NDArray

DRIFT_FRACTION = 0.5
"""An ion that relaxes further than this part of the hop has left its site, wherever it went."""

SEPARATE_SITES_A = 1.0
"""Positions of one ion in the two ends that are further apart are two sites [A]."""


def strayed(ends: Sequence[ase.Atoms], relaxed: Sequence[ase.Atoms], ion: int) -> str | None:
    """Tell, in one sentence, which ion of which end left its site during relaxation; None: none did.

    The sites are those that ions hold in either end. An ion has left its site when another one is
    nearer than its own, or when it moved further than `DRIFT_FRACTION` of the hop. Ions other than the one
    that hops count as well: one that falls into the vacancy is as bad.

    Parameters
    ----------
    ends, relaxed
        Initial and final end, before and after.
    ion
        Index of the atom that hops.
    """
    cell = ends[0].cell.array
    hop = _length(ends[1].positions[ion] - ends[0].positions[ion], cell)
    ions = np.flatnonzero(ends[0].numbers == ends[0].numbers[ion])
    sites, names = _sites(ends, ions, ion)
    for which, before, after in zip(("initial", "final"), ends, relaxed, strict=True):
        for n in ions.tolist():
            moved = _length(after.positions[n] - before.positions[n], cell)
            _, distances = find_mic(sites - after.positions[n], cell)
            nearest = int(np.argmin(distances))
            if (
                distances[nearest] < moved - 1e-6
                and _length(sites[nearest] - before.positions[n], cell) > 1e-6
            ):
                return (
                    f"in the {which} end {_name(before, n)} fell into another site: it relaxed by"
                    f" {moved:.2f} A, to {distances[nearest]:.2f} A from {names[nearest]}"
                )
            if moved > DRIFT_FRACTION * hop:
                return (
                    f"in the {which} end {_name(before, n)} left its site: it relaxed by {moved:.2f} A,"
                    f" more than half of the hop ({hop:.2f} A), to where no ion was"
                )
    left = _length(relaxed[1].positions[ion] - relaxed[0].positions[ion], cell)
    if left < DRIFT_FRACTION * hop:
        return f"the relaxed ends are only {left:.2f} A apart at the ion that hops ({hop:.2f} A before)"
    return None


def _sites(
    ends: Sequence[ase.Atoms], ions: NDArray[np.int64], ion: int
) -> tuple[NDArray[np.float64], list[str]]:
    """(n_sites, 3) sites of all ions of both ends [A], and what they are called."""
    cell = ends[0].cell.array
    sites, names = [], []
    for n in ions.tolist():
        first, last = (end.positions[n] for end in ends)
        sites.append(first)
        names.append("the initial site of the hop" if n == ion else f"the site of {_name(ends[0], n)}")
        if n == ion or _length(last - first, cell) > SEPARATE_SITES_A:
            sites.append(last)
            names.append(
                "the final site of the hop" if n == ion else f"the final site of {_name(ends[0], n)}"
            )
    return np.array(sites), names


def _name(atoms: ase.Atoms, n: int) -> str:
    """Call an atom by its element and its number, from 1 as in the files: ``Li 14``."""
    return f"{atoms.symbols[n]} {n + 1}"


def _length(vector: NDArray[np.float64], cell: NDArray[np.float64]) -> float:
    return float(find_mic(vector[None], cell)[1][0])
