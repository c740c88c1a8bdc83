"""Readers give back what was written, unwrapped, and refuse what they cannot know."""

import gzip
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import ase
import ase.io
import ase.units
import numpy as np
import pytest
from ase.io.trajectory import Trajectory as AseTrajectory
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hopkin.analysis.errors import TrajectoryError
from hopkin.analysis.trajectories.arrays import FloatArray, frozen
from hopkin.analysis.trajectories.frames import unwrap
from hopkin.analysis.trajectories.trajectory import Trajectory, frame_interval, read_trajectory, to_universe

ORTHOGONAL = np.diag([8.0, 9.5, 11.0])
TRICLINIC = np.array([[8.0, 0.0, 0.0], [2.5, 8.5, 0.0], [-1.5, 2.0, 9.0]])
SPECIES = ("Li", "Li", "P", "S")
PRINTED: dict[str, Any] = {"rtol": 0.0, "atol": 1e-6}  # positions are written with 8 decimals
SINGLE_PRECISION: dict[str, Any] = {"rtol": 0.0, "atol": 1e-4}


def wrap(positions: FloatArray, cell: FloatArray) -> FloatArray:
    return np.asarray((positions @ np.linalg.inv(cell) % 1.0) @ cell, dtype=np.float64)


def dump_box(cell: FloatArray) -> str:
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell
    if xy == xz == yz == 0:
        return f"ITEM: BOX BOUNDS pp pp pp\n0 {lx}\n0 {ly}\n0 {lz}\n"
    x = (min(0, xy, xz, xy + xz), lx + max(0, xy, xz, xy + xz))
    y = (min(0, yz), ly + max(0, yz))
    return f"ITEM: BOX BOUNDS xy xz yz pp pp pp\n{x[0]} {x[1]} {xy}\n{y[0]} {y[1]} {xz}\n0 {lz} {yz}\n"


def write_dump(
    path: Path,
    positions: FloatArray,
    cell: FloatArray,
    *,
    columns: str = "id type element xu yu zu",
    first_step: int = 0,
    header: str = "ITEM: UNITS\nmetal\n",
    times: FloatArray | None = None,
) -> Path:
    """Write a dump as LAMMPS does, the atoms of each frame in reverse order."""
    text = header
    for k, frame in enumerate(positions):
        time = "" if times is None else f"ITEM: TIME\n{times[k]:.16g}\n"
        text += f"{time}ITEM: TIMESTEP\n{first_step + 10 * k}\nITEM: NUMBER OF ATOMS\n{len(frame)}\n"
        text += dump_box(cell) + f"ITEM: ATOMS {columns}\n"
        for i, row in reversed(list(enumerate(frame))):
            kind = sorted(set(SPECIES)).index(SPECIES[i]) + 1
            element = f" {SPECIES[i]}" if "element" in columns else ""
            text += f"{i + 1} {kind}{element} {' '.join(f'{x:.8f}' for x in row)}\n"
    path.write_text(text)
    return path


def write_xdatcar(path: Path, positions: FloatArray, cell: FloatArray) -> Path:
    lattice = "".join(" ".join(f"{x:.8f}" for x in vector) + "\n" for vector in cell)
    text = f"Li2 P S\n1.0\n{lattice}Li P S\n2 1 1\n"
    for k, frame in enumerate(positions @ np.linalg.inv(cell) % 1.0):
        text += f"Direct configuration= {k + 1:5d}\n"
        text += "".join(" ".join(f"{x:.10f}" for x in atom) + "\n" for atom in frame)
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as file:
        file.write(text)
    return path


def write_extxyz(path: Path, positions: FloatArray, cell: FloatArray) -> Path:
    frames = [ase.Atoms(SPECIES, positions=wrap(frame, cell), cell=cell, pbc=True) for frame in positions]
    ase.io.write(path, frames, format="extxyz")
    return path


def write_traj(path: Path, positions: FloatArray, cell: FloatArray) -> Path:
    with AseTrajectory(path, "w") as file:
        for frame in positions:
            file.write(ase.Atoms(SPECIES, positions=wrap(frame, cell), cell=cell, pbc=True))
    return path


def write_vasprun(path: Path, positions: FloatArray, cell: FloatArray) -> Path:
    def array(name: str, rows: FloatArray) -> str:
        lines = "".join(f"<v> {x:.10f} {y:.10f} {z:.10f} </v>\n" for x, y, z in rows)
        return f'<varray name="{name}">\n{lines}</varray>\n'

    atoms = "".join(f"<rc><c>{s} </c><c> 1</c></rc>" for s in SPECIES)
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<incar>'
    text += '<i name="POTIM"> 2.0</i><i type="int" name="IBRION"> 0</i></incar>\n'
    text += f'<atominfo><array name="atoms"><set>{atoms}</set></array></atominfo>\n'
    for frame in positions @ np.linalg.inv(cell) % 1.0:
        text += f"<calculation><structure><crystal>{array('basis', cell)}</crystal>"
        text += f"{array('positions', frame)}</structure>{array('forces', frame)}</calculation>\n"
    path.write_text(text + "</modeling>\n")
    return path


@pytest.fixture
def walk(random_walk: Callable[..., FloatArray]) -> FloatArray:
    """(40, 4, 3) positions that cross the cells' faces many times [A]."""
    return random_walk(31, n_frames=40, n_atoms=4, diffusivity=0.8, interval=0.1)


def displacements(positions: FloatArray) -> FloatArray:
    relative: FloatArray = positions - positions[0]
    return relative


@pytest.mark.parametrize(
    ("write", "name", "timing", "interval"),
    [
        (write_dump, "md.dump", {"timestep_fs": 2.0}, 0.02),
        (write_xdatcar, "XDATCAR", {"frame_interval_fs": 40.0}, 0.04),
        (write_xdatcar, "XDATCAR.gz", {"frame_interval_fs": 40.0}, 0.04),
        (write_extxyz, "md.extxyz", {"frame_interval_fs": 40.0}, 0.04),
        (write_vasprun, "vasprun.xml", {}, 0.002),
        (write_traj, "md.traj", {"frame_interval_fs": 40.0}, 0.04),
    ],
)
def test_every_format_gives_back_the_walk(
    tmp_path: Path,
    walk: FloatArray,
    cell: FloatArray,
    write: Callable[[Path, FloatArray, FloatArray], Path],
    name: str,
    timing: dict[str, Any],
    interval: float,
) -> None:
    trajectory = read_trajectory(write(tmp_path / name, walk, cell), **timing)
    assert_allclose(displacements(trajectory.positions), displacements(walk), **PRINTED)
    assert_allclose(trajectory.cells, np.broadcast_to(cell, (40, 3, 3)), **PRINTED)
    assert_allclose(trajectory.times_ps, interval * np.arange(40), atol=1e-12)
    assert tuple(trajectory.species) == SPECIES
    assert trajectory.positions.dtype == np.float64
    assert not trajectory.positions.flags.writeable


SHAPES = {
    "lammps": st.tuples(*[st.floats(6.0, 15.0)] * 3, *[st.floats(-0.5, 0.5)] * 3),
    "strongly tilted": st.tuples(*[st.floats(6.0, 15.0)] * 3, *[st.floats(-3.0, 3.0)] * 3),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(drawn=st.data(), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_unwrapping_undoes_wrapping_in_any_box(shape: str, drawn: st.DataObject, seed: int) -> None:
    """Steps of up to 0.39 of the shortest lattice vector have no other image nearly as near."""
    a, b, c, xy, xz, yz = drawn.draw(SHAPES[shape])
    box = np.array([[a, 0, 0], [xy * a, b, 0], [xz * a, yz * b, c]])
    # 2 (c - yz b - (xz - yz xy) a) may be the shortest
    lattice = np.array(list(product(range(-30, 31), range(-8, 9), range(-2, 3)))) @ box
    lengths = np.linalg.norm(lattice, axis=1)
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(20, 3, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    moves = directions * rng.uniform(0.0, 0.39, (20, 3, 1)) * lengths[lengths > 0].min()
    positions = np.cumsum(moves, axis=0)
    unwrapped = unwrap(frozen(wrap(positions, box)), np.repeat(box[None], 20, axis=0))
    assert_allclose(displacements(unwrapped), displacements(positions), atol=1e-9)


def test_the_dumps_of_lammps_itself_agree_whatever_the_columns(tmp_path: Path) -> None:
    """A free-streaming gas in a triclinic box; xu yu zu of a stock build is the reference."""
    lmp = shutil.which("lmp", path=Path(sys.executable).parent) or shutil.which("lmp")
    if lmp is None:
        pytest.skip("no lmp executable")
    columns = ("x y z", "x y z ix iy iz", "xs ys zs", "xsu ysu zsu", "x y z xu yu zu")
    dumps = "".join(
        f"dump {k} all custom 5 {k}.dump id type {names}\ndump_modify {k} sort id\n"
        for k, names in enumerate(columns)
    )
    (tmp_path / "gas.in").write_text(
        "units metal\natom_modify map array\nregion b prism 0 8 0 8.5 0 9 2.5 -1.5 2.0\n"
        "create_box 2 b\ncreate_atoms 1 random 8 123 b\ncreate_atoms 2 random 6 321 b\n"
        "mass 1 6.94\nmass 2 32.06\npair_style zero 3.0\npair_coeff * *\n"
        "velocity all create 900 4711\nfix 1 all nve\ntimestep 0.01\n"
        "dump u all custom 5 u.dump id type element xu yu zu\n"
        "dump_modify u sort id element Li S time yes units yes\n" + dumps + "run 400\n"
    )
    subprocess.run([lmp, "-in", "gas.in", "-screen", "none"], cwd=tmp_path, check=True, timeout=60)
    reference = read_trajectory(tmp_path / "u.dump")
    assert np.abs(displacements(reference.positions)).max() > 50.0
    assert_allclose(reference.times_ps, 0.05 * np.arange(81))
    for k in range(len(columns)):
        other = read_trajectory(tmp_path / f"{k}.dump", timestep_fs=10.0, species=["Li", "S"])
        assert_allclose(
            displacements(other.positions), displacements(reference.positions), atol=2e-3
        )  # LAMMPS prints six digits
        assert other.species.tolist() == reference.species.tolist()


@pytest.mark.parametrize(("units", "ps"), [("metal", 1.0), ("real", 1e-3)])
def test_the_time_of_a_dump_is_read_in_its_units(
    tmp_path: Path, walk: FloatArray, units: str, ps: float
) -> None:
    times = np.linspace(7.0, 26.5, 40)
    path = write_dump(tmp_path / "md.dump", walk, ORTHOGONAL, times=times, header=f"ITEM: UNITS\n{units}\n")
    assert_allclose(read_trajectory(path).times_ps, times * ps)


def test_files_that_continue_one_another(tmp_path: Path, walk: FloatArray, cell: FloatArray) -> None:
    paths = [
        write_xdatcar(tmp_path / "run1_XDATCAR", walk[:15], cell),
        write_xdatcar(tmp_path / "run2_XDATCAR.gz", walk[15:], cell),
    ]
    joined = read_trajectory(paths, frame_interval_fs=100.0)
    assert_allclose(displacements(joined.positions), displacements(walk), **PRINTED)
    repeating = [paths[0], write_xdatcar(tmp_path / "run3_XDATCAR", walk[14:], cell)]
    assert len(read_trajectory(repeating, frame_interval_fs=100.0).times_ps) == 40


def test_a_restarted_dump_replaces_the_frames_it_goes_back_over(tmp_path: Path, walk: FloatArray) -> None:
    first = write_dump(tmp_path / "1.dump", walk[:25], ORTHOGONAL)
    second = write_dump(tmp_path / "2.dump", walk[20:] + 1.0, ORTHOGONAL, first_step=200)
    joined = read_trajectory([first, second], timestep_fs=2.0)
    assert_allclose(joined.times_ps, 0.02 * np.arange(40))
    assert_allclose(joined.positions[20:], walk[20:] + 1.0, **PRINTED)
    with pytest.raises(TrajectoryError, match="starts at step 0, not after the files before it"):
        read_trajectory([first, first], timestep_fs=2.0)


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_dump, "md.dump"), (write_xdatcar, "XDATCAR"), (write_extxyz, "md.extxyz"),
     (write_vasprun, "vasprun.xml")],
)  # fmt: skip
@pytest.mark.parametrize("cut", [1, 5, 60, 130])
def test_a_torn_last_frame_is_dropped_with_a_warning(
    tmp_path: Path,
    walk: FloatArray,
    caplog: pytest.LogCaptureFixture,
    write: Callable[[Path, FloatArray, FloatArray], Path],
    name: str,
    cut: int,
) -> None:
    path = write(tmp_path / name, walk, TRICLINIC)
    text = path.read_text().removesuffix("</modeling>\n")
    path.write_text(text[:-cut])
    with caplog.at_level(logging.WARNING):
        trajectory = read_trajectory(path, frame_interval_fs=20.0)
    complete = 40 if (name, cut) == ("vasprun.xml", 1) else 39  # there, only a newline is cut
    assert len(trajectory.times_ps) == complete
    assert_allclose(displacements(trajectory.positions), displacements(walk)[:complete], **PRINTED)
    assert "ends within a frame" in caplog.text


def test_a_torn_ase_trajectory_gives_the_frames_before(
    tmp_path: Path, walk: FloatArray, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_traj(tmp_path / "md.traj", walk, TRICLINIC)
    path.write_bytes(path.read_bytes()[:-700])
    read = read_trajectory(path, frame_interval_fs=20.0).positions
    assert 35 < len(read) < 40
    assert_allclose(displacements(read), displacements(walk)[: len(read)], **PRINTED)
    assert "ends within a frame" in caplog.text


@pytest.mark.parametrize("name", ["md.dump", "md.extxyz", "md.traj"])
def test_velocities_are_read_where_they_are_asked_for(tmp_path: Path, walk: FloatArray, name: str) -> None:
    """One and the same set of velocities through LAMMPS metal units and those of ASE."""
    velocities = np.random.default_rng(34).normal(scale=5.0, size=walk.shape)  # A/ps
    frames = [ase.Atoms(SPECIES, positions=frame, cell=ORTHOGONAL, pbc=True) for frame in walk]
    for atoms, v in zip(frames, velocities, strict=True):
        atoms.set_velocities(v / (1000 * ase.units.fs))
    if name == "md.dump":
        columns = "id type element xu yu zu vx vy vz"
        write_dump(tmp_path / name, np.concatenate([walk, velocities], axis=2), ORTHOGONAL, columns=columns)
    else:
        ase.io.write(tmp_path / name, frames)
    timing = {"timestep_fs" if name == "md.dump" else "frame_interval_fs": 2.0}
    read = read_trajectory(tmp_path / name, with_velocities=True, **timing)
    assert read.velocities is not None
    assert_allclose(read.velocities, velocities, atol=1e-5)
    assert read_trajectory(tmp_path / name, **timing).velocities is None


def test_velocities_that_are_not_there_are_refused(tmp_path: Path, walk: FloatArray) -> None:
    path = write_dump(tmp_path / "md.dump", walk, ORTHOGONAL)
    with pytest.raises(TrajectoryError, match="frame 0 has no velocities: dump vx vy vz as well"):
        read_trajectory(path, timestep_fs=1.0, with_velocities=True)


def test_runs_in_different_cells_are_no_trajectory(tmp_path: Path, walk: FloatArray) -> None:
    paths = [
        write_xdatcar(tmp_path / "1_XDATCAR", walk[:20], ORTHOGONAL),
        write_xdatcar(tmp_path / "2_XDATCAR", walk[20:], ORTHOGONAL * 1.1),
    ]
    with pytest.raises(TrajectoryError, match="cell changes by 14 % between frames 19 and 20: these are not"):
        read_trajectory(paths, frame_interval_fs=10.0)


def test_a_dump_that_goes_back_within_a_file_keeps_the_later_frames(tmp_path: Path, walk: FloatArray) -> None:
    first = write_dump(tmp_path / "1.dump", walk[:25], ORTHOGONAL)
    second = write_dump(tmp_path / "2.dump", walk[20:] + 1.0, ORTHOGONAL, first_step=200)
    joined = tmp_path / "joined.dump"
    joined.write_text(first.read_text() + second.read_text())
    read = read_trajectory(joined, timestep_fs=2.0)
    assert_allclose(read.times_ps, 0.02 * np.arange(40))
    assert_allclose(read.positions[20:], walk[20:] + 1.0, **PRINTED)


def test_a_torn_gzip_gives_the_frames_before(
    tmp_path: Path, random_walk: Callable[..., FloatArray], caplog: pytest.LogCaptureFixture
) -> None:
    walk = random_walk(33, n_frames=400, n_atoms=4, diffusivity=0.8, interval=0.1)
    path = write_xdatcar(tmp_path / "XDATCAR.gz", walk, ORTHOGONAL)
    path.write_bytes(path.read_bytes()[:-2000])
    read = read_trajectory(path, frame_interval_fs=20.0).positions
    assert 100 < len(read) < 400
    assert_allclose(displacements(read), displacements(walk)[: len(read)], **PRINTED)
    assert "ends within a frame" in caplog.text


def test_frames_too_far_apart_to_be_unwrapped_are_refused() -> None:
    positions = np.zeros((3, 2, 3))
    positions[2, 1, 0] = 3.6  # of 8 A
    cells = np.repeat(ORTHOGONAL[None], 3, axis=0)
    with pytest.raises(
        TrajectoryError, match=r"frames 1 and 2 an atom moves by 3\.60 A, or by 4\.40 A to another image"
    ):
        unwrap(frozen(positions), cells)
    positions[2, 1, 0] = 3.1
    assert_allclose(unwrap(frozen(positions), cells), positions)


def test_the_universe_holds_the_same_distances(walk: FloatArray) -> None:
    """Any orientation of the cell, though MDAnalysis knows only one."""
    rotation, _ = np.linalg.qr(np.random.default_rng(32).normal(size=(3, 3)))
    trajectory = Trajectory(
        times_ps=np.linspace(2.0, 5.9, 40),
        positions=walk @ rotation,
        cells=np.repeat((TRICLINIC @ rotation)[None], 40, axis=0),
        species=np.array(SPECIES),
    )
    universe = to_universe(trajectory)
    assert universe.atoms.elements.tolist() == list(SPECIES)
    assert universe.atoms.masses == pytest.approx([6.94, 6.94, 30.974, 32.06], abs=0.01)
    for k, step in enumerate(universe.trajectory):
        assert step.time == pytest.approx(2.0 + 0.1 * k)
        moved = np.linalg.norm(step.positions - step.positions[:1], axis=1)
        expected = np.linalg.norm(walk[k] - walk[k, :1], axis=1)
        assert_allclose(moved, expected, **SINGLE_PRECISION)
        gram = step.triclinic_dimensions @ step.triclinic_dimensions.T
        assert_allclose(gram, TRICLINIC @ TRICLINIC.T, rtol=1e-4, atol=1e-3)


def test_reference_trajectories_are_read(shared_data: Path) -> None:
    files = sorted((shared_data / "aimd" / "Li6PS5Cl_500K_100p").glob("run*_XDATCAR.gz"))
    trajectory = read_trajectory(files[-2:], frame_interval_fs=100.0)
    assert trajectory.positions.shape == (140, 416, 3)
    assert np.unique(trajectory.species, return_counts=True)[1].tolist() == [32, 192, 32, 160]
    jumps = np.linalg.norm(np.diff(trajectory.positions, axis=0), axis=-1)
    assert jumps.max() < 4.0  # nothing crosses the cell in a frame, nor between the files


REFUSED = [
    (
        "frame_interval_fs",
        {},
        write_xdatcar,
        r"how far apart its frames are: give --frame-interval-fs \(frame_interval_fs in Python\)",
    ),
    ("timestep", {}, write_dump, r"counts steps but not time: give --timestep-fs \(timestep_fs in Python\)"),
    ("both", {"timestep_fs": 1.0, "frame_interval_fs": 1.0}, write_dump, "exclude one another"),
    (
        "negative",
        {"timestep_fs": -1.0},
        write_dump,
        r"--timestep-fs \(timestep_fs in Python\) is -1; it must be positive",
    ),
]


@pytest.mark.parametrize(("name", "timing", "write", "message"), REFUSED)
def test_times_that_are_not_known_are_asked_for(
    tmp_path: Path,
    walk: FloatArray,
    name: str,
    timing: dict[str, Any],
    write: Callable[[Path, FloatArray, FloatArray], Path],
    message: str,
) -> None:
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(write(tmp_path / name, walk, ORTHOGONAL), **timing)


DUMP_EDITS = [
    ("metal", "lj", "LAMMPS units 'lj'; accepted: metal, real"),
    ("xu yu zu", "vx vy vz", "has no positions among its columns"),
    ("id type", "mol type", "has no column 'id'"),
    ("ITEM: TIMESTEP", "ITEM: NONSENSE", "unexpected line 'NONSENSE' in the dump"),
    ("ITEM: TIMESTEP\n0\n", "ITEM: TIMESTEP\nzero\n", "frame 0 cannot be read"),
    ("1 1 Li ", "1 1 Li oops ", "a line of atoms cannot be read"),
    ("ITEM: NUMBER OF ATOMS\n4\n", "ITEM: NUMBER OF ATOMS\n3\n", "unexpected line"),
]


@pytest.mark.parametrize(("old", "new", "message"), DUMP_EDITS)
def test_dumps_that_cannot_be_understood_are_refused(
    tmp_path: Path, walk: FloatArray, old: str, new: str, message: str
) -> None:
    path = write_dump(tmp_path / "md.dump", walk, ORTHOGONAL)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(path, timestep_fs=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\none\n8 0 0\n0 8 0\n0 0 8\n3 4\nDirect configuration= 1\nx\n", "not the header of an XDATCAR"),
        ('1\nLattice="8 0 0 0 8 0 0 0 8" pbc="T T T"\nLi 0 zero 0\n', "a line of atoms cannot be read"),
        (
            "x\n1.0\n8 0 0\n0 8 0\n0 0 oops\n3 4\nDirect configuration= 1\nx\n",
            "a cell cannot be read: 8 0 0 / 0 8 0 / 0 0 oops",
        ),
        (
            "x\n1.0\n8 0 0\n0 8 0\n0 0 8\nLi S\n3 4 5\nDirect configuration= 1\nx\n",
            "2 elements, Li S, for 3 counts of atoms, 3 4 5; one is needed for each",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(TrajectoryError, match=message):
        read_trajectory(tmp_path / "file", frame_interval_fs=1.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match=r"cannot read .*nowhere\.dump: .*No such file"):
        read_trajectory(tmp_path / "nowhere.dump", timestep_fs=1.0)


def test_one_frame_is_no_trajectory(tmp_path: Path, walk: FloatArray) -> None:
    path = write_dump(tmp_path / "md.dump", walk[:1], ORTHOGONAL)
    with pytest.raises(TrajectoryError, match=r"1 complete frame\(s\); a trajectory needs two"):
        read_trajectory(path, timestep_fs=1.0)


def test_the_atoms_may_not_change(tmp_path: Path, walk: FloatArray) -> None:
    path = write_extxyz(tmp_path / "md.extxyz", walk, ORTHOGONAL)
    head, _, tail = path.read_text().rpartition("P ")
    path.write_text(f"{head}S {tail}")
    with pytest.raises(TrajectoryError, match="frame 39 holds other atoms than frame 0"):
        read_trajectory(path, frame_interval_fs=1.0)


def test_shapes_and_intervals_are_checked() -> None:
    with pytest.raises(TrajectoryError, match=r"cells has shape \(1, 3, 3\); expected \(2, 3, 3\)"):
        Trajectory(
            times_ps=np.arange(2.0),
            positions=np.zeros((2, 1, 3)),
            cells=np.zeros((1, 3, 3)),
            species=np.array(["Li"]),
        )
    with pytest.raises(TrajectoryError, match=r"range from 0\.1 to 0\.2 ps"):
        frame_interval(np.array([0.0, 0.1, 0.3]))
