"""`hopkin materials`, `hops`, `barrier`, `neb`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hopkin.drivers.cli.options import (
    ImageDistanceOption,
    ImagesOption,
    IonOption,
    JsonOption,
    MaxLengthOption,
    MechanismOption,
    ModelOption,
    NoSymmetryOption,
    OutOption,
    PresetOption,
    RatesOption,
    RateTemperaturesOption,
    RepeatsOption,
    RouteOption,
    StructureArgument,
    SymmetricPathOption,
    TrustOption,
    VerifyOption,
    add_rates,
    chosen_crystal,
    chosen_model,
    each,
    raise_together,
    specify,
)

if TYPE_CHECKING:
    from hopkin.drivers.errors import HopkinError
    from hopkin.drivers.workflows import Run, Say


def materials(json: JsonOption = False) -> None:
    """List the built-in materials and where their structures come from."""
    from hopkin.drivers.crystals import find_material, material_names
    from hopkin.drivers.terminal import show_materials

    show_materials([find_material(name) for name in material_names()], as_json=json)


def hops(
    structure: StructureArgument,
    ion: IonOption = None,
    max_length: MaxLengthOption = 5.0,
    write: Annotated[
        Path | None, typer.Option(help="Folder in which to write both ends of every hop, unrelaxed.")
    ] = None,
    suffix: Annotated[
        Literal["extxyz", "vasp", "cif"], typer.Option("--format", help="Of these files; vasp: POSCAR.")
    ] = "extxyz",
    mechanism: MechanismOption = "vacancy",
    preset: PresetOption = "paper",
    image_distance: ImageDistanceOption = None,
    supercell: RepeatsOption = None,
    json: JsonOption = False,
) -> None:
    """List the symmetry-distinct vacancy hops of a crystal, and write their ends on request."""
    from hopkin.drivers.crystals import load_structure, mobile_ion
    from hopkin.drivers.errors import StructureError
    from hopkin.drivers.specification import BarrierSpecification, preset_fields
    from hopkin.drivers.terminal import show_hops
    from hopkin.drivers.workflows import list_hops, write_endpoints

    loaded = load_structure(structure)
    ion = ion or mobile_ion(loaded.atoms.symbols, loaded.material)
    specification = specify(
        BarrierSpecification,
        model="none",
        ion=ion,
        mechanism=mechanism,
        repeats=supercell,
        **preset_fields(preset, image_distance),
    )
    found = list_hops(loaded, ion, max_length)
    errors: list[HopkinError] = []
    if write is not None:
        for hop in found:
            if not hop.through_ion:
                try:
                    write_endpoints(loaded, hop, specification, write, suffix)
                except StructureError as error:
                    errors.append(error)
    show_hops(loaded.material, found, as_json=json)
    raise_together(errors)


def barrier(
    structure: StructureArgument,
    model: ModelOption,
    ion: IonOption = None,
    hop: Annotated[str, typer.Option(help="Number of a hop as `hopkin hops` lists them, or all.")] = "0",
    mechanism: MechanismOption = "vacancy",
    images: ImagesOption = 5,
    symmetric_path: SymmetricPathOption = False,
    preset: PresetOption = "paper",
    image_distance: ImageDistanceOption = None,
    supercell: RepeatsOption = None,
    max_length: MaxLengthOption = 5.0,
    no_symmetry: NoSymmetryOption = False,
    rates: RatesOption = False,
    temperature: RateTemperaturesOption = None,
    route: RouteOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Migration barrier of a vacancy hop: relaxed ends, climbing-image NEB in LAMMPS."""
    from hopkin.drivers.hops import Hop
    from hopkin.drivers.specification import BarrierSpecification, preset_fields
    from hopkin.drivers.terminal import show_barriers
    from hopkin.drivers.workflows import percolation, run_barrier, select_hops

    found, loaded, ion = chosen_crystal(structure, model, ion, trust=trust, route=route)
    selected_hops = select_hops(loaded, ion, max_length, hop)

    def run(selected: Hop, *, say: "Say") -> "Run":
        specification = specify(
            BarrierSpecification,
            model=found.name,
            ion=ion,
            hop=selected.index,
            mechanism=mechanism,
            images=images,
            symmetric_path=symmetric_path,
            repeats=supercell,
            max_length_A=max_length,
            keep_symmetry=not no_symmetry,
            **preset_fields(preset, image_distance),
        )
        ended = run_barrier(loaded, selected, found, specification, out, verify=verify, say=say)
        return add_rates(ended, found, temperature, say=say) if rates else ended

    runs, errors = each(
        (f"{loaded.material} hop {selected.index}, {model}", partial(run, selected))
        for selected in selected_hops
    )
    network = percolation(selected_hops, [result for _, result in runs]) if hop == "all" else None
    if runs:
        show_barriers(runs, network, as_json=json)
    raise_together(errors)


def kinetics(
    structure: StructureArgument,
    model: ModelOption,
    ion: IonOption = None,
    max_length: MaxLengthOption = 5.0,
    images: ImagesOption = 5,
    preset: PresetOption = "paper",
    image_distance: ImageDistanceOption = None,
    supercell: RepeatsOption = None,
    no_symmetry: NoSymmetryOption = False,
    temperature: Annotated[
        list[float] | None,
        typer.Option(
            "--temperature", "-T", min=1.0, max=1e5, help="[K], repeatable; 200 to 1200 if not given."
        ),
    ] = None,
    attempt_frequency: Annotated[
        float | None,
        typer.Option(
            "--attempt-frequency", help="Of all hops [THz]; of each by harmonic theory if not given."
        ),
    ] = None,
    vacant_part: Annotated[float, typer.Option("--vacant-part", help="Of the sites of the ion.")] = 0.01,
    monte_carlo: Annotated[
        bool, typer.Option("--monte-carlo", help="Let so many vacancies walk, too: they block one another.")
    ] = False,
    blocked_part: Annotated[
        float, typer.Option("--blocked-part", help="Of the sites, which no vacancy of that walk enters.")
    ] = 0.0,
    route: RouteOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Diffusivity at any temperature, by the barriers and rates of all vacancy hops of a crystal."""
    from hopkin.drivers.specification import KineticsSpecification, preset_fields
    from hopkin.drivers.terminal import progress, show_kinetics
    from hopkin.drivers.workflows import run_kinetics

    found, loaded, ion = chosen_crystal(structure, model, ion, trust=trust, route=route)
    specification = specify(
        KineticsSpecification,
        model=found.name,
        ion=ion,
        max_length_A=max_length,
        images=images,
        repeats=supercell,
        keep_symmetry=not no_symmetry,
        attempt_frequency_THz=attempt_frequency,
        vacant_part=vacant_part,
        monte_carlo=monte_carlo,
        blocked_part=blocked_part,
        **({"temperatures_K": temperature} if temperature else {}),
        **preset_fields(preset, image_distance),
    )
    with progress(f"{loaded.material}, {model}") as say:
        run = run_kinetics(loaded, found, specification, out, verify=verify, say=say)
    show_kinetics(run, as_json=json)


def neb(
    initial: Annotated[str, typer.Argument(help="Structure file of the initial end.")],
    final: Annotated[str, typer.Argument(help="Structure file of the final end.")],
    model: ModelOption,
    ion: IonOption = None,
    images: ImagesOption = 5,
    symmetric_path: SymmetricPathOption = False,
    rates: RatesOption = False,
    temperature: RateTemperaturesOption = None,
    route: RouteOption = None,
    trust: TrustOption = False,
    verify: VerifyOption = True,
    out: OutOption = Path("runs"),
    json: JsonOption = False,
) -> None:
    """Climbing-image NEB between two given ends, which are relaxed first."""
    from hopkin.drivers.bands import load_pair
    from hopkin.drivers.crystals import mobile_ion
    from hopkin.drivers.models import prepare
    from hopkin.drivers.specification import BandSpecification
    from hopkin.drivers.terminal import progress, show_barriers
    from hopkin.drivers.workflows import run_neb

    found = chosen_model(model, trust, route)
    prepare(found)
    ends = load_pair(initial, final)
    prepare(found, ends[0].atoms.symbols)
    specification = specify(
        BandSpecification,
        model=found.name,
        ion=ion or mobile_ion(ends[0].atoms.symbols, initial),
        images=images,
        symmetric_path=symmetric_path,
    )
    with progress(f"{initial} to {final}, {model}") as say:
        run = run_neb(*ends, found, specification, out, verify=verify, say=say)
        if rates:
            run = add_rates(run, found, temperature, say=say)
    show_barriers([run], None, as_json=json)
