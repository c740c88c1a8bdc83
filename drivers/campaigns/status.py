"""How far a campaign is, told from its folder alone: whoever runs it, wherever."""

from collections import Counter
from pathlib import Path
from statistics import fmean

from hopkin.analysis.comparison import read_ended, read_jobs
from hopkin.drivers.campaigns.at_work import log_name, tasks_at_work
from hopkin.drivers.campaigns.progress import Standing
from hopkin.drivers.errors import RunError


def standing_of(root: Path) -> tuple[Standing, list[dict[str, str]]]:
    """Tell how far the campaign of a folder is, and which jobs have no result: `job`, `message` and `log`.

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
    running = tasks_at_work(root)
    left = Counter(job["model"] for job in jobs if job["id"] not in lines)
    walls: dict[str, list[float]] = {}
    for job in jobs:
        if wall_s := lines.get(job["id"], {}).get("wall_s"):
            walls.setdefault(job["model"], []).append(wall_s)
    every = [wall_s for of_model in walls.values() for wall_s in of_model]
    left_s = sum(n * fmean(walls.get(model, every)) for model, n in left.items()) if every else None
    standing = Standing(
        ended=len(ended),
        total=len(jobs),
        failures=dict(Counter(line["failure"] for line in ended if line["failure"])),
        left_s=None if left_s is None else left_s / max(1, len(running)),
        running=running,
    )
    titles = {job["id"]: job["title"] for job in jobs}
    errors = [
        {
            "job": titles[line["job"]],
            "message": str(line["message"] or line["failure"]),
            "log": str(root / log_name(titles[line["job"]], line["job"])),
        }
        for line in ended
        if line["failure"] and not line["directory"]
    ]
    return standing, errors
