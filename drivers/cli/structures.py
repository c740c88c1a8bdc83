"""`hopkin order`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hopkin.drivers.cli.options import JsonOption


def order(
    structure: Annotated[Path, typer.Argument(help="CIF with partially occupied sites.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File of the ordered cell.")],
    supercell: Annotated[tuple[int, int, int], typer.Option(help="Repeats of the cell.")] = (1, 1, 1),
    oxidation: Annotated[
        list[str] | None,
        typer.Option(help="Oxidation state, such as Li=1; repeatable. Guessed if none is given."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Chooses among arrangements of the same energy.")] = 1,
    json: JsonOption = False,
) -> None:
    """Order a disordered crystal: the arrangement of the lowest electrostatic energy."""
    from hopkin.drivers.crystals import check_crystal, read_structure
    from hopkin.drivers.crystals import order as order_sites
    from hopkin.drivers.engine import writing_to
    from hopkin.drivers.terminal import show_fields

    states = dict(map(_state, oxidation)) if oxidation else None
    ordered = order_sites(
        read_structure(str(structure)), repeats=supercell, oxidation_states=states, seed=seed
    )
    check_crystal(ordered.atoms, source=f"the ordered cell of {structure}")
    with writing_to(output):
        ordered.atoms.write(output)
    fields: dict[str, Any] = {
        "structure": str(output),
        "formula": ordered.atoms.get_chemical_formula(),
        "supercell": list(supercell),
        "seed": seed,
        "method": ordered.method,
        "n_arrangements": ordered.n_arrangements,
        "electrostatic_energy_eV": ordered.energy_eV,
        "oxidation_states": ordered.oxidation_states,
        "sublattices": [
            {key: value for key, value in asdict(s).items() if key != "sites"} | {"n_sites": len(s.sites)}
            for s in ordered.sublattices
        ],
    }
    show_fields(fields, as_json=json)


def _state(text: str) -> tuple[str, float]:
    element, _, state = text.partition("=")
    try:
        number = float(state)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise typer.BadParameter(f"{text!r} is no oxidation state; wanted ELEMENT=NUMBER, as in Li=1")
    return element, number
