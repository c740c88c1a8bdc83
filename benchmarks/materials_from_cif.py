"""The built-in materials of the Materials Project, made from its CIF files.

Entries of drivers/crystals/materials.toml:

    python benchmarks/materials_from_cif.py ../shared/data/structures > entries.toml

Every cell is brought to the standard setting of its space group by spglib, with the alkali ion (in
maricite the transition metal) at the origin where the origin can be chosen; one atom is kept of each orbit.
An entry is printed only if the cell that it describes is that of the CIF file.
"""

import csv
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import spglib
from ase.spacegroup import crystal
from numpy.typing import NDArray

SYMPREC_A = 0.01
ALKALI = ("Li", "Na")
# Rows of structures.csv of which the table has a cell measured by diffraction.
MEASURED = (
    "LiFePO4_olivine",
    "LiCoO2_layered_R-3m",
    "LiTiS2_layered_P-3m1",
    "Li6PS5Cl",
    "Li10GeP2S12",
    "Li7P3S11",
    "Na3PS4",
)
# Where the name of a row says too little, or a symbol of a space group.
NAMES = {
    "LiTiS2_layered_R-3m": "LiTiS2-layered-O3",
    "NaTiS2_layered_R-3m": "NaTiS2-layered-O3",
    "NaTiS2_layered_P-3m1": "NaTiS2-layered-O1",
    "Na3PSe4": "Na3PSe4-tetragonal",
    "Na3SbS4": "Na3SbS4-tetragonal",
}
NOTES = {
    "olivine": "Pnma; the channels of {ion} run along b.",
    "maricite": "Pnma; the sites of olivine with {ion} and the transition metal exchanged.",
    "layered-O1": "P-3m1, O1 stacking.",
    "layered-O3": "R-3m, hexagonal axes, O3 stacking.",
}


def main() -> None:
    folder = Path(sys.argv[1])
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="spglib")
    warnings.filterwarnings("ignore", message="crystal system")
    with (folder / "structures.csv").open() as file:
        for row in csv.DictReader(file):
            if row["name"] not in MEASURED:
                print(entry(row, ase.io.read(folder.parent / row["file"])))


def entry(row: dict[str, str], atoms: ase.Atoms) -> str:
    """One table of materials.toml."""
    dataset = dataset_of(atoms)
    sites = min(descriptions(dataset), key=lambda sites: [site[:2] for site in sorted(sites, key=order)])
    family = row["name"].split("_")[1] if row["table"] == "1" else "electrolyte"
    name = NAMES.get(row["name"], row["name"].replace("_R-3m", "").replace("_", "-"))
    stacking = {"layered": "-O1" if "P-3m1" in row["name"] else "-O3"}.get(family, "")
    ion = next(symbol for symbol in ALKALI if symbol in atoms.symbols)
    ordered = ", an ordered model of the average structure" if dataset.number in (105, 6) else ""
    note = NOTES.get(family + stacking, f"{dataset.international}{ordered}.").format(ion=ion)
    substitution = row["note"].partition(":")[0] if row["source"].startswith("derived") else ""
    lattice = ", ".join(f"{float(f'{value:.5f}')}" for value in lattice_of(dataset))
    lines = [
        f"[{name}]",
        f'formula = "{row["name"].split("_")[0]}"',
        f'family = "{family}"',
        f"space_group = {dataset.number}",
        "setting = 1",
        f"lattice = [{lattice}]",
        "sites = [",
    ]
    count: dict[str, int] = {}
    for element, wyckoff, coordinates in sorted(sites, key=order):
        count[element] = count.get(element, 0) + 1
        numbers = ", ".join(map(written, coordinates))
        lines.append(
            f'  {{ element = "{element}", label = "{element}{count[element]}", wyckoff = "{wyckoff}", '
            f"coordinates = [{numbers}] }},"
        )
    lines += ["]", f'materials_project = "{row["source"].split()[-1]}"']
    if substitution:
        lines.append(f'substitution = "{substitution}"')
    return "\n".join([*lines, f'note = "{note}"', ""])


Site = tuple[str, str, NDArray[np.float64]]


def order(site: Site) -> tuple[bool, bool, bool, str, str, tuple[float, ...]]:
    """Cations before anions, the alkali ion first, then by letter."""
    element, wyckoff, coordinates = site
    anion = element in ("O", "S", "Se", "Cl", "Br")
    rank = element not in ALKALI, anion, element == "P"
    return *rank, element, wyckoff[-1], tuple(coordinates)


def descriptions(dataset: spglib.SpglibDataset) -> Iterator[list[Site]]:
    """The orbits seen from either origin of the standard setting that gives the same operations."""
    for origin in (0.0, 0.0, 0.0), (0.0, 0.0, 0.5):
        scaled = np.asarray(dataset.std_positions) - origin
        standard = ase.Atoms(
            numbers=dataset.std_types, scaled_positions=scaled, cell=cell_of(dataset), pbc=True
        )
        found = dataset_of(standard)
        orbits = found.crystallographic_orbits
        sites: list[Site] = []
        for first in np.unique(orbits):
            members = np.flatnonzero(orbits == first)
            wrapped = np.mod(np.round(scaled[members], 7), 1.0)
            simplest = wrapped[np.lexsort([*wrapped.T[::-1], np.round((wrapped**2).sum(axis=1), 6)])[0]]
            letter = f"{len(members)}{found.wyckoffs[first]}"
            sites.append((str(standard.symbols[first]), letter, simplest))
        rebuilt = crystal(
            [site[0] for site in sites],
            [tuple(float(written(x)) for x in site[2]) for site in sites],
            spacegroup=dataset.number,
            cellpar=lattice_of(dataset),
        )
        if len(rebuilt) == len(standard) and farthest(rebuilt, standard) < 1e-4:
            yield sites


def farthest(a: ase.Atoms, b: ase.Atoms) -> float:
    """Largest distance from an atom of one to the nearest of its kind of the other [A]."""
    difference = a.get_scaled_positions()[:, None] - b.get_scaled_positions()[None]
    distances = np.linalg.norm((difference - np.rint(difference)) @ b.cell.array, axis=-1)
    distances[a.numbers[:, None] != b.numbers[None]] = np.inf
    return float(max(distances.min(axis=0).max(), distances.min(axis=1).max()))


def written(x: float) -> str:
    """A coordinate with six digits, or nine where it is a third."""
    thirds = round(6.0 * x)
    return f"{thirds / 6.0:.9f}" if thirds % 3 and abs(6.0 * x - thirds) < 1e-6 else str(float(f"{x:.6f}"))


def dataset_of(atoms: ase.Atoms) -> spglib.SpglibDataset:
    return spglib.get_symmetry_dataset(
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=SYMPREC_A
    )


def cell_of(dataset: spglib.SpglibDataset) -> ase.cell.Cell:
    return ase.cell.Cell(np.asarray(dataset.std_lattice))


def lattice_of(dataset: spglib.SpglibDataset) -> NDArray[np.float64]:
    return np.round(cell_of(dataset).cellpar(), 5)


if __name__ == "__main__":
    main()
