"""What works on this machine: each check tries the real thing."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hopkin.drivers import engine, lammps_plugins
from hopkin.drivers.errors import HopkinError
from hopkin.drivers.models import (
    Service,
    cache_directory,
    families,
    interpreter,
    known_models,
    services,
)

_STYLES = {
    "e3gnn": "libhopkin_nequip.so",
    "mace": "libhopkin_mace.so",
    "grace": "libhopkin_grace.so",
    "hopkin": "hopkin_serviceplugin.so",
}

_DECK = """units metal
atom_style atomic
region box block 0 1 0 1 0 1
create_box 1 box
pair_style {style}
pair_coeff * * {missing} H
"""

# With a model that is not there, each style gets as far as its evaluator, which says so in these words.
_MISSING = {
    "hopkin": "unknown model",
    "grace": "no model directory",
    "e3gnn": "is no network that this hopkin reads",
}
_EMPTY = {"e3gnn": "hopkin network\n"}  # or it would say so without its evaluator
_NO_FILE = "no model file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried.

    Attributes
    ----------
    name
        what
    works
        whether it does; None for something that is not needed
    detail
        version or path, or what to do about it
    """

    name: str
    works: bool | None
    detail: str


def examine() -> list[Check]:
    """Try LAMMPS, MPI, the pair styles, the accelerator, the cache directory and the models."""
    return [
        _lammps(),
        *(_pair_style(style, library) for style, library in _STYLES.items()),
        _accelerator(),
        _cache(),
        *(_family(name) for name in families()),
        *(_service(service) for service in services()),
    ]


def _family(name: str) -> Check:
    python = interpreter(name)
    ready = [
        model.name for model in known_models().values() if model.family == name and model.state() == "ready"
    ]
    if python is None:
        detail = f"`hopkin models install {name}`"
    else:
        detail = f"{', '.join(ready) or 'no weights here yet'}; {python}"
    return Check(name=f"family {name}", works=True if ready else None, detail=detail)


def _service(service: Service) -> Check:
    where = ", ".join(service.devices)
    detail = f"{service.model} on {where}, {service.cores} core(s), {service.clients} LAMMPS process(es)"
    return Check(name=f"evaluation service {service.process}", works=True, detail=detail)


def _lammps() -> Check:
    try:
        return Check(
            name="LAMMPS under MPI",
            works=True,
            detail=f"{engine.lammps_version()}, {engine.executable('lmp')}, {engine.executable('mpirun')}",
        )
    except HopkinError as error:
        return Check(name="LAMMPS under MPI", works=False, detail=str(error))


def _pair_style(style: str, library: str) -> Check:
    name = f"pair_style {style}"
    directory = Path(lammps_plugins.directory())
    if not (directory / library).is_file():
        return Check(name=name, works=False, detail=f"no {library} in {directory}: install hopkin again")
    with tempfile.TemporaryDirectory(prefix="hopkin-doctor-") as scratch:
        if style in _EMPTY:
            (Path(scratch) / "missing").write_text(_EMPTY[style])
        (Path(scratch) / "style.in").write_text(_DECK.format(style=style, missing="missing"))
        try:
            engine.run_deck(Path(scratch), "style.in", timeout_s=engine.STARTS_WITHIN_S)
        except HopkinError as error:
            works = _MISSING.get(style, _NO_FILE) in str(error)
            return Check(name=name, works=works, detail=str(directory if works else error))
    return Check(name=name, works=False, detail="a model that is not there was accepted")


def _accelerator() -> Check:
    try:
        import torch
    except ImportError:
        return Check(name="accelerator", works=None, detail="torch is not installed")
    if not torch.cuda.is_available():
        return Check(
            name="accelerator", works=None, detail=f"none: torch {torch.__version__} runs on the CPU"
        )
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return Check(name="accelerator", works=True, detail=", ".join(names))


def _cache() -> Check:
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return Check(name="cache of models", works=True, detail=str(directory))
    except OSError as error:
        return Check(name="cache of models", works=False, detail=f"{directory}: {error.strerror}")
