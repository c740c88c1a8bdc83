"""What a run is given up for while it goes on, from its log and its last states."""

from pathlib import Path

import ase
import numpy as np
import pytest
from ase.build import bulk

from hopkin.drivers.errors import HopelessError
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.dynamics import schedule_of
from hopkin.drivers.workflows.monitor import Monitor, judge_temperature

N_ATOMS = 64
ASKED = MDSpecification(
    model="x", temperature_K=300, time_ps=8, equilibration_ps=2, timestep_fs=1, frame_interval_fs=100
)


@pytest.fixture
def crystal() -> ase.Atoms:
    return bulk("LiF", "rocksalt", a=4.03, cubic=True).repeat(2)


def monitor(directory: Path, crystal: ase.Atoms, said: list[str] | None = None) -> Monitor:
    say = (said if said is not None else []).append
    return Monitor(directory, crystal, ASKED, first_step=0, n_steps=10000, say=say)


def write_log(directory: Path, temperatures: list[float], *, first_ps: float = 0.0) -> None:
    with (directory / "log.lammps").open("a") as log:
        for n, kelvin in enumerate(temperatures):
            time_ps = first_ps + 0.1 * n
            log.write(f"  - [{1000 * time_ps:.0f}, {time_ps:g}, {kelvin}, -1, -1, 0, -1, 0, 500, ]\n")


def write_state(directory: Path, crystal: ase.Atoms, step: int, *, torn: bool = False) -> None:
    rows = [
        f"{n} 1 {atom.symbol} {atom.x} {atom.y} {atom.z} 0 0 0" for n, atom in enumerate(crystal, start=1)
    ]
    bounds = [f"0 {length}" for length in crystal.cell.lengths()]
    head = ["ITEM: TIMESTEP", f"{step}", "ITEM: NUMBER OF ATOMS", f"{len(crystal)}"]
    head += ["ITEM: BOX BOUNDS pp pp pp", *bounds, "ITEM: ATOMS id type element xu yu zu fx fy fz"]
    text = "\n".join([*head, *rows, ""])
    (directory / f"state.{step}.dump").write_text(text[:-30] if torn else text)


def test_a_healthy_run_goes_on(tmp_path: Path, crystal: ase.Atoms) -> None:
    said: list[str] = []
    watch = monitor(tmp_path, crystal, said)
    watch()  # before there is a log
    rng = np.random.default_rng(0)
    write_log(tmp_path, [300 + rng.normal(scale=300 * np.sqrt(2 / 3 / N_ATOMS)) for _ in range(100)])
    write_state(tmp_path, crystal, 1000)
    watch()
    (progress,) = said
    assert progress.startswith("molecular dynamics: 9.90 of 10 ps,")


@pytest.mark.parametrize("kelvin", [601.0, 1e9, np.nan, np.inf])
def test_an_explosion_is_stopped(tmp_path: Path, crystal: ase.Atoms, kelvin: float) -> None:
    write_log(tmp_path, [kelvin] * 20)
    with pytest.raises(HopelessError, match=r"K on average over 1\.9 ps, 300 K was asked for") as stopped:
        monitor(tmp_path, crystal)()
    assert stopped.value.failure == "type_I_divergence"


def test_a_lost_thermostat_is_stopped_after_the_equilibration(tmp_path: Path, crystal: ase.Atoms) -> None:
    """500 K of 300 K is more than a tenth and four standard deviations of 31 K."""
    watch = monitor(tmp_path, crystal)
    write_log(tmp_path, [500.0] * 20)
    watch()
    write_log(tmp_path, [500.0] * 25, first_ps=2.1)
    with pytest.raises(HopelessError, match="was 500 K on average") as stopped:
        watch()
    assert stopped.value.failure == "thermostat_lost"


def test_the_default_schedule_shows_a_lost_thermostat(tmp_path: Path, crystal: ase.Atoms) -> None:
    """Rows of 50 fs, twice where a piece of the run ends: 2 ps of them after the equilibration suffice."""
    asked = MDSpecification(model="x", temperature_K=300)
    schedule = schedule_of(asked)
    every, piece = schedule["thermo_every"], schedule["restart_every"]
    begin = schedule["equilibration_steps"]
    n_steps = begin + schedule["n_steps"]
    watch = Monitor(tmp_path, crystal, asked, first_step=0, n_steps=n_steps, say=lambda _: None)
    steps = [step for step in range(0, begin, every) for _ in range(1 + (step % piece == 0))]
    with (tmp_path / "log.lammps").open("a") as log:
        for step in steps:
            log.write(f"  - [{step}, {0.002 * step:g}, 500.0, -1, ]\n")
    watch()
    with (tmp_path / "log.lammps").open("a") as log:
        for step in range(begin, begin + 1051, every):  # 2.1 ps
            log.write(f"  - [{step}, {0.002 * step:g}, 500.0, -1, ]\n" * (1 + (step % piece == 0)))
    with pytest.raises(HopelessError, match="500 K on average over 2 ps") as stopped:
        watch()
    assert stopped.value.failure == "thermostat_lost"


def test_a_melt_is_stopped(tmp_path: Path, crystal: ase.Atoms) -> None:
    watch = monitor(tmp_path, crystal)
    write_log(tmp_path, [300.0] * 5)
    molten = crystal.copy()
    molten.rattle(0.8, seed=1)
    write_state(tmp_path, crystal, 1000)
    write_state(tmp_path, molten, 2000, torn=True)  # is being written
    watch()
    write_log(tmp_path, [300.0], first_ps=0.5)
    write_state(tmp_path, molten, 2000)
    with pytest.raises(HopelessError, match="after 2 ps, the framework has left its sites") as stopped:
        watch()
    assert stopped.value.failure == "melted"


@pytest.mark.parametrize(
    ("mean", "time_ps", "failure"),
    [
        (300, 8, None),
        (325, 8, None),
        (345, 8, "thermostat_lost"),
        (250, 8, "thermostat_lost"),
        (200, 0.5, None),  # five relaxation times: too short to tell
        (650, 0.5, "type_I_divergence"),
    ],
)
def test_the_temperature_of_a_whole_run(mean: float, time_ps: float, failure: str | None) -> None:
    """A tenth of 300 K, and four standard errors of 31 K over 80 relaxation times: 44 K."""
    found = judge_temperature(
        np.full(50, mean), ASKED, n_atoms=N_ATOMS, time_ps=time_ps, n_independent=time_ps / 0.1
    )
    assert (found and found[0]) == failure


def test_old_restart_files_are_removed(tmp_path: Path, crystal: ase.Atoms) -> None:
    for step in (900, 1000, 1100, 1200, 1300):
        (tmp_path / f"md.{step}.restart").touch()
    write_log(tmp_path, [300.0])
    monitor(tmp_path, crystal)()
    assert sorted(file.name for file in tmp_path.glob("md.*")) == [
        f"md.{step}.restart" for step in (1100, 1200, 1300)
    ]
