"""What it gains that LAMMPS keeps the memory of big tensors (`_ENVIRONMENT` of drivers/engine/launch.py).

    python benchmarks/allocator_cost.py [MODEL ...]

Runs ten steps of 56-atom LiFePO4 with and without these settings in turn, on one thread; prints medians of
the loop times and of the ratios. LAMMPS of each model runs in the environment of its family.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

from hopkin.drivers.crystals.materials import build_material
from hopkin.drivers.engine import decks, launch
from hopkin.drivers.models import lammps_environment
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import fetch, find_model

STEPS, TURNS = 10, 5
SETTINGS = {name: value for name, value in launch.ENVIRONMENT.items() if name.startswith("MALLOC_")}


def seconds_per_step(model: Model, *, kept: bool) -> float:
    """Time the steps after ten that warm up; `kept`: with the settings of the engine."""
    atoms = build_material("LiFePO4-olivine").repeat((1, 2, 1))
    elements = decks.elements_of(atoms)
    with tempfile.TemporaryDirectory() as folder:
        decks.write_structure(Path(folder) / "cell.data", atoms, elements)
        (Path(folder) / "in.lmp").write_text(
            "units metal\natom_modify map yes\nread_data cell.data\n"
            f"pair_style {model.pair_style}\npair_coeff * * {model.pair_coeff()} {' '.join(elements)}\n"
            f"velocity all create 600 1\nfix integrate all nve\nrun {STEPS}\nrun {STEPS}\n"
        )
        for name, value in SETTINGS.items():
            launch.ENVIRONMENT.pop(name, None)
            if kept:
                launch.ENVIRONMENT[name] = value
        launch.run_deck(Path(folder), "in.lmp", environment=lammps_environment(model))
        log = (Path(folder) / "log.lammps").read_text()
    return float(re.findall(rf"Loop time of (\S+) .* for {STEPS} steps", log)[1]) / STEPS


def main(names: list[str]) -> None:
    """Print a line for each model."""
    print(f"{'model':20} {'kept [ms]':>10} {'not [ms]':>10} {'ratio':>6}")
    for name in names:
        model = find_model(name)
        fetch(model)
        pairs = [[seconds_per_step(model, kept=kept) for kept in (True, False)] for _ in range(TURNS)]
        kept, freed = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:20} {kept:10.0f} {freed:10.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["m3gnet-mp-2021.2.8", "chgnet-0.3.0", "sevennet-0"])
