"""What is kept of a molecular-dynamics run that was killed at any byte of what it wrote."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopkin.drivers.errors import SpecificationError
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.dynamics import (
    _schedule,
    last_restart,
    read_thermo,
    truncate_trajectory,
)

EVERY = 50
any_byte = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def frame(step: int) -> str:
    rows = "".join(f"{n} 1 Li {0.1 * n + step:.10g} -0.5 {step / 7:.10g}\n" for n in range(1, 4))
    return (
        f"ITEM: TIME\n{step * 0.002:g}\nITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n3\n"
        "ITEM: BOX BOUNDS pp pp pp\n0.0 10.0\n0.0 10.0\n0.0 10.0\n"
        f"ITEM: ATOMS id type element xu yu zu\n{rows}"
    )


def dump(n_frames: int) -> str:
    return "".join(frame(EVERY * n) for n in range(n_frames))


@given(cut=st.integers(0, len(dump(4))), kept=st.integers(0, 5))
@any_byte
def test_truncation_keeps_whole_frames_before_a_step(tmp_path: Path, cut: int, kept: int) -> None:
    file = tmp_path / "trajectory.dump"
    file.write_text(dump(4)[:cut])
    truncate_trajectory(file, before_step=EVERY * kept)
    whole = max(n for n in range(5) if len(dump(n)) <= cut)
    assert file.read_text() == dump(min(whole, kept))


def restart(directory: Path, step: int, *, whole: bool = True) -> Path:
    """A file as long as LAMMPS's, with its last words unless it is torn."""
    file = directory / f"md.{step}.restart"
    file.write_bytes(b"LammpS RestartT\0" + bytes(500) + (b"LammpS RestartT\0" if whole else b"LammpS Re"))
    return file


def test_last_restart_is_the_newest_by_number(tmp_path: Path) -> None:
    (tmp_path / "trajectory.dump").write_text(dump(30))
    restart(tmp_path, 500)
    newest = restart(tmp_path, 1000)  # before 500 in the order of letters
    assert last_restart(tmp_path, EVERY) == newest


def test_a_torn_restart_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "trajectory.dump").write_text(dump(30))
    whole = restart(tmp_path, 500)
    restart(tmp_path, 1000, whole=False)
    assert last_restart(tmp_path, EVERY) == whole


def test_one_torn_restart_is_none(tmp_path: Path) -> None:
    (tmp_path / "trajectory.dump").write_text(dump(30))
    restart(tmp_path, 500, whole=False)
    assert last_restart(tmp_path, EVERY) is None
    (tmp_path / "md.500.restart").write_bytes(b"")
    assert last_restart(tmp_path, EVERY) is None


def test_no_restart(tmp_path: Path) -> None:
    assert last_restart(tmp_path, EVERY) is None


@given(cut=st.integers(0, len(dump(22))))
@any_byte
def test_no_frame_is_missing_before_a_restart(tmp_path: Path, cut: int) -> None:
    """A machine that went down may have kept the restart file and lost frames before it."""
    (tmp_path / "trajectory.dump").write_text(dump(22)[:cut])
    files = {step: restart(tmp_path, step) for step in (500, 1000)}
    whole = max(n for n in range(23) if len(dump(n)) <= cut)
    usable = [step for step in files if step // EVERY <= whole]
    assert last_restart(tmp_path, EVERY) == (files[max(usable)] if usable else None)


def test_a_restart_without_its_trajectory_is_of_no_use(tmp_path: Path) -> None:
    restart(tmp_path, 500)
    assert last_restart(tmp_path, EVERY) is None


# Thermodynamic output

KEYWORDS = ("Step", "Time", "Temp", "Econserve")


def thermo(steps: range) -> str:
    rows = "".join(f"  - [{step}, {step * 0.002:g}, {300 + step / 7:.12g}, -1.5e-05, ]\n" for step in steps)
    return (
        f"LAMMPS (22 Jul 2025)\n---\nkeywords: [{', '.join(map(repr, KEYWORDS))}, ]\ndata:\n{rows}...\n"
        "Loop time of 1.5 on 1 procs\n"
    )


def expected(steps: list[int]) -> np.ndarray:
    return np.array([[step, step * 0.002, 300 + step / 7, -1.5e-05] for step in steps])


@given(cut=st.integers(0, len(thermo(range(0, 100, 10)))))
@any_byte
def test_thermo_of_a_killed_run(tmp_path: Path, cut: int) -> None:
    text = thermo(range(0, 100, 10))[:cut]
    (tmp_path / "log.lammps").write_text(text)
    table = read_thermo(tmp_path)
    steps = [int(step) for step in re.findall(r"^  - \[(\d+), .*\]$", text, re.M)]
    if steps:
        assert tuple(table) == KEYWORDS
        assert np.column_stack(list(table.values())) == pytest.approx(expected(steps), rel=1e-11)
    else:
        assert table == {}


@given(cut=st.integers(0, len(thermo(range(0, 100, 10)))))
@any_byte
def test_thermo_of_a_resumed_run_has_each_step_once(tmp_path: Path, cut: int) -> None:
    """The killed run went beyond the restart file at step 50, or was killed before it."""
    (tmp_path / "log.lammps.before1").write_text(thermo(range(0, 50, 10)))
    (tmp_path / "log.lammps.before2").write_text(thermo(range(0, 100, 10))[:cut])
    (tmp_path / "log.lammps").write_text(thermo(range(50, 130, 10)))
    table = read_thermo(tmp_path)
    assert table["Step"].tolist() == list(range(0, 130, 10))
    assert np.column_stack(list(table.values())) == pytest.approx(
        expected(list(range(0, 130, 10))), rel=1e-11
    )


def test_a_warning_among_the_rows_is_no_row(tmp_path: Path) -> None:
    text = thermo(range(0, 30, 10)).replace("  - [20", "WARNING: Restarting is odd\n  - [20")
    (tmp_path / "log.lammps").write_text(text)
    assert read_thermo(tmp_path)["Step"].tolist() == [0, 10, 20]


def test_no_log_no_columns(tmp_path: Path) -> None:
    assert read_thermo(tmp_path) == {}


# Schedule


def asked(**fields: float) -> MDSpecification:
    return MDSpecification(model="x", temperature_K=800, **fields)


def test_schedule_of_the_paper() -> None:
    """50 ps at 2 fs."""
    schedule = _schedule(asked(time_ps=50, timestep_fs=2, frame_interval_fs=100))
    assert (schedule["n_steps"], schedule["frame_every"]) == (25000, 50)


@given(time_ps=st.floats(0.05, 50), timestep_fs=st.floats(0.1, 5), frame_interval_fs=st.floats(1.0, 200.0))
def test_restart_files_fall_on_frames(time_ps: float, timestep_fs: float, frame_interval_fs: float) -> None:
    specification = asked(time_ps=time_ps, timestep_fs=timestep_fs, frame_interval_fs=frame_interval_fs)
    try:
        schedule = _schedule(specification)
    except SpecificationError:
        assert time_ps * 1000 < 2.5 * max(frame_interval_fs, timestep_fs)
        return
    assert schedule["restart_every"] % schedule["frame_every"] == 0
    assert schedule["n_steps"] // schedule["frame_every"] >= 2
    assert schedule["n_steps"] * timestep_fs == pytest.approx(time_ps * 1000, abs=timestep_fs)
