"""Finished runs as input of other programs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from ase import Atoms

from hopkin.drivers import engine
from hopkin.drivers.bands import vasp
from hopkin.drivers.bands.paths import displacements
from hopkin.drivers.engine import read_fields, write_json, writing_to
from hopkin.drivers.errors import RunError


def export_vasp(run: Path, folder: Path, *, kpoint_density: float = vasp.KPOINT_DENSITY) -> int:
    """Write the ends and images of a finished band as a VASP NEB calculation.

    `export.json` beside it says which run it came from, and which of its atoms each atom of the POSCARs is.

    Returns
    -------
    int
        images, without the ends

    Raises
    ------
    RunError
        when the folder holds no finished band
    MachineError
        when nothing can be written
    """
    asked, result, images = finished_band(run)
    with writing_to(folder):
        order = vasp.write_neb(images, folder, kpoint_density=kpoint_density)
    facts = ("material", "hop", "mechanism", "ion", "model", "barrier_eV", "failure")
    write_json(
        folder / "export.json",
        {
            "run": run.resolve().name,
            "kind": asked["kind"],
            **{name: result.get(name) for name in facts},
            "atom_of_run": order,
        },
    )
    return len(images) - 2


def finished_band(run: Path) -> tuple[dict[str, Any], dict[str, Any], list[Atoms]]:
    """Content of run.json and result.json, and all images, without jumps across the boundary.

    Raises
    ------
    RunError
        when the folder holds no finished band
    """
    if not (run / "result.json").is_file():
        raise RunError(f"{run} is no finished run: it has no result.json")
    asked = read_fields(run / "run.json", "kind")
    result = read_fields(run / "result.json", "failure")
    if asked["kind"] not in ("barrier", "neb") or not result.get("energies_eV"):
        raise RunError(
            f"{run} holds no band ({asked['kind']}, {result['failure'] or 'finished'}): give the directory of"
            " a barrier or neb run that came to one"
        )
    images = [engine.read_state(run / f"image_{n}.dump") for n in range(len(result["energies_eV"]))]
    for before, image in pairwise(images):
        image.positions = before.positions + displacements(before, image)
    return asked, result, images
