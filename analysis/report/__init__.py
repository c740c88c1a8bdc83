"""One page, with its figures and tables, of a folder of results."""

from hopkin.analysis.report.report import write_report

__all__ = [
    "write_report",
]
