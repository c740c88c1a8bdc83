"""Files that are compressed, torn, or of another kind."""

import bz2
import gzip
import logging
import lzma
from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import zstandard
from numpy.testing import assert_allclose

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray
from hopkin.analysis.trajectories.trajectory import read_trajectory

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": lambda content: zstandard.compress(content[:700]) + zstandard.compress(content[700:]),
}


def dump(frames: FloatArray) -> str:
    text = ""
    for k, frame in enumerate(frames):
        text += f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n{len(frame)}\nITEM: BOX BOUNDS pp pp pp\n"
        text += "0 8\n0 8\n0 8\nITEM: ATOMS id type element xu yu zu vx vy vz\n"
        text += "".join(f"{i + 1} 1 Li {x:.8f} {y:.8f} {z:.8f} 0 0 0\n" for i, (x, y, z) in enumerate(frame))
    return text


def extxyz(frames: FloatArray) -> str:
    head = f'{frames.shape[1]}\nLattice="8 0 0 0 8 0 0 0 8" Properties=species:S:1:pos:R:3\n'
    return "".join(head + "".join(f"Li {x:.8f} {y:.8f} {z:.8f}\n" for x, y, z in frame) for frame in frames)


def xdatcar(frames: FloatArray) -> str:
    text = f"x\n1.0\n8 0 0\n0 8 0\n0 0 8\nLi\n{frames.shape[1]}\n"
    for k, frame in enumerate(frames / 8):
        text += f"Direct configuration= {k}\n" + "".join(f"{x:.10f} {y:.10f} {z:.10f}\n" for x, y, z in frame)
    return text


@pytest.fixture
def walk(random_walk: Callable[..., FloatArray]) -> FloatArray:
    """(30, 8, 3) positions [A]."""
    return random_walk(37, n_frames=30, n_atoms=8, diffusivity=0.2, interval=0.1)


@pytest.mark.parametrize("method", COMPRESSORS)
@pytest.mark.parametrize("write", [dump, xdatcar, extxyz])
def test_compressed_files_are_told_by_their_first_bytes(
    tmp_path: Path, walk: FloatArray, method: str, write: Callable[[FloatArray], str]
) -> None:
    path = tmp_path / "md"
    path.write_bytes(COMPRESSORS[method](write(walk).encode()))
    read = read_trajectory(path, frame_interval_fs=1.0).positions
    assert_allclose(read - read[0], walk - walk[0], atol=1e-6)


@pytest.mark.parametrize(
    ("title", "between"),
    [
        *((title, between) for title in ("", "  ", "Li", "1.0") for between in ("", "\n", "{header}")),
        *((title, "\n{header}") for title in ("", "  ", "Li")),
    ],
)
def test_the_title_of_an_xdatcar_is_free(tmp_path: Path, walk: FloatArray, title: str, between: str) -> None:
    """VASP copies the first line of POSCAR, be it blank; older ones leave blank lines between frames."""
    header, *frames = xdatcar(walk).replace("x\n", title + "\n", 1).split("Direct")
    between = between.format(header=header)
    (tmp_path / "XDATCAR").write_text(header + between.join("Direct" + frame for frame in frames) + "\n\n")
    read = read_trajectory(tmp_path / "XDATCAR", frame_interval_fs=1.0).positions
    assert_allclose(read - read[0], walk - walk[0], atol=1e-6)


@pytest.mark.parametrize("method", COMPRESSORS)
def test_ase_trajectories_are_compressed_too(tmp_path: Path, walk: FloatArray, method: str) -> None:
    frames = [ase.Atoms("Li8", positions=frame, cell=8 * np.eye(3), pbc=True) for frame in walk]
    ase.io.write(tmp_path / "md.traj", frames)
    path = tmp_path / "packed"
    path.write_bytes(COMPRESSORS[method]((tmp_path / "md.traj").read_bytes()))
    read = read_trajectory(path, frame_interval_fs=1.0).positions
    assert_allclose(read - read[0], walk - walk[0], atol=1e-6)


@pytest.mark.parametrize("method", COMPRESSORS)
def test_a_cut_compressed_file_gives_the_frames_before(
    tmp_path: Path, random_walk: Callable[..., FloatArray], caplog: pytest.LogCaptureFixture, method: str
) -> None:
    walk = random_walk(38, n_frames=600, n_atoms=40, diffusivity=0.2, interval=0.1)
    path = tmp_path / "md.dump"
    content = COMPRESSORS[method](dump(walk).encode())
    path.write_bytes(content[: len(content) * 9 // 10])
    with caplog.at_level(logging.WARNING):
        read = read_trajectory(path, timestep_fs=1.0).positions
    assert 100 < len(read) < 600
    assert_allclose(read, walk[: len(read)], atol=1e-6)
    assert "ends within a frame" in caplog.text


@pytest.mark.parametrize("method", COMPRESSORS)
def test_a_damaged_compressed_file_is_refused(tmp_path: Path, walk: FloatArray, method: str) -> None:
    content = bytearray(COMPRESSORS[method](dump(walk).encode()))
    content[len(content) // 2 : len(content) // 2 + 60] = bytes(range(60))
    path = tmp_path / "md.dump"
    path.write_bytes(content)
    with pytest.raises(
        TrajectoryError, match=r"cannot read .*md\.dump: |md\.dump: a line of atoms cannot be"
    ):
        read_trajectory(path, timestep_fs=1.0)


LOOKS = {
    "is empty": b"",
    "looks like a netCDF file": b"CDF\x02\x00\x00\x00\x00",
    "looks like an HDF5 file": b"\x89HDF\r\n\x1a\n",
    "looks like a DCD file": b"T\x00\x00\x00CORD\x64\x00\x00\x00",
    "looks like an XTC file": b"\x00\x00\x07\xcb\x00\x00\x00\x08",
    "looks like a TRR file": b"\x00\x00\x07\xc9\x00\x00\x00\x0d",
    "looks like a binary dump of LAMMPS": b"\xf6\xff\xff\xff\xff\xff\xff\xffDUMPCUSTOM\x01\x00\x00\x00",
    "looks like an HTML page": b"<!DOCTYPE html>\n<html>\n",
    "looks like a log of LAMMPS": b"LAMMPS (22 Jul 2025 - Update 4)\n",
    "looks like a data file of LAMMPS": b"LAMMPS data file\n\n24 atoms\n3 atom types\n",
    "looks like an input script of LAMMPS": b"# melt\nunits metal\natom_style atomic\n",
    "looks like a POSCAR": b"LiF\n1.0\n4 0 0\n0 4 0\n0 0 4\nLi F\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n",
    "looks like an OUTCAR": b" vasp.6.4.2 20Jul23 (build)\n",
    "looks like an XDATCAR of VASP 4.6": b"  8 8 1\n 0.2E+02 0.5E-09\n 300.0\n  CAR\n Si8\n\n 0.1 0 0\n",
    "looks like XYZ without a cell": b"2\nwater\nLi 0 0 0\nF 0 0 2\n",
    "looks like a CIF": b"# by hand\ndata_LiF\n_cell_length_a 4.03\n",
    "looks like a zip archive": b"PK\x03\x04\x14\x00",
    "looks like a tar archive": b"XDATCAR".ljust(257, b"\0") + b"ustar\x0000",
    "looks like JSON": b'{"atoms": []}\n',
    "is binary": b"\x01\x00\x00\x00\x02\x00",
    "is text of a kind that is not known here": b"hello\n",
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
def test_other_files_are_named(tmp_path: Path, look: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(LOOKS[look])
    with pytest.raises(
        TrajectoryError, match=f"file {look}.*; it is none of the accepted formats: LAMMPS text"
    ):
        read_trajectory(path, frame_interval_fs=1.0)


@pytest.mark.parametrize("method", COMPRESSORS)
def test_a_compressed_file_that_is_cut_at_once(tmp_path: Path, method: str) -> None:
    (tmp_path / "md").write_bytes(COMPRESSORS[method](b"ITEM: TIMESTEP\n")[:14])
    with pytest.raises(TrajectoryError, match="md is compressed, and cut off in its first line"):
        read_trajectory(tmp_path / "md", timestep_fs=1.0)


@pytest.mark.parametrize("method", COMPRESSORS)
def test_a_compressed_file_that_is_cut_between_two_frames_is_known_to_be_cut(
    tmp_path: Path, walk: FloatArray, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    path = tmp_path / "md.dump"
    whole = COMPRESSORS[method](dump(walk).encode())
    path.write_bytes(whole + COMPRESSORS[method](dump(walk + 1).encode())[:20])
    with caplog.at_level(logging.WARNING):
        assert len(read_trajectory(path, timestep_fs=1.0).times_ps) == len(walk)
    assert "ends within a frame" in caplog.text


NUMBER = r"accepted: finite numbers below 1e\+06"
ABSURD = [
    (dump, "0 8\n", "0 1e308\n", "cell vector with the component 1e\\+308 A; " + NUMBER),
    (dump, "0 8\n", "0 nan\n", "cell vector with the component nan A; " + NUMBER),
    (dump, "0 8\n0 8\n", "0 0.01\n0 8\n", r"for 8 atoms: vectors of 0\.01, 8, 8 A that span 0\.64"),
    (dump, "0 8\n0 8\n", "0 8\n", "a cell cannot be read: 0 8 / 0 8 / ITEM: ATOMS"),
    (dump, " 0 0 0\n", " inf 0 0\n", "velocity with the component inf A/ps; " + NUMBER),
    (dump, "1 1 Li ", f"{10**30} 1 Li ", "a line of atoms cannot be read: .*too large|out of bounds"),
    (dump, "1 1 Li ", f"1 {10**30} Li ", "a line of atoms cannot be read: .*too large|out of bounds"),
    (dump, "TIMESTEP\n0\n", f"TIMESTEP\n{10**40}\n", r"is at step 1\.000e\+40; accepted"),
    (dump, "ITEM: TIMESTEP\n0\n", "ITEM: TIME\nnan\nITEM: TIMESTEP\n0\n", "is at the time nan ps"),
    (dump, "ATOMS\n8\n", "ATOMS\n0\n", "holds '0' atoms; accepted: whole numbers from 1 to 10000000"),
    (dump, "ITEM: NUMBER OF ATOMS\n8\n", "", "its atoms come before ITEM: NUMBER OF ATOMS"),
    (xdatcar, "x\n1.0", "direct configuration\n1.0", "a configuration comes before the header"),
    (xdatcar, "Li\n8\n", "Li\n-8\n", "holds '-8' atoms; accepted: whole numbers from 1"),
    (xdatcar, "Li\n8\n", f"Li\n{10**9}\n", "holds '1000000000' atoms; accepted: whole numbers from 1"),
    (xdatcar, "\n1.0\n", "\n1e308\n", "cell vector with the component inf A; " + NUMBER),
    (xdatcar, "\n1.0\n", "\n-1e-9\n", "a cell without room for 8 atoms"),
    (xdatcar, "tion= 0\n0.", "tion= 0\n1e308", "position with the component"),
    (extxyz, "Li 0.", "Li nan 0.", "^[^:]*: a line of atoms cannot be read: not as many columns"),
    (extxyz, "pos:R:3", f"pos:R:{10**30}", "cannot be read: Properties species:S:1:pos:R:10+ without"),
    (extxyz, "pos:R:3", "pos:R:2", "Properties species:S:1:pos:R:2 without species:S:1 and pos:R:3"),
    (extxyz, "pos:R:3", "xyz:R:3", "Properties species:S:1:xyz:R:3 without species:S:1 and pos:R:3"),
    (extxyz, "8\nLattice", "0\nLattice", "holds '0' atoms"),
    (extxyz, "8\nLattice", "8.5\nLattice", "looks like|is text of a kind"),
    (extxyz, '"8 0 0', '"nan 0 0', "cell vector with the component nan A; " + NUMBER),
]  # fmt: skip


@pytest.mark.parametrize(("write", "old", "new", "message"), ABSURD)
def test_numbers_that_no_frame_holds_are_refused_in_one_sentence(
    tmp_path: Path, walk: FloatArray, write: Callable[[FloatArray], str], old: str, new: str, message: str
) -> None:
    text = write(np.abs(walk) % 7.9)
    assert old in text
    (tmp_path / "md").write_text(text.replace(old, new))
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(tmp_path / "md", frame_interval_fs=1.0, with_velocities=write is dump)
