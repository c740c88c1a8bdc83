"""Watches molecular dynamics while it runs: how far it is, and whether it is worth going on.

Thermo and the last two states are what it reads; both cost nothing.
"""

import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from hopkin.analysis.transport import find_damage, find_framework
from hopkin.drivers import engine
from hopkin.drivers.errors import Failure, HopelessError
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.calculation import Say
from hopkin.drivers.workflows.continuation import step_of, thermo_row

_HOT_FACTOR = 2.0  # thermal fluctuations of even a few atoms stay below it
_THERMOSTAT_TOLERANCE = 0.1  # of the temperature, beside its statistical error
_STANDARD_ERRORS = 4.0
_LEAST_RELAXATION_TIMES = 10.0  # of the thermostat, before it is judged
_KEPT_RELAXATION_TIMES = 20.0  # over which the temperature is averaged while it runs
_LEAST_ROWS = 20
_KEPT_RESTARTS = 3
_STATE_HEADER_LINES, _N_ATOMS_LINE = 9, 3


class Monitor:
    """Called twice a second while LAMMPS runs `md.in`.

    Raises
    ------
    HopelessError
        when the run has diverged, the thermostat has lost it, or the crystal is no more
    """

    def __init__(
        self,
        directory: Path,
        start: Atoms,
        specification: MDSpecification,
        *,
        first_step: int,
        n_steps: int,
        say: Say,
    ) -> None:
        self._directory = directory
        self._specification = specification
        self._first_step, self._n_steps = first_step, n_steps
        self._say = say
        self._framework = find_framework(
            start.positions, start.cell.array, start.get_chemical_symbols(), specification.ion
        )
        self._read_bytes = 0
        self._rows: deque[tuple[float, float]] = deque()  # the last: time [ps], temperature [K]
        self._first: tuple[int, float] | None = None  # step, and when it was done
        self._looked_at = -1

    def __call__(self) -> None:
        """Say how far the run is; stop it where it is hopeless."""
        if rows := self._new_rows():
            self._keep(rows)
            self._say_progress(int(rows[-1][0]))
            self._check_temperature()
            with suppress(FileNotFoundError):  # LAMMPS keeps the last two
                self._check_crystal()
            for restart in sorted(self._directory.glob("md.*.restart"), key=step_of)[:-_KEPT_RESTARTS]:
                if step_of(restart) != self._first_step:  # kept until this run is known to be good
                    restart.unlink()

    def _new_rows(self) -> list[list[float]]:
        log = self._directory / "log.lammps"
        if not log.is_file():
            return []
        with log.open("rb") as file:
            file.seek(self._read_bytes)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole + newline)
        return [row for line in whole.decode(errors="replace").splitlines() if (row := thermo_row(line))]

    def _keep(self, rows: list[list[float]]) -> None:
        """Add rows, each step once (a piece of the run begins where the last ended); drop those too old."""
        for _, time_ps, temperature, *_ in rows:
            if not self._rows or time_ps > self._rows[-1][0]:
                self._rows.append((time_ps, temperature))
        kept_ps = _KEPT_RELAXATION_TIMES * self._specification.thermostat_damping_fs / 1000
        while len(self._rows) > _LEAST_ROWS and self._rows[-1][0] - self._rows[1][0] >= kept_ps:
            self._rows.popleft()

    def _say_progress(self, step: int) -> None:
        now = time.monotonic()
        first_step, began = self._first = self._first or (step, now)
        time_ps, temperature = self._rows[-1]
        timestep_ps = self._specification.timestep_fs / 1000
        text = (
            f"molecular dynamics: {time_ps:.2f} of {self._n_steps * timestep_ps:g} ps,"
            f" {temperature:.0f} K of {self._specification.temperature_K:g} K"
        )
        if step > first_step:
            per_s = (step - first_step) / (now - began)
            text += f", {per_s * timestep_ps * 86.4:.3g} ns/day, {_left((self._n_steps - step) / per_s)} left"
        self._say(text)

    def _check_temperature(self) -> None:
        times, temperatures = np.array(self._rows).T
        if len(times) >= _LEAST_ROWS:
            found = judge_temperature(
                temperatures,
                self._specification,
                n_atoms=len(self._framework.species),
                time_ps=float(times[-1] - times[0]),
                n_independent=1,
            )
            if found and (found[0] == "type_I_divergence" or times[0] > self._equilibration_ps):
                raise HopelessError(*found)

    @property
    def _equilibration_ps(self) -> float:
        return self._n_steps * self._specification.timestep_fs / 1000 - self._specification.time_ps

    def _check_crystal(self) -> None:
        states = sorted(self._directory.glob("state.*.dump"), key=step_of, reverse=True)
        newest = next((file for file in states if step_of(file) > self._looked_at and _is_whole(file)), None)
        if newest is None:
            return
        self._looked_at = step_of(newest)
        state = engine.read_state(newest)
        if damage := find_damage(self._framework, state.positions, state.cell.array):
            time_ps = self._looked_at * self._specification.timestep_fs / 1000
            raise HopelessError(damage.kind, f"after {time_ps:g} ps, {damage.evidence}")


def judge_temperature(
    temperatures: NDArray[np.float64],
    specification: MDSpecification,
    *,
    n_atoms: int,
    time_ps: float,
    n_independent: float,
) -> tuple[Failure, str] | None:
    """Tell whether a run has the temperature that was asked for; if not, the failure and its evidence.

    Parameters
    ----------
    temperatures
        (n,) temperatures [K] over `time_ps`
    n_independent
        how many of them are independent of each other
    """
    wanted = specification.temperature_K
    mean = float(np.mean(temperatures))
    said = f"the temperature was {mean:.0f} K on average over {time_ps:g} ps, {wanted:g} K was asked for"
    if not mean < _HOT_FACTOR * wanted:
        return "type_I_divergence", said
    if (
        specification.ensemble == "nve"
        or time_ps < _LEAST_RELAXATION_TIMES * specification.thermostat_damping_fs / 1000
    ):
        return None
    fluctuation = wanted * np.sqrt(2 / (3 * n_atoms))  # canonical
    tolerance = _THERMOSTAT_TOLERANCE * wanted + _STANDARD_ERRORS * fluctuation / np.sqrt(n_independent)
    return ("thermostat_lost", said) if abs(mean - wanted) > tolerance else None


def _is_whole(state: Path) -> bool:
    text = state.read_text()
    lines = text.splitlines()
    return (
        text.endswith("\n")
        and len(lines) > _N_ATOMS_LINE
        and len(lines) == _STATE_HEADER_LINES + int(lines[_N_ATOMS_LINE])
    )


def _left(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes else f"{seconds:.0f} s"
