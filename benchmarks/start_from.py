"""What bands save that start from those of another model, and what becomes of their barriers.

    python -m benchmarks.start_from            writes benchmarks/results/start_from.md

Ten hops with one model, from the interpolated path and from the band of another one (`start_from` of a
campaign). Takes up to an hour on two cores; an interrupted one goes on where it was.
"""

import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.page import COMMIT
from hopkin.analysis.comparison import find_runs

BASE, MODEL = "m3gnet-mp-2021.2.8", "mattersim-v1.0.0-1m"
ROOT = Path("runs/start_from")
PAGE = Path("benchmarks/results/start_from.md")
CAMPAIGN: dict[str, Any] = {
    "name": "start_from",
    "models": [BASE, MODEL],
    "defaults": {"images": 3, "preset": "quick"},
    "barriers": [
        {
            "structures": [
                *("LiCoO2-layered", "NaCoO2-layered", "LiTiS2-layered", "NaTiS2-layered-O1"),
                *("LiFePO4-olivine", "LiMnPO4-olivine", "NaFePO4-olivine", "NaNiPO4-olivine"),
            ]
        },
        {
            "structures": ["LiTiS2-layered", "NaTiS2-layered-O1"],
            "mechanism": "divacancy",
            "images": 5,
        },
    ],
}
HEAD = """# Bands that start from those of another model

`python -m benchmarks.start_from`: ten hops with {model}, from the interpolated path and in the
shape of the bands of {base}; 3 images, 5 of two vacancies. Evaluations are those of all attempts at
the band. Code: {commit}.

"""


def main() -> None:
    ROOT.mkdir(parents=True, exist_ok=True)
    for more in ({}, {"start_from": BASE}):
        campaign = ROOT / "campaign.yaml"
        campaign.write_text(yaml.safe_dump(CAMPAIGN | more))
        subprocess.run(["hopkin", "bench", str(campaign), "--out", str(ROOT)], check=True)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for run in find_runs(ROOT):
        result, asked = run.result, run.asked["specification"]
        if run.kind != "barrier" or asked["model"] != MODEL or not result.get("attempts"):
            continue
        row = found.setdefault((result["material"], result["mechanism"]), {})
        start = "from the other" if "start_from" in asked else "interpolated"
        row[f"barrier [eV], {start}"] = result["barrier_eV"]
        row[f"evaluations, {start}"] = result["force_evaluations"]
        row[f"first path, {start}"] = result["attempts"][0]["start"].split(" of ")[0]
        row[f"failure, {start}"] = result["failure"] or ""
    table = pd.DataFrame.from_dict(found, orient="index").rename_axis(["material", "mechanism"]).sort_index()
    change = table["barrier [eV], from the other"] - table["barrier [eV], interpolated"]
    table["change [meV]"] = (1000 * change).round(1)
    ratios = table["evaluations, from the other"] / table["evaluations, interpolated"]
    table["evaluations, ratio"] = ratios.round(2)
    table = table[sorted(table.columns)].drop(columns="first path, interpolated").reset_index()
    totals = table[["evaluations, from the other", "evaluations, interpolated"]].dropna().sum()
    PAGE.write_text(
        HEAD.format(model=MODEL, base=BASE, commit=COMMIT)
        + table.to_markdown(index=False, floatfmt=".3f")
        + f"\n\nEvaluations together: {totals.iloc[0]:.0f} against {totals.iloc[1]:.0f}, a ratio of"
        f" {totals.iloc[0] / totals.iloc[1]:.2f}; median of the ratios {ratios.median():.2f}.\n"
    )
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
