"""What a report of a thousand barriers and six hundred trajectories takes: to make, to keep, and to open.

    python -m benchmarks.report_scale [--barriers 1000] [--runs 600]

The runs are hand-made (tests/analysis/synthetic.py). Opening is timed in Chromium, where that is.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.page import COMMIT, processor, write_page
from hopkin.analysis.report import write_report

sys.path.append(str(Path(__file__).parents[1] / "tests" / "analysis"))
from synthetic import Synthetic

MODELS = tuple(f"model-{number}" for number in range(20))


def seconds_to_usable(page: Path) -> float | None:
    """Time until the table of models can be used [s]; None without Chromium or playwright."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page()
        start = time.monotonic()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#models .tabulator-row")
        seconds = time.monotonic() - start
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--barriers", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=600)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs, page = Path(scratch) / "runs", Path(scratch) / "report.html"
        n = len(MODELS)
        Synthetic(runs, MODELS, n_barriers=asked.barriers // n, n_runs=asked.runs // n // 2, n_failed=3)
        start = time.monotonic()
        write_report(runs, page)
        made = time.monotonic() - start
        row = {
            "barriers": asked.barriers,
            "trajectories": asked.runs,
            "made [s]": f"{made:.1f}",
            "peak memory [MB]": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "page [MB]": f"{page.stat().st_size / 1e6:.1f}",
            "usable after [s]": f"{seconds_to_usable(page) or float('nan'):.2f}",
            "commit": COMMIT,
        }
    print(row, file=sys.stderr)
    write_page(
        "report_scale",
        "A report of many runs",
        f"`python -m benchmarks.report_scale` on {processor()}",
        pd.DataFrame([row]).to_markdown(index=False, disable_numparse=True),
    )


if __name__ == "__main__":
    main()
