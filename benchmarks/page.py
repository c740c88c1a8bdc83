"""A page of benchmarks/results: what made it, its tables, and the notes below, written by hand."""

import subprocess
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"
NOTES = "## Notes\n"


def write_page(name: str, title: str, made_by: str, body: str) -> None:
    """Write benchmarks/results/NAME.md; what stands there below its notes is kept."""
    file = RESULTS / f"{name}.md"
    _, _, notes = (file.read_text() if file.is_file() else "").partition(NOTES)
    file.write_text(f"# {title}\n\n{made_by}.\n\n{body.strip()}\n\n{NOTES}{notes}")


def read_table(file: Path | str) -> pd.DataFrame:
    """Read rows that were kept as CSV; a commit such as 5e82637 is no number."""
    return pd.read_csv(file, dtype={"commit": str})


def table(rows: list[dict[str, object]] | pd.DataFrame, digits: int = 3) -> str:
    """Markdown of rows; what is not known is empty, and text stays as it is: commit 5e82637 is no number."""
    frame = pd.DataFrame(rows)
    words = [n for n, name in enumerate(frame) if frame[name].map(type).eq(str).any()]
    whole = frame.astype(object).where(frame.notna(), "")
    return whole.to_markdown(index=False, floatfmt=f".{digits}f", disable_numparse=words) + "\n"


def _commit() -> str:
    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=RESULTS, capture_output=True, text=True, check=False)

    changed = git("diff", "--quiet", "HEAD", "--", ":/", ":!/benchmarks/results").returncode
    return git("describe", "--always").stdout.strip() + "-dirty" * bool(changed)


COMMIT = _commit()
"""Code that is measured: at the start, and whatever the results are."""


def processor() -> str:
    """Name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
