"""Tables of a campaign that `hopkin bench` has run, for benchmarks/results.

    python -m benchmarks.campaign_table benchmarks/campaigns/NAME.yaml [--out runs/NAME]

writes benchmarks/results/NAME.md. What stands there below "## Notes" is written by hand, and kept.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.page import write_page
from hopkin.analysis.comparison.comparison import collect
from hopkin.analysis.comparison.results import Row, find_runs
from hopkin.analysis.transport.temperatures import arrhenius_table
from hopkin.drivers.campaigns.campaign import load_campaign

BARRIERS = {  # column: its title, digits
    "material": ("material", None),
    "model": ("model", None),
    "mechanism": ("mechanism", None),
    "hop_index": ("hop", 0),
    "path_length_A": ("length [A]", 3),
    "n_atoms": ("atoms", 0),
    "image_distance_A": ("vacancy to its image [A]", 2),
    "barrier_eV": ("barrier [eV]", 3),
    "spline_barrier_eV": ("by the spline", 3),
    "forward_barrier_eV": ("forward", 3),
    "reverse_barrier_eV": ("reverse", 3),
    "reference_eV": ("known [eV]", 3),
    "error_eV": ("error [eV]", 3),
    "max_atom_force_eV_per_A": ("largest force [eV/A]", 3),
    "images": ("images", 0),
    "attempts": ("attempts", 0),
    "force_evaluations": ("evaluations", 0),
    "minutes": ("minutes", 1),
    "failure": ("failure", None),
}
STATISTICS = {
    "model": ("model", None),
    "family": ("family", None),
    "over": ("over", None),
    "n_cases": ("cases", 0),
    "n_converged": ("converged", 0),
    "n_references": ("known", 0),
    "n": ("counted", 0),
    "mae_eV": ("MAE [eV]", 3),
    "mae_eV_low": ("low", 3),
    "mae_eV_high": ("high", 3),
    "median_ae_eV": ("median", 3),
    "rmse_eV": ("RMSE", 3),
    "bias_eV": ("bias", 3),
    "max_ae_eV": ("largest", 3),
    "r2": ("R2", 2),
    "slope": ("slope", 2),
    "failures": ("failures", None),
}
DYNAMICS = {
    "material": ("material", None),
    "model": ("model", None),
    "temperature_K": ("T [K]", 0),
    "temperature_mean_K": ("mean T [K]", 0),
    "n_atoms": ("atoms", 0),
    "n_ions": ("ions", 0),
    "bulk_max_atom_force_eV_per_A": ("relaxed to [eV/A]", 3),
    "time_ps": ("time [ps]", 1),
    "msd_A2_final": ("MSD at the end [A^2]", 2),
    "common_msd_A2": ("MSD at the common end", 2),
    "reference_common_msd_A2": ("known", 2),
    "rdf_mae_A": ("RDF, mean difference [A]", 2),
    "framework_msd_A2": ("of the framework", 2),
    "minutes": ("minutes", 1),
    "failure": ("failure", None),
}
DIFFUSIVITIES = {
    "material": ("material", None),
    "model": ("model", None),
    "temperature_K": ("T [K]", 0),
    "paper": ("D, paper protocol [cm^2/s]", None),
    "best": ("D [cm^2/s]", None),
    "error": ("+-", None),
    "n_hops": ("hops", 1),
    "source": ("error from", None),
    "reason": ("why none", None),
    "failure": ("failure", None),
}
FITS = {
    "material": ("material", None),
    "model": ("model", None),
    "fit": ("fit", None),
    "activation_energy_eV": ("Ea [eV]", 3),
    "interval": ("95 %", None),
    "room": ("D at 300 K, extrapolated [cm^2/s]", None),
    "reason": ("why none", None),
}


DYNAMICS_STATISTICS = {
    "model": ("model", None),
    "over": ("over", None),
    "n_cases": ("cases", 0),
    "log10_msd_n": ("with MSD", 0),
    "log10_msd_mae": ("log10 MSD", 2),
    "log10_diffusivity_n": ("with D", 0),
    "log10_diffusivity_mae": ("log10 D", 2),
    "activation_energy_n": ("with Ea", 0),
    "activation_energy_mae_eV": ("Ea [eV]", 3),
    "rdf_n": ("RDFs", 0),
    "rdf_mae_median_A": ("RDF, median [A]", 2),
    "immobile": ("immobile", None),
    "negative": ("negative D", None),
    "failures": ("failures", None),
}


def table(rows: Sequence[Row], columns: dict[str, tuple[str, int | None]]) -> str:
    """Give rows as Markdown, without the columns that are empty."""
    cells: dict[str, list[Any]] = {}
    for name, (title, digits) in columns.items():
        values = [row.get(name) for row in rows]
        if any(value not in (None, "") for value in values):
            cells[title] = [
                "" if value is None else value if digits is None else f"{value:.{digits}f}"
                for value in values
            ]
    return str(pd.DataFrame(cells).to_markdown(index=False, disable_numparse=True)) + "\n"


def with_results(rows: Sequence[Row], results: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Join rows of a table and the results of their runs, by directory."""
    joined = []
    for row in rows:
        result = results.get(row["directory"], {})
        more = {"attempts": len(result["attempts"])} if result.get("attempts") else {}
        if row["wall_s"] is not None:
            more["minutes"] = row["wall_s"] / 60
        joined.append({**result, **row, "attempts": None} | more)
    return joined


def in_short(rows: Sequence[Row]) -> str:
    """Say how many ended how, of each model."""
    frame = pd.DataFrame(
        {"model": row["model"], "how": row["failure"] or ("converged" if row["directory"] else "not run")}
        for row in rows
    )
    counted = pd.crosstab(frame["model"], frame["how"]).reset_index()
    return str(counted.to_markdown(index=False)) + "\n"


def arrhenius(rows: Sequence[Row]) -> str:
    """Fit the runs of each material and model, where they are at several temperatures."""
    diffusivities: list[Row] = []
    fits: list[Row] = []
    for material, model in dict.fromkeys((row["material"], row["model"]) for row in rows):
        named = {"material": material, "model": model}
        runs = [row for row in rows if named.items() <= row.items() and row.get("volume_A3")]
        if len({row["temperature_K"] for row in runs}) < 2:
            continue
        found = arrhenius_table(runs)
        for run, row in zip(found["runs"], runs, strict=True):
            shown = {
                "paper": run["diffusivity_paper_cm2_per_s"],
                "best": run["diffusivity_cm2_per_s"],
                "error": run["diffusivity_std"],
            }
            diffusivities.append(
                {**named, **run, "n_hops": row["n_hops"], "failure": row["failure"]}
                | {name: None if value is None else f"{value:.2e}" for name, value in shown.items()}
            )
        for name in ("paper", "weighted"):
            fit, interval = found[name], found[name]["activation_energy_interval_95"]
            room = fit["diffusivity_300K_cm2_per_s"]
            fits.append(
                {
                    **named,
                    **fit,
                    "fit": name,
                    "interval": interval and f"{interval[0]:.3f} to {interval[1]:.3f}",
                    "room": room and f"{room:.1e}",
                }
            )
    return f"{table(diffusivities, DIFFUSIVITIES)}\n{table(fits, FITS)}" if fits else ""


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaign", type=Path)
    parser.add_argument("--out", type=Path, help="where its runs are")
    asked = parser.parse_args()
    campaign = load_campaign(asked.campaign)
    results = asked.out or Path("runs") / campaign.name
    tables = collect(results)
    made_by = f"`hopkin bench {asked.campaign}`, then `python -m benchmarks.campaign_table {asked.campaign}`"
    parts = []
    found = {run.directory.name: run.result for run in find_runs(results)}
    bands, runs = (with_results(tables.get(name, []), found) for name in ("barriers", "dynamics"))
    if bands:
        parts += [in_short(bands), table(bands, BARRIERS)]
    if (statistics := tables.get("statistics")) and any(row["n_references"] for row in statistics):
        parts.append(table(statistics, STATISTICS))
    if runs:
        parts += [in_short(runs), table(runs, DYNAMICS), *filter(None, [arrhenius(runs)])]
    if statistics := tables.get("dynamics_statistics"):
        over_all = [row for row in statistics if row["temperature_K"] is None]
        parts.append(table(over_all, DYNAMICS_STATISTICS))
    parts += [
        f"- {row['material']}, {row['model']}: {said}\n"
        for row in (*bands, *runs)
        for said in [row[key] for key in ("message", "evidence", "unresolved", "below_ends") if row.get(key)][
            :1
        ]
    ]
    body = "\n".join(parts)
    write_page(campaign.name, campaign.name.replace("_", " ").capitalize(), made_by, body)
    print(body)


if __name__ == "__main__":
    main()
