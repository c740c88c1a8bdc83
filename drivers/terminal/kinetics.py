"""From hops to a diffusivity: the hops, diffusivities over temperature, what limits them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hopkin.drivers.terminal.console import console, plain, print_json, show_table, shown, table_of

if TYPE_CHECKING:
    from hopkin.drivers.engine import RunDirectory


def show_kinetics(run: "tuple[RunDirectory, Mapping[str, Any]]", *, as_json: bool) -> None:
    """Show hops, diffusivities and conductivities, and where they are."""
    directory, result = run
    if as_json:
        print_json({**result, "directory": str(directory.path)})
        return
    table = table_of("hop", "", "forward [eV]", "reverse", "believed", "nu [THz]", "")
    for hop in result["hops"]:
        why = "through another ion: two shorter hops" if hop["through_ion"] else hop["failure"] or ""
        table.add_row(
            str(hop["hop_index"]),
            plain(hop["hop"]),
            *(
                shown(hop[name])
                for name in ("forward_barrier_eV", "reverse_barrier_eV", "believed_barrier_eV")
            ),
            shown(hop["attempt_frequency_THz"], 2),
            plain(why),
        )
    show_table(table)
    for hop in result["hops"]:
        for reason in (hop["evidence"], hop["rates_evidence"]):
            if reason:
                _say(f"hop {hop['hop_index']}: {reason}")
    if result["failure"]:
        _say(f"{result['failure']}: {result['evidence']}")
    else:
        _show_diffusivities(result)
    _say(str(directory.path))


def _show_diffusivities(result: Mapping[str, Any]) -> None:
    axes = result["axes"]
    charged = result["conductivity_S_per_cm"] is not None
    columns = ["vacancy_diffusivity_cm2_per_s", "ion_diffusivity_cm2_per_s"]
    headings = [*(f"vacancy, {axis} [cm^2/s]" for axis in axes), *(f"ion, {axis}" for axis in axes)]
    if charged:
        columns.append("conductivity_S_per_cm")
        headings += [f"conductivity, {axis} [S/cm]" for axis in axes]
    table = table_of("T [K]", *headings)
    for n, kelvin in enumerate(result["temperatures_K"]):
        cells = ("-" if value is None else f"{value:.1e}" for name in columns for value in result[name][n])
        table.add_row(f"{kelvin:g}", *cells)
    show_table(table)
    if any(value is None for row in result["ion_diffusivity_cm2_per_s"] for value in row):
        _say("-: not known: ions of a chain cannot pass one another, and chains are all but apart")
    for walk in result.get("monte_carlo") or ():
        at = f"Monte Carlo at {walk['temperature_K']:g} K"
        if walk.get("evidence"):
            _say(f"{at}: {walk['evidence']}")
            continue
        numbers = zip(
            axes,
            walk["vacancy_diffusivity_cm2_per_s"],
            walk["vacancy_diffusivity_std"],
            walk["ion_diffusivity_cm2_per_s"],
            strict=True,
        )
        told = ", ".join(f"{axis} {v:.2e} +- {error:.0e}, ion {ion:.2e}" for axis, v, error, ion in numbers)
        _say(
            f"{at}, {walk['n_vacancies']} vacancies and {walk['n_blocked']} blocked of {walk['n_sites']}"
            f" sites [cm^2/s]: {told}"
        )
    energies = zip(axes, result["activation_energy_eV"], strict=True)
    _say("activation energy [eV]: " + ", ".join(f"{axis} {shown(energy)}" for axis, energy in energies))
    if result["not_believed"]:
        _say(f"no interval: {result['not_believed']}")
    else:
        for axis, interval in zip(axes, result["believed_activation_energy_eV"], strict=True):
            if interval is not None:
                low, middle, high = interval
                _say(f"believed, {axis}: {middle:.3f} eV, 90 % between {low:.3f} and {high:.3f} eV")
    for dimension, barrier in result["percolating_barriers_eV"].items():
        if barrier is not None:
            hop = result["limiting_hops"][dimension]
            _say(f"{dimension}: {barrier:.3f} eV, by {'several hops' if hop is None else f'hop {hop}'}")
    if failed := result["hops_as_bounds"]:
        names = ", ".join(map(str, failed))
        most = result["vacancy_diffusivity_at_most_cm2_per_s"]
        if most is None:
            unknown = ", ".join(map(str, result["unbounded_hops"]))
            _say(f"hops {names} have no barrier: the numbers are without them; {unknown} lead to other sites")
        else:
            lines = ", ".join(f"{axis} {value:.1e}" for axis, value in zip(axes, most[0], strict=True))
            _say(
                f"hops {names} have no barrier; if they were free, a vacancy's diffusivity at"
                f" {result['temperatures_K'][0]:g} K would be {lines} cm^2/s"
            )
    _say(f"ion and conductivity: {result['vacant_part']:g} of the sites are vacant")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
