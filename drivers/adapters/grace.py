"""GRACE (tensorpotential package): its ASE calculator, and the SavedModel that `pair_style grace` reads."""

import contextlib
import io
import tarfile
import tempfile
from pathlib import Path

from ase.calculators.calculator import Calculator

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models import Model

SAVED_MODEL = "saved_model.pb"


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it sets in TensorFlow
        from tensorpotential.calculator import TPCalculator  # it wants to be before TensorFlow

        if device == "cpu":
            import tensorflow

            tensorflow.config.set_visible_devices([], "GPU")
        return TPCalculator(str(_saved_model(model)))


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


def _saved_model(model: Model) -> Path:
    """Directory of the SavedModel: of the `saved_model.pb` that a user names, or unpacked once."""
    if model.path is not None and model.path.name == SAVED_MODEL:
        return model.path.parent
    directory = model.exported()
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        export(model, directory)
    return directory
