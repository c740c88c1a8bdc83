"""Tells LAMMPS where hopkin's pair-style plugins are (entry point `lammps.plugins`)."""

from importlib.util import find_spec
from pathlib import Path


def directory() -> str:
    """Directory that holds `hopkin_*plugin.so`; joins LAMMPS_PLUGIN_PATH when LAMMPS starts."""
    spec = find_spec("hopkin")
    assert spec is not None  # this module is part of it
    for location in spec.submodule_search_locations or ():
        if (Path(location) / "lib").is_dir():
            return str(Path(location) / "lib")
    return str(Path(__file__).parent)
