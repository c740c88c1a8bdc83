"""MACE: by symmetrix-xl in the evaluation service, by libtorch in `pair_style mace`; both against mace-torch.

symmetrix-xl evaluates a network in C++: on one core 112 atoms take a tenth of mace-torch's time or less.
Where it cannot, mace-torch serves, and the log says why.
"""

import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers, chemical_symbols

from hopkin.drivers.engine import alone, slug
from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.ase import ASEAdapter
from hopkin.drivers.models.adapters.checkpoint import choose, load
from hopkin.drivers.models.adapters.interface import Adapter, Configuration, Evaluation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.weights import cache_directory, sha256_now

# With its own 256 points, forces are off by 4e-3 eV/A (atoms rattled by 0.1 A); with these by 4e-6 in double
# precision, and by no more than rounding (3e-5) in single.
_SPLINE_POINTS = 2000

# On one core the plain evaluator takes 0.6 to 0.8 of the time of the default one (Kokkos) for 28 to 448
# atoms of MACE-MP-0 small, and starts in 1 s instead of 5 to 10: nothing is compiled. It has one thread, and
# needs 1 MB for an atom.
_PLAIN = {"use_kokkos": False, "streamed_edges": "materialized"}


class MACEAdapter(Adapter):
    """MACE by symmetrix-xl, exported and loaded for the elements of each crystal.

    For all elements of a model it would take 200 MB and half a minute. Its list of neighbours is made anew at
    each step: with one that is kept, the last digits depend on when it was made, and a continued run would
    not be the run that was broken off.
    """

    def __init__(self, model: Model, device: str) -> None:
        self._model = model
        self._options = _PLAIN if device == "cpu" else {}
        self._dtype = model.options.get("dtype", "float32")
        self._of_elements: dict[tuple[int, ...], ASEAdapter] = {}
        _exported(model, [atomic_numbers[model.elements[0]]])  # or it is said now that it cannot be

    def __str__(self) -> str:
        precision = {"float32": "single", "float64": "double"}[self._dtype]
        return f"MACE by symmetrix-xl {_version()}, {precision} precision"

    def evaluate(self, configuration: Configuration) -> Evaluation:
        """Evaluate a configuration; the first one of some elements exports them."""
        elements = tuple(np.unique(configuration.numbers).tolist())
        if elements not in self._of_elements:
            self._of_elements[elements] = self._load(elements)
        return self._of_elements[elements].evaluate(configuration)

    def prepare(self, numbers: Sequence[int]) -> None:
        """Load a crystal's elements, and evaluate an atom of each: that fills the tables of their pairs."""
        known = np.unique(numbers)
        positions = np.linspace(0.0, 3.0, len(known))[:, None] * [1.0, 0.0, 0.0]
        self.evaluate(Configuration(positions=positions, cell=5.0 * np.eye(3), numbers=known))

    def _load(self, elements: Sequence[int]) -> ASEAdapter:
        from symmetrix import Symmetrix

        file = _exported(self._model, elements)
        loaded = Symmetrix(str(file), dtype=self._dtype, neighbor_skin=0.0, **self._options)
        return ASEAdapter(loaded, self._model.name)


def adapter(model: Model, *, device: str) -> Adapter:
    """Return the model behind `pair_style hopkin`."""
    try:
        _require_symmetrix(device)
        return MACEAdapter(model, device)
    except (ImportError, ModelError) as error:
        reason = f"{model.name} by mace-torch, as {error}"
        return ASEAdapter(calculator(model, device=device), reason)


def _require_symmetrix(device: str) -> None:
    """Raise ImportError where symmetrix-xl is not installed, ModelError where it cannot run here."""
    from symmetrix import Symmetrix, __version__  # noqa: F401  its library is loaded, too
    from symmetrix.backend_loader import backend_inventory

    usable = {
        backend["backend"]
        for backend in backend_inventory(__version__)
        if backend["availability"]["status"] == "usable"
    }
    if "cpu" not in usable:
        raise ModelError("symmetrix-xl wants a processor with AVX2")
    if device != "cpu" and usable == {"cpu"}:
        install = f"{sys.executable} -m symmetrix.cli.main backend install"
        raise ModelError(f"symmetrix-xl has no package for this GPU here: `{install}` adds it")


def _exported(model: Model, elements: Sequence[int]) -> Path:
    """File of symmetrix-xl for some elements of a model, made where it is not there.

    Raises
    ------
    ModelError
        when symmetrix-xl cannot export the model
    """
    symbols = [chemical_symbols[number] for number in elements]
    head = model.options.get("head")
    made_of = f"{model.checkpoint_sha256()} {head} {_SPLINE_POINTS} {_version()} {symbols}"
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    folder = cache_directory() / "symmetrix"
    path = folder / f"{slug(model.entry, hyphens=True)}-{''.join(symbols)[:60]}-{digest}.json"
    seal = path.with_suffix(".sha256")  # what the file was when it was made
    with alone(path):
        if not (path.exists() and seal.exists() and seal.read_text() == sha256_now(path)):
            options = ["--chemical-symbols", *symbols, "--num-spline-points", str(_SPLINE_POINTS)]
            options += ["--head", head] if head else []
            _export_json(model.checkpoint(), path, options)
            seal.write_text(sha256_now(path))
    return path


def _export_json(checkpoint: Path, path: Path, options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        command = [sys.executable, "-P", "-m", "symmetrix.cli.extract_mace", *options]
        command += ["--model", str(checkpoint), "--output", str(made)]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ended.returncode != 0:
            reason = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"symmetrix-xl cannot export it: {reason}")
        made.replace(path)


def _version() -> str:
    return importlib.metadata.version("symmetrix-xl")


def calculator(model: Model, *, device: str) -> Calculator:
    """Return the model's own ASE calculator: what LAMMPS has to agree with."""
    with _quiet():
        from mace.calculators import MACECalculator

        with _default_dtype_kept():
            made = MACECalculator(
                model_paths=str(model.checkpoint()),
                device=device,
                default_dtype=model.options.get("dtype", "float32"),
                head=model.options.get("head"),
            )
        _head(model, made.available_heads)  # MACE takes its last head for one that it does not have
    calculator: Calculator = made
    return calculator


def export(model: Model, path: Path) -> None:
    """Write the TorchScript file of the model's checkpoint, as `mace_create_lammps_model` does."""
    with _quiet(), _default_dtype_kept():
        import torch
        from e3nn.util import jit
        from mace.calculators import LAMMPS_MACE

        dtype = getattr(torch, model.options.get("dtype", "float32"))
        torch.set_default_dtype(dtype)
        network = torch.load(model.checkpoint(), map_location="cpu", weights_only=False).to(dtype)
        heads = getattr(network, "heads", None)
        head = _head(model, heads or ["Default"])
        wrapped = LAMMPS_MACE(network, **({} if heads is None else {"head": head}))
        jit.compile(wrapped).save(str(path))


def facts(path: Path) -> dict[str, Any]:
    """Read what a checkpoint, a pickled network, says of itself."""
    with _quiet(), _default_dtype_kept():
        network = load(path, weights_only=False)
        if not {"atomic_numbers", "r_max", "num_interactions"} <= set(dir(network)):
            raise ModelError("it holds no network of MACE")
        return {
            "elements": [chemical_symbols[z] for z in network.atomic_numbers.tolist()],
            "cutoff_A": float(network.r_max),
            "layers": int(network.num_interactions),
        }


def _head(model: Model, heads: list[str]) -> str | None:
    """Return the head that is chosen, or that MACECalculator takes; LAMMPS_MACE alone takes the last."""
    named = heads if len(heads) == 1 else [head for head in heads if head.lower() == "default"]
    return choose(model.options, "head", heads, default=next(iter(named), None))


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _default_dtype_kept() -> Iterator[None]:
    """Undo what mace does to torch's default precision: others in this process rely on it."""
    import torch

    before = torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(before)
