"""The same barrier from hopkin and from ASE: climbing image, improved tangent, same ends, same tolerance.

    python -m benchmarks.neb_against_ase --model grace-small-lfp LiFePO4-olivine:0 [MATERIAL:HOP[:divacancy]]
        [PAIRS.extxyz:NAME]

Without hops: those of the table. hopkin runs first; ASE starts from the path that it started from, with
the calculator of the model in the interpreter of its family: the plain band by FIRE to five times the
tolerance, then the climbing one to it. Tolerance is of the norm of all forces of an image: by the largest
force on an atom, ASE stops 23 meV above the saddle of LiCoO2. Images are evaluated once per step in both.
What has ended is read from OUT/*.json; the table is written to benchmarks/results/neb_against_ase.md. What
stands there below "## Notes" is kept.
"""

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.mep.neb import NEB
from ase.optimize import FIRE

from hopkin.drivers.models.registry import (
    find_model,  # all that the environment of a family has of hopkin's needs
)

HOPS = (
    "LiCoO2-layered:0",
    "LiTiO2-layered:0:divacancy",
    "LiTiS2-layered:0",
    "LiTiS2-layered:0:divacancy",
    "NaCoO2-layered:0",
    "LiFePO4-olivine:0",
    "NaMnPO4-olivine:0",
    "NaFePO4-maricite:0",
    "NaFePO4-maricite:1",
    "../shared/data/barriers/endpoints.extxyz:Na7P3S11",
    "Li7P3S11:0",
)
SPRING_EV_PER_A2 = 1.0
MOST_STEPS = 300


class Counted(Calculator):
    """A calculator of one image, in front of one that all share; counts what reaches that."""

    implemented_properties = ("energy", "forces")
    evaluations = 0

    def __init__(self, shared: Any) -> None:
        super().__init__()
        self.shared = shared

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        Counted.evaluations += 1
        copy = Atoms(self.atoms.numbers, positions=self.atoms.positions, cell=self.atoms.cell, pbc=True)
        copy.calc = self.shared
        forces = copy.get_forces()
        self.results = {"energy": float(copy.get_potential_energy()), "forces": forces}


def converge(optimiser: FIRE, band: NEB, tolerance: float) -> bool:
    """Step until the norm of the forces of each image is below the tolerance [eV/A]."""
    for _ in optimiser.irun(fmax=0, steps=MOST_STEPS):
        forces = band.get_forces().reshape(band.nimages - 2, -1)
        if np.linalg.norm(forces, axis=1).max() < tolerance:
            return True
    return False


def band_of_ase(asked: dict[str, Any]) -> dict[str, Any]:
    """Run ASE's band between two ends."""
    warnings.simplefilter("ignore")
    model, tolerance = find_model(asked["model"]), asked["tolerance"]
    shared = model.module.calculator(model, device="cpu")
    images = [Atoms(**image, pbc=True) for image in asked["start"]]
    for image in images:
        image.calc = Counted(shared)
    plain = NEB(images, k=SPRING_EV_PER_A2, method="improvedtangent")
    plain_optimiser = FIRE(plain, logfile=None)
    converge(plain_optimiser, plain, 5 * tolerance)
    climbing = NEB(images, k=SPRING_EV_PER_A2, method="improvedtangent", climb=True)
    optimiser = FIRE(climbing, logfile=None)
    converged = converge(optimiser, climbing, tolerance)
    ends = 2
    evaluations = Counted.evaluations - ends
    energies = [float(image.get_potential_energy()) for image in images]
    return {
        "converged": converged,
        "steps": plain_optimiser.nsteps + optimiser.nsteps,
        "force_evaluations": evaluations,
        "energies_eV": energies,
        "barrier_eV": max(energies[1:-1]) - (energies[0] + energies[-1]) / 2,
    }


def band_of_hopkin(
    asked: str, model: Any, tolerance: float, distance: float, out: Path
) -> tuple[Any, dict[str, Any]]:
    """Run a hop of a material, or the hop between two given ends."""
    from hopkin.drivers.bands.endpoints import check_pair, read_pairs
    from hopkin.drivers.crystals.structures import load_structure
    from hopkin.drivers.specification import BandSpecification, BarrierSpecification
    from hopkin.drivers.workflows.barrier import run_barrier, run_neb, select_hops

    file, _, name = asked.rpartition(":")
    material, hop, mechanism = (asked + ":vacancy").split(":")[:3]
    ion = "Na" if (name if Path(file).is_file() else material).startswith("Na") else "Li"
    common = {"model": model.name, "ion": ion, "force_tolerance_eV_per_A": tolerance}
    if Path(file).is_file():
        ends = check_pair(*read_pairs(Path(file))[name], name=name, source=f"{file}, {name}")
        return run_neb(*ends, model, BandSpecification(**common), out, say=lambda _: None)
    structure = load_structure(material)
    (selected,) = select_hops(structure, ion, 5.0, hop)
    specification = BarrierSpecification(
        **common, hop=selected.index, mechanism=mechanism, min_image_distance_A=distance
    )
    return run_barrier(structure, selected, model, specification, out, say=lambda _: None)


def compare(asked: str, model_name: str, tolerance: float, distance: float, out: Path) -> dict[str, Any]:
    """Run a hop by both, unless that has been done."""
    from hopkin.drivers import bands
    from hopkin.drivers.engine import decks

    record = out / f"{asked.rpartition('/')[2].replace(':', '_')}-{model_name}.json"
    if record.is_file():
        return dict(json.loads(record.read_text()))
    model = find_model(model_name)
    run, ours = band_of_hopkin(asked, model, tolerance, distance, out)
    theirs: dict[str, Any] = {"converged": False, "barrier_eV": None, "force_evaluations": None}
    if ours["energies_eV"]:
        ends = (decks.read_state(run.path / "ends" / f"{end}.dump") for end in ("initial", "final"))
        start = bands.off_symmetry(bands.interpolate(*ends, ours["images"]))
        exchange = out / "ase.json"
        exchange.write_text(
            json.dumps(
                {
                    "model": model_name,
                    "tolerance": tolerance,
                    "start": [
                        {
                            "numbers": image.numbers.tolist(),
                            "positions": image.positions.tolist(),
                            "cell": image.cell.array.tolist(),
                        }
                        for image in start
                    ],
                }
            )
        )
        subprocess.run([str(model.interpreter()), __file__, "--ase", str(exchange)], check=True)
        theirs = json.loads(exchange.read_text())
    found = {"asked": asked, "model": model_name, "tolerance": tolerance, "hopkin": ours, "ase": theirs}
    record.write_text(json.dumps(found))
    return found


def row(found: dict[str, Any]) -> str:
    """Line of the table."""
    ours, theirs = found["hopkin"], found["ase"]
    both = ours["barrier_eV"] is not None and theirs["barrier_eV"] is not None
    said = [
        found["asked"].rpartition("/")[2].replace("endpoints.extxyz:", "").replace(":", " "),
        found["model"],
        str(ours["n_atoms"]),
        str(ours["images"]),
        f"{ours['barrier_eV']:.4f}" if both else str(ours["failure"]),
        f"{theirs['barrier_eV']:.4f}" if both else "",
        f"{1000 * (ours['barrier_eV'] - theirs['barrier_eV']):+.1f}" if both else "",
        f"{ours['force_evaluations']} ({len(ours['attempts'])})",
        f"{theirs['force_evaluations']}",
        "both"
        if not ours["failure"] and theirs["converged"]
        else f"{ours['failure']}, {theirs['converged']}",
    ]
    return "| " + " | ".join(said) + " |"


def main() -> None:
    """Compare, and write the table."""
    if sys.argv[1:2] == ["--ase"]:
        exchange = Path(sys.argv[2])
        exchange.write_text(json.dumps(band_of_ase(json.loads(exchange.read_text()))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hops", nargs="*", default=HOPS, help="MATERIAL:HOP[:divacancy]")
    parser.add_argument("--model", default="mattersim-v1.0.0-1m")
    parser.add_argument("--tolerance", type=float, default=0.05, help="norm of the forces of an image [eV/A]")
    parser.add_argument("--image-distance", type=float, default=7.0, help="of the supercell [A]")
    parser.add_argument("--out", type=Path, default=Path("runs/neb_against_ase"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for hop in asked.hops:
        found = compare(hop, asked.model, asked.tolerance, asked.image_distance, asked.out)
        rows.append(row(found))
        print(rows[-1], flush=True)
    columns = (
        "hop | model | atoms | images | hopkin [eV] | ASE [eV] | difference [meV] | evaluations (attempts)"
        " | of ASE | converged"
    )
    body = (
        "Same relaxed ends, same number of images, improved tangent, springs of 1 eV/A^2, norm of the forces"
        f" of each image below {asked.tolerance:g} eV/A. Evaluations: of the images, in all attempts, without"
        f" the ends.\n\n| {columns} |\n|{'---|' * 10}\n" + "\n".join(rows)
    )
    made_by = (
        f"`python -m benchmarks.neb_against_ase --model {asked.model} --tolerance {asked.tolerance:g}"
        f" --image-distance {asked.image_distance:g} {' '.join(asked.hops)}`"
    )
    from benchmarks.page import write_page  # what the families' environments need not find

    write_page("neb_against_ase", "Climbing-image bands of hopkin and of ASE", made_by, body)


if __name__ == "__main__":
    main()
