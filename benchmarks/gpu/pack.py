"""Pack hopkin, LAMMPS and the models for a machine with a GPU that has Python and torch, and no network.

    python benchmarks/gpu/pack.py PYTHON FOLDER [MODEL ...]

PYTHON is of the version that the machine has. FOLDER gets `site.tar.xz` (40 to 50 MB), what the environment
`torch` needs without the large packages that come with torch there, `MODEL.tar.xz` for weights that do not
come with a package, and `run.sh`: `bash FOLDER/run.sh MODEL ...` there, in a checkout, measures.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from hopkin.drivers.models import cache_directory, find_model

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "drivers/models/requirements/torch.txt"
# beside torch on such a machine, or not needed by what is measured
LEFT_OUT = {
    *("torch", "torchvision", "triton", "numpy", "scipy", "pandas", "matplotlib", "pyarrow", "scikit-learn"),
    *("sympy", "networkx", "pillow", "numba", "llvmlite", "torch-geometric", "e3nn", "lxml", "cython", "pip"),
    *(
        "setuptools",
        "wheel",
        "hf-xet",
        "grpcio",
        "fonttools",
        "contourpy",
        "kiwisolver",
        "mpmath",
        "protobuf",
    ),
    *("cuda-bindings", "cuda-pathfinder", "cuda-toolkit", "sevenn", "plotly", "seekpath", "matscipy"),
}
NEEDED_OF_NVIDIA = {"nvidia-ml-py3"}
DROPPED = re.compile(
    r"__pycache__|/tests?/|lammps/share|botocore/data/(?!endpoints|partitions|sdk-)|\.(pyc|hpp|cpp|c|h|a|mod)$"
    r"|/include/|psmx2|libefa|uct_ib|rdmacm|verbs|libmpi_abi|/mpi(cc|cxx|c\+\+|fort)|pretrained/(r2scan|0\.2)"
)


def install(python: str, venv: Path) -> None:
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([python, "-m", "venv", str(venv)], check=True)
    kept = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith(("#", "torch=="))]
    (venv / "requirements.txt").write_text("\n".join(kept))
    subprocess.run([*pip, "--no-deps", "--requirement", str(venv / "requirements.txt")], check=True)
    (wheel,) = (ROOT / ".venv").glob("hopkin-*.whl")
    subprocess.run([*pip, str(wheel)], check=True)


def collect(venv: Path, into: Path) -> None:
    """Copy the files of the distributions that are carried, libraries without their symbols."""
    (packages,) = (venv / "lib").glob("python*/site-packages")
    for distribution in importlib.metadata.distributions(path=[str(packages)]):
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        if name in LEFT_OUT or (name.startswith("nvidia") and name not in NEEDED_OF_NVIDIA):
            continue
        for file in distribution.files or []:
            source = Path(os.path.normpath(file.locate()))  # links keep their names
            if not source.is_file() or not source.is_relative_to(venv) or DROPPED.search(str(source)):
                continue
            target = into / source.relative_to(venv)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            if ".so" in target.name:
                subprocess.run(["strip", "--strip-unneeded", str(target)], check=False)


def link_copies(into: Path) -> None:
    """Have libraries that are there under several names once."""
    seen: dict[bytes, Path] = {}
    for library in sorted(into.rglob("*.so*")):
        content = library.read_bytes()
        if (first := seen.setdefault(content, library)) is not library and first.parent == library.parent:
            library.unlink()
            library.symlink_to(first.name)


def main(python: str, folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        venv, carried = Path(scratch).resolve() / "venv", Path(scratch) / "carried"
        install(python, venv)
        collect(venv, carried)
        link_copies(carried)
        with tarfile.open(folder / "site.tar.xz", "w:xz", preset=9) as archive:
            archive.add(carried, ".")
    for name in names:
        weights = find_model(name).checkpoint()
        if not weights.is_relative_to(cache_directory()):
            continue  # it comes with its package
        with tarfile.open(folder / f"{name}.tar.xz", "w:xz") as archive:
            archive.add(weights, weights.relative_to(cache_directory()))
    shutil.copy(Path(__file__).with_name("run.sh"), folder)
    for file in sorted(folder.iterdir()):
        print(f"{file.stat().st_size / 1e6:8.1f} MB  {file}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
