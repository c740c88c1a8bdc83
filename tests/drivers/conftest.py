"""The command line in this process, and structures that are right or wrong in one way."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import ase
import pytest
from ase.build import bulk
from command_line import Run, Said

from hopkin.drivers import cli
from hopkin.drivers.models import trust


@pytest.fixture(autouse=True)
def _nothing_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the tests trust from the user's own list."""
    monkeypatch.setattr(trust, "_file", lambda: tmp_path / "trusted" / "trusted.json")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line as the script `hopkin` does; an exception that it lets through fails the test."""
    terminate = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> Said:
        monkeypatch.setattr("sys.argv", ["hopkin", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, terminate)


@pytest.fixture
def rock_salt() -> ase.Atoms:
    return bulk("LiF", "rocksalt", a=4.03, cubic=True)


@pytest.fixture
def structure_file(tmp_path: Path, rock_salt: ase.Atoms) -> Path:
    """A file with a structure that nothing is wrong with."""
    path = tmp_path / "LiF.extxyz"
    rock_salt.write(path)
    return path


@pytest.fixture
def emt(tmp_path: Path) -> str:
    """Name of a model that needs neither weights nor time; it knows no lithium."""
    path = tmp_path / "emt.py"
    path.write_text("from ase.calculators.emt import EMT\n\n\ndef make():\n    return EMT()\n")
    return f"ase:{path}:make"


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A file system of 3 MB."""
    return disk_of("3m")
