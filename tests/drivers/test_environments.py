"""Environments of the families: made, mended, and never with a torch for another machine."""

import json
import subprocess
from pathlib import Path

import pytest

from hopkin.drivers.engine import environment_of, interpreters
from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models import environments
from hopkin.drivers.models.environments import Family, families, install, interpreter, require
from hopkin.drivers.models.worker import call

NVIDIA = ["torch", "nvidia-cublas", "triton"]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A family whose environment is made in seconds, and the folder where it will be."""
    family = Family(
        name="tiny", environment="tiny", package="no-such-package", module="iniconfig", program=False
    )
    monkeypatch.setattr(environments, "families", lambda: {"tiny": family})
    monkeypatch.setattr(environments, "_requirements", lambda _: "# one package\niniconfig==2.3.1\n")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return (
        tmp_path / "data" / "hopkin" / "environments" / f"tiny-{environments._requirements_hash('tiny')[:12]}"
    )


def imports(python: Path, module: str) -> bool:
    return (
        subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
    )


def test_an_environment_is_made_mended_and_kept_up_to_date(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert interpreter("tiny") is None
    with pytest.raises(ModelError, match=r"run `hopkin models install tiny`"):
        require("tiny")
    python = install("tiny", say=lambda _: None)
    assert python == tiny / "bin" / "python" == require("tiny")
    assert imports(python, "iniconfig")
    assert not imports(python, "typer")  # nothing of this environment

    # packages of another Python in the user's PYTHONPATH are no reason to make it anew
    begun = (tiny / "pyvenv.cfg").stat().st_mtime_ns
    foreign = tiny.parents[2] / "foreign"
    foreign.mkdir()
    (foreign / "iniconfig.py").write_text("raise ImportError")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(foreign))
        install("tiny", say=lambda _: None)
    assert (tiny / "pyvenv.cfg").stat().st_mtime_ns == begun

    # whole, as far as its marker tells, and broken
    (environments.site_packages(python) / "iniconfig" / "__init__.py").write_text("raise ImportError")
    assert imports(install("tiny", say=lambda _: None), "iniconfig")

    # cut off half-way: no marker, no pip
    (tiny / "hopkin.json").unlink()
    (tiny / "bin" / "python").unlink()
    assert interpreter("tiny") is None
    assert imports(install("tiny", say=lambda _: None), "iniconfig")

    # one that was made before hashes were part of its name is used on
    tiny.rename(tiny.with_name("tiny"))
    assert interpreter("tiny") == tiny.with_name("tiny") / "bin" / "python"

    # requirements that have changed ask for a new installation, beside the old one
    monkeypatch.setattr(environments, "_requirements", lambda _: "iniconfig==2.1.0\n")
    assert interpreter("tiny") is None


def test_an_environment_of_the_machine_is_taken(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container image has them, whoever runs it."""
    python = install("tiny", say=lambda _: None)
    monkeypatch.setenv("XDG_DATA_DIRS", str(tiny.parents[2]))
    monkeypatch.setenv("XDG_DATA_HOME", str(tiny.parents[2] / "of another user"))
    assert interpreter("tiny") == python


def test_hopkins_that_share_an_environment_leave_each_other_alone(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(code: str) -> str:
        ended = subprocess.run(
            [python, "-P", "-c", code], capture_output=True, text=True, env=environment_of(python), check=True
        )
        return ended.stdout.strip()

    where = "import hopkin.drivers; print(hopkin.drivers.__file__)"
    python = install("tiny", say=lambda _: None)
    first = interpreters.packages(python)
    assert said(where) == str(first / "hopkin" / "drivers" / "__init__.py")
    assert said("import iniconfig; print(iniconfig.__file__)").startswith(str(tiny / "lib"))
    point = (
        "import importlib.metadata as m; print(*[e.value for e in m.entry_points(group='lammps.plugins')])"
    )
    assert said(point) == "hopkin.drivers.lammps_plugins:directory"
    made = {
        path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }

    with monkeypatch.context() as another:
        another.setattr(interpreters, "hopkin_hash", lambda: "another")
        assert require("tiny") == python
        assert said(where) == str(tiny / "hopkin-another" / "hopkin" / "drivers" / "__init__.py")
    assert require("tiny") == python
    assert said(where) == str(first / "hopkin" / "drivers" / "__init__.py")
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_a_package_that_is_not_to_be_had(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_requirements", lambda _: "no-such-package-of-hopkin==1.0\n")
    with pytest.raises(
        MachineError,
        match=r"^environment tiny: cannot install its packages: .*found for no-such-package-of-hopkin==1\.0$",
    ):
        install("tiny", say=lambda _: None)
    assert interpreter("tiny") is None


def test_a_package_that_cannot_be_built_says_why(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (broken / "backend.py").write_text("raise SystemExit('no compiler here')\n")
    monkeypatch.setattr(environments, "_requirements", lambda _: f"{broken}\n")
    with pytest.raises(MachineError, match=r"^environment tiny: cannot install its packages: .*no compiler"):
        install("tiny", say=lambda _: None)


def test_unknown_family() -> None:
    with pytest.raises(ModelError, match=r"unknown model family 'gap': accepted are sevennet, "):
        install("gap", say=lambda _: None)


@pytest.mark.parametrize("name", families())
def test_requirements_are_pinned(name: str) -> None:
    family = families()[name]
    lines = environments._requirements(family.environment).splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert all("==" in line for line in packages)
    assert not [line for line in packages if line.startswith("nvidia-cu") or "+cpu" in line]
    names = {line.split("==")[0].lower() for line in packages}
    assert {family.package, "ase", "pydantic", "platformdirs"} <= names
    assert not {"lammps", "mpich"} & names  # LAMMPS runs beside hopkin


@pytest.mark.parametrize(
    ("gpu", "first", "second", "options"),
    [
        (False, ["torch"], None, []),
        (False, NVIDIA, ["torch"], ["--index-url", environments._CPU_INDEX]),
        (True, NVIDIA, None, []),
    ],
)
def test_torch_is_for_this_machine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
    first: list[str],
    second: list[str] | None,
    options: list[str],
) -> None:
    monkeypatch.setattr(environments, "has_gpu", lambda: gpu)
    assert environments._torch_index(index(tmp_path, first, second)) == options


@pytest.mark.parametrize(("gpu", "found"), [(False, NVIDIA), (True, ["torch"])])
def test_torch_for_another_machine_is_not_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: bool, found: list[str]
) -> None:
    monkeypatch.setattr(environments, "has_gpu", lambda: gpu)
    with pytest.raises(MachineError, match=r"this machine has .* is wanted, .* alone: point pip to one"):
        environments._torch_index(index(tmp_path, found, found))


def index(tmp_path: Path, first: list[str], second: list[str] | None) -> Path:
    """A stand-in for pip in front of two package indices, which this machine cannot have."""
    reports = []
    for packages in (first, second):
        report = tmp_path / f"{len(reports)}.json"
        report.write_text(json.dumps({"install": [{"metadata": {"name": name}} for name in packages or ()]}))
        reports.append(report)
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nwhile [ "$1" != --report ]; do shift; done\n'
        f'case "$*" in *--index-url*) cp {reports[1]} "$2";; *) cp {reports[0]} "$2";; esac\n'
    )
    python.chmod(0o755)
    return python


def test_a_worker_that_is_killed_gives_no_answer(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf \'{"resu\' > "$6.part"\nkill -9 $$\n')
    python.chmod(0o755)
    with pytest.raises(MachineError, match="the model's Python ended with exit code -9"):
        call(python, "facts", family="orb", path="x")
