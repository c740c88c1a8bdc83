"""Structures from files: what ASE reads, and CIF by a reader made for it."""

import difflib
import gzip
import lzma
import re
import textwrap
import warnings
import zlib
from pathlib import Path
from typing import Any

import ase

from hopkin.drivers.crystals.materials import find_material
from hopkin.drivers.errors import StructureError

_COMPRESSED = (".gz", ".bz2", ".xz")
_PACKED = (".zip", ".zst", ".Z", ".7z", ".rar", ".tar", ".tgz")
_DAMAGED = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)


def read_structure(filename: str) -> ase.Atoms:
    """Read the last structure of a file, unchecked; StructureError where there is none."""
    from ase.io.formats import filetype

    from hopkin.drivers.crystals.cif import read_cif

    if not filename.strip():
        raise StructureError("the structure has no name; accepted: a file, or a built-in material")
    path = Path(filename)
    if not path.exists():
        _raise_missing(path)
    if path.is_dir():
        raise StructureError(f"{filename} is a directory; give a structure file")
    if path.stat().st_size == 0:
        raise StructureError(f"{filename} is an empty file")
    kind = ""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"ase\.")
            kind = "cif" if _is_cif(path) else filetype(str(path))
            if kind == "cif":
                text = _text(path)
    except Exception as error:
        raise _unreadable(path, error, kind) from error
    if kind == "cif":
        return read_cif(text, filename)
    atoms = read_with_ase(path, kind, index=-1)
    if not isinstance(atoms, ase.Atoms):
        raise StructureError(f"{filename} holds no structure")
    return atoms


def read_with_ase(path: Path, kind: str = "", *, index: int | str = ":") -> Any:
    """Read structures of a file as ASE reads them; StructureError in plain words where it cannot.

    Parameters
    ----------
    kind
        what ASE calls the format; found by the file if not given
    index
        which structures: a list of all, or one
    """
    from ase.io import read
    from ase.io.formats import filetype

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"ase\.")
            kind = kind or filetype(str(path))
            if kind in ("xyz", "extxyz"):
                _require_lines(path)
            return read(path, index=index, format=kind, do_not_split_by_at_sign=True)
    except Exception as error:  # readers of ASE raise whatever their format trips over
        raise _unreadable(path, error, kind) from error


def _require_lines(path: Path) -> None:
    """Raise ValueError where a number of atoms is beyond the lines of the file: ASE would count up to it."""
    lines = _text(path).splitlines()
    if any(line.strip().isdecimal() and int(line) > len(lines) for line in lines):
        raise ValueError("more atoms than lines")


def _unreadable(path: Path, error: Exception, kind: str = "") -> StructureError:
    """Say in one sentence why a file cannot be read as a structure.

    Parameters
    ----------
    path
        the file
    error
        what a reader of ASE raised
    kind
        what ASE calls the format; that of its name if not given
    """
    from ase.io.formats import UnknownFileTypeError, ioformats

    kind = kind or _kind_by_name(path)
    if isinstance(error, OSError) and error.errno is not None:
        return StructureError(f"{path} cannot be read: {error.strerror}")
    if isinstance(error, ImportError):
        return StructureError(
            f"{path} needs a package that is not installed ({error}); accepted: another format"
        )
    if path.suffix in _COMPRESSED and (isinstance(error, _DAMAGED) or "Invalid data" in str(error)):
        return StructureError(f"{path} cannot be decompressed: it is cut off, damaged, or not compressed so")
    if path.suffix in _PACKED:
        return StructureError(
            f"{path} is packed; accepted: the file itself, or one compressed as .gz, .bz2 or .xz"
        )
    if isinstance(error, UnknownFileTypeError) or kind not in ioformats:
        return StructureError(
            f"{path} is no structure file that is known, by its name or by what it holds; accepted: CIF,"
            " POSCAR, extended XYZ, and what else ASE reads"
        )
    known = isinstance(error, UnicodeDecodeError) or type(error).__module__.startswith(("ase.", "xml."))
    told = known or str(error).startswith(("could not convert", "invalid literal"))
    reason = "it is not text" if isinstance(error, UnicodeDecodeError) else _plain(error)
    shown = f" ({textwrap.shorten(reason, 100, placeholder=' ...')})" if told and reason else ""
    return StructureError(
        f"{path} cannot be read as {ioformats[kind].description}: it is cut off, damaged, or of another"
        f" kind{shown}"
    )


def _plain(error: Exception) -> str:
    return re.sub(r"^ase[.\w]*: ", "", " ".join(str(error).split()))


def _kind_by_name(path: Path) -> str:
    from ase.io.formats import UnknownFileTypeError, filetype

    try:
        return str(filetype(path.name, read=False))
    except UnknownFileTypeError:
        return ""


def _is_cif(path: Path) -> bool:
    from ase.io.formats import filetype

    inner = path.with_suffix("") if path.suffix in _COMPRESSED else path
    return inner.suffix.lower() in (".cif", ".mcif") or filetype(str(path)) == "cif"


def _text(path: Path) -> str:
    from ase.io.formats import open_with_compression

    with open_with_compression(str(path), "rb") as file:
        content: bytes = file.read()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _raise_missing(path: Path) -> None:
    if path.suffix == "" and path.parent == Path():
        find_material(str(path))
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.8)
    suggestion = f"; did you mean {path.parent / close[0]}?" if close else ""
    raise StructureError(f"no such file: {path}{suggestion}")
