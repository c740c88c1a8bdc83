"""Every model whose weights are here, verified and run in LAMMPS: writes docs/models.md.

    python -m benchmarks.models_table [MODEL ...]     the rows of all, or those of some anew

Takes up to an hour on two cores; an interrupted one goes on where it was, from the run directories below
runs/models and the stamps of the parity gate.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.page import COMMIT
from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.errors import HopkinError
from hopkin.drivers.models.model import Model, State
from hopkin.drivers.models.registry import known_models
from hopkin.drivers.specification import BarrierSpecification, MDSpecification
from hopkin.drivers.workflows.barrier import run_barrier, select_hops
from hopkin.drivers.workflows.dynamics import run_md
from hopkin.drivers.workflows.parity import (
    ENERGY_TOLERANCE_EV_PER_ATOM,
    FORCE_TOLERANCE_EV_PER_A,
    STRESS_TOLERANCE_GPA,
    ensure_parity,
)

STRUCTURES = ("LiFePO4-olivine", "Li10GeP2S12", "Li7P3S11", "LiTiS2-layered")
REFERENCE = "LiFePO4-olivine"
RUNS = Path("runs/models")
PAGE = Path("docs/models.md")
STEPS = 100
COLUMNS = (
    *("model", "forces", "energy [eV/atom]", "force [eV/A]", "stress [GPa]", "golden [eV/atom]", "slope"),
    *("barrier [eV]", "T [K]", "ms/step", "commit"),
)

HEAD = f"""# Models, measured

Every model whose weights can be had, as `python -m benchmarks.models_table` found it in LAMMPS
{engine.lammps_version()}, on a CPU.

Differences are the largest between LAMMPS and the model's own calculator on rattled cells of
{", ".join(STRUCTURES)}, where the model covers them; the last has 4 atoms
and is smaller than the cutoff. The gate wants {ENERGY_TOLERANCE_EV_PER_ATOM:g} eV/atom,
{FORCE_TOLERANCE_EV_PER_A:g} eV/A (or twice the noise of the model's own forces) and
{STRESS_TOLERANCE_GPA:g} GPa. *Golden*: energy of {REFERENCE}
against the number in the registry. *Slope*: the force in LAMMPS against the fall of the energy along it; of a
direct model it is a property of the model. *Barrier*: channel hop of {REFERENCE} in 1x2x1 cells, 55 atoms,
3 images, converged to 0.05 eV/A. *T*, *ms/step*: {STEPS} steps of 2 fs of NVT at 300 K, 28 atoms, two cores;
the times are rough, as other work ran beside them. *Commit*: the source that a row was measured with.

| {" | ".join(COLUMNS)} |
|{"---|" * len(COLUMNS)}
"""


def say(text: str) -> None:
    print("   ", text, file=sys.stderr, flush=True)


def largest(parities: list[dict[str, Any]], field: str) -> str:
    values = [value for parity in parities if (value := parity[field]) is not None]
    return f"{max(values):.0e}" if values else "-"


def measure(model: Model) -> Iterator[str]:
    parities = []
    for name in STRUCTURES:
        atoms = load_structure(name).atoms
        if set(atoms.get_chemical_symbols()) <= set(model.elements):
            parities.append(ensure_parity(model, atoms, say=say))
    yield "conservative" if model.conservative else "direct"
    for field in ("energy_difference_eV_per_atom", "force_difference_eV_per_A", "stress_difference_GPa"):
        yield largest(parities, field)
    yield largest(parities, "golden_difference_eV_per_atom")
    yield largest(parities, "gradient_difference")

    crystal = load_structure(REFERENCE)
    (hop,) = select_hops(crystal, "Li", 5.0, "0")
    band = BarrierSpecification(model=model.name, images=3, repeats=(1, 2, 1))
    _, barrier = run_barrier(crystal, hop, model, band, RUNS, say=say)
    yield f"{barrier['barrier_eV']:.3f}" if barrier["converged"] else str(barrier["failure"])

    nvt = MDSpecification(
        model=model.name, temperature_K=300, time_ps=STEPS * 0.002, frame_interval_fs=20, relax=False
    )
    run, md = run_md(crystal, model, nvt, RUNS, say=say)
    yield f"{md['temperature_mean_K']:.0f}"
    log = (run.path / "log.lammps").read_text()
    (seconds,) = re.findall(rf"Loop time of (\S+) .* for {STEPS} steps", log)
    yield f"{1000 * float(seconds) / STEPS:.0f}"


def main(names: list[str]) -> None:
    RUNS.mkdir(parents=True, exist_ok=True)
    rows = _rows_of_page()
    for model in known_models().values():
        if model.state() != State.READY or (names and model.name not in names):
            continue
        print(model.name, file=sys.stderr, flush=True)
        try:
            cells = [*measure(model), COMMIT]
        except HopkinError as error:
            print("failed:", error, file=sys.stderr, flush=True)
            cells = [f"failed: {error}"]
        rows[model.name] = f"| {model.name} | {' | '.join(cells)} |\n"
        PAGE.write_text(HEAD + "".join(rows[name] for name in known_models() if name in rows))
        print(rows[model.name], flush=True)


def _rows_of_page() -> dict[str, str]:
    lines = PAGE.read_text().splitlines(keepends=True) if PAGE.is_file() else []
    return {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}


if __name__ == "__main__":
    main(sys.argv[1:])
