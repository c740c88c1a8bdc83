"""Which models to use for a crystal: how far off they were for others of its kind, what they cost here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from hopkin.analysis.calibration import Calibration, Case, chemistry_of, framework_of, plain_name, quality_of
from hopkin.analysis.comparison import published_errors
from hopkin.drivers.campaigns import known_cost
from hopkin.drivers.crystals import Structure, require_ion
from hopkin.drivers.models import Model

MOST_FAILURES = 0.25
"""Models that failed more often come last."""
_LEAST_MATERIALS = 4
"""Of a class, below which all classes are looked at."""
_ALIKE_EV = 0.01
"""Errors that differ by less are no reason to prefer a model [eV]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What speaks for a model, and against it.

    Attributes
    ----------
    model, state
        its name, and what it needs here
    scope
        cases that were looked at, such as "Li, oxide"; empty: it has none
    n_cases, n_materials
        known barriers of these, and of how many frameworks
    mae_eV, bias_eV
        of the model as it is
    believed_mae_eV, half_width_eV
        of its corrected barriers for materials left out of the correction, and of their 90 % intervals
    n_runs, n_failed
        runs of such crystals, those without a known barrier too, and those that failed
    seconds
        of a barrier; `measured_here`: by what an evaluation takes on this machine, else as in the benchmark
    published_mae_eV
        as the published comparison has it, over its own cases; the most, where it states a range
    reason
        in one sentence
    """

    model: str
    state: str
    scope: str
    n_cases: int
    n_materials: int
    mae_eV: float | None
    bias_eV: float | None
    believed_mae_eV: float | None
    half_width_eV: float | None
    n_runs: int
    n_failed: int
    seconds: float | None
    measured_here: bool
    published_mae_eV: float | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)


def recommend(structure: Structure, ion: str, models: Sequence[Model], cases: Sequence[Case]) -> list[Advice]:
    """Advise on models for the barriers of a crystal, the best first.

    Those whose barriers can be believed come first, by the error of their corrected barriers; of errors
    within 10 meV the faster. After them those with too few known barriers, by their error as it is; those
    that fail often; and those of which only a published error is known.

    Parameters
    ----------
    models
        which to choose from
    cases
        what the advice stands on
    """
    require_ion(structure.atoms, ion)
    elements = set(structure.atoms.symbols)
    framework = framework_of(elements, ion)
    calibration = Calibration(cases)
    advice = [
        _advice(model, ion, framework, calibration, cases)
        for model in models
        if not model.elements or elements <= set(model.elements)
    ]
    return sorted(advice, key=_place)


def _place(advice: Advice) -> tuple[Any, ...]:
    error = advice.mae_eV if advice.believed_mae_eV is None else advice.believed_mae_eV
    if error is None:
        published = advice.published_mae_eV
        return 3, published is None, published or 0.0, advice.model
    often = advice.n_failed > MOST_FAILURES * advice.n_runs
    # errors as they are, over few hops, are no measure beside those of beliefs over many
    group = 2 if often else int(advice.believed_mae_eV is None)
    return group, round(error / _ALIKE_EV), advice.seconds or 0.0, advice.model


def _advice(
    model: Model, ion: str, framework: tuple[str, ...], calibration: Calibration, cases: Sequence[Case]
) -> Advice:
    ours = [case for case in cases if plain_name(case.model) == plain_name(model.name)]
    scope, alike = _alike(ours, ion, chemistry_of(framework))
    quality = None
    if any(case.usable for case in alike):
        quality = quality_of(calibration, [plain_name(model.name)], among={case.hop for case in alike})
    seconds, here = _seconds(model, alike)
    failed = sum(case.failure is not None for case in alike)
    _, published = published_errors().get(model.entry, {}).get(("barrier_mae_eV", None), (None, None))
    return Advice(
        model=model.name,
        state=str(model.state()),
        scope=scope,
        n_cases=quality.n_cases if quality else 0,
        n_materials=quality.n_materials if quality else 0,
        mae_eV=quality.mae_all_eV if quality else None,
        bias_eV=quality.bias_eV if quality else None,
        believed_mae_eV=quality.believed_mae_eV if quality else None,
        half_width_eV=quality.half_width_eV if quality else None,
        n_runs=len(alike),
        n_failed=failed,
        seconds=seconds,
        measured_here=here,
        published_mae_eV=published,
        reason=_reason(model, scope, len(alike), failed, published),
    )


def _alike(cases: Sequence[Case], ion: str, chemistry: str) -> tuple[str, list[Case]]:
    """Cases of crystals most like this one, of enough materials, and what they have in common."""
    for scope, alike in (
        (f"{ion}, {chemistry}", [c for c in cases if (c.ion, c.chemistry) == (ion, chemistry)]),
        (chemistry, [c for c in cases if c.chemistry == chemistry]),
        (ion, [c for c in cases if c.ion == ion]),
    ):
        if len({case.framework for case in alike if case.usable}) >= _LEAST_MATERIALS:
            return scope, alike
    return "all" if cases else "", list(cases)


def _seconds(model: Model, cases: Sequence[Case]) -> tuple[float | None, bool]:
    """Seconds of a barrier as those of the cases were, and whether it is by a measurement on this machine."""
    ended = [case for case in cases if case.force_evaluations and case.n_atoms and case.failure is None]
    if ended and (cost := known_cost(model)) is not None:
        return median(case.force_evaluations * cost.of(case.n_atoms) for case in ended), True  # type: ignore[operator, arg-type]
    return median([case.wall_s for case in cases if case.wall_s] or [0.0]) or None, False


def _reason(model: Model, scope: str, n_runs: int, n_failed: int, published: float | None) -> str:
    if not scope:
        known = f"the published error is {published:g} eV" if published is not None else "no error is known"
        return f"hopkin has not run its benchmark with it; {known}"
    words = [f"{n_runs - n_failed} of {n_runs} runs converged"]
    if n_failed > MOST_FAILURES * n_runs:
        words.append("it fails too often")
    if not model.conservative:
        words.append("its forces are not the gradient of its energy")
    return "; ".join(words)
