"""What a file is that is no trajectory we read: told from its first bytes, so that a refusal can name it."""

import re
from collections.abc import Sequence

ACCEPTED = (
    "LAMMPS text dump, XDATCAR, vasprun.xml, extended XYZ with Lattice, ASE trajectory, plain or compressed "
    "by gzip, bzip2, xz or zstandard"
)
NUMBER = rb"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?"
_VECTOR = re.compile(rb"\s*" + rb"\s+".join([NUMBER] * 3) + rb"\s*$")

_BY_FIRST_BYTES = (
    (rb"CDF[\x01\x02\x05]", "a netCDF file: write a text dump"),
    (rb"\x89HDF\r\n", "an HDF5 file (H5MD, or netCDF 4): write a text dump or extended XYZ"),
    (rb".{4}CORD|.{8}CORD", "a DCD file, which has no elements: write a text dump or extended XYZ"),
    (rb"\x00\x00\x07[\xcb\xcd]", "an XTC file, which has no elements: convert it to extended XYZ"),
    (rb"\x00\x00\x07\xc9", "a TRR file, which has no elements: convert it to extended XYZ"),
    (rb".{0,24}DUMP(ATOM|CUSTOM)", "a binary dump of LAMMPS: write a text dump"),
    (rb"PK\x03\x04", "a zip archive: unpack it"),
    (rb".{257}ustar", "a tar archive: unpack it"),
    (rb"%PDF", "a PDF"),
    (rb"\s*<(!doctype html|html)", "an HTML page: was the file itself downloaded?"),
    (rb"LAMMPS \(", "a log of LAMMPS: give the dump"),
    (rb"\s*[\[{]\s*[\"\]}]", "JSON"),
    (rb"\s*vasp\.\d", "an OUTCAR: give the XDATCAR or vasprun.xml"),
    (rb"(CRYST1|HEADER|REMARK|ATOM  |MODEL )", "a PDB file"),
    (rb"data_|_cell_length|loop_", "a CIF, which holds one structure"),
)
_BY_LINE = (
    (rb"\s*\d+\s+atoms\s*$", "a data file of LAMMPS, which holds one structure: give the dump"),
    (rb"\s*_(cell|atom_site|symmetry)_", "a CIF, which holds one structure"),
    (rb"\s*(pair_style|units|atom_style|read_data)\s+\w", "an input script of LAMMPS: give the dump"),
    (rb"\s*Konfig=", "an XDATCAR of VASP 4.6 or older, which holds no cell: give vasprun.xml"),
)


def look_of(lines: Sequence[bytes]) -> str:
    """Say what a file is, from its first lines, and what to give instead."""
    start = b"".join(lines)
    if not start.strip():
        return "is empty"
    for pattern, name in _BY_FIRST_BYTES:
        if re.match(pattern, start, re.IGNORECASE | re.DOTALL):
            return f"looks like {name}"
    if b"\x00" in start:
        return "is binary, of a kind that is not known here"
    if (
        len(lines) > 4
        and re.fullmatch(NUMBER + rb"\s*", lines[1].strip())
        and all(map(_VECTOR.match, lines[2:5]))
    ):
        return "looks like a POSCAR, which holds one structure: give XDATCAR or vasprun.xml"
    if len(lines) > 3 and lines[3].strip() == b"CAR":
        return "looks like an XDATCAR of VASP 4.6 or older, which holds no cell: give vasprun.xml"
    if lines[0].strip().isdigit() and len(lines) > 2 and len(lines[2].split()) >= 4:
        return 'looks like XYZ without a cell: write extended XYZ, with Lattice="..." in its second line'
    for pattern, name in _BY_LINE:
        if any(re.match(pattern, line, re.IGNORECASE) for line in lines):
            return f"looks like {name}"
    return "is text of a kind that is not known here"
