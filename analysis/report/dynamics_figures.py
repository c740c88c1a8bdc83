"""Figures of dynamics, and of energies and forces against DFT."""

from hopkin.analysis.report.panels import (
    Figure,
    Panel,
    Series,
    Tables,
    bars_by_group,
    boxes_of,
    by_model,
    parity,
    points_of,
)


def dynamics_errors(tables: Tables) -> Figure:
    """Show the errors of MSD, diffusivity and radial distributions at each temperature."""
    rows = tables.get("dynamics_statistics", ())
    drawn = [row for row in rows if row["over"] == "converged" and row["temperature_K"] is not None]
    drawn.sort(key=lambda row: float(row["temperature_K"]))
    quantities = (
        ("log10_msd_mae", "MAE of log10 MSD"),
        ("diffusivity_mae_cm2_per_s", "MAE of D (cm²/s)"),
        ("rdf_mae_median_A", "RDF, median difference (Å)"),
    )
    return Figure(
        name="dynamics_errors",
        title="Errors of dynamics at each temperature",
        caption="Of the runs that ended without a failure; materials that do not move in the reference are"
        " left out of D.",
        panels=bars_by_group(drawn, quantities, lambda row: f"{row['temperature_K']:g} K"),
    )


def dynamics_parity(tables: Tables, name: str, field: str, label: str) -> Figure:
    """Set computed against known numbers on logarithmic axes, a panel for each temperature."""
    known = f"reference_{field}"
    rows = [row for row in tables.get("dynamics", ()) if None not in (row[known], row[field])]
    positive = [row for row in rows if row[known] > 0 and row[field] > 0]
    panels = [
        parity(
            label,
            title=f"{kelvin:g} K",
            log=True,
            series=[
                points_of(ours, known, lambda row: row[field], model=model)
                for model, ours in by_model([row for row in positive if row["temperature_K"] == kelvin])
            ],
        )
        for kelvin in sorted({row["temperature_K"] for row in positive})
    ]
    left_out = len(rows) - len(positive)
    return Figure(
        name=f"{name}_parity",
        title=f"Computed against known: {label}",
        caption="Dashed: equality. Open: runs that failed."
        + (f" Left out of the logarithms: {left_out} numbers that are not positive." if left_out else ""),
        panels=panels,
    )


def arrhenius(tables: Tables) -> Figure:
    """Set diffusivities from hops (lines) and from dynamics (points) on the same axes, by material."""
    hops = [row for row in tables.get("kinetics_temperatures", ()) if row["charge_cm2_per_s"] > 0]
    moved = [
        {**row, "D": row["diffusivity_windowed_cm2_per_s"] or row["diffusivity_cm2_per_s"]}
        for row in tables.get("dynamics", ())
    ]
    panels = []
    for material in dict.fromkeys(row["material"] for row in hops):
        series = [
            Series(
                label=f"{model}, hops",
                model=model,
                mark="line",
                x=[1000 / row["temperature_K"] for row in rows],
                y=[row["charge_cm2_per_s"] for row in rows],
            )
            for model, rows in by_model(row for row in hops if row["material"] == material)
        ]
        runs = [row for row in moved if row["material"] == material and (row["D"] or 0.0) > 0]
        series += [
            Series(
                label=f"{model}, dynamics",
                model=model,
                x=[1000 / row["temperature_K"] for row in rows],
                y=[row["D"] for row in rows],
                hollow=[bool(row["failure"]) for row in rows],
            )
            for model, rows in by_model(runs)
        ]
        panels.append(
            Panel(
                title=material,
                x_label="1000 K / T",
                y_label="diffusivity (cm²/s)",
                series=series,
                log_y=True,
            )
        )
    vacant = sorted({row["vacant_part"] for row in hops})
    return Figure(
        name="arrhenius",
        title="Diffusivity over temperature",
        caption=f"Lines: of charge, from hops, with {', '.join(f'{part:g}' for part in vacant)} of the sites"
        " vacant, the mean over the directions of space; that of an ion is less by the correlation factor."
        " Points: of an ion, by molecular dynamics of the crystal as it is.",
        panels=panels,
    )


def rdf(tables: Tables) -> Figure:
    """Show how the differences of radial distributions are spread, at each temperature."""
    rows = tables.get("rdf_differences", ())
    panels = [
        Panel(
            title=f"{kelvin:g} K",
            y_label="difference of RDFs (Å)",
            series=boxes_of(
                (row for row in rows if row["temperature_K"] == kelvin),
                "mae_A",
                lambda row: f"{row['material']}, {row['pair']}",
            ),
        )
        for kelvin in sorted({row["temperature_K"] for row in rows})
    ]
    return Figure(
        name="rdf_errors",
        title="Differences of radial distribution functions",
        caption="Integral of the absolute difference, of each pair of species in each run, failed ones too."
        " Boxes: quartiles.",
        panels=panels,
    )


def activation_energies(tables: Tables) -> Figure:
    """Set computed against known activation energies."""
    series = [
        points_of(
            ours,
            "reference_activation_energy_eV",
            lambda row: row["activation_energy_eV"],
            model=model,
        )
        for model, ours in by_model(tables.get("activation_energies", ()))
    ]
    return Figure(
        name="activation_energies",
        title="Computed against known activation energies",
        caption="Of materials that move, over the temperatures at which both diffusivities are positive.",
        panels=[parity("activation energy (eV)", series=series)] if series else [],
    )


def labels(tables: Tables) -> Figure:
    """Show the errors of energies, forces and stresses of labelled structures, by group."""
    quantities = (
        ("energy_shifted_mae_eV_per_atom", "MAE of energies (eV/atom)"),
        ("force_mae_eV_per_A", "MAE of forces (eV/Å)"),
        ("stress_mae_GPa", "MAE of stresses (GPa)"),
    )
    return Figure(
        name="labels",
        title="Energies, forces and stresses against DFT",
        caption="Of labelled structures (`hopkin evaluate`), by their groups, such as temperatures. Energies:"
        " without a constant for each element.",
        panels=bars_by_group(
            tables.get("labels", ()),
            quantities,
            lambda row: f"{row['source']}{row['group'] and ', '}{row['group']}",
        ),
    )
