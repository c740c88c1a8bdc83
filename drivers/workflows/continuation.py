"""What a killed run of molecular dynamics left in its directory, and how much of it is whole.

A continued run is the undisturbed run, to the last bit (SevenNet, GRACE, CHGNet, MatterSim on a CPU; NVT,
NPT, NVE; also in triclinic boxes, `tests/workflows/test_continuation.py`). LAMMPS builds its neighbours
anew where it writes a restart file; the rest is the deck's (`md.in`): atoms are not sorted; the run is made
in pieces that begin as a continuation begins; between them `run 0` rounds triclinic positions once more, as
`read_restart` does; the barostat dilates about the origin, not about the centre of the box that it found.
In a single replica the pair style evaluates positions anew that differ by rounding. What adds atomically on
a GPU gives up the last bit, and so does a processor with other vector instructions.

The trajectory is `custom/gz` without `TIME`, flushed at each frame: a killed run leaves whole frames, and
MDAnalysis knows no other header.
"""

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import yaml

TRAJECTORY = "trajectory.dump.gz"

_FRAME = b"ITEM: TIMESTEP\n"  # first line of each frame
_FRAME_HEADER_LINES, _STEP_LINE, _N_ATOMS_LINE = 9, 1, 3
_RESTART_END = b"LammpS RestartT\0"  # of every whole restart file of LAMMPS


def step_of(file: Path) -> int:
    """Step of `md.STEP.restart` or `state.STEP.dump`."""
    return int(file.name.split(".")[1])


def last_restart(directory: Path, *, first_frame: int, frame_every: int) -> Path | None:
    """Return the newest whole restart file up to which the trajectory holds every frame.

    Parameters
    ----------
    first_frame
        step of the first frame
    frame_every
        steps between frames
    """
    steps = {step for step, _ in whole_frames(directory / TRAJECTORY)}
    for file in sorted(directory.glob("md.*.restart"), key=step_of, reverse=True):
        if _is_whole(file) and steps >= set(range(first_frame, step_of(file), frame_every)):
            return file
    return None


def _is_whole(restart: Path) -> bool:
    with restart.open("rb") as file:
        file.seek(-min(len(_RESTART_END), restart.stat().st_size), os.SEEK_END)
        return file.read() == _RESTART_END


def rewrite_trajectory(path: Path, *, before_step: float = math.inf) -> None:
    """Write the whole frames of a LAMMPS dump before a step anew, as one compressed stream.

    A run that goes on adds a stream of its own, and OVITO reads the first stream of a file alone.
    """
    temporary = path.with_suffix(".part")
    with gzip.open(temporary, "wb") as file:
        for step, frame in whole_frames(path):
            if step < before_step:
                file.write(frame)
    temporary.replace(path)


def whole_frames(trajectory: Path) -> Iterator[tuple[int, bytes]]:
    """Frames of a compressed dump with their steps, up to where it is torn."""
    if not trajectory.is_file():
        return
    with gzip.open(trajectory) as file, suppress(EOFError, zlib.error, gzip.BadGzipFile):
        while (header := list(islice(file, _FRAME_HEADER_LINES)))[:1] == [_FRAME]:
            if len(header) < _FRAME_HEADER_LINES:
                return
            n_atoms = int(header[_N_ATOMS_LINE])
            rows = list(islice(file, n_atoms))
            if len(rows) == n_atoms and rows[-1].endswith(b"\n"):
                yield int(header[_STEP_LINE]), b"".join(header + rows)


# Thermodynamic output


def set_log_aside(directory: Path) -> None:
    """Keep the log of an earlier, torn run under a number of its own."""
    log = directory / "log.lammps"
    if log.is_file():
        number = 1 + len(list(directory.glob("log.lammps.before*")))
        log.rename(directory / f"log.lammps.before{number}")


def read_thermo(directory: Path) -> dict[str, np.ndarray]:
    """Thermo columns of a run by keyword, one row per step, over all logs of a resumed run."""
    rows: dict[int, list[float]] = {}
    keywords: list[str] = []
    for log in [*sorted(directory.glob("log.lammps.before*"), key=_number_of), directory / "log.lammps"]:
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        for line in lines:  # by the line, because a killed run leaves the last YAML block open
            if line.startswith("keywords: [") and line.endswith("]"):
                keywords = yaml.safe_load(line)["keywords"]
            elif row := thermo_row(line):
                rows[int(row[0])] = row
    table = np.array([rows[step] for step in sorted(rows)], dtype=np.float64)
    return {keyword: table[:, n] for n, keyword in enumerate(keywords)} if rows else {}


def _number_of(log: Path) -> int:
    return int(log.name.removeprefix("log.lammps.before"))


def thermo_row(line: str) -> list[float]:
    """Numbers of a whole line of YAML thermo output; none of any other line."""
    found = re.fullmatch(r"  - \[(.*?),? *\]", line)
    return [float(word) for word in found[1].split(",")] if found else []
