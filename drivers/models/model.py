"""What a model is: a potential with its weights, and what LAMMPS is told to load.

Options are part of its name (`mace-mp-0-small:dtype=float64`): one string is what a command, a campaign, a
specification's hash, the parity stamp and a deck hold, and it needs no quotes in a shell, in YAML or in
LAMMPS. Which ones a family takes stands in `models.toml`; the exported file is named by them. A golden
energy holds for one head.
"""

import hashlib
import importlib
import importlib.util
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers.engine import hopkin_hash, slug
from hopkin.drivers.errors import ModelError, TrustError
from hopkin.drivers.models import environments, weights
from hopkin.drivers.models.adapters.network import NETWORK_VERSION
from hopkin.drivers.models.adapters.vector_math import settle_vector_math
from hopkin.drivers.models.trust import require_trusted
from hopkin.drivers.models.weights import Source, cache_directory, sha256_of

Route = Literal["native", "service", "mliap"]

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
        return split_options(self.name)[0]

    @property
    def brand(self) -> str:
        """What models of its kind are called: M3GNet, MACE, Orb."""
        word = re.split(r"[-\s]", self.title)[0]
        return word[:1].upper() + word[1:]

    @property
    def pair_style(self) -> str:
        """LAMMPS pair style that runs it."""
        if self.options.get("route") == "mliap":
            return "mliap"
        known = environments.families().get(self.family)
        native = known is not None and self.options.get("route", known.route) == "native"
        return known.pair_style if known and native else "hopkin"

    @property
    def route(self) -> Route:
        """Through a C++ pair style of its family, or the evaluation service, by a plugin or by ML-IAP."""
        served: dict[str, Route] = {"hopkin": "service", "mliap": "mliap"}
        return served.get(self.pair_style, "native")

    @property
    def evaluator(self) -> str | None:
        """Which evaluator of its pair style its file is for; None where there is one alone.

        That of hopkin for SevenNet runs on a CPU, in single and double precision; libtorch takes a GPU, in
        single.
        """
        known = environments.families().get(self.family)
        if known is None or "evaluator" not in known.options or self.route != "native":
            return None
        on_gpu = environments.uses_gpu() and self.options.get("dtype") != "float64"
        return self.options.get("evaluator") or ("libtorch" if on_gpu else "hopkin")

    @property
    def module(self) -> ModuleType:
        """Adapter of its family; imports the model's package."""
        module = importlib.import_module(f"hopkin.drivers.models.adapters.{self.family}")
        settle_vector_math()  # before anything of it evaluates with threads
        return module

    def pair_coeff(self) -> str:
        """Return what the deck names: a file, or for `pair_style hopkin` its name."""
        return self.name if self.route == "service" else str(self.exported())

    def file(self) -> Path | None:
        """File or folder that the deck names; None where it is a name of the registry, or a module."""
        return self.path if self.route == "service" else self.exported()

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

    def require_content(self) -> None:
        """Raise ModelError where the weights, or the user's own module, are no longer what they were."""
        file = self.path or (
            source_of(self.name.split(":")[1]) if self.family == "ase" else self.checkpoint()
        )
        if file is not None and self.sha256 and (digest := weights.sha256_now(file)) != self.sha256:
            raise ModelError(
                f"model {self.name}: {file} was overwritten: its SHA-256 was {self.sha256} and is {digest}"
            )

    def require_unchanged(self) -> None:
        """Raise ModelError where the file that LAMMPS loads is no longer that which hopkin began with."""
        file = self.path if self.family == "ase" else self._loaded()
        if file is None:
            return
        began_with = self.sha256 if self.route != "native" and self.sha256 else weights.sha256_of(file)
        digest = weights.sha256_now(file) if file.exists() else "that of no file"
        if digest != began_with:
            raise ModelError(
                f"model {self.name}: {file} was overwritten while hopkin was at work: its SHA-256 was"
                f" {began_with} and is {digest}: put the first file back and give the same command, or begin"
                " anew with the other one"
            )

    def _loaded(self) -> Path:
        return self.exported() if self.route == "native" else self.checkpoint()

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
        accepted = {name: list(values) for name, values in environments.options_of(self.family).items()}
        return {
            **self.model_dump(mode="json"),
            "options_of_family": accepted,
            "route": self.route,
            "evaluator": self.evaluator,
            "state": str(self.state()),
        }

    def exported(self) -> Path:
        """Where the file that LAMMPS reads is kept; named by the hash of all it comes from."""
        if self.route == "mliap":
            made_of = f"{self.name} {self.elements} {hopkin_hash()}"
            digest = hashlib.sha256(made_of.encode()).hexdigest()
            return cache_directory() / f"{slug(self.entry, hyphens=True)[:60]}-{digest[:12]}.mliap"
        stem = self.entry if self.path is None else slug(self.path.stem, hyphens=True)
        made_by = f"{self.options} {environments.package_version(self.family)}"
        if self.evaluator == "hopkin":
            made_by += f" network {NETWORK_VERSION}"
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


def source_of(module: str) -> Path | None:
    """File of an importable module; None where there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # of a package around it, which this imports
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """Split a name from the options that follow it."""
    options: dict[str, str] = {}
    while found := _OPTION.search(name):
        option, value = found.groups()
        if option in options:
            raise ModelError(f"model {name}: its option {option} is given twice")
        options[option] = value
        name = name[: found.start()]
    return name, options
