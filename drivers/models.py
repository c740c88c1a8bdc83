"""The registry of models: names, weights, and what LAMMPS needs to run them."""

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Literal

import platformdirs
from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers.errors import MachineError, ModelError

Family = Literal["sevennet", "chgnet", "ase"]
Route = Literal["native", "bridge"]

# The C++ pair style of each family that has one; the others go through `pair_style hopkin`.
_NATIVE_PAIR_STYLE = {"sevennet": "e3gnn"}


class State(StrEnum):
    """What a model still needs on this machine."""

    READY = "ready"
    NEEDS_FETCH = "needs fetch"
    NEEDS_INSTALL = "needs install"
    DAMAGED = "damaged"


class Model(BaseModel):
    """A model of the registry, or a checkpoint given by the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="how the user calls it")
    family: Family = Field(description="package that evaluates it")
    route: Route = Field(description="native: C++ pair style; bridge: Python adapter")
    title: str = Field(description="name in full")
    training_set: str = Field(description="data it was fitted to")
    elements: tuple[str, ...] = Field(description="chemical symbols it covers")
    cutoff_A: float | None = Field(description="range of its edges [A]; None where unknown")
    layers: int | None = Field(description="message-passing layers; None where unknown")
    conservative: bool = Field(description="forces are the gradient of its energy")
    atomic_energies: bool = Field(default=True, description="it splits its energy over the atoms")
    licence: str = Field(description="licence of the weights")
    reference: str = Field(description="publication")
    distribution: str = Field(default="", description="package that carries the weights")
    member: str = Field(default="", description="file of the weights within the package")
    path: Path | None = Field(default=None, description="file of the weights, given by the user")
    sha256: str = Field(default="", description="of the file of the weights")
    golden_energy_eV_per_atom: float | None = Field(
        default=None, description="energy of the built-in LiFePO4-olivine cell [eV/atom]"
    )

    @property
    def pair_style(self) -> str:
        """LAMMPS pair style that runs it."""
        return _NATIVE_PAIR_STYLE[self.family] if self.route == "native" else "hopkin"

    @property
    def module(self) -> ModuleType:
        """Module of `hopkin.drivers.adapters` that evaluates its family; imports the model's package."""
        return importlib.import_module(f"hopkin.drivers.adapters.{self.family}")

    def pair_coeff(self) -> str:
        """First argument of pair_coeff after `* *`: a file for a native style, a name for the bridge."""
        return str(self.exported()) if self.route == "native" else self.name

    def checkpoint(self) -> Path:
        """File of the weights; ModelError when its package is not installed or the file is damaged."""
        path = self.path or _member(self.distribution, self.member)
        if path is None or not path.is_file():
            raise ModelError(
                f"model {self.name}: its weights come with the package '{self.distribution}', which is"
                f" not installed in this environment"
            )
        digest = sha256_of(path)
        if self.sha256 and digest != self.sha256:
            raise ModelError(
                f"model {self.name}: {path} is damaged or another file: its SHA-256 is {digest},"
                f" the registry says {self.sha256}"
            )
        return path

    def checkpoint_sha256(self) -> str:
        """SHA-256 of the file of the weights."""
        return sha256_of(self.checkpoint())

    def state(self) -> State:
        """Tell what it still needs on this machine."""
        if self.family != "ase" and self.path is None and _member(self.distribution, self.member) is None:
            return State.NEEDS_INSTALL
        if self.family == "ase":
            return State.READY
        try:
            self.checkpoint()
        except ModelError:
            return State.DAMAGED
        if self.route == "native" and not self.exported().is_file():
            return State.NEEDS_FETCH
        return State.READY

    def exported(self) -> Path:
        """Where the file that a native pair style reads is kept; named by the hash of the weights."""
        stem = self.name.replace("/", "_").replace(":", "_") if self.path is None else self.path.stem
        return cache_directory() / f"{stem}-{self.checkpoint_sha256()[:12]}.pt"

    def require_elements(self, symbols: Iterable[str]) -> None:
        """Raise ModelError when the model does not cover one of the chemical symbols."""
        missing = sorted(set(symbols) - set(self.elements))
        if missing:
            raise ModelError(
                f"model {self.name} does not cover {', '.join(missing)}; it covers"
                f" {len(self.elements)} elements: {' '.join(self.elements)}"
            )


def cache_directory() -> Path:
    """Where exported models and verification stamps are kept (the user's cache directory)."""
    return platformdirs.user_cache_path("hopkin") / "models"


@cache
def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _member(distribution: str, member: str) -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(distribution).locate_file(member)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


@cache
def registry() -> dict[str, Model]:
    """Every model of `models.toml`, by name."""
    table = tomllib.loads(resources.files("hopkin.drivers").joinpath("models.toml").read_text())
    sets = {name: tuple(text.split()) for name, text in table["element_sets"].items()}
    return {
        name: Model(name=name, **{**entry, "elements": sets[entry["elements"]]})
        for name, entry in table["models"].items()
    }


def find_model(name: str) -> Model:
    """Model of a registry name or of `FAMILY:/path/to/checkpoint`.

    Raises
    ------
    ModelError
        when there is none, or the file is not a checkpoint of that family
    """
    if name in registry():
        return registry()[name]
    family, separator, path = name.partition(":")
    if family == "ase":
        return _ase_model(path)
    if separator:
        return _user_model(family, Path(path).expanduser(), name)
    close = difflib.get_close_matches(name.lower(), registry(), n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ModelError(
        f"unknown model '{name}': {hint}known are {', '.join(registry())}, or FAMILY:/path/to/checkpoint"
        f" with FAMILY one of {', '.join(_families())}"
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
    return Model(
        name=f"ase:{path or module}:{factory}",
        family="ase",
        route="bridge",
        title=f"ASE calculator {factory} of {module}",
        training_set="unknown",
        elements=tuple(atomic_numbers)[1:],
        cutoff_A=None,
        layers=None,
        conservative=True,
        atomic_energies=False,
        licence="unknown",
        reference="",
        path=path,
        sha256=sha256_of(source) if source else "",
    )


def _source_of(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def _families() -> dict[str, Model]:
    """One registry model per family: what a user's checkpoint of that family is read like."""
    return {model.family: model for model in registry().values()}


def _user_model(family: str, path: Path, name: str) -> Model:
    if family not in _families():
        raise ModelError(
            f"unknown model family '{family}' in '{name}': accepted are {', '.join(_families())}"
        )
    if not path.is_file():
        raise ModelError(f"model {name}: no such file: {path}")
    path = path.resolve()
    name = f"{family}:{path}"
    known = {model.sha256: model for model in registry().values()}.get(sha256_of(path))
    if known is not None and known.family != family:
        raise ModelError(
            f"model {name}: {path} holds {known.title}, a checkpoint of family {known.family}, not {family}"
        )
    template = _families()[family]
    facts = _read_checkpoint(family, path, name)
    return template.model_copy(
        update={
            "name": name,
            "title": path.name,
            "training_set": "unknown",
            "licence": "unknown",
            "reference": "",
            "distribution": "",
            "member": "",
            "path": path,
            "sha256": sha256_of(path),
            "golden_energy_eV_per_atom": None,
            **facts,
        }
    )


def _read_checkpoint(family: str, path: Path, name: str) -> dict[str, object]:
    """Read what the checkpoint says of itself; ModelError when it is damaged or of another family."""
    try:
        import torch

        # a SevenNet checkpoint holds its configuration as objects of Python, and runs their code
        content = torch.load(path, map_location="cpu", weights_only=family != "sevennet")
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"model {name}: {path} cannot be read as a checkpoint: {reason}") from error
    keys = set(content) if isinstance(content, dict) else set()
    if family == "sevennet" and {"config", "model_state_dict"} <= keys:
        symbols = {number: symbol for symbol, number in atomic_numbers.items()}
        config = content["config"]
        return {
            "elements": tuple(symbols[z] for z in config["_type_map"]),
            "cutoff_A": float(config["cutoff"]),
            "layers": config["num_convolution_layer"],
        }
    if family == "chgnet" and "model" in keys:
        arguments = content["model"]["model_args"]
        return {"cutoff_A": float(arguments["atom_graph_cutoff"]), "layers": arguments["n_conv"]}
    raise ModelError(
        f"model {name}: {path} is not a checkpoint of family {family} (it holds"
        f" {', '.join(sorted(map(str, keys))[:5]) or type(content).__name__})"
    )


def fetch(model: Model, *, say: Callable[[str], None] = lambda _: None) -> Path | None:
    """Make the file that LAMMPS reads, from the checkpoint; at once when it is there already.

    Returns
    -------
    Path or None
        exported file of a native model, checkpoint of one that goes through the bridge; None for an ASE
        calculator of an importable module, which has no file

    Raises
    ------
    ModelError
        when the weights are not there, or damaged
    """
    if model.family == "ase":
        return model.path
    if model.route == "bridge":
        return model.checkpoint()
    exported = model.exported()
    if not exported.is_file():
        say(f"exporting {model.name} for pair_style {model.pair_style}")
        try:
            exported.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=exported.parent) as directory:
                made = Path(directory) / exported.name
                model.module.export(model, made)
                made.replace(exported)
        except OSError as error:
            raise MachineError(f"cannot write {exported}: {error.strerror}") from error
    return exported
