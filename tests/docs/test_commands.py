"""Every command of the documentation is parsed; those in `sh` blocks are run, a page in one folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from hopkin.drivers.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "lammps_inputs").rglob("*.md")])
EXAMPLES = ROOT / "lammps_inputs" / "examples"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
TIMES_OUT_S = 900


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in BLOCK.findall(page.read_text()) if language in languages]


def commands(page: Path) -> Iterator[str]:
    """Lines that call hopkin, without their remarks."""
    for text in blocks(page, "", "sh"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("hopkin "):
                yield line.split(" #")[0].strip()


def documented() -> list[str]:
    return sorted({command for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("command", documented())
def test_command_and_options_exist(command: str) -> None:
    """Parsed by the command line itself, not run."""
    words = re.findall(r'"[^"]*"|\S+', command)[1:]
    found, name = get_command(app), "hopkin"
    while hasattr(found, "commands"):
        name, *words = words
        found = found.commands[name]
    found.make_context(name, words)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "sh")], ids=str)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    script = "set -eu\n" + "\n".join(blocks(page, "sh"))
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=TIMES_OUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    if shown := re.findall(r"\*\*([\d.]+) eV\*\*", page.read_text()):
        results = [json.loads(file.read_text()) for file in tmp_path.glob("runs/*/result.json")]
        given = [result["barrier_eV"] for result in results if "barrier_eV" in result]
        assert given == pytest.approx([float(number) for number in shown], abs=0.002)
