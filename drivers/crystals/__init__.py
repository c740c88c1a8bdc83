"""Crystals as LAMMPS needs them: where they come from, what is checked, and their symmetry.

`structures` reads, checks, orients and repeats; `materials` are the built-in ones; `lattices` chooses
supercells; `symmetry` keeps the space group; `ordering` fills the sites of disordered crystals.
"""

from hopkin.drivers.crystals.files import read_structure, read_with_ase
from hopkin.drivers.crystals.lattices import (
    Floats,
    cell_index,
    choose_supercell,
    image_distance,
    neighbours,
    supercell_matrix,
)
from hopkin.drivers.crystals.materials import (
    WITHOUT_COORDINATES,
    Material,
    build_material,
    find_material,
    is_material,
    material_names,
)
from hopkin.drivers.crystals.ordering import order
from hopkin.drivers.crystals.overlaps import OVERLAP_FRACTION
from hopkin.drivers.crystals.structures import (
    ALKALI_METALS,
    Structure,
    check_crystal,
    checked_structure,
    choose_repeats,
    lammps_orientation,
    load_structure,
    mobile_ion,
    require_few_atoms,
    require_ion,
    supercell,
)
from hopkin.drivers.crystals.symmetry import deviation, space_group, symmetrised, symmetry_dataset

__all__ = [
    "ALKALI_METALS",
    "OVERLAP_FRACTION",
    "WITHOUT_COORDINATES",
    "Floats",
    "Material",
    "Structure",
    "build_material",
    "cell_index",
    "check_crystal",
    "checked_structure",
    "choose_repeats",
    "choose_supercell",
    "deviation",
    "find_material",
    "image_distance",
    "is_material",
    "lammps_orientation",
    "load_structure",
    "material_names",
    "mobile_ion",
    "neighbours",
    "order",
    "read_structure",
    "read_with_ase",
    "require_few_atoms",
    "require_ion",
    "space_group",
    "supercell",
    "supercell_matrix",
    "symmetrised",
    "symmetry_dataset",
]
