"""Interpreters of other environments: they run the hopkin that runs here.

Several hopkins may use one environment. Each has a folder in it, named by its hash, that comes first on the
path.
"""

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from hopkin.drivers.engine.rundirectory import alone, writing_to
from hopkin.drivers.errors import MachineError


@cache
def hopkin_hash() -> str:
    """Hash of all files of the hopkin that runs, as its installation recorded them."""
    record = importlib.metadata.distribution("hopkin").read_text("RECORD") or ""
    own = sorted(line for line in record.splitlines() if line.startswith("hopkin/") and ".pyc" not in line)
    return hashlib.sha256("\n".join(own).encode()).hexdigest()


def packages(python: Path) -> Path:
    """Folder of this hopkin in the environment of another interpreter."""
    return python.parents[1] / f"hopkin-{hopkin_hash()[:12]}"


def environment_of(python: Path) -> dict[str, str]:
    """Environment variables with which an interpreter runs this hopkin."""
    variables = dict(os.environ)
    if python != Path(sys.executable):
        variables["PYTHONPATH"] = str(packages(python))
    return variables


def share_hopkin(python: Path) -> None:
    """Have this hopkin in the environment of another interpreter; at once where it is there.

    Raises
    ------
    MachineError
        when this hopkin is an editable installation, or the disk cannot be written
    """
    folder = packages(python)
    if folder.is_dir():
        return
    files = importlib.metadata.distribution("hopkin").files or ()
    if not any(file.suffix == ".so" for file in files):
        raise MachineError("this hopkin is an editable installation: install it as a wheel, as `make` does")
    with alone(folder), writing_to(folder), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        if folder.is_dir():  # another process may have made it
            return
        made = Path(scratch) / "packages"
        made.mkdir()
        for file in files:
            if file.parts[0] != ".." and file.suffix not in (".pyc", ".so"):  # LAMMPS runs beside hopkin
                (made / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), made / file)
        made.rename(folder)
