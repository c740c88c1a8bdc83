"""GRACE (tensorpotential package): its ASE calculator, and the SavedModel that `pair_style grace` reads."""

import contextlib
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ase.calculators.calculator import Calculator

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.model import Model

SAVED_MODEL = "saved_model.pb"


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it sets in TensorFlow
        from tensorpotential.calculator import TPCalculator  # it wants to be before TensorFlow

        if device == "cpu":
            import tensorflow

            tensorflow.config.set_visible_devices([], "GPU")
        made: Calculator = TPCalculator(str(_saved_model(model)))
    return made


def export(model: Model, path: Path) -> None:
    """Make the directory that `pair_style grace` reads: the SavedModel of the model's checkpoint.

    Raises
    ------
    ModelError
        when the checkpoint is not the archive of a SavedModel
    """
    checkpoint = model.checkpoint()
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        try:
            with tarfile.open(checkpoint) as archive:
                archive.extractall(directory, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise ModelError(f"model {model.name}: {checkpoint} cannot be unpacked: {error}") from error
        found = sorted(Path(directory).rglob(SAVED_MODEL))
        if len(found) != 1:
            raise ModelError(f"model {model.name}: {checkpoint} holds {len(found)} SavedModels, wanted one")
        found[0].parent.replace(path)


def facts(path: Path) -> dict[str, Any]:
    """Read what the archive of a SavedModel says of itself."""
    try:
        with tarfile.open(path) as archive:
            (member,) = (entry for entry in archive if Path(entry.name).name == "metadata.yaml")
            file = archive.extractfile(member)
            assert file is not None
            metadata = yaml.safe_load(file)
        return {
            "elements": metadata["chemical_symbols"],
            "cutoff_A": float(metadata["cutoff"]),
            "layers": None,
        }
    except (OSError, EOFError, ValueError, KeyError, TypeError, tarfile.TarError, yaml.YAMLError) as error:
        raise ModelError(f"no archive of a SavedModel of GRACE with its metadata.yaml: {error}") from error


def _saved_model(model: Model) -> Path:
    """Directory of the SavedModel, unpacked once."""
    directory = model.exported()
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        export(model, directory)
    return directory
