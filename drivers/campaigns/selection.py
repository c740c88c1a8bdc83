"""What the short words of a campaign file stand for: groups of models, and files by a pattern."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from hopkin.drivers.crystals import is_material
from hopkin.drivers.errors import CampaignError
from hopkin.drivers.models import Model, families, known_models

READY_MADE = "ready"  # folder of the campaigns that come with hopkin


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


def structure_names(words: Sequence[str], folder: Path) -> list[str]:
    """Built-in materials and paths of files that a campaign asks for; `*`, `?` and `[` make a pattern.

    Parameters
    ----------
    folder
        what relative paths start from

    Raises
    ------
    CampaignError
        when no file matches a pattern
    """
    names: list[str] = []
    for word in words:
        if is_material(word):
            names.append(word)
        elif any(sign in word for sign in "*?[") and not (folder / word).exists():
            root = Path(word).anchor or folder
            found = sorted(Path(root).glob(str(Path(word).relative_to(Path(word).anchor))))
            if not found:
                raise CampaignError(f"no file matches {word}")
            names += map(str, found)
        else:
            names.append(str(folder / word))
    return list(dict.fromkeys(names))


def campaign_file(word: Path) -> Path:
    """File of a campaign: as given, or one that comes with hopkin, by its name."""
    ready = Path(str(resources.files("hopkin.drivers.campaigns") / READY_MADE / f"{word}.yaml"))
    return ready if not word.exists() and len(word.parts) == 1 and ready.is_file() else word
