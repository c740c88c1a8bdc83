"""Bands that VASP has computed: folders 00, 01, ... with OUTCAR or vasprun.xml."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from numpy.typing import NDArray

from hopkin.analysis.comparison import Reference
from hopkin.drivers.bands.paths import barrier, check_endpoints
from hopkin.drivers.crystals import read_with_ase
from hopkin.drivers.errors import StructureError

_FORMATS = {
    "vasprun.xml": "vasp-xml",
    "vasprun.xml.gz": "vasp-xml",
    "OUTCAR": "vasp-out",
    "OUTCAR.gz": "vasp-out",
    "CONTCAR": "vasp",
    "POSCAR": "vasp",
}
"""Files of an image, and what ASE calls their formats."""
_RESULTS = {"energy", "forces"}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VaspBand:
    """Images of a band, ends included, as VASP left them.

    Attributes
    ----------
    images
        the same atoms in the same order
    energies_eV
        (n_images,) energies for sigma -> 0 [eV], or None where an image has no output
    forces
        (n_images, n_atoms, 3) [eV/A], or None with them
    stresses
        (n_images, 6) xx yy zz yz xz xy, positive under tension [eV/A^3]; NaN where VASP has not computed it
    """

    images: tuple[ase.Atoms, ...]
    energies_eV: NDArray[np.float64] | None
    forces: NDArray[np.float64] | None
    stresses: NDArray[np.float64] | None

    def reference(self, system: str, *, functional: str, source: str) -> Reference | None:
        """Barriers of the band; None where it has no energies."""
        if self.energies_eV is None:
            return None
        found = barrier(self.energies_eV)
        return Reference(
            system=system,
            barrier_eV=found.barrier_eV,
            forward_barrier_eV=found.forward_barrier_eV,
            reverse_barrier_eV=found.reverse_barrier_eV,
            functional=functional,
            source=source,
        )


def read_vasp_band(folder: Path) -> VaspBand:
    """Read a folder of a VASP NEB calculation.

    Of each image the last ionic step counts, of the first file that has energy and forces. An image, or an
    end, without one may have a CONTCAR or POSCAR alone; the band has no energies then.

    Raises
    ------
    StructureError
        when there are fewer than three images, one cannot be read, or they do not hold the same atoms
    """
    places = sorted(p for p in folder.glob("*") if p.is_dir() and re.fullmatch(r"\d\d+", p.name))
    if len(places) < 3:
        raise StructureError(
            f"{folder} has {len(places)} folders 00, 01, ...; a VASP NEB run has at least three"
        )
    images = [_read_image(place) for place in places]
    for place, image in zip(places[1:], images[1:], strict=True):
        if image.get_chemical_symbols() != images[0].get_chemical_symbols():
            raise StructureError(f"{place} holds other atoms, or in another order, than {places[0]}")
    check_endpoints(images[0], images[-1])
    results = [_results(image) for image in images]
    plain = tuple(
        ase.Atoms(image.numbers, positions=image.positions, cell=image.cell, pbc=True) for image in images
    )
    if not all(set(result) >= _RESULTS for result in results):
        return VaspBand(images=plain, energies_eV=None, forces=None, stresses=None)
    return VaspBand(
        images=plain,
        energies_eV=np.array([result["energy"] for result in results]),
        forces=np.array([result["forces"] for result in results]),
        stresses=np.array([result.get("stress", np.full(6, np.nan)) for result in results]),
    )


def _read_image(place: Path) -> ase.Atoms:
    files = {place / name: kind for name, kind in _FORMATS.items() if (place / name).is_file()}
    if not files:
        raise StructureError(f"{place} has none of {', '.join(_FORMATS)}")
    structures: list[ase.Atoms] = []
    problem = ""
    for file, kind in files.items():
        try:
            atoms = read_with_ase(file, kind, index=-1)
        except StructureError as error:
            problem = str(error)
            _logger.warning("%s", problem)
            continue
        assert isinstance(atoms, ase.Atoms)
        if set(_results(atoms)) >= _RESULTS:
            return atoms
        structures.append(atoms)
    if not structures:
        raise StructureError(problem)
    return structures[0]


def _results(image: ase.Atoms) -> dict[str, Any]:
    return image.calc.results if image.calc else {}
