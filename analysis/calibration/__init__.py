"""What a computed barrier is worth: corrected by known ones, with an interval that holds for a new crystal.

`chemistry` puts crystals into classes; `cases` are computed barriers beside known ones (`cases.csv`: those of
hopkin's benchmark); `estimator` corrects and joins models, and says how far off that is for crystals that it
has not seen; `calibration` chooses the cases that speak for a crystal, and refuses where none do.
"""

from hopkin.analysis.calibration.calibration import FIELDS, Belief, Calibration, Refusal, believed
from hopkin.analysis.calibration.cases import (
    Case,
    cases_of,
    hop_of,
    merged,
    plain_name,
    read_cases,
    shipped_cases,
    write_cases,
)
from hopkin.analysis.calibration.chemistry import chemistry_of, framework_of
from hopkin.analysis.calibration.quality import Quality, quality_of

__all__ = [
    "FIELDS",
    "Belief",
    "Calibration",
    "Case",
    "Quality",
    "Refusal",
    "believed",
    "cases_of",
    "chemistry_of",
    "framework_of",
    "hop_of",
    "merged",
    "plain_name",
    "quality_of",
    "read_cases",
    "shipped_cases",
    "write_cases",
]
