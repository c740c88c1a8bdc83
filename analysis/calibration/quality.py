"""How well a calibration does for materials that it has not seen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from hopkin.analysis.calibration.calibration import Belief, Calibration

_GAUSSIAN_90_OF_MAE = 2.062
"""Half of a 90 % interval of normal errors, in units of their mean absolute error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Beliefs about left-out materials beside what is known of them.

    Attributes
    ----------
    models
        One model, or several together.
    n_cases, n_materials
        Known barriers, and of how many frameworks.
    n_refused
        Cases without a belief.
    coverage
        Part of the others whose known barrier lies in the 90 % interval.
    mae_eV, bias_eV
        Of the model as it is; of several, of their mean.
    believed_mae_eV
        Of the beliefs.
    half_width_eV
        Median half width of the intervals.
    raw_half_width_eV
        That of the 90 % interval of normal errors with the model's MAE.
    """

    models: tuple[str, ...]
    n_cases: int
    n_materials: int
    n_refused: int
    coverage: float | None
    mae_eV: float
    bias_eV: float
    believed_mae_eV: float | None
    half_width_eV: float | None
    raw_half_width_eV: float


def quality_of(
    calibration: Calibration, models: Sequence[str], *, among: Collection[str] | None = None
) -> Quality:
    """Leave out each framework in turn, and believe its hops by the others.

    Parameters
    ----------
    models
        of which some hop has a known barrier
    among
        hops that are believed; None: all
    """
    hops = [cases for cases in calibration.hops(models) if among is None or cases[0].hop in among]
    beliefs, errors = [], []
    left_out: dict[tuple[str, ...], Calibration] = {}
    for by_model in hops:
        first = by_model[0]
        if first.framework not in left_out:
            left_out[first.framework] = calibration.without(first.framework)
        barriers = {case.model: case.barrier_eV for case in by_model if case.barrier_eV is not None}
        known = first.reference_eV or 0.0
        errors.append(float(np.mean(list(barriers.values()))) - known)
        belief = left_out[first.framework].believe(first.ion, first.framework, first.path_length_A, barriers)
        if isinstance(belief, Belief):
            beliefs.append((belief, known))
    mae = float(np.mean(np.abs(errors)))
    inside = [belief.low_eV <= known <= belief.high_eV for belief, known in beliefs]
    return Quality(
        models=tuple(models),
        n_cases=len(hops),
        n_materials=len(left_out),
        n_refused=len(hops) - len(beliefs),
        coverage=float(np.mean(inside)) if beliefs else None,
        mae_eV=mae,
        bias_eV=float(np.mean(errors)),
        believed_mae_eV=float(np.mean([abs(b.barrier_eV - k) for b, k in beliefs])) if beliefs else None,
        half_width_eV=float(np.median([(b.high_eV - b.low_eV) / 2 for b, _ in beliefs])) if beliefs else None,
        raw_half_width_eV=_GAUSSIAN_90_OF_MAE * mae,
    )
