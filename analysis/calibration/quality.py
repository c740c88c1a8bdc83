"""How well a calibration does for materials that it has not seen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hopkin.analysis.calibration.calibration import Belief, Calibration

_GAUSSIAN_90_OF_MAE = 2.062
"""Half of a 90 % interval of normal errors, in units of their mean absolute error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Beliefs about materials, each by the others, beside what is known of them.

    All but `mae_all_eV` are over the cases that have a belief; what there are none of is None.

    Attributes
    ----------
    models
        One model, or several together.
    n_cases, n_materials
        Known barriers, and of how many frameworks.
    n_refused
        Cases without a belief: most of them the lowest and the highest barriers.
    mae_all_eV
        Of the model as it is, over all cases; of several, of their mean.
    mae_eV, bias_eV
        The same, of cases with a belief.
    believed_mae_eV
        Of the beliefs.
    coverage, half_width_eV
        Part of the known barriers in their 90 % interval, and the median half width of these.
    raw_coverage, raw_half_width_eV
        The same of the 90 % interval that normal errors of the model's MAE would have.
    """

    models: tuple[str, ...]
    n_cases: int
    n_materials: int
    n_refused: int
    mae_all_eV: float
    mae_eV: float | None
    bias_eV: float | None
    believed_mae_eV: float | None
    coverage: float | None
    half_width_eV: float | None
    raw_coverage: float | None
    raw_half_width_eV: float | None


def quality_of(
    calibration: Calibration, models: Sequence[str], *, among: Collection[str] | None = None
) -> Quality:
    """Believe hops whose barriers are known, each by those of other frameworks.

    Parameters
    ----------
    models
        of which some hop has a known barrier
    among
        hops that are believed; None: all
    """
    hops = [cases for cases in calibration.hops(models) if among is None or cases[0].hop in among]
    every, believed = [], []
    for cases in hops:
        first = cases[0]
        barriers = {case.model: case.barrier_eV for case in cases if case.barrier_eV is not None}
        known = first.reference_eV or 0.0
        error = float(np.mean(list(barriers.values()))) - known
        every.append(error)
        belief = calibration.believe(first.ion, first.framework, first.path_length_A, barriers)
        if isinstance(belief, Belief):
            inside = belief.low_eV <= known <= belief.high_eV
            half = (belief.high_eV - belief.low_eV) / 2
            believed.append((error, belief.barrier_eV - known, inside, half))
    counts: dict[str, Any] = {
        "models": tuple(models),
        "n_cases": len(hops),
        "n_materials": len({cases[0].framework for cases in hops}),
        "n_refused": len(hops) - len(believed),
        "mae_all_eV": float(np.mean(np.abs(every))),
    }
    if not believed:
        return Quality(**counts | dict.fromkeys(_OF_BELIEFS))
    errors, left, inside, halves = np.array(believed).T
    raw = _GAUSSIAN_90_OF_MAE * np.abs(errors).mean()
    numbers = (
        *(np.abs(errors).mean(), errors.mean(), np.abs(left).mean(), inside.mean(), np.median(halves)),
        *(np.mean(np.abs(errors) <= raw), raw),
    )
    return Quality(**counts | dict(zip(_OF_BELIEFS, map(float, numbers), strict=True)))


_OF_BELIEFS = (
    *("mae_eV", "bias_eV", "believed_mae_eV", "coverage", "half_width_eV"),
    *("raw_coverage", "raw_half_width_eV"),
)
