"""What the short words of a campaign file stand for: groups of models, files by a pattern, data sets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import ase

from hopkin.drivers.crystals import (
    Structure,
    checked_structure,
    is_material,
    load_structure,
    read_with_ase,
)
from hopkin.drivers.errors import CampaignError
from hopkin.drivers.models import Model, families, known_models

READY_MADE = "ready"  # folder of the campaigns that come with hopkin

_NAMES = ("name", "material_id", "sys_name")  # by which data sets call a structure


def model_names(words: Sequence[str]) -> list[str]:
    """Names of the models that a campaign asks for, each once.

    A word is a model, or stands for several: a family, `paper` for those of the published comparison, `all`
    for the whole registry.
    """
    names: list[str] = []
    for word in words:
        if word in ("all", "paper") or word in families():
            known = known_models().values()
            names += [
                model.name
                for model in known
                if word == "all" or word == model.family or (word == "paper" and model.paper)
            ]
        else:
            names.append(word)
    return list(dict.fromkeys(names))


def ready_models(models: Sequence[Model]) -> tuple[list[Model], list[Model]]:
    """Split models into those that can run here at once, and those that still need something."""
    ready = [model for model in models if model.state() == "ready"]
    return ready, [model for model in models if model not in ready]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A structure that a campaign asks for, not read yet.

    Attributes
    ----------
    material, source
        its name, and where it comes from
    load
        reads and checks it, or raises a StructureError
    one_of_many
        a pattern or a data set has brought it: what is wrong with it keeps no other waiting
    """

    material: str
    source: str
    load: Callable[[], Structure]
    one_of_many: bool = False


def candidates(words: Sequence[str], folder: Path) -> list[Candidate]:
    """Structures that a campaign asks for, each once.

    A word is a built-in material or a file; a pattern with `*`, `?` or `[` for several files; or, as ASE has
    it, a file and which of its structures: `set.extxyz@:`, `set.db@0:20`.

    Parameters
    ----------
    folder
        what relative paths start from

    Raises
    ------
    CampaignError
        when no file matches a pattern, or a file has no such structures
    StructureError
        when a data set cannot be read
    """
    found: dict[str, Candidate] = {}
    for word in words:
        for candidate in _candidates(word, folder):
            found.setdefault(candidate.source, candidate)
    return list(found.values())


def _candidates(word: str, folder: Path) -> Iterator[Candidate]:
    path = folder / word
    if is_material(word) or path.exists():
        yield _of_name(word if is_material(word) else str(path))
        return
    file, at, index = word.rpartition("@")
    if at and (folder / file).is_file():
        yield from _of_set(folder / file, index)
    elif any(sign in word for sign in "*?["):
        root = Path(word).anchor
        files = sorted(Path(root or folder).glob(str(Path(word).relative_to(root))))
        if not files:
            raise CampaignError(f"no file matches {word}")
        for one in files:
            yield _of_name(str(one), one_of_many=True)
    else:
        yield _of_name(str(path))  # which says that there is none


def _of_name(name: str, *, one_of_many: bool = False) -> Candidate:
    return Candidate(
        material=Path(name).stem, source=name, load=partial(load_structure, name), one_of_many=one_of_many
    )


def _of_set(path: Path, index: str) -> Iterator[Candidate]:
    """Structures of a data set, called as it calls them, or by their number."""
    frames: list[ase.Atoms] = read_with_ase(path, index=":")
    numbers = range(len(frames))
    try:
        parts = [int(part) if part else None for part in index.split(":")]
        chosen = list(numbers[slice(*parts)]) if len(parts) > 1 else [numbers[int(index)]]
    except (ValueError, TypeError) as error:
        raise CampaignError(f"{path}@{index}: wanted one structure, as @3, or several, as @0:20") from error
    except IndexError:
        chosen = []
    if not chosen:
        raise CampaignError(f"{path} holds {len(frames)} structures, none of them @{index}")
    for number in chosen:
        info, source = frames[number].info, f"{path}@{number}"
        name = next((str(info[key]) for key in _NAMES if info.get(key)), f"{path.stem}-{number}")
        load = partial(checked_structure, frames[number], material=name, source=source)
        yield Candidate(material=name, source=source, load=load, one_of_many=len(parts) > 1)


def some(names: Iterable[str]) -> str:
    """List some names of many, for a message."""
    return ", ".join(sorted(set(names))[:5])


def campaign_file(word: Path) -> Path:
    """File of a campaign: as given, or one that comes with hopkin, by its name."""
    ready = Path(str(resources.files("hopkin.drivers.campaigns") / READY_MADE / f"{word}.yaml"))
    return ready if not word.exists() and len(word.parts) == 1 and ready.is_file() else word
