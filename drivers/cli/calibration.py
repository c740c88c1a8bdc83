"""`hopkin calibrate` and `hopkin recommend`: what a model's barriers are worth."""

from pathlib import Path
from typing import Annotated

import typer

from hopkin.drivers.cli.options import CalibrationOption, IonOption, JsonOption, StructureArgument


def calibrate(
    results: Annotated[
        list[Path], typer.Argument(help="Folders of run directories, of hops whose barriers are known.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table of the cases; one that is there is added to.")
    ] = Path("calibration.csv"),
    note: Annotated[str, typer.Option(help="What made them; it stands with each case.")] = "",
    json: JsonOption = False,
) -> None:
    """Learn from known barriers how far models are off, and how well that holds for other materials."""
    from hopkin.analysis.calibration import Calibration, cases_of, merged, quality_of, read_cases, write_cases
    from hopkin.analysis.comparison import collect
    from hopkin.analysis.errors import ResultsError
    from hopkin.drivers.engine import writing_to
    from hopkin.drivers.terminal import progress, show_quality

    cases = read_cases(output) if output.is_file() else []
    for folder in results:
        cases = merged(cases, cases_of(collect(folder).get("barriers", ()), note=note))
    calibration = Calibration(cases)
    if not calibration.cases:
        raise ResultsError(f"no converged run in {', '.join(map(str, results))} has a known barrier")
    together = [tuple(sorted(calibration.models))] if len(calibration.models) > 1 else []
    qualities = []
    with progress("leaving out materials") as say:
        for models in (*((model,) for model in calibration.models), *together):
            say(", ".join(models))
            if calibration.hops(models):
                qualities.append(quality_of(calibration, models))
    with writing_to(output):
        write_cases(output, cases)
    show_quality(qualities, output, len(cases), as_json=json)


def recommend(
    structure: StructureArgument,
    ion: IonOption = None,
    ready: Annotated[bool, typer.Option("--ready", help="Only models that can run here at once.")] = False,
    calibration: CalibrationOption = None,
    json: JsonOption = False,
) -> None:
    """Which models to use for the barriers of a crystal, by known barriers of its kind, and why."""
    from hopkin.analysis.calibration import read_cases, shipped_cases
    from hopkin.drivers.campaigns import ready_models
    from hopkin.drivers.crystals import load_structure, mobile_ion
    from hopkin.drivers.models import known_models
    from hopkin.drivers.recommendation import recommend as advise
    from hopkin.drivers.terminal import progress, show_advice

    loaded = load_structure(structure)
    ion = ion or mobile_ion(loaded.atoms.symbols, loaded.material)
    models = list(known_models().values())
    if ready:
        models, _ = ready_models(models)
    cases = shipped_cases() if calibration is None else read_cases(calibration)
    with progress(f"models for {loaded.material}") as _:
        advice = advise(loaded, ion, models, cases)
    show_advice(loaded.material, advice, as_json=json)
