"""What works on this machine: each check tries the real thing."""

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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


class _Evaluator(NamedTuple):
    """A pair style, the library behind it, and what it says of a model that is none."""

    style: str
    library: str
    says: str
    content: str | None = None  # of the model's file; without: it is not there
    wants: str | None = None  # package that not everyone needs


_EVALUATORS = {
    "pair_style e3gnn": _Evaluator(
        "e3gnn", "libhopkin_nequip.so", "is no network that this hopkin reads", "hopkin network\n"
    ),
    "pair_style e3gnn, TorchScript": _Evaluator(
        "e3gnn", "libhopkin_e3gnn.so", "is not a TorchScript model", "", wants="torch"
    ),
    "pair_style mace": _Evaluator("mace", "libhopkin_mace.so", "no model file", wants="torch"),
    "pair_style grace": _Evaluator("grace", "libhopkin_grace.so", "no model directory"),
    "pair_style hopkin": _Evaluator("hopkin", "hopkin_serviceplugin.so", "unknown model"),
}

_DECK = """units metal
atom_style atomic
region box block 0 1 0 1 0 1
create_box 1 box
pair_style {style}
pair_coeff * * missing H
"""


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
        *(_pair_style(name, evaluator) for name, evaluator in _EVALUATORS.items()),
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


def _pair_style(name: str, evaluator: _Evaluator) -> Check:
    """Let a pair style get as far as its evaluator."""
    if evaluator.wants and importlib.util.find_spec(evaluator.wants) is None:
        return Check(name=name, works=None, detail=f"{evaluator.wants} is not installed")
    directory = Path(lammps_plugins.directory())
    if not (directory / evaluator.library).is_file():
        detail = f"no {evaluator.library} in {directory}: install hopkin again"
        return Check(name=name, works=False, detail=detail)
    with tempfile.TemporaryDirectory(prefix="hopkin-doctor-") as scratch:
        if evaluator.content is not None:
            (Path(scratch) / "missing").write_text(evaluator.content)
        (Path(scratch) / "style.in").write_text(_DECK.format(style=evaluator.style))
        try:
            engine.run_deck(Path(scratch), "style.in", timeout_s=engine.STARTS_WITHIN_S)
        except HopkinError as error:
            works = evaluator.says in str(error)
            return Check(name=name, works=works, detail=str(directory if works else error))
    return Check(name=name, works=False, detail="a model that is none was accepted")


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
