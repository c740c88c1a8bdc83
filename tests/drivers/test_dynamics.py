"""What is kept of a molecular-dynamics run that was killed at any byte of what it wrote."""

import gzip
import re
import zlib
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopkin.analysis.transport.result import TRANSPORT_FIELDS
from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.errors import DivergenceError, SpecificationError
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import MDSpecification, specify
from hopkin.drivers.terminal.runs import show_dynamics
from hopkin.drivers.workflows import dynamics
from hopkin.drivers.workflows.continuation import (
    TRAJECTORY,
    last_restart,
    read_thermo,
    rewrite_trajectory,
    whole_frames,
)
from hopkin.drivers.workflows.dynamics import schedule_of, supercell_of
from hopkin.drivers.workflows.relaxation import Bulk

EVERY = 50
any_byte = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def frame(step: int) -> bytes:
    rows = "".join(f"{n} 1 Li {0.1 * n + step:.10g} -0.5 {step / 7:.10g}\n" for n in range(1, 4))
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n3\n"
        "ITEM: BOX BOUNDS pp pp pp\n0.0 10.0\n0.0 10.0\n0.0 10.0\n"
        f"ITEM: ATOMS id type element xu yu zu\n{rows}"
    ).encode()


def dump(n_frames: int, first: int = 0) -> bytes:
    return b"".join(frame(EVERY * n) for n in range(first, first + n_frames))


def write(directory: Path, *pieces: bytes) -> Path:
    """A trajectory as LAMMPS writes it and adds to it: one compressed stream after the other."""
    path = directory / TRAJECTORY
    path.write_bytes(b"".join(gzip.compress(piece) for piece in pieces))
    return path


def only_stream(path: Path) -> bytes:
    """Content of a file of one compressed stream, which is all that some programs read."""
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(path.read_bytes())
    assert stream.eof
    assert stream.unused_data == b""
    return content


def test_truncation_keeps_whole_frames_before_a_step(tmp_path: Path) -> None:
    path = write(tmp_path, dump(3), dump(3, first=3))
    rewrite_trajectory(path, before_step=EVERY * 4)
    assert only_stream(path) == dump(4)
    rewrite_trajectory(write(tmp_path, dump(3), dump(3, first=3)))
    assert only_stream(path) == dump(6)
    assert [file.name for file in tmp_path.iterdir()] == [TRAJECTORY]


@given(cut=st.integers(0, len(dump(4))))
@any_byte
def test_a_torn_frame_is_no_frame(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, dump(4)[:cut])
    whole = max(n for n in range(5) if len(dump(n)) <= cut)
    assert b"".join(content for _, content in whole_frames(path)) == dump(whole)


@given(cut=st.integers(0, 400))
@any_byte
def test_a_stream_torn_at_any_byte_gives_its_whole_frames(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, dump(2), dump(2, first=2))
    path.write_bytes(path.read_bytes()[:cut])
    found = b"".join(content for _, content in whole_frames(path))
    assert found in [dump(n) for n in range(5)]
    assert len(found) == len(dump(4)) or cut < len(gzip.compress(dump(2)) + gzip.compress(dump(2, first=2)))


def test_what_is_no_frame_ends_the_trajectory(tmp_path: Path) -> None:
    """What a machine that went down may leave behind the last frame."""
    path = write(tmp_path, dump(2) + bytes(100) + b"\n" * 20)
    assert [step for step, _ in whole_frames(path)] == [0, EVERY]


def restart(directory: Path, step: int, *, whole: bool = True) -> Path:
    """A file as long as LAMMPS's, with its last words unless it is torn."""
    file = directory / f"md.{step}.restart"
    file.write_bytes(b"LammpS RestartT\0" + bytes(500) + (b"LammpS RestartT\0" if whole else b"LammpS Re"))
    return file


def test_last_restart_is_the_newest_by_number(tmp_path: Path) -> None:
    write(tmp_path, dump(30))
    restart(tmp_path, 500)
    newest = restart(tmp_path, 1000)  # before 500 in the order of letters
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) == newest


def test_a_torn_restart_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, dump(30))
    whole = restart(tmp_path, 500)
    restart(tmp_path, 1000, whole=False)
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) == whole


def test_one_torn_restart_is_none(tmp_path: Path) -> None:
    write(tmp_path, dump(30))
    restart(tmp_path, 500, whole=False)
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) is None
    (tmp_path / "md.500.restart").write_bytes(b"")
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) is None


def test_no_restart(tmp_path: Path) -> None:
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) is None


@given(cut=st.integers(0, len(dump(22))))
@any_byte
def test_no_frame_is_missing_before_a_restart(tmp_path: Path, cut: int) -> None:
    """A machine that went down may have kept the restart file and lost frames before it."""
    write(tmp_path, dump(22)[:cut])
    files = {step: restart(tmp_path, step) for step in (500, 1000)}
    whole = max(n for n in range(23) if len(dump(n)) <= cut)
    usable = [step for step in files if step // EVERY <= whole]
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) == (
        files[max(usable)] if usable else None
    )


def test_a_restart_of_the_equilibration_needs_no_frames(tmp_path: Path) -> None:
    file = restart(tmp_path, 500)
    restart(tmp_path, 1000)  # of which the frames 600 to 950 are missing
    assert last_restart(tmp_path, first_frame=600, frame_every=EVERY) == file


def test_a_restart_without_its_trajectory_is_of_no_use(tmp_path: Path) -> None:
    restart(tmp_path, 500)
    assert last_restart(tmp_path, first_frame=0, frame_every=EVERY) is None


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


# What a result says


def test_a_crystal_that_did_not_relax_is_said_so_of_a_run_that_diverges_too(
    emt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Au"

    def relax(*_: object, **__: object) -> Bulk:
        facts = {"bulk_max_pressure_GPa": 9.0}
        return Bulk(directory=tmp_path, atoms=atoms, facts=facts, evidence="the crystal did not relax: 9 GPa")

    def diverge(*_: object, **__: object) -> dict[str, Any]:
        raise DivergenceError("the atoms flew apart")

    monkeypatch.setattr(dynamics, "relax_bulk", relax)
    monkeypatch.setattr(dynamics, "_simulate", diverge)
    structure = Structure(atoms=atoms, material="alloy", source="test")
    specification = MDSpecification(model=emt, temperature_K=300, ion="Au")
    run, result = dynamics.run_md(
        structure, find_model(emt), specification, tmp_path / "runs", verify=False, say=lambda _: None
    )
    assert result["failure"] == "type_I_divergence"
    assert result["bulk_evidence"] == "the crystal did not relax: 9 GPa"
    assert result["bulk_max_pressure_GPa"] == 9.0
    assert all(result[name] is None for name in TRANSPORT_FIELDS)
    show_dynamics([(run, result)], as_json=False)
    assert "the crystal did not relax: 9 GPa" in capsys.readouterr().out


# Schedule


def asked(**fields: Any) -> MDSpecification:
    return MDSpecification(model="x", temperature_K=800, **fields)


def test_schedule_of_the_paper() -> None:
    """50 ps at 2 fs."""
    schedule = schedule_of(asked(time_ps=50, timestep_fs=2, frame_interval_fs=100))
    assert (schedule["n_steps"], schedule["frame_every"]) == (25000, 50)


def test_equilibration_is_a_tenth_unless_it_is_given() -> None:
    assert schedule_of(asked(time_ps=50))["equilibration_steps"] == 2500
    assert schedule_of(asked(time_ps=50, equilibration_ps=0))["equilibration_steps"] == 0
    assert schedule_of(asked(time_ps=50, equilibration_ps=1.01))["equilibration_steps"] == 550


def test_the_ensemble_changes_at_a_restart_file() -> None:
    """Else a continuation would begin where the undisturbed run does not."""
    schedule = schedule_of(asked(time_ps=50, equilibration_ps=1.01, ensemble="nve"))
    assert schedule["equilibration_steps"] == 2 * schedule["restart_every"]


def test_supercell_by_repeats_or_by_its_edge() -> None:
    atoms = ase.Atoms("Li", cell=[4.0, 6.0, 12.0], pbc=True)
    assert supercell_of(atoms, asked()) == (1, 1, 1)
    assert supercell_of(atoms, asked(repeats=(1, 2, 3))) == (1, 2, 3)
    assert supercell_of(atoms, asked(min_edge_A=9)) == (3, 2, 1)
    with pytest.raises(
        SpecificationError, match=r"\(--supercell\) and the least edge \(--min-edge\) .* exclude one another"
    ):
        specify(MDSpecification, model="x", temperature_K=800, repeats=(1, 1, 1), min_edge_A=9)


@given(time_ps=st.floats(0.05, 50), timestep_fs=st.floats(0.1, 5), frame_interval_fs=st.floats(1.0, 200.0))
def test_restart_files_fall_on_frames(time_ps: float, timestep_fs: float, frame_interval_fs: float) -> None:
    specification = asked(time_ps=time_ps, timestep_fs=timestep_fs, frame_interval_fs=frame_interval_fs)
    try:
        schedule = schedule_of(specification)
    except SpecificationError:
        assert time_ps * 1000 < 3 * max(frame_interval_fs, timestep_fs) + 2 * timestep_fs  # both are rounded
        return
    assert schedule["restart_every"] % schedule["frame_every"] == 0
    assert schedule["equilibration_steps"] % schedule["frame_every"] == 0
    assert schedule["n_steps"] // schedule["frame_every"] >= 2
    assert schedule["n_steps"] * timestep_fs == pytest.approx(time_ps * 1000, abs=timestep_fs)
