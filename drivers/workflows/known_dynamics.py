"""A reference trajectory, such as of ab initio molecular dynamics, analysed as runs of hopkin are."""

import time
from pathlib import Path

from hopkin.analysis.comparison import KIND, DynamicsReference
from hopkin.drivers.engine import find_run, slug
from hopkin.drivers.models import sha256_of
from hopkin.drivers.workflows.calculation import Run, Say, model_slug
from hopkin.drivers.workflows.trajectories import Options, TrajectoryRun, analyze_run


def run_reference(reference: DynamicsReference, root: Path, *, say: Say) -> Run:
    """Analyse the trajectory of a reference in a run directory of its own, unless that has been done.

    Its `result.json`, `msd.csv` and `rdf.csv` have what those of a molecular-dynamics run have; in the place
    of the model stands the functional.
    """
    material, model = reference.material, reference.label
    # A reference without species is written as before it could have any, so that its earlier run is found.
    apart = {"trajectory"} if reference.species else {"trajectory", "species"}
    run = find_run(
        root,
        f"{slug(material)}-{reference.temperature_K:g}K-{model_slug(model)}",
        {
            "kind": KIND,
            "material": material,
            "model": model,
            "reference": reference.model_dump(mode="json", exclude=apart),
            "trajectory": [file.name for file in reference.trajectory],
            "trajectory_sha256": [sha256_of(file) for file in reference.trajectory],
        },
    )
    if run.result is not None:
        return run, run.result
    say("analysing its trajectory")
    with run.begun():
        start = time.monotonic()
        trajectory = TrajectoryRun(
            name=material,
            files=reference.trajectory,
            ion=reference.ion,
            temperature_K=reference.temperature_K,
            timestep_fs=reference.timestep_fs,
            frame_interval_fs=reference.frame_interval_fs,
            species=reference.species,
            material=material,
            model=model,
        )
        result = analyze_run(trajectory, Options(), run.path)
        return run, run.finish({**result, "wall_s": time.monotonic() - start})
