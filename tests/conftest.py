"""What every test needs: reference data beside the project, and threads that do not fight for cores."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read when torch, MPI and LAMMPS are loaded, in this process and in those it starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPIR_CVAR_POLLS_BEFORE_YIELD", "0")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Reference data beside the project; the tests that need it are skipped without it."""
    path = Path(__file__).parents[1].parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no reference data beside the project: {path}")
    return path


@pytest.fixture
def sigint_ends_children() -> Iterator[None]:
    """Have SIGINT end what a test starts, even where a shell has the tests ignore it (nohup)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored is inherited
    yield
    signal.signal(signal.SIGINT, before)
