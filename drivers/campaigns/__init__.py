"""Many calculations from one file: planned, checked, run side by side, each outcome kept.

`campaign` is what the file holds; `planning` makes `jobs` of it; `bench` runs them where `executors` says,
and keeps what became of each in the `ledger`. `progress` and `status` tell how far that is.
"""

from hopkin.drivers.campaigns.bench import run_campaign
from hopkin.drivers.campaigns.campaign import load_campaign
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.jobs import Job
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.campaigns.progress import Standing
from hopkin.drivers.campaigns.status import standing_of

__all__ = [
    "Job",
    "Standing",
    "load_campaign",
    "load_executor",
    "plan",
    "run_campaign",
    "standing_of",
]
