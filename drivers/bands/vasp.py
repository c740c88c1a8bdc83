"""Input of VASP for the images of a band.

U, starting moments and potentials are the Materials Project's. Cutoff, k-points and tolerances (450 eV, 100
per A^-3, 1e-5 eV, 0.05 eV/A) are those of the published barriers, not its 520 eV and 64.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from hopkin.drivers.errors import RunError, StructureError

KPOINT_DENSITY = 100
"""Density of the published barriers: k-points per A^-3 of the reciprocal cell."""

_ANIONS_WITH_U = ("F", "O")
_OTHER_MOMENT = 0.6
_NEB_NOTE = """\
# A band with a climbing image and the improved tangent. ICHAIN, LCLIMB and IOPT are understood by a VASP with
# the VTST code (theory.cm.utexas.edu/vtsttools): IBRION = 3 and POTIM = 0 leave the steps to IOPT = 7 (FIRE).
# Stock VASP has no climbing image: delete those three lines and set IBRION = 1, POTIM = 0.3.
# The ends do not move: relax 00 and the last folder first, each with its INCAR, and copy CONTCAR to POSCAR.
"""
_END_NOTE = (
    "# Relaxation of an end of the band in a fixed cell; its OUTCAR here is what tools of VTST look for.\n"
)
_COMMON: Mapping[str, Any] = {
    "PREC": "Accurate",
    "ENCUT": 450,
    "EDIFF": 1e-5,
    "NELM": 200,
    "ALGO": "Fast",
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "ISPIN": 2,
    "ISYM": 0,
    "LASPH": True,
    "LREAL": "Auto",
    "LORBIT": 11,
    "LWAVE": False,
    "LCHARG": False,
    "ISIF": 2,
    "NSW": 500,
    "EDIFFG": -0.05,
}


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files("hopkin.drivers.bands") / "vasp.toml").read_text())


def write_neb(images: Sequence[Atoms], folder: Path, *, kpoint_density: float) -> list[int]:
    """Write a VASP NEB calculation: INCAR, KPOINTS, POTCAR.spec, and POSCARs in 00, 01, ...

    The first and the last folder hold what relaxes the ends, too.

    Parameters
    ----------
    images
        ends included, the same atoms in the same order
    kpoint_density
        k-points per A^-3 of the reciprocal cell

    Returns
    -------
    list of int
        index in `images` of each atom of the POSCARs, which are grouped by species

    Raises
    ------
    RunError
        when the folder holds images of a longer band
    StructureError
        when there is no potential for an element
    """
    from ase.io.vasp import write_vasp

    last = len(images) - 1
    beyond = sorted(p.name for p in folder.glob("[0-9][0-9]") if p.is_dir() and int(p.name) > last)
    if beyond:
        raise RunError(
            f"{folder} holds {', '.join(beyond)} of a longer band, and this one ends with {last:02d}: give"
            " another folder, or remove them"
        )
    symbols = images[0].get_chemical_symbols()
    species = list(dict.fromkeys(symbols))
    order = sorted(range(len(symbols)), key=lambda n: species.index(symbols[n]))
    grouped = [symbols[n] for n in order]
    inputs = {
        "KPOINTS": kpoints(images[0].cell.array, kpoint_density),
        "POTCAR.spec": "\n".join(_potcar(element) for element in species) + "\n",
    }
    for number, image in enumerate(images):
        place = folder / f"{number:02d}"
        place.mkdir(parents=True, exist_ok=True)
        write_vasp(place / "POSCAR", image[order], direct=True, sort=False)
        if number in (0, last):
            _write(place, {"INCAR": _END_NOTE + incar(grouped, {"IBRION": 1, "POTIM": 0.3}), **inputs})
    neb = {
        "IMAGES": last - 1,
        "SPRING": -5,
        "IBRION": 3,
        "POTIM": 0,
        "ICHAIN": 0,
        "LCLIMB": True,
        "IOPT": 7,
    }
    _write(folder, {"INCAR": _NEB_NOTE + incar(grouped, neb), **inputs})
    return order


def incar(symbols: Sequence[str], further: Mapping[str, Any]) -> str:
    """Write the INCAR of a structure whose atoms are grouped by species.

    U and starting moments are those of the Materials Project: U in oxides and fluorides alone.
    """
    table, species = _table(), list(dict.fromkeys(symbols))
    moments = [table["moment"].get(element, _OTHER_MOMENT) for element in species]
    tags = dict(_COMMON) | {
        "MAGMOM": " ".join(f"{symbols.count(e)}*{m:g}" for e, m in zip(species, moments, strict=True))
    }
    u = [table["U_eV"].get(element, 0.0) for element in species]
    if any(u) and set(species) & set(_ANIONS_WITH_U):
        tags |= {
            "LDAU": True,
            "LDAUTYPE": 2,
            "LDAUL": " ".join("2" if value else "-1" for value in u),
            "LDAUU": " ".join(f"{value:g}" for value in u),
            "LDAUJ": " ".join("0" for _ in u),
            "LDAUPRINT": 1,
            "LMAXMIX": 4,
        }
    return "".join(f"{name} = {_shown(value)}\n" for name, value in (tags | dict(further)).items())


def kpoints(cell: NDArray[np.float64], density: float) -> str:
    """Write the KPOINTS of a cell: a mesh around Gamma, its divisions as even as the cell allows.

    The divisions are those of the Materials Project: in proportion to 1/length of the cell vectors [A],
    rounded down, so that there are about `density` k-points per A^-3 of the reciprocal cell (2 pi included).
    """
    lengths = np.linalg.norm(cell, axis=1)
    wanted = density * (2 * np.pi) ** 3 / abs(float(np.linalg.det(cell)))
    scale = (wanted * float(np.prod(lengths))) ** (1 / 3)
    divisions = [max(1, int(scale / length)) for length in lengths]
    mesh = " ".join(map(str, divisions))
    return (
        f"Mesh around Gamma, {density:g} k-points per A^-3 of the reciprocal cell\n0\nGamma\n{mesh}\n0 0 0\n"
    )


def _potcar(element: str) -> str:
    table: dict[str, str] = _table()["potcar"]
    if element not in table:
        raise StructureError(f"the Materials Project's table has no PBE potential for {element}")
    return table[element]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return ".TRUE." if value else ".FALSE."
    return f"{value:g}" if isinstance(value, float) else str(value)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)
