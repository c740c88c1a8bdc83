"""`hopkin materials`, `hops`, `barrier`, `neb`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopkin.drivers.cli.options import (
    ImagesOption,
    IonOption,
    JsonOption,
    MaxLengthOption,
    MechanismOption,
    ModelOption,
    OutOption,
    PresetOption,
    RatesOption,
    RateTemperaturesOption,
    RepeatsOption,
    StructureArgument,
    TrustOption,
    VerifyOption,
    add_rates,
    chosen_model,
    each,
    raise_together,
)

if TYPE_CHECKING:
    from hopkin.drivers.workflows.calculation import Run, Say


def materials(json: JsonOption = False) -> None:
    """List the built-in materials and where their structures come from."""
    from hopkin.drivers import terminal
    from hopkin.drivers.materials import find_material, material_names

    terminal.show_materials([find_material(name) for name in material_names()], as_json=json)


def hops(
    structure: StructureArgument,
    ion: IonOption = "Li",
    max_length: MaxLengthOption = 5.0,
    json: JsonOption = False,
) -> None:
    """List the symmetry-distinct vacancy hops of a crystal."""
    from hopkin.drivers import terminal
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.barrier import select_hops

    loaded = load_structure(structure)
    terminal.show_hops(loaded.material, select_hops(loaded, ion, max_length, "all"), as_json=json)


def barrier(
    structure: StructureArgument,
    model: ModelOption,
    ion: IonOption = "Li",
    hop: Annotated[str, typer.Option(help="Number of a hop as `hopkin hops` lists them, or all.")] = "0",
    mechanism: MechanismOption = "vacancy",
    images: ImagesOption = 5,
    preset: PresetOption = "paper",
    image_distance: Annotated[
        float | None,
        typer.Option(
            help="From a vacancy to its periodic images, at least [A]; that of the preset if not given."
        ),
    ] = None,
    supercell: RepeatsOption = None,
    max_length: MaxLengthOption = 5.0,
    rates: RatesOption = False,
    temperature: RateTemperaturesOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Migration barrier of a vacancy hop: relaxed ends, climbing-image NEB in LAMMPS."""
    from hopkin.drivers import terminal
    from hopkin.drivers.hops import Hop
    from hopkin.drivers.specification import BarrierSpecification, preset_fields, specify
    from hopkin.drivers.structures import load_structure
    from hopkin.drivers.workflows.barrier import run_barrier, select_hops

    found, loaded = chosen_model(model, trust), load_structure(structure)

    def run(selected: Hop, *, say: "Say") -> "Run":
        specification = specify(
            BarrierSpecification,
            model=found.name,
            ion=ion,
            hop=selected.index,
            mechanism=mechanism,
            images=images,
            repeats=supercell,
            max_length_A=max_length,
            **preset_fields(preset)
            | ({} if image_distance is None else {"min_image_distance_A": image_distance}),
        )
        ended = run_barrier(loaded, selected, found, specification, out, verify=verify, say=say)
        return add_rates(ended, found, temperature, say=say) if rates else ended

    runs, errors = each(
        (f"{loaded.material} hop {selected.index}, {model}", partial(run, selected))
        for selected in select_hops(loaded, ion, max_length, hop)
    )
    terminal.show_barriers(runs, as_json=json)
    raise_together(errors)


def neb(
    initial: Annotated[str, typer.Argument(help="Structure file of the initial end.")],
    final: Annotated[str, typer.Argument(help="Structure file of the final end.")],
    model: ModelOption,
    ion: IonOption = "Li",
    images: ImagesOption = 5,
    rates: RatesOption = False,
    temperature: RateTemperaturesOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Climbing-image NEB between two given ends, which are relaxed first."""
    from hopkin.drivers import terminal
    from hopkin.drivers.endpoints import load_pair
    from hopkin.drivers.specification import BandSpecification, specify
    from hopkin.drivers.workflows.barrier import run_neb

    found = chosen_model(model, trust)
    specification = specify(
        BandSpecification,
        model=found.name,
        ion=ion,
        images=images,
    )
    ends = load_pair(initial, final)
    with terminal.progress(f"{initial} to {final}, {model}") as say:
        run = run_neb(*ends, found, specification, out, verify=verify, say=say)
        if rates:
            run = add_rates(run, found, temperature, say=say)
    terminal.show_barriers([run], as_json=json)
