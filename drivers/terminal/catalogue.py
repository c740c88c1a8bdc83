"""What there is: models, materials, hops, and what works on this machine."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from hopkin.drivers.terminal.console import console, plain, print_json, show_table, table_of

if TYPE_CHECKING:
    from hopkin.drivers.crystals import Material
    from hopkin.drivers.doctor import Check
    from hopkin.drivers.hops import Hop
    from hopkin.drivers.models import Model
    from hopkin.drivers.workflows import Parity


def show_checks(checks: "Sequence[Check]", *, as_json: bool) -> None:
    """Show what the doctor found."""
    if as_json:
        print_json([asdict(check) for check in checks])
        return
    table = table_of("", "", "")
    for check in checks:
        mark = {True: "[green]works[/]", False: "[red]fails[/]", None: "[yellow]-[/]"}[check.works]
        table.add_row(check.name, mark, plain(check.detail))
    show_table(table)


def show_models(models: "Sequence[Model]", *, as_json: bool) -> None:
    """Show the registry."""
    if as_json:
        print_json([model.describe() for model in models])
        return
    table = table_of("model", "family", "training set", "state", "licence")
    for column in (0, 1, 3):
        table.columns[column].no_wrap = True
    for model in models:
        family = model.family if model.conservative else f"{model.family}, direct"
        table.add_row(model.name, family, model.training_set, str(model.state()), model.licence)
    show_table(table)


def show_parity(model: "Model", parity: "Parity", *, as_json: bool) -> None:
    """Show how far LAMMPS and the model's own calculator are apart."""
    from hopkin.drivers.workflows import (
        ENERGY_TOLERANCE_EV_PER_ATOM,
        GOLDEN_TOLERANCE_EV_PER_ATOM,
        GRADIENT_TOLERANCE,
        PRESSURE_TOLERANCE_GPA,
        STRESS_TOLERANCE_GPA,
    )

    if as_json:
        print_json({"model": model.name, **parity.model_dump(), "passed": parity.passed})
        return
    table = table_of(f"{model.name} on {parity.formula}", "difference", "tolerance")
    rows = (
        (plain("energy [eV/atom]"), parity.energy_difference_eV_per_atom, ENERGY_TOLERANCE_EV_PER_ATOM),
        (
            plain("atomic energies [eV/atom]"),
            parity.atomic_energies_difference_eV_per_atom,
            ENERGY_TOLERANCE_EV_PER_ATOM,
        ),
        (plain("forces [eV/A]"), parity.force_difference_eV_per_A, parity.force_tolerance),
        (plain("stress [GPa]"), parity.stress_difference_GPa, STRESS_TOLERANCE_GPA),
        (
            plain("golden energy [eV/atom]"),
            parity.golden_difference_eV_per_atom,
            GOLDEN_TOLERANCE_EV_PER_ATOM,
        ),
        ("force against energy, relative", parity.gradient_difference, GRADIENT_TOLERANCE),
        (plain("pressure against energy [GPa]"), parity.pressure_difference_GPa, PRESSURE_TOLERANCE_GPA),
    )
    for name, difference, tolerance in rows:
        table.add_row(name, "-" if difference is None else f"{difference:.1e}", f"{tolerance:.1e}")
    show_table(table)
    if not parity.conservative:
        console.print("not conservative: its forces are not the gradient of its energy", markup=False)
    console.print("[green]passed[/]" if parity.passed else "[red]failed[/]")


def show_materials(materials: "Sequence[Material]", *, as_json: bool) -> None:
    """Show the built-in materials."""
    from hopkin.drivers.crystals import WITHOUT_COORDINATES

    if as_json:
        print_json(
            [
                asdict(material)
                | {"space_group_symbol": material.space_group_symbol, "citation": material.citation}
                for material in materials
            ]
        )
        return
    table = table_of("material", "formula", "family", "space group", "source")
    for column in range(4):
        table.columns[column].no_wrap = True
    for material in materials:
        source = material.materials_project or f"{material.authors.split(',')[0]} {material.year}"
        derived = f", {material.substitution}: relax before use" if material.substitution else ""
        group = material.space_group_symbol
        table.add_row(material.name, material.formula, material.family, group, source + derived)
    show_table(table)
    for name in WITHOUT_COORDINATES:
        console.print(
            f"{name}: no published coordinates at hand; give a file of your own, such as {name}.cif",
            markup=False,
        )


def show_hops(material: str, hops: "Sequence[Hop]", *, as_json: bool) -> None:
    """Show the distinct hops of a crystal."""
    if as_json:
        print_json([hop.as_dict() for hop in hops])
        return
    table = table_of("hop", material, "[A]", "count", "symm.", "room [A]", "alone", "up to")
    table.columns[1].no_wrap = True
    for hop in hops:
        room = "-" if hop.bottleneck_A is None else f"{hop.bottleneck_A:.2f}"
        table.add_row(
            str(hop.index),
            plain(hop.label.split("  ")[0]),
            f"{hop.length_A:.3f}",
            str(hop.multiplicity),
            "yes" if hop.symmetric else "no",
            f"through {hop.ion}" if hop.through_ion else room,
            f"{hop.dimension}D",
            f"{hop.dimension_up_to}D",
        )
    show_table(table)
    for note in (
        "count: equivalent hops in the cell; symm.: the same seen from both ends",
        "room: from the straight path to the framework, less the ionic radius (Shannon 1976)",
        "alone, up to: dimensions in which it, and all hops up to its length, lead through the crystal",
    ):
        console.print(note, markup=False, soft_wrap=True)
