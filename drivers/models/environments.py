"""Environments of the model families: which interpreter evaluates a family, and how it comes about.

Packages of the families exclude one another, so each group of families that agree has an environment of its
own: the packages of `requirements/NAME.txt`, every one pinned. It is named by the hash of these,
and hopkins that want the same ones share it. A family whose package is installed beside hopkin runs there.
The lists are complete and installed without regard to metadata: what the metadata exclude has been found to
work.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers.engine import alone, read_json, share_hopkin, write_json
from hopkin.drivers.errors import MachineError, ModelError

_MARKER = "hopkin.json"  # written last: an environment without it is half-made
_TORCH = "torch==2.13.0"
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_TAIL_LINES = 5


class Family(BaseModel):
    """A model family, as `models.toml` describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    environment: str = Field(description="its requirements are requirements/ENVIRONMENT.txt")
    package: str = Field(description="distribution that evaluates it")
    module: str = Field(description="of that distribution; an environment that imports it is whole")
    pair_style: str = Field(default="hopkin", description="LAMMPS pair style; hopkin: the evaluation service")
    route: Literal["native", "service"] = Field(
        default="native",
        description="what is taken where a name does not choose: its pair style, or the service",
    )
    served: bool = Field(
        default=True, description="whether a service can evaluate it: what it loads survives a fork"
    )
    program: bool = Field(description="a checkpoint can run code when it is loaded")
    options: dict[str, tuple[str, ...]] = Field(
        default={}, description="what a model's name may choose, and the values; none: the checkpoint's own"
    )


@cache
def families() -> dict[str, Family]:
    """Every family of `models.toml`, by name."""
    table = tomllib.loads(resources.files("hopkin.drivers.models").joinpath("models.toml").read_text())
    return {name: Family(name=name, **entry) for name, entry in table["families"].items()}


def family(name: str) -> Family:
    """Family of that name; ModelError when there is none."""
    if name not in families():
        raise ModelError(f"unknown model family '{name}': accepted are {', '.join(families())}")
    return families()[name]


def options_of(name: str) -> dict[str, tuple[str, ...]]:
    """Return what the name of a model of a family may choose, and the values; none: the checkpoint's own."""
    known = families().get(name)
    options = known.options if known else {}
    own = "native" if known and known.pair_style != "hopkin" else "service"
    by_ml_iap = ("mliap",) if known is None or known.served else ()
    return {**options, "route": (*options.get("route", (own,)), *by_ml_iap)}


def interpreter(name: str) -> Path | None:
    """Python that evaluates a family, or None where its environment has not been made.

    Parameters
    ----------
    name
        name of the family; one without packages of its own (an ASE calculator) runs beside hopkin
    """
    if name not in families() or _is_here(families()[name].package):
        return Path(sys.executable)
    directory = _directory(families()[name].environment)
    python = directory / "bin" / "python"
    return python if python.exists() and _is_whole(directory, families()[name].environment) else None


def require(name: str) -> Path:
    """Python that evaluates a family, with this hopkin in it.

    Raises
    ------
    ModelError
        when its environment has not been made
    """
    python = interpreter(name)
    if python is None:
        raise ModelError(
            f"model family {name} needs packages that are not installed here:"
            f" run `hopkin models install {name}`"
        )
    if python != Path(sys.executable):
        share_hopkin(python)
    return python


@cache
def site_packages(python: Path) -> Path:
    """Folder of the packages of an interpreter."""
    if python == Path(sys.executable):  # every rank of a run through the bridge asks for it
        return Path(sysconfig.get_path("purelib"))
    return Path(_printed(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))


@cache
def package_version(name: str) -> str:
    """Version of the package that evaluates a family, in the environment where it does."""
    if name not in families():
        return ""
    package, python = families()[name].package, require(name)
    if python == Path(sys.executable):  # with what PYTHONPATH adds, as this one imports it
        return importlib.metadata.version(package)
    return _printed(python, f"import importlib.metadata as m; print(m.version({package!r}))")


def _printed(python: Path, code: str) -> str:
    ended = _by_itself([str(python), "-P", "-c", code])
    if ended.returncode != 0:
        raise MachineError(f"{python} cannot tell of its packages: {_reason(ended.stderr)}")
    return ended.stdout.strip()


def install(name: str, *, say: Callable[[str], None]) -> Path:
    """Make the environment of a family, or mend a half-made one; at once where it is whole.

    Returns
    -------
    Path
        its interpreter

    Raises
    ------
    MachineError
        when a package cannot be installed, or torch comes for another machine than this
    """
    module = family(name).module
    environment = family(name).environment
    if interpreter(name) is not None:
        there = require(name)
        if _imports(there, module):
            return there
        if there == Path(sys.executable):
            raise MachineError(
                f"{module} cannot be imported, though it is installed beside hopkin: mend that"
            )
    directory = _directory(environment)
    with alone(directory):
        if interpreter(name) is None or not _imports(directory / "bin" / "python", module):
            _make(environment, directory, say)
    python = require(name)
    _run(
        [str(python), "-P", "-c", f"import {module}"],
        f"environment {environment}: {module} cannot be imported in {directory}",
    )
    return python


def _make(environment: str, directory: Path, say: Callable[[str], None]) -> None:
    python, marker = directory / "bin" / "python", directory / _MARKER
    say("making the environment")
    if marker.is_file() or not _imports(python, "pip"):  # whole once, and broken since; or not even begun
        shutil.rmtree(directory, ignore_errors=True)
        _run(
            [sys.executable, "-m", "venv", str(directory)],
            f"environment {environment}: cannot be made in {directory}",
        )
    requirements = _requirements(environment)
    if re.search(r"^torch==", requirements, re.MULTILINE):
        say(_TORCH)
        _pip(python, environment, _TORCH, [_TORCH, *_torch_index(python)])
    say(f"packages of {', '.join(_sharing(environment))}")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "requirements.txt"
        file.write_text("\n".join(line for line in requirements.splitlines() if line != _TORCH))
        # each one is pinned: what their metadata exclude has been found to work
        _pip(python, environment, "its packages", ["--no-deps", "--requirement", str(file)])
    write_json(marker, {"requirements": _requirements_hash(environment)})


def _sharing(environment: str) -> list[str]:
    return [family.name for family in families().values() if family.environment == environment]


def _directory(environment: str) -> Path:
    name = f"{environment}-{_requirements_hash(environment)[:12]}"
    kept = platformdirs.user_data_path("hopkin") / "environments"
    others = (
        platformdirs.site_data_path("hopkin") / "environments" / name,  # of the machine: a container image
        kept / environment,  # made before hashes were part of the name
    )
    return next((place for place in others if _is_whole(place, environment)), kept / name)


def _requirements(environment: str) -> str:
    return resources.files("hopkin.drivers.models").joinpath("requirements", f"{environment}.txt").read_text()


def _requirements_hash(environment: str) -> str:
    return hashlib.sha256(_requirements(environment).encode()).hexdigest()


@cache
def _is_here(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_whole(directory: Path, environment: str) -> bool:
    marker = read_json(directory / _MARKER) or {}  # else half-made
    return marker.get("requirements") == _requirements_hash(environment)


def _imports(python: Path, module: str) -> bool:
    try:
        return _by_itself([str(python), "-P", "-c", f"import {module}"]).returncode == 0
    except OSError:
        return False


def _by_itself(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run an interpreter with the packages of its environment alone, whatever PYTHONPATH holds."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=variables, check=False
    )


# torch: a wheel for CUDA where there is a GPU, for the CPU where there is none


def has_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is at work on this machine."""
    devices = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # of Linux, and of Windows below it
    return Path("/proc/driver/nvidia/version").is_file() or any(device.exists() for device in devices)


def uses_gpu() -> bool:
    """Whether a model takes a GPU: as HOPKIN_DEVICE says, else where this process may use one."""
    if wanted := os.environ.get("HOPKIN_DEVICE"):
        return wanted != "cpu"
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1") and has_gpu()


def _torch_index(python: Path) -> list[str]:
    """Options with which pip finds the torch for this machine; it is asked before anything is downloaded."""
    said: list[str] = []
    refused = ""
    for options in ([], ["--index-url", _CPU_INDEX]) if not has_gpu() else ([],):
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / "report.json"
            arguments = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
            command = [str(python), "-m", "pip", *arguments, _TORCH, *options]
            asked = _by_itself(command)
            if asked.returncode != 0:
                refused = f", pip says: {_reason(asked.stderr)}"
                continue
            items = json.loads(report.read_text())["install"]
        names = {item["metadata"]["name"].lower() for item in items}
        for_gpu = any(re.match("nvidia|cuda|triton", name) for name in names)
        if for_gpu == has_gpu():
            return options
        said.append("CUDA" if for_gpu else "the CPU")
    found = (
        f"the package index has it for {said[0]} alone" if said else f"the package index has none{refused}"
    )
    wanted = "a GPU: a build for CUDA" if has_gpu() else "no GPU: a build for the CPU"
    raise MachineError(f"this machine has {wanted} of {_TORCH} is wanted, and {found}: point pip to one")


# pip


def _pip(python: Path, environment: str, what: str, arguments: list[str]) -> None:
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments],
        f"environment {environment}: cannot install {what}",
    )


def _run(command: list[str], failure: str) -> None:
    ended = _by_itself(command)
    if ended.returncode != 0:
        raise MachineError(f"{failure}: {_reason(ended.stderr or ended.stdout)}")


def _reason(said: str) -> str:
    """Return what pip says went wrong: its errors, and the end of what a package said while it was built."""
    errors = re.findall(r"^ERROR: (.*)", said, re.MULTILINE)
    for built in re.findall(r"lines of output\]\n(.*?)\[end of output\]", said, re.DOTALL):
        errors += built.splitlines()[-_TAIL_LINES:]
    lines = errors or said.splitlines()[-_TAIL_LINES:]
    return " ".join(" ".join(dict.fromkeys(lines)).split()) or "no reason given"
