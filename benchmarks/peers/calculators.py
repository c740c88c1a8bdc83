"""The families' own calculators and the peers: environments of theirs, below .venv/peers, how they run."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hopkin.drivers.engine import environment_of
from hopkin.drivers.models import Model

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv" / "peers"


def python_of(model: Model) -> Path:
    """Python of the environment of a model's peers, made where it is not there."""
    if model.family == "matgl":  # what the published M3GNet wants, matcalc and janus-core refuse
        return model.interpreter()
    name = "mace" if model.family == "mace" else "torch"
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for what in (["torch==2.13.0"], ["-r", str(HERE / f"requirements-{name}.txt")]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True)
        ready.touch()
    return python


def weights_of(model: Model) -> str:
    """By what a peer finds the weights: their file, or a name that hopkin knows."""
    return model.name if model.family == "matgl" else str(model.checkpoint())


def surroundings(python: Path, threads: int) -> dict[str, str]:
    """Environment variables of a process; what lies beside this file can be imported there."""
    environment = environment_of(python)
    path = ":".join(filter(None, (str(HERE), environment.get("PYTHONPATH"))))
    return {**environment, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}


@contextmanager
def served(model: Model, python: Path, threads: int) -> Iterator[None]:
    """Keep the service of a model: what a campaign does, or a user by `hopkin serve`."""
    command = [python.with_name("hopkin"), "serve", model.name]
    env = surroundings(python, threads)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
        assert server.stdout
        try:
            if not server.stdout.readline():
                raise RuntimeError(f"{command} has ended")
            yield
        finally:
            server.terminate()


def timed(command: list[str], folder: Path, python: Path, threads: int) -> tuple[float, dict[str, Any]]:
    """Seconds of a Python script beside this file, or of `hopkin`, and the JSON that it prints last."""
    name, *words = command
    argv = [python, "-P", HERE / name] if name.endswith(".py") else [python.with_name(name)]
    start = time.perf_counter()
    ended = subprocess.run(
        [*argv, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=surroundings(python, threads),
        check=False,
    )
    seconds = time.perf_counter() - start
    if ended.returncode != 0:
        raise RuntimeError(f"{command} failed: {ended.stderr[-500:]}")
    said, _ = json.JSONDecoder().raw_decode(ended.stdout, ended.stdout.index("{"))
    return seconds, said
