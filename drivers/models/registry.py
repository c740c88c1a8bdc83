"""The registry of models: names, weights, and what LAMMPS needs to run them."""

import difflib
import hashlib
import importlib
import importlib.util
import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers.engine import alone, write_json, writing_to
from hopkin.drivers.errors import ModelError, TrustError
from hopkin.drivers.models import environments, weights, worker
from hopkin.drivers.models.trust import require_trusted, trust
from hopkin.drivers.models.weights import Source, cache_directory, sha256_of

Route = Literal["native", "bridge"]

_OPTION = re.compile(r":(\w+)=([^:/=]*)$")


class State(StrEnum):
    """What a model still needs on this machine."""

    READY = "ready"
    NEEDS_INSTALL = "needs install"
    NEEDS_DOWNLOAD = "needs download"
    NEEDS_TRUST = "needs trust"
    DAMAGED = "damaged"


class Model(BaseModel):
    """A model of the registry, or a checkpoint given by the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="how the user calls it, options after it: NAME:dtype=float64")
    family: str = Field(description="package that evaluates it")
    title: str = Field(description="name in full")
    paper: str | None = Field(default=None, description="notation of the published comparison")
    training_set: str = Field(description="data it was fitted to")
    architecture: str = Field(description="class of the network")
    elements: tuple[str, ...] = Field(description="chemical symbols it covers")
    cutoff_A: float | None = Field(default=None, description="range of its edges [A]; None where unknown")
    layers: int | None = Field(default=None, description="message-passing layers; None where unknown")
    conservative: bool = Field(description="forces are the gradient of its energy")
    atomic_energies: bool = Field(default=True, description="it splits its energy over the atoms")
    options: dict[str, str] = Field(default={}, description="what its package has to be told to load it")
    licence: str = Field(description="licence of the weights")
    reference: str = Field(description="publication")
    sources: tuple[Source, ...] = Field(default=(), description="where the weights are, in order of trial")
    path: Path | None = Field(default=None, description="file of the weights, given by the user")
    sha256: str = Field(default="", description="of the file of the weights")
    golden_energy_eV_per_atom: float | None = Field(
        default=None, description="energy of the built-in LiFePO4-olivine cell [eV/atom]"
    )

    @property
    def entry(self) -> str:
        """Its name without options, under which its weights are kept."""
        return _split(self.name)[0]

    @property
    def pair_style(self) -> str:
        """LAMMPS pair style that runs it."""
        known = environments.families().get(self.family)
        return known.pair_style if known else "hopkin"

    @property
    def route(self) -> Route:
        """Through a C++ pair style of its family, or the Python bridge."""
        return "bridge" if self.pair_style == "hopkin" else "native"

    @property
    def module(self) -> ModuleType:
        """Adapter of its family; imports the model's package."""
        return importlib.import_module(f"hopkin.drivers.models.adapters.{self.family}")

    def pair_coeff(self) -> str:
        """First argument of pair_coeff after `* *`: a file for a native style, a name for the bridge."""
        return str(self.exported()) if self.route == "native" else self.name

    def interpreter(self) -> Path:
        """Python of the environment that evaluates it; ModelError where that has not been made."""
        return environments.require(self.family)

    def checkpoint(self) -> Path:
        """File or folder of the weights; ModelError when it is not there, or damaged."""
        path = self.path or weights.find(self.entry, self.sources, environments.interpreter(self.family))
        if path is None:
            raise ModelError(
                f"model {self.name}: its weights are not here: run `hopkin models fetch {self.entry}`"
            )
        digest = sha256_of(path)
        if self.sha256 and digest != self.sha256:
            raise ModelError(
                f"model {self.name}: {path} is damaged or another file: its SHA-256 is {digest},"
                f" the registry says {self.sha256}"
            )
        if not self.sha256:
            require_trusted(digest, path, self.family)
        return path

    def checkpoint_sha256(self) -> str:
        """SHA-256 of the weights."""
        return sha256_of(self.checkpoint())

    def state(self) -> State:
        """Tell what it still needs on this machine."""
        python = environments.interpreter(self.family)
        if python is None:
            return State.NEEDS_INSTALL
        if self.family == "ase":
            return State.READY
        if self.path is None and weights.find(self.entry, self.sources, python) is None:
            return State.NEEDS_DOWNLOAD
        try:
            self.checkpoint()
        except TrustError:
            return State.NEEDS_TRUST
        except ModelError:
            return State.DAMAGED
        return State.READY

    def describe(self) -> dict[str, Any]:
        """Everything of it, its route and state too, as JSON can hold it."""
        known = environments.families().get(self.family)
        accepted = {option: list(values) for option, values in known.options.items()} if known else {}
        return {
            **self.model_dump(mode="json"),
            "options_of_family": accepted,
            "route": self.route,
            "state": str(self.state()),
        }

    def exported(self) -> Path:
        """Where the file that a native pair style reads is kept; named by the hash of all it comes from."""
        stem = self.entry if self.path is None else self.path.stem
        made_by = f"{self.options} {environments.package_version(self.family)}"
        digest = hashlib.sha256(f"{self.checkpoint_sha256()} {made_by}".encode()).hexdigest()
        return cache_directory() / f"{stem}-{digest[:12]}.pt"

    def require_elements(self, symbols: Iterable[str]) -> None:
        """Raise ModelError when the model does not cover one of the chemical symbols."""
        missing = sorted(set(symbols) - set(self.elements))
        if missing:
            raise ModelError(
                f"model {self.name} does not cover {', '.join(missing)}; it covers"
                f" {len(self.elements)} elements: {' '.join(self.elements)}"
            )


@cache
def registry() -> dict[str, Model]:
    """Every model of `models.toml`, by name."""
    table = tomllib.loads(resources.files("hopkin.drivers.models").joinpath("models.toml").read_text())
    sets = {name: tuple(text.split()) for name, text in table["element_sets"].items()}
    return {
        name: Model(name=name, **{**entry, "elements": sets[entry["elements"]]})
        for name, entry in table["models"].items()
    }


def find_model(name: str, *, trusted: bool = False) -> Model:
    """Model of a registry name, `FAMILY:/path/to/checkpoint`, or `ase:module:factory`.

    Options of the family follow the name of any: `mace:/path/to/checkpoint:head=omat_pbe:dtype=float64`.

    Parameters
    ----------
    trusted
        the user says that the file may be loaded, though it is a program; this is remembered by its hash

    Raises
    ------
    ModelError
        when there is none, the file is not a checkpoint of that family, or may not be loaded; when the family
        has no such option
    """
    bare, options = _split(name)
    return _with_options(_find_model(bare, trusted=trusted), options)


def _split(name: str) -> tuple[str, dict[str, str]]:
    """Split a name from the options that follow it."""
    options: dict[str, str] = {}
    while found := _OPTION.search(name):
        option, value = found.groups()
        if option in options:
            raise ModelError(f"model {name}: its option {option} is given twice")
        options[option] = value
        name = name[: found.start()]
    return name, options


def _with_options(model: Model, options: dict[str, str]) -> Model:
    """Return a model that is loaded with options of its family."""
    known = environments.families().get(model.family)
    accepted = known.options if known else {}
    for option, value in options.items():
        if option not in accepted:
            has = f"accepted are {', '.join(accepted)}" if accepted else "it has none"
            raise ModelError(f"model {model.name}: family {model.family} has no option {option}: {has}")
        if not value or (accepted[option] and value not in accepted[option]):
            values = ", ".join(accepted[option]) or f"the name of a {option} of the checkpoint"
            raise ModelError(f"model {model.name}: wanted {option}={values}, received {option}={value}")
    if not options:
        return model
    told = model.options | options
    # another head is another potential; another precision is not
    same = told | {"dtype": ""} == model.options | {"dtype": ""}
    return model.model_copy(
        update={
            "name": ":".join([model.name, *(f"{option}={options[option]}" for option in sorted(options))]),
            "options": dict(sorted(told.items())),
            "golden_energy_eV_per_atom": model.golden_energy_eV_per_atom if same else None,
        }
    )


def _find_model(name: str, *, trusted: bool) -> Model:
    if name in registry():
        return registry()[name]
    family, separator, path = name.partition(":")
    if family == "ase":
        return _ase_model(path)
    if separator:
        return _user_model(environments.family(family), Path(path).expanduser(), trusted=trusted)
    close = difflib.get_close_matches(name.lower(), registry(), n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(
        f"unknown model '{name}': {hint}known are {', '.join(registry())}, or FAMILY:/path/to/checkpoint"
        f" with FAMILY one of {', '.join(environments.families())}"
    )


def _ase_model(specification: str) -> Model:
    """Any ASE calculator: `module:factory`, or `/path/to/file.py:factory`."""
    module, separator, factory = specification.rpartition(":")
    if not (separator and module and factory):
        raise ModelError(f"model ase:{specification}: wanted ase:module:factory or ase:/path/file.py:factory")
    path = Path(module).expanduser().resolve() if module.endswith(".py") else None
    if path is not None and not path.is_file():
        raise ModelError(f"model ase:{specification}: no such file: {path}")
    source = path or _source_of(module)
    if source is None:
        raise ModelError(f"model ase:{specification}: there is no module {module} in this environment")
    return Model(
        name=f"ase:{path or module}:{factory}",
        family="ase",
        title=f"ASE calculator {factory} of {module}",
        training_set="unknown",
        architecture="unknown",
        elements=tuple(atomic_numbers)[1:],
        conservative=True,
        atomic_energies=False,
        licence="unknown",
        reference="",
        path=path,
        sha256=sha256_of(source),
    )


def _source_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # of a package around it, which this imports
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def _user_model(family: environments.Family, path: Path, *, trusted: bool) -> Model:
    name = f"{family.name}:{path.resolve()}"
    if not path.exists():
        raise ModelError(f"model {name}: no such file: {path}")
    path = path.resolve()
    digest = sha256_of(path)
    known = {model.sha256: model for model in registry().values() if model.sha256}.get(digest)
    if known is not None and known.family != family.name:
        raise ModelError(
            f"model {name}: {path} holds {known.title}, a checkpoint of family {known.family}, not"
            f" {family.name}"
        )
    if known is not None:
        return known.model_copy(update={"name": name, "title": path.name, "path": path, "sources": ()})
    if trusted:
        trust(digest, path)
    elif family.program or path.is_dir():
        require_trusted(digest, path, family.name)
    template = next(model for model in registry().values() if model.family == family.name)
    return template.model_copy(
        update={
            "name": name,
            "title": path.name,
            "paper": None,
            "training_set": "unknown",
            "licence": "unknown",
            "reference": "",
            "sources": (),
            "path": path,
            "sha256": digest,
            "golden_energy_eV_per_atom": None,
            "options": {},
            **_facts(family.name, path, name),
        }
    )


def _facts(family: str, path: Path, name: str) -> dict[str, Any]:
    """Read what the checkpoint says of itself, once; ModelError when it is damaged or of another family."""
    # the architecture of some is told by the file's name, and how facts are read by hopkin's version
    named = f"{family} {path.name} {sha256_of(path)} {environments.hopkin_hash()}"
    kept = cache_directory() / "facts" / f"{hashlib.sha256(named.encode()).hexdigest()}.json"
    if not kept.is_file():
        python = environments.require(family)
        try:
            facts = worker.call(python, "facts", family=family, path=str(path))
        except ModelError as error:
            raise ModelError(f"model {name}: {path} is no checkpoint of family {family}: {error}") from error
        write_json(kept, facts)
    read: dict[str, Any] = json.loads(kept.read_text())
    return read | {"elements": tuple(read["elements"])}


def fetch(
    model: Model,
    *,
    file: Path | None = None,
    trusted: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Path | None:
    """Have the weights, and the file that LAMMPS reads, on this machine; at once when they are there already.

    Parameters
    ----------
    file
        weights that the user has already
    trusted
        the user says that weights of unknown hash may be loaded; this is remembered

    Returns
    -------
    Path or None
        exported file of a native model, weights of one that goes through the bridge; None for an ASE
        calculator of an importable module, which has no file

    Raises
    ------
    ModelError
        when the weights are damaged, other ones, or may not be loaded
    MachineError
        when they cannot be had, or the disk cannot be written
    """
    if model.family == "ase":
        return model.path
    python = model.interpreter()
    if model.path is None:
        _obtain(model, file, python, trusted=trusted, say=say)
    checkpoint = model.checkpoint()
    if model.route == "bridge":
        return checkpoint
    exported = model.exported()
    if not exported.exists():
        with alone(exported):
            if not exported.exists():  # another process may have made it
                _export(model, exported, python, say=say)
    return exported


def _obtain(
    model: Model, file: Path | None, python: Path, *, trusted: bool, say: Callable[[str], None]
) -> None:
    """Have the weights of a registry model on this machine."""
    if file is not None:
        weights.take(model.entry, model.sources, model.sha256, file)
    elif not model.sha256 and not trusted and not weights.find(model.entry, model.sources, python):
        raise TrustError(
            f"model {model.name}: nobody of hopkin has seen its weights, so that their hash is not known:"
            " give --trust to take what its official address gives; the hash is remembered"
        )
    elif not weights.are_whole(model.entry, model.sources, model.sha256, python):
        with alone(cache_directory() / model.entry):
            if not weights.are_whole(model.entry, model.sources, model.sha256, python):
                weights.download(model.entry, model.sources, model.sha256, say=say)
    if trusted and not model.sha256 and (path := weights.find(model.entry, model.sources, python)):
        trust(sha256_of(path), path)


def _export(model: Model, exported: Path, python: Path, *, say: Callable[[str], None]) -> None:
    say(f"exporting {model.name} for pair_style {model.pair_style}")
    with writing_to(exported), tempfile.TemporaryDirectory(dir=exported.parent) as directory:
        made = Path(directory) / exported.name
        worker.call(python, "export", model=model.model_dump_json(), path=str(made))
        made.replace(exported)
