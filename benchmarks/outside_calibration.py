"""What the advice and the beliefs of hopkin are worth for crystals that its calibration has not seen.

    hopkin bench benchmarks/campaigns/outside_calibration.yaml     # an hour
    python -m benchmarks.outside_calibration runs/outside_calibration...

writes benchmarks/results/outside_calibration.md.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import table, write_page
from hopkin.analysis.calibration import Belief, Calibration, Case, cases_of, shipped_cases
from hopkin.analysis.comparison import collect
from hopkin.drivers.bands import read_pairs
from hopkin.drivers.crystals import Structure
from hopkin.drivers.models import find_model
from hopkin.drivers.recommendation import recommend

ENDPOINTS = Path(__file__).parents[2] / "shared/data/barriers/endpoints.extxyz"


def row_of(cases: dict[str, Case], crystal: Structure) -> dict[str, Any]:
    """Of a hop, by model: the advice, the errors, and the belief of all that converged.

    The advice is by other frameworks, as the belief is.
    """
    first = next(iter(cases.values()))
    others = [case for case in shipped_cases() if case.framework != first.framework]
    known = first.reference_eV
    advice = recommend(crystal, first.ion, [find_model(name) for name in cases], others)
    computed = {name: case.barrier_eV for name, case in cases.items() if case.usable}
    off = {name: abs(barrier - known) for name, barrier in computed.items()}
    believe = partial(Calibration.shipped().believe, first.ion, first.framework, first.path_length_A)
    alone = {name for name, barrier in computed.items() if isinstance(believe({name: barrier}), Belief)}
    belief = believe({name: computed[name] for name in alone} or computed)
    row: dict[str, Any] = {
        "hop": first.hop,
        "by": first.functional,
        "framework": "new" if len(others) == len(shipped_cases()) else "left out",
        "known [eV]": known,
        **{name: computed.get(name, case.failure) for name, case in cases.items()},
        "advised": advice[0].model,
        "best": min(off, key=lambda name: off[name], default=""),
    }
    if not isinstance(belief, Belief):
        return row | {"believed [eV]": None, "90 % interval [eV]": belief.reason, "inside": ""}
    inside = belief.low_eV <= known <= belief.high_eV
    return row | {
        "believed [eV]": belief.barrier_eV,
        "90 % interval [eV]": f"{belief.low_eV:.2f} to {belief.high_eV:.2f}",
        "inside": "yes" if inside else "no",
    }


def errors_of(rows: list[dict[str, Any]], models: list[str]) -> list[dict[str, Any]]:
    """How far off is each model, the advised one, the best that could have been, and the belief."""
    named = {model: [row[model] for row in rows] for model in models}
    chosen = {which: [row.get(row[which]) for row in rows] for which in ("advised", "best")}
    believed = {"believed": [row["believed [eV]"] for row in rows]}
    found = []
    for name, barriers in (named | chosen | believed).items():
        off = [
            abs(barrier - row["known [eV]"]) if isinstance(barrier, float) else np.nan
            for row, barrier in zip(rows, barriers, strict=True)
        ]
        found.append(
            {
                "barrier": name,
                "hops": int(np.isfinite(off).sum()),
                "MAE [eV]": np.nanmean(off),
                "median [eV]": np.nanmedian(off),
            }
        )
    return found


def main() -> None:
    cases = [case for folder in sys.argv[1:] for case in cases_of(collect(Path(folder)).get("barriers", ()))]
    if seen := {case.hop for case in cases} & {case.hop for case in shipped_cases()}:
        raise SystemExit(f"in the calibration: {', '.join(sorted(seen))}")
    ends = read_pairs(ENDPOINTS)
    models = sorted({case.model for case in cases})
    rows = []
    for hop in sorted({case.hop for case in cases}):
        material = hop.split()[0]
        crystal = Structure(atoms=ends[material][0], material=material, source=str(ENDPOINTS))
        rows.append(row_of({case.model: case for case in cases if case.hop == hop}, crystal))
    common = [
        row
        for row in rows
        if row["inside"] and all(isinstance(row.get(model), float) for model in [*models, row["advised"]])
    ]
    inside = sum(row["inside"] == "yes" for row in rows)
    n_believed = sum(bool(row["inside"]) for row in rows)
    body = "\n".join(
        [
            table(rows),
            f"{inside} of {n_believed} known barriers lie in their intervals.\n",
            "## Errors\n",
            "Of hops that all models have converged for, and that are believed.\n",
            table(errors_of(common, models)),
            "Of all hops, each by those that it has.\n",
            table(errors_of(rows, models)),
        ]
    )
    made_by = "`python -m benchmarks.outside_calibration`, of runs of `campaigns/outside_calibration.yaml`"
    write_page("outside_calibration", "Crystals outside the calibration", made_by, body)
    print(body)


if __name__ == "__main__":
    main()
