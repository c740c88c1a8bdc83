"""How far a campaign is, told from its folder alone: whoever runs it, wherever."""

import contextlib
import time
from collections import Counter
from pathlib import Path

from hopkin.analysis.comparison import read_ended, read_jobs
from hopkin.drivers.campaigns.progress import Standing
from hopkin.drivers.engine import is_held
from hopkin.drivers.errors import RunError


def standing_of(root: Path) -> tuple[Standing, list[tuple[str, str]]]:
    """Tell how far the campaign of a folder is, and which jobs have no result for what error.

    What runs is told by the locks of the run directories: on other nodes where the file system shares them.

    Raises
    ------
    RunError
        when it is no folder of a campaign
    """
    jobs = read_jobs(root / "campaign.json")
    if jobs is None:
        raise RunError(f"{root} is no folder of a campaign: it holds no campaign.json")
    lines = {job: line for job, line in read_ended(root).items() if not line.get("open")}
    ended = [lines[job["id"]] for job in jobs if job["id"] in lines]
    running = [
        (file.parent.name, f"wrote {_age(file.parent):.0f} s ago", time.time() - file.stat().st_mtime)
        for file in sorted(root.glob("*/run.json"))
        if not file.with_name("result.json").exists() and is_held(file.parent)
    ]
    walls = [line["wall_s"] for line in ended if line.get("wall_s")]
    left = len(jobs) - len(ended)
    standing = Standing(
        ended=len(ended),
        total=len(jobs),
        failures=dict(Counter(line["failure"] for line in ended if line["failure"])),
        left_s=sum(walls) / len(walls) * left / max(1, len(running)) if walls else None,
        running=running,
    )
    titles = {job["id"]: job["title"] for job in jobs}
    errors = [
        (titles[line["job"]], str(line["message"] or line["failure"]))
        for line in ended
        if line["failure"] and not line["directory"]
    ]
    return standing, errors


def _age(directory: Path) -> float:
    """For how long nothing has been written in a directory, and in those of its ends [s]."""
    written = [directory.stat().st_mtime]
    for file in (*directory.glob("*"), *directory.glob("*/*")):
        with contextlib.suppress(FileNotFoundError):  # LAMMPS has removed it meanwhile
            written.append(file.stat().st_mtime)
    return time.time() - max(written)
