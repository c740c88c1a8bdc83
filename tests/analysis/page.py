"""What a page of the report holds for its scripts."""

import json
import re
from pathlib import Path
from typing import Any

from hopkin.analysis.report.report import write_report


def report(root: Path, output: Path | None = None) -> dict[str, Any]:
    """Write the report of a folder; return its content."""
    output = output or root / "report.html"
    write_report(root, output)
    html = output.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    content = json.loads(found[1])
    assert isinstance(content, dict)
    return content


def rows_of(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Rows of one of its tables."""
    rows = content["tables"][name]["rows"]
    assert isinstance(rows, list)
    return rows
