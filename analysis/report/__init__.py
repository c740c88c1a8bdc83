"""A folder of results for people: one page, and figures and tables for print.

`figures` has the data of the figures of a comparison (`barrier_figures`, `dynamics_figures`, of `panels`),
which the page draws, and `prints` for print; `plots` draws the runs of one material. `columns` are those of
the tables, `details` what a run shows when it is opened; `report` puts the page together, of the files in
`page/`.
"""

from hopkin.analysis.report.prints import write_figures
from hopkin.analysis.report.report import write_report

__all__ = [
    "write_figures",
    "write_report",
]
