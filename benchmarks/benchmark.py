"""The benchmark in short: models beside known barriers, and what calibrated barriers are worth.

    hopkin bench benchmarks/campaigns/cathodes.yaml          # and literature_pairs.yaml: hours
    hopkin calibrate runs/cathodes runs/literature_pairs -o analysis/calibration/cases.csv --note COMMIT
    python -m benchmarks.benchmark

writes benchmarks/results/benchmark.md from the cases that hopkin ships.
"""

import pandas as pd

from benchmarks.page import table, write_page
from hopkin.analysis.calibration import Calibration, quality_of, shipped_cases
from hopkin.analysis.comparison import published_errors
from hopkin.analysis.comparison.metrics import errors, statistic

SEED = 1


def main() -> None:
    cases = pd.DataFrame(
        [case.model_dump() | {"chemistry": case.chemistry, "usable": case.usable} for case in shipped_cases()]
    )
    cathodes = cases.hop.str.contains(r" (?:di)?vacancy \d+$")
    cases["set"] = cathodes.map({True: "cathodes", False: "pairs"})
    known = cases[cases.usable].astype({"barrier_eV": float, "reference_eV": float})
    models = list(dict.fromkeys(known.model))

    runs = [
        {
            "model": model,
            "set": name,
            "runs": len(group),
            "converged": int(group.failure.isna().sum()),
            "failures": ", ".join(f"{n} {what}" for what, n in group.failure.value_counts().items()),
            "with a known barrier": int(group.reference_eV.notna().sum()),
            "median evaluations": int(group.force_evaluations.median()),
            "median seconds": round(float(group.wall_s.median())),
            "commit": ", ".join(sorted(set(group.note))),
        }
        for (model, name), group in cases.groupby(["model", "set"], sort=False)
    ]
    off = []
    for model in models:
        for name in ("cathodes", "pairs", "both"):
            group = known[(known.model == model) & (known.set.isin([name]) | (name == "both"))]
            if len(group) < 4:
                continue
            found = errors(group.reference_eV, group.barrier_eV, seed=SEED)
            numbers = {
                title: f"{value:.3f} ({low:.3f} to {high:.3f})"
                for title, (value, low, high) in (
                    ("MAE [eV]", statistic(found, "mae")),
                    ("median [eV]", statistic(found, "median_ae")),
                    ("bias [eV]", statistic(found, "bias")),
                    ("slope", statistic(found, "slope")),
                )
                if None not in (value, low, high)
            }
            off.append({"model": model, "set": name, "known": len(group), **numbers})

    published = []
    for model in models:
        stated = published_errors().get(model, {})
        if ("barrier_mae_eV", None) not in stated:
            continue
        ours = known[(known.model == model) & (known.set == "cathodes")]
        all_ours = cases[(cases.model == model) & (cases.set == "cathodes")]
        failures = stated.get(("barrier_failures", None))
        published.append(
            {
                "model": model,
                "published MAE [eV]": stated["barrier_mae_eV", None][1],
                "MAE here, cathodes": (ours.barrier_eV - ours.reference_eV).abs().mean(),
                "of": len(ours),
                "published failures of 44": failures and f"{failures[1]:.0f}",
                "failures here": int(all_ours.failure.notna().sum()),
                "of runs": len(all_ours),
            }
        )

    kinds = []
    for chemistry, group in known.groupby("chemistry"):
        row: dict[str, object] = {"class": chemistry, "hops": group.hop.nunique()}
        off_by = (group.barrier_eV - group.reference_eV).abs()
        by_model = group.assign(error=off_by).pivot_table(index="hop", columns="model", values="error")
        by_model = by_model.loc[:, by_model.count() >= 4]
        row |= {model: by_model.median().get(model) for model in models}
        common = by_model.dropna()
        row["of the hops that all have"] = len(common)
        row["best of these"] = common.median().idxmin() if len(common) >= 4 else ""
        kinds.append(row)

    calibration = Calibration.shipped()
    worth = []
    enough = tuple(sorted(model for model in models if len(known[known.model == model]) >= 30))
    for names in (*((model,) for model in models), enough):
        if not calibration.hops(names):
            continue
        quality = quality_of(calibration, names)
        worth.append(
            {
                "models": ", ".join(names),
                "known": quality.n_cases,
                "materials": quality.n_materials,
                "MAE [eV]": quality.mae_all_eV,
                "refused": quality.n_refused,
                "MAE of others": quality.mae_eV,
                "of beliefs": quality.believed_mae_eV,
                "in the 90 % interval": quality.coverage,
                "its half width [eV]": quality.half_width_eV,
                "in the raw one": quality.raw_coverage,
                "raw half width": quality.raw_half_width_eV,
            }
        )
    failed = cases[cases.failure.notna()]
    failures = [
        {"hop": hop, "known [eV]": group.reference_eV.iloc[0]}
        | {model: "".join(group[group.model == model].failure) for model in dict.fromkeys(cases.model)}
        for hop, group in failed.groupby("hop")
    ]
    body = "\n".join(
        [
            "## Runs\n",
            table(runs, 0),
            "## Beside known barriers\n",
            "Converged runs; 95 % bootstrap intervals over the cases. Slope: of computed against known.\n",
            table(off),
            "## Beside the published comparison\n",
            table(published),
            "## Classes of crystals\n",
            "Median absolute error [eV] of models with four known barriers or more, over hops that differ;"
            " the best is of the hops that all of them have, where these are four or more.\n",
            table(kinds),
            "## Calibrated barriers\n",
            "Each material is believed by the others. Refused: barriers outside the range of the others, or"
            " of a model with fewer than ten other frameworks. Raw: of normal errors with this MAE, 2.06 MAE"
            " each way.\n",
            table(worth),
            "## Failures\n",
            table(failures),
        ]
    )
    made_by = "`python -m benchmarks.benchmark`, from `analysis/calibration/cases.csv`"
    write_page("benchmark", "The benchmark", made_by, body)
    print(body)


if __name__ == "__main__":
    main()
