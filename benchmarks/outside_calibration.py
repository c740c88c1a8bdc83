"""What the advice and the beliefs of hopkin are worth for crystals that its calibration has not seen.

    hopkin bench benchmarks/campaigns/outside_calibration.yaml     # an hour
    python -m benchmarks.outside_calibration runs/outside_calibration...

writes benchmarks/results/outside_calibration.md.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.benchmark import table
from benchmarks.page import write_page
from hopkin.analysis.calibration import Belief, Calibration, Case, cases_of, shipped_cases
from hopkin.analysis.comparison import collect
from hopkin.drivers.bands import read_pairs
from hopkin.drivers.crystals import Structure
from hopkin.drivers.models import find_model
from hopkin.drivers.recommendation import recommend

ENDPOINTS = Path(__file__).parents[2] / "shared/data/barriers/endpoints.extxyz"


def row_of(cases: dict[str, Case], crystal: Structure) -> dict[str, object]:
    """Of a hop, by model: the advice, the errors, and the belief of all that converged."""
    first = next(iter(cases.values()))
    known = first.reference_eV
    advice = recommend(crystal, first.ion, [find_model(name) for name in cases], shipped_cases())
    computed = {name: case.barrier_eV for name, case in cases.items() if case.usable}
    off = {name: abs(barrier - known) for name, barrier in computed.items()}
    believe = partial(Calibration.shipped().believe, first.ion, first.framework, first.path_length_A)
    alone = {name for name, barrier in computed.items() if isinstance(believe({name: barrier}), Belief)}
    belief = believe({name: computed[name] for name in alone} or computed)
    row: dict[str, object] = {"hop": first.hop, "known [eV]": known}
    row |= {name: computed.get(name, case.failure) for name, case in cases.items()}
    row |= {
        "advised": next((one.model for one in advice if one.model in computed), ""),
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


def errors_of(rows: list[dict[str, object]], models: list[str]) -> list[dict[str, object]]:
    """How far off is each model, the advised one, the best that could have been, and the belief."""
    picked = {model: [(row[model], row["known [eV]"]) for row in rows] for model in models}
    for which in ("advised", "best"):
        picked[which] = [(row.get(row[which]), row["known [eV]"]) for row in rows]  # type: ignore[call-overload]
    picked["believed"] = [(row["believed [eV]"], row["known [eV]"]) for row in rows]
    found = []
    for name, pairs in picked.items():
        off = [abs(barrier - known) for barrier, known in pairs if isinstance(barrier, float)]
        found.append({"barrier": name, "hops": len(off), "MAE [eV]": np.mean(off), "median": np.median(off)})
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
    body = "\n".join([table(rows), "## Errors\n", table(errors_of(rows, models))])
    made_by = "`python -m benchmarks.outside_calibration`, of runs of `campaigns/outside_calibration.yaml`"
    write_page("outside_calibration", "Crystals outside the calibration", made_by, body)
    print(body)


if __name__ == "__main__":
    main()
