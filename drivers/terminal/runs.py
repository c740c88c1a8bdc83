"""Results of runs: barriers, dynamics, diffusivities, errors against labels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hopkin.drivers.terminal.console import console, plain, print_json, show_table, shown, table_of

if TYPE_CHECKING:
    from hopkin.drivers.engine import RunDirectory

# Beyond it, hops are said to disagree about the energies of the sites
_SITE_ENERGY_TOLERANCE_EV = 0.02
Run: TypeAlias = "tuple[RunDirectory, Mapping[str, Any]]"
Runs: TypeAlias = Sequence[Run]
Columns = Mapping[str, str | tuple[str, int]]


def show_barriers(runs: Runs, network: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Show the results of barrier runs, where they are, and how the network of all hops percolates."""
    if as_json and network is not None:
        print_json({"runs": [_with_directory(run) for run in runs], **network})
        return
    columns: Columns = {
        "material": "material",
        "hop": "hop_index",
        "[A]": ("path_length_A", 2),
        "model": "model",
        "barrier [eV]": ("barrier_eV", 3),
        "forward": ("forward_barrier_eV", 3),
        "reverse": ("reverse_barrier_eV", 3),
    }
    _show_runs(runs, columns, as_json=as_json)
    if as_json:
        return
    for _, result in runs:
        if reason := result.get("evidence"):
            console.print(f"{result['material']}, {result['failure']}: {reason}", markup=False)
        if note := result.get("note"):
            console.print(f"{result['material']}: {note}", markup=False)
        for remark in ("unresolved", "below_ends"):
            if reason := result.get(remark):
                console.print(f"{result['material']}, look at the path: {reason}", markup=False)
        if reason := result.get("rates_evidence"):
            console.print(f"{result['material']}, no rates: {reason}", markup=False)
        if (likely := result.get("believed_barrier_eV")) is not None:
            low, high = result["believed_low_eV"], result["believed_high_eV"]
            console.print(
                f"{result['material']}: believed {likely:.3f} eV, 90 % between {low:.3f} and {high:.3f} eV,"
                f" by {result['believed_cases']} known barriers ({result['believed_from']})",
                markup=False,
            )
        elif reason := result.get("not_believed"):
            console.print(f"{result['material']}, not calibrated: {reason}", markup=False)
        if rates := result.get("rates"):
            for kelvin, rate in rates["rates_per_s"].items():
                console.print(
                    f"{result['material']}: attempt frequency {rates['attempt_frequency_THz']:.2f} THz,"
                    f" rate at {kelvin} K {rate:.3g} /s",
                    markup=False,
                )
    if network is None:
        return
    thresholds = (f"{name} {shown(barrier)}" for name, barrier in network["percolating_barriers_eV"].items())
    without = ", ".join(map(str, network["hops_without_barrier"]))
    note = f", without hop {without}, which has no barrier: an upper bound" if without else ""
    console.print(f"percolating barriers [eV]: {', '.join(thresholds)}{note}", markup=False)
    if (apart := network["site_energy_disagreement_eV"]) > _SITE_ENERGY_TOLERANCE_EV:
        console.print(
            f"the hops disagree by up to {apart:.3f} eV about the energies of the sites", markup=False
        )


def show_dynamics(runs: Runs, *, as_json: bool) -> None:
    """Show the results of molecular-dynamics runs, and where they are."""
    columns: Columns = {
        "material": "material",
        "model": "model",
        "T [K]": ("temperature_K", 0),
        "mean": ("temperature_mean_K", 0),
        "[ps]": ("time_ps", 2),
        "MSD [A^2]": ("msd_A2_final", 2),
        "D paper [cm^2/s]": ("diffusivity_cm2_per_s", 2),
        "D windowed": ("diffusivity_windowed_cm2_per_s", 2),
        "+-": ("diffusivity_std", 2),
        "D blocks": ("diffusivity_block_cm2_per_s", 2),
    }
    _show_runs(runs, columns, as_json=as_json)
    for _, result in () if as_json else runs:
        if evidence := result.get("bulk_evidence"):
            console.print(evidence, markup=False)
        if evidence := result.get("evidence"):
            console.print(f"{result['failure']}: {evidence}", markup=False)
        if reason := result.get("diffusivity_windowed_reason"):
            console.print(f"no windowed diffusivity: {reason}", markup=False)


def show_arrhenius(
    results: Sequence[Mapping[str, Any]], arrhenius: Mapping[str, Any], *, as_json: bool
) -> None:
    """Show the diffusivities of runs at several temperatures, and the activation energies from them."""
    if as_json:
        print_json({"results": results, **arrhenius})
        return
    table = table_of("T [K]", "D paper [cm^2/s]", "D [cm^2/s]", "+-", "error from")
    for row in arrhenius["runs"]:
        numbers = ("diffusivity_paper_cm2_per_s", "diffusivity_cm2_per_s", "diffusivity_std")
        source = row["source"] or row["reason"]
        table.add_row(f"{row['temperature_K']:g}", *(shown(row[name], 2) for name in numbers), plain(source))
    show_table(table)
    for name, failure in arrhenius["failed"].items():
        console.print(f"left out, {failure}: {name}", markup=False, soft_wrap=True)
    for name, fit in ((name, arrhenius[name]) for name in ("paper", "weighted")):
        if fit["reason"]:
            console.print(f"{name}: {fit['reason']}", markup=False)
            continue
        error = fit["activation_energy_interval_95"]
        interval = f" (95 %: {error[0]:.3f} to {error[1]:.3f})" if error else ""
        how = ", extrapolated" if fit["extrapolated"] else ""
        sigma = fit["conductivity_300K_S_per_cm"]
        conducts = "" if sigma is None else f", Nernst-Einstein {1000 * sigma:.3g} mS/cm"
        console.print(
            f"{name}: Ea {fit['activation_energy_eV']:.3f} eV{interval}; at 300 K{how}:"
            f" D {fit['diffusivity_300K_cm2_per_s']:.2e} cm^2/s{conducts}",
            markup=False,
        )
        if fit["excluded_temperatures_K"]:
            kelvin = ", ".join(f"{t:g} K" for t in fit["excluded_temperatures_K"])
            console.print(f"{name}: left out, not positive: {kelvin}", markup=False)


def show_evaluation(run: Run, *, as_json: bool) -> None:
    """Show the errors of a model against labels, and where they are."""
    directory, result = run
    if as_json:
        print_json({**result, "directory": str(directory.path)})
        return
    fields = {
        "structures": ("n_structures", 0),
        "energy [meV/atom]": ("energy_mae_eV_per_atom", 1e3),
        "shifted": ("energy_shifted_mae_eV_per_atom", 1e3),
        "force [eV/A]": ("force_mae_eV_per_A", 1),
        "RMSE": ("force_rmse_eV_per_A", 1),
        "stress [GPa]": ("stress_mae_GPa", 1),
    }
    table = table_of("mean absolute error", *fields)
    parts = {"all": result, **result["groups"], **result["elements"]}
    for name, part in parts.items():
        values = ((part.get(field), factor) for field, factor in fields.values())
        table.add_row(
            plain(name), *(shown(value * factor if factor and value else value) for value, factor in values)
        )
    show_table(table)
    if result["energy_shifted_mae_eV_per_atom"] is not None:
        console.print(
            "shifted: without the energies of the elements that fit the differences best", markup=False
        )
    console.print(f"{result['n_skipped']} skipped (elements), {result['n_failed']} failed", markup=False)
    console.print(str(directory.path), markup=False, highlight=False, soft_wrap=True)


def _with_directory(run: Run) -> dict[str, Any]:
    return {**run[1], "directory": str(run[0].path)}


def _show_runs(runs: Runs, columns: Columns, *, as_json: bool) -> None:
    """Show one row per run; `columns` are fields of the result, with the digits of those that are numbers."""
    if as_json:
        print_json([_with_directory(run) for run in runs])
        return
    table = table_of(*columns, "failure")
    notes: set[str] = set()
    fields = [(field, 3) if isinstance(field, str) else field for field in columns.values()]
    for _, result in runs:
        cells = (plain(shown(result.get(field), digits)) for field, digits in fields)
        table.add_row(*cells, result["failure"] or "none")
        if not result["conservative"]:
            notes.add(f"{result['model']} is direct: its forces are not the gradient of its energy")
        if not result["verified"]:
            notes.add(f"{result['model']} has not been verified: LAMMPS may disagree with its calculator")
    show_table(table)
    for note in sorted(notes):
        console.print(note, markup=False)
    for run, _ in runs:
        console.print(str(run.path), markup=False, highlight=False, soft_wrap=True)
