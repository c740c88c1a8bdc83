"""The registry: models found by name, and their weights had on this machine."""

import difflib
import hashlib
import re
import tempfile
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from hopkin.drivers.engine import alone, hopkin_hash, read_json, write_json, writing_to
from hopkin.drivers.errors import ModelError, TrustError
from hopkin.drivers.models import environments, weights, worker
from hopkin.drivers.models.model import Model, source_of, split_options
from hopkin.drivers.models.trust import require_trusted, trust
from hopkin.drivers.models.weights import cache_directory, sha256_of

_IDENTIFIERS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@cache
def known_models() -> dict[str, Model]:
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
    if not name.isprintable() or '"' in name:
        raise ModelError(
            f"model {name!r}: accepted are names and paths without control characters and double quotes"
        )
    bare, options = split_options(name)
    return _with_options(_find_model(bare, trusted=trusted), options)


def _with_options(model: Model, options: dict[str, str]) -> Model:
    """Return a model that is loaded with options of its family."""
    accepted = environments.options_of(model.family)
    for option, value in options.items():
        if option not in accepted:
            has = f"accepted are {', '.join(accepted)}"
            raise ModelError(f"model {model.name}: family {model.family} has no option {option}: {has}")
        if not value or (accepted[option] and value not in accepted[option]):
            values = ", ".join(accepted[option]) or f"the name of a {option} of the checkpoint"
            raise ModelError(f"model {model.name}: wanted {option}={values}, received {option}={value}")
    if not options:
        return model
    told = model.options | options
    # another head is another potential; another precision, or another way to evaluate it, is not
    others = {"dtype": "", "route": "", "evaluator": ""}
    same = told | others == model.options | others
    return model.model_copy(
        update={
            "name": ":".join([model.name, *(f"{option}={options[option]}" for option in sorted(options))]),
            "options": dict(sorted(told.items())),
            "golden_energy_eV_per_atom": model.golden_energy_eV_per_atom if same else None,
        }
    )


def _find_model(name: str, *, trusted: bool) -> Model:
    if name in known_models():
        return known_models()[name]
    family, separator, path = name.partition(":")
    if family == "ase":
        return _ase_model(path)
    if separator:
        return _user_model(environments.family(family), Path(path).expanduser(), trusted=trusted)
    close = difflib.get_close_matches(name.lower(), known_models(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ModelError(
        f"unknown model '{name}': {hint}accepted are those of `hopkin models list`,"
        " FAMILY:/path/to/checkpoint and ase:module:factory"
    )


def _ase_model(specification: str) -> Model:
    """Any ASE calculator: `module:factory`, or `/path/to/file.py:factory`."""
    module, separator, factory = specification.rpartition(":")
    if not (separator and module and factory):
        raise ModelError(f"model ase:{specification}: wanted ase:module:factory or ase:/path/file.py:factory")
    path = Path(module).expanduser().resolve() if module.endswith(".py") else None
    if not _IDENTIFIERS.fullmatch(factory if path else f"{module}.{factory}"):
        raise ModelError(
            f"model ase:{specification}: names of modules and factories are accepted in ASCII letters, digits"
            " and underscores"
        )
    if path is not None and not path.is_file():
        raise ModelError(f"model ase:{specification}: no such file: {path}")
    source = path or source_of(module)
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


def _user_model(family: environments.Family, path: Path, *, trusted: bool) -> Model:
    name = f"{family.name}:{path.resolve()}"
    if not path.exists():
        raise ModelError(f"model {name}: no such file: {path}")
    path = path.resolve()
    digest = sha256_of(path)
    known = {model.sha256: model for model in known_models().values() if model.sha256}.get(digest)
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
    template = next(model for model in known_models().values() if model.family == family.name)
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
    named = f"{family} {path.name} {sha256_of(path)} {hopkin_hash()}"
    kept = cache_directory() / "facts" / f"{hashlib.sha256(named.encode()).hexdigest()}.json"
    read = read_json(kept, "elements")
    if read is None:
        python = environments.require(family)
        try:
            read = worker.call(python, "facts", family=family, path=str(path))
        except ModelError as error:
            raise ModelError(f"model {name}: {path} is no checkpoint of family {family}: {error}") from error
        write_json(kept, read)
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
        file that LAMMPS reads, weights of a model that `pair_style hopkin` names; None for an ASE
        calculator of an importable module, which has no file

    Raises
    ------
    ModelError
        when the weights are damaged, other ones, or may not be loaded
    MachineError
        when they cannot be had, or the disk cannot be written
    """
    if model.family != "ase":
        if model.path is None:
            _obtain(model, file, model.interpreter(), trusted=trusted, say=say)
        model.checkpoint()
    if model.route == "service":
        return model.path if model.family == "ase" else model.checkpoint()
    exported = model.exported()
    if not exported.exists():
        with alone(exported):
            if not exported.exists():  # another process may have made it
                _export(model, exported, say=say)
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


def _export(model: Model, exported: Path, *, say: Callable[[str], None]) -> None:
    say(f"exporting {model.name} for pair_style {model.pair_style}")
    with writing_to(exported), tempfile.TemporaryDirectory(dir=exported.parent) as directory:
        made = Path(directory) / exported.name
        said = worker.call(model.interpreter(), "export", model=model.model_dump_json(), path=str(made))
        if said:
            say(f"{model.name}: {said}")
        made.replace(exported)
