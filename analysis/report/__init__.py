"""One page, with its figures and tables, of a folder of results.

`report` gathers the page; `plots` draws; `columns` says what each table has, and how its cells read.
"""

from hopkin.analysis.report.report import write_report

__all__ = [
    "write_report",
]
