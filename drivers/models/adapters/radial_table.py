"""Radial functions of a network as a table: as many intervals as bring quintic polynomials close to them."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from scipy.interpolate import BPoly

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.network import Numbers, Radial

_FEWEST_INTERVALS = 8
_WIDEST_A = 0.08
_MOST_INTERVALS = 4096
_NEAREST_A = 0.5
"""no two atoms are nearer, where the functions are steepest: the error is not asked there"""

_ASKED_AT = (0.28, 0.5)
"""parts of an interval where the error of a quintic's slope and that of its value are largest"""

Function = Callable[[torch.Tensor], torch.Tensor]


def tabulate(functions: Function, mixing: torch.Tensor, ends: Sequence[float], error: float) -> Radial:
    """Tabulate functions of the distance with their first two derivatives.

    Parameters
    ----------
    functions
        (n,) distances [A] to (n, functions), to be differentiated twice
    mixing
        (functions, weights), what they are combined with
    ends
        of the segments within which the functions are smooth, in order [A]
    error
        largest one of the weights that is accepted, in units of the largest weight; that of their slopes
        likewise

    Raises
    ------
    ModelError
        when a table would be too long
    """
    mixing = mixing.detach()
    return Radial(
        segments=[
            (start, end, _segment(functions, mixing, start, end, error)) for start, end in pairwise(ends)
        ],
        mixing=mixing.numpy(),
    )


def _segment(functions: Function, mixing: torch.Tensor, start: float, end: float, error: float) -> Numbers:
    slopes = _derivative(functions)
    curvatures = _derivative(slopes)
    n = max(_FEWEST_INTERVALS, round((end - start) / _WIDEST_A))
    while n <= _MOST_INTERVALS:
        knots = torch.linspace(start, end, n + 1, dtype=torch.float64)
        at = knots.clone()
        at[-1] = np.nextafter(end, 0.0)  # what is cut off begins at the end: this side of it
        table: Numbers = torch.stack([functions(at), slopes(at), curvatures(at)], dim=1).detach().numpy()
        quintic = BPoly.from_derivatives(knots.numpy(), table)
        between = torch.cat([knots[:-1] + part * knots.diff() for part in _ASKED_AT])
        between = between[between > _NEAREST_A]
        exact = (functions(between), slopes(between))
        found = (quintic(between.numpy()), quintic.derivative()(between.numpy()))
        if max(_error(*pair, mixing) for pair in zip(found, exact, strict=True)) <= error:
            return table
        n *= 2
    raise ModelError("its radial functions are too rough for a table")


def _derivative(function: Function) -> Function:
    def derivative(r: torch.Tensor) -> torch.Tensor:
        slopes: torch.Tensor = torch.func.jvp(function, (r,), (torch.ones_like(r),))[1]
        return slopes

    return derivative


def _error(found: Numbers, exact: torch.Tensor, mixing: torch.Tensor) -> float:
    wanted = exact.detach() @ mixing
    difference = torch.from_numpy(found) @ mixing - wanted
    # of no numbers, or of none that is one, it is not small
    return (difference.abs().amax() / wanted.abs().amax()).nan_to_num(nan=np.inf).item()
