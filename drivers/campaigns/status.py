"""How far a campaign is, told from its folder alone: whoever runs it, wherever."""

from collections import Counter, defaultdict
from pathlib import Path

from hopkin.analysis.comparison import read_ended, read_jobs
from hopkin.drivers.campaigns.at_work import log_name, tasks_at_work
from hopkin.drivers.campaigns.progress import Standing, seconds_left
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
    left, done, took_s = (defaultdict[str, float](float) for _ in range(3))
    for job in jobs:
        wall_s = lines.get(job["id"], {}).get("wall_s")
        if job["id"] not in lines:
            left[job["model"]] += job["cost"]
        elif job["cost"] and wall_s:
            done[job["model"]] += job["cost"]
            took_s[job["model"]] += wall_s
    left_s = seconds_left(left, done, took_s)
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
