"""Many calculations from one file: planned, checked, run side by side, each outcome kept.

`campaign` is what the file holds, `selection` what its short words stand for (`ready/` has some that come
with hopkin); `planning` makes `jobs` of it, `pairs` those between given ends, `costs` says what they take;
`bench` runs them where `executors` says, and keeps what became of each in the `ledger`. `at_work` has their
logs, and which are at work; `progress` and `status` tell how far that is.
"""

from hopkin.drivers.campaigns.bench import run_campaign
from hopkin.drivers.campaigns.campaign import Campaign, load_campaign
from hopkin.drivers.campaigns.costs import Cost, hours_of, known_cost, measure, memory_of
from hopkin.drivers.campaigns.executors import load_executor
from hopkin.drivers.campaigns.jobs import Job, Outcome
from hopkin.drivers.campaigns.ledger import ended_before, require_folder_of
from hopkin.drivers.campaigns.planning import plan
from hopkin.drivers.campaigns.progress import Standing
from hopkin.drivers.campaigns.selection import campaign_file, model_names, ready_models
from hopkin.drivers.campaigns.status import standing_of

__all__ = [
    "Campaign",
    "Cost",
    "Job",
    "Outcome",
    "Standing",
    "campaign_file",
    "ended_before",
    "hours_of",
    "known_cost",
    "load_campaign",
    "load_executor",
    "measure",
    "memory_of",
    "model_names",
    "plan",
    "ready_models",
    "require_folder_of",
    "run_campaign",
    "standing_of",
]
