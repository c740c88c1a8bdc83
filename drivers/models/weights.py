"""Weights of models: where they are on this machine, and how they come to it."""

import hashlib
import http.client
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from hopkin.drivers.engine import writing_to
from hopkin.drivers.errors import MachineError, ModelError
from hopkin.drivers.models.environments import site_packages

Say = Callable[[str], None]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30
_NOT_TO_BE_HAD = (
    *(urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError),
    *(subprocess.CalledProcessError, zipfile.BadZipFile, tarfile.TarError, ValueError),
)

_PACKAGES = Path(__file__).parents[3]
"""Where hopkin itself is installed: its own weights are beside its code."""


class Source(BaseModel):
    """Where weights are: a file of an installed package, an address, or a published distribution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    member: str = Field(default="", description="file or folder within the package or distribution")
    url: str = Field(default="", description="official address; of a folder where `files` are given")
    files: tuple[str, ...] = Field(default=(), description="files of that folder")
    index: str = Field(default="", description="requirement of a distribution of the package index")
    pip: tuple[str, ...] = Field(default=(), description="options that pip needs to find it")

    def __str__(self) -> str:
        return self.url or (
            f"{self.member} of {self.index}" if self.index else f"{self.member} of its package"
        )


def cache_directory() -> Path:
    """Where weights, exported models and verification stamps are kept (the user's cache directory)."""
    return platformdirs.user_cache_path("hopkin") / "models"


@cache
def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; of a folder, that of the lines `sha256  name` of its files."""
    return sha256_now(path)


def sha256_now(path: Path) -> str:
    """Hash it anew."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = "".join(f"{sha256_now(file)}  {file.relative_to(path)}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kept(name: str, sources: Sequence[Source]) -> Path:
    """Where hopkin keeps the weights of a model."""
    source = sources[0]
    return cache_directory() / name / Path(source.url.rstrip("/") or source.member).name


def find(name: str, sources: Sequence[Source], python: Path | None) -> Path | None:
    """Weights of a registry model on this machine: in its package, or where `fetch` has put them."""
    for source in sources:
        if python is not None and not source.url and not source.index:
            for packages in (site_packages(python), _PACKAGES):
                if (packages / source.member).exists():
                    return packages / source.member
    return kept if sources and (kept := _kept(name, sources)).exists() else None


def are_whole(name: str, sources: Sequence[Source], sha256: str, python: Path) -> bool:
    """Whether the weights are on this machine; not, where a file that `fetch` has put there is damaged."""
    path = find(name, sources, python)
    if path is None:
        return False
    return path != _kept(name, sources) or sha256 in ("", sha256_of(path))


def take(name: str, sources: Sequence[Source], sha256: str, path: Path) -> Path:
    """Take a file that the user already has for the weights of a registry model.

    Raises
    ------
    ModelError
        when it is not there, or another file
    """
    if not path.exists():
        raise ModelError(f"model {name}: no such file: {path}")
    digest = sha256_of(path.resolve())
    if sha256 and digest != sha256:
        raise ModelError(
            f"model {name}: {path} is another file: its SHA-256 is {digest}, the registry says {sha256}"
        )
    return _keep(path, _kept(name, sources), copy=True)


def download(name: str, sources: Sequence[Source], sha256: str, *, say: Say) -> Path:
    """Bring weights from the first source that has them; a download that was cut off goes on where it was.

    Raises
    ------
    MachineError
        when no source can be reached, or what comes from it is another file
    """
    reasons = []
    for source in sources:
        if not (source.url or source.index):
            continue
        say(f"from {source}")
        partial = _kept(name, sources).with_suffix(".part")
        try:
            with writing_to(partial):
                partial.parent.mkdir(parents=True, exist_ok=True)
            got = _from_index(source, partial) if source.index else _from_addresses(source, partial, say)
        except _NOT_TO_BE_HAD as error:
            reason = getattr(error, "reason", None) or (error.args[0] if error.args else "no answer")
            reasons.append(f"{source}: {_of_pip(error) or reason}")
            continue
        digest = sha256_now(got)
        if sha256 and digest != sha256:
            _remove(got)
            reasons.append(f"{source}: another file, its SHA-256 is {digest}")
            continue
        return _keep(got, _kept(name, sources), copy=False)
    raise MachineError(
        f"the weights of {name} cannot be fetched: {'; '.join(reasons)}. Give the file with --from"
    )


def _of_pip(error: Exception) -> str:
    """Last error that pip has written, if it was pip."""
    if not isinstance(error, subprocess.CalledProcessError):
        return ""
    lines = error.stderr.decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.startswith("ERROR")), "pip cannot download it")


def _from_addresses(source: Source, partial: Path, say: Say) -> Path:
    if not source.files:
        _resume(source.url, partial, say)
        return partial
    partial.mkdir(exist_ok=True)
    for file in source.files:
        _resume(source.url + file, partial / file, say)
    return partial


def _resume(url: str, file: Path, say: Say) -> None:
    """Download into a file, from where it ends."""
    there = file.stat().st_size if file.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing beyond what is there
            return
        raise
    with answer, file.open("ab" if answer.status == 206 else "wb") as output:
        total = file.stat().st_size + int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(_CHUNK_BYTES):
            output.write(chunk)
            say(f"download: {output.tell() / 1e6:.0f} of {total / 1e6:.0f} MB")
        if output.tell() < total:
            raise ConnectionError("the connection was lost; the same command goes on where it was")


def _from_index(source: Source, partial: Path) -> Path:
    """Take the member of a published distribution, which pip downloads (and keeps in its own cache)."""
    options = source.pip or ("--no-binary=:all:",)
    with tempfile.TemporaryDirectory(dir=partial.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch]
        subprocess.run([*command, *options, source.index], check=True, capture_output=True)
        (archive,) = Path(scratch).iterdir()
        unpacked = Path(scratch) / "unpacked"
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(unpacked, [n for n in wheel.namelist() if n.startswith(source.member)])
            got = unpacked / source.member
        else:
            with tarfile.open(archive) as sdist:
                root = sdist.getnames()[0].split("/")[0]
                wanted = [m for m in sdist if m.name.startswith(f"{root}/{source.member}")]
                sdist.extractall(unpacked, wanted, filter="data")
            got = unpacked / root / source.member
        _remove(partial)
        return Path(shutil.move(got, partial))


def _keep(got: Path, kept: Path, *, copy: bool) -> Path:
    """Put weights where they are kept, whole or not at all."""
    with writing_to(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        if copy:
            partial = kept.with_name(f"{kept.name}.copy")
            _remove(partial)
            (shutil.copytree if got.is_dir() else shutil.copyfile)(got, partial)
            got = partial
        _remove(kept)
        got.rename(kept)
    sha256_of.cache_clear()
    return kept


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
