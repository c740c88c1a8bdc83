"""Which cases speak for a crystal, and what they say; a refusal where none do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from hopkin.analysis.calibration.cases import Case, plain_name, shipped_cases
from hopkin.analysis.calibration.chemistry import chemistry_of, reach_of
from hopkin.analysis.calibration.estimator import LEAST_MATERIALS, Estimator

FIELDS = (
    *("believed_barrier_eV", "believed_low_eV", "believed_high_eV", "believed_cases", "believed_from"),
    "not_believed",
)
"""Of a result: the belief, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a barrier is likely to be by the functional of the known ones.

    Attributes
    ----------
    barrier_eV
        The estimate.
    low_eV, high_eV
        Its 90 % interval.
    n_cases, n_materials
        Known barriers that it stands on, and of how many other frameworks they are.
    scope
        What these have in common, such as "Li, oxide, short hops".
    """

    barrier_eV: float
    low_eV: float
    high_eV: float
    n_cases: int
    n_materials: int
    scope: str

    def fields(self) -> dict[str, Any]:
        """Fields of a result."""
        told = (self.barrier_eV, self.low_eV, self.high_eV, self.n_cases, self.scope, None)
        return dict(zip(FIELDS, told, strict=True))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no belief, in one sentence."""

    reason: str

    def fields(self) -> dict[str, Any]:
        """Fields of a result."""
        return dict.fromkeys(FIELDS) | {"not_believed": self.reason}


class Calibration:
    """Beliefs from cases.

    Parameters
    ----------
    cases
        of any number of models; those that failed, or of which nothing is known, are left out
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = tuple(
            case.model_copy(update={"model": plain_name(case.model)}) for case in cases if case.usable
        )
        self._hops: dict[tuple[object, ...], list[list[Case]]] = {}
        self._estimators: dict[tuple[object, ...], Estimator] = {}

    @classmethod
    def shipped(cls) -> "Calibration":
        """Return that of hopkin's own benchmark."""
        return _shipped()

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Models that have a case."""
        return tuple(dict.fromkeys(case.model for case in self.cases))

    def believe(
        self, ion: str, framework: Sequence[str], path_length_A: float, barriers: Mapping[str, float]
    ) -> Belief | Refusal:
        """Estimate the known barrier of a hop, by all the models that computed it together.

        What is known of its own framework is left out, so that a belief is of the same kind for any crystal.

        Parameters
        ----------
        ion
            chemical symbol of the mobile ion
        framework
            elements of the crystal but that (`framework_of`)
        path_length_A
            of the hop, straight [A]
        barriers
            of converged runs, by the model's name [eV]
        """
        named = {plain_name(model): barrier for model, barrier in barriers.items()}
        models = tuple(sorted(model for model in named if model in self.models))
        if not models:
            return Refusal(f"{', '.join(barriers) or 'no model'} has not been calibrated")
        chemistry, reach = chemistry_of(framework), reach_of(path_length_A)
        for what, wanted, seen in (
            ("of", ion, {case.ion for case in self._of(models)}),
            ("of the class", chemistry, {case.chemistry for case in self._of(models)}),
        ):
            if wanted not in seen:
                return Refusal(
                    f"no known barrier {what} {wanted} is among those that {', '.join(models)} computed"
                )
        scopes = ((ion, chemistry, reach), (None, chemistry, reach), (ion, None, reach), (None, None, reach))
        for alike in scopes:
            every = self.hops(models, *alike)
            hops = [cases for cases in every if cases[0].framework != tuple(framework)]
            n_materials = len({cases[0].framework for cases in hops})
            if n_materials >= LEAST_MATERIALS:
                break
        else:
            return Refusal(
                f"{', '.join(models)} has known barriers of {reach} of {n_materials} other materials; wanted"
                f" at least {LEAST_MATERIALS}"
            )
        known = np.array([[case.barrier_eV for case in cases] for cases in hops])
        asked = np.array([named[model] for model in models])
        for model, barrier, column in zip(models, asked, known.T, strict=True):
            if not column.min() <= barrier <= column.max():
                return Refusal(
                    f"{barrier:.3f} eV of {model} lies outside what it was calibrated on,"
                    f" {column.min():.3f} to {column.max():.3f} eV"
                )
        scope = ", ".join(filter(None, alike))
        key = (models, scope, None if len(hops) == len(every) else tuple(framework))
        if key not in self._estimators:
            self._estimators[key] = Estimator(
                known,
                np.array([cases[0].reference_eV for cases in hops]),
                [cases[0].framework for cases in hops],
            )
        estimate = self._estimators[key](asked)
        return Belief(
            barrier_eV=estimate.barrier_eV,
            low_eV=estimate.low_eV,
            high_eV=estimate.high_eV,
            n_cases=len(hops),
            n_materials=n_materials,
            scope=scope,
        )

    def _of(self, models: Sequence[str]) -> list[Case]:
        return [case for case in self.cases if case.model in models]

    def hops(
        self,
        models: Sequence[str],
        ion: str | None = None,
        chemistry: str | None = None,
        reach: str | None = None,
    ) -> list[list[Case]]:
        """Hops that all of some models have converged for: of each, its cases in the order of the models."""
        key = (tuple(models), ion, chemistry, reach)
        if key not in self._hops:
            found: dict[str, dict[str, Case]] = {}
            for case in self._of(models):
                kinds = ((ion, case.ion), (chemistry, case.chemistry), (reach, case.reach))
                if all(wanted in (None, has) for wanted, has in kinds):
                    found.setdefault(case.hop, {})[case.model] = case
            whole = (cases for cases in found.values() if len(cases) == len(models))
            self._hops[key] = [[cases[model] for model in models] for cases in whole]
        return self._hops[key]


def believed(calibration: Calibration, framework: Sequence[str], band: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a result that say what its barrier is likely to be, or in `not_believed` why nobody knows.

    Parameters
    ----------
    band
        fields of a result: model, ion, path_length_A, barrier_eV, converged, failure
    """
    if band.get("barrier_eV") is None or band.get("failure") or not band.get("converged"):
        return Refusal("only the barrier of a converged band is believed").fields()
    told = {band["model"]: band["barrier_eV"]}
    return calibration.believe(band["ion"], framework, band["path_length_A"], told).fields()


@cache
def _shipped() -> Calibration:
    return Calibration(shipped_cases())
