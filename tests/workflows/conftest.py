"""Analytic models by name, and a cache of one's own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bands import Outcome, silent

from hopkin.drivers.crystals.structures import Structure
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.barrier import run_neb

LANDSCAPES = Path(__file__).parent / "landscapes.py"


@pytest.fixture(scope="session")
def landscape() -> Callable[[str], Model]:
    """Model of an analytic potential by its name in landscapes.py."""
    return lambda name: find_model(f"ase:{LANDSCAPES}:{name}")


@pytest.fixture(scope="module")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache directory of one's own, for this process and those that it starts."""
    path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(path))
        yield path


@pytest.fixture(scope="module")
def neb(
    tmp_path_factory: pytest.TempPathFactory, landscape: Callable[[str], Model], private_cache: Path
) -> Callable[..., Outcome]:
    """Run a band of 3 images between two places of the lithium ion; one that ran before is read."""
    root = tmp_path_factory.mktemp("runs")

    def neb(initial: Structure, final: Structure, *, model: str = "TwoWells", **fields: Any) -> Outcome:
        found = landscape(model)
        asked = {"model": found.name, "images": 3, "force_tolerance_eV_per_A": 0.005} | fields
        return run_neb(initial, final, found, BandSpecification(**asked), root, say=silent)

    return neb
