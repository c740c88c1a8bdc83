"""What every test needs: reference data beside the project, and threads that do not fight for cores."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
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
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a size, as `3m`."""
    disk, mount, mounted = tmp_path / "disk", shutil.which("mount"), []

    def disk_of(size: str) -> Path:
        if os.geteuid() != 0 or mount is None:
            pytest.skip("only root can mount a small file system")
        disk.mkdir()
        made = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=False)
        if made.returncode != 0:
            pytest.skip("no file system can be mounted here")
        mounted.append(disk)
        return disk

    yield disk_of
    for one in mounted:
        subprocess.run(["umount", "--lazy", one], check=True)


@pytest.fixture
def sigint_ends_children() -> Iterator[None]:
    """Have SIGINT end what a test starts, even where a shell has the tests ignore it (nohup)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is ignored is inherited
    yield
    signal.signal(signal.SIGINT, before)
