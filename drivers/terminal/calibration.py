"""What barriers are worth: the quality of a calibration, advice on models."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hopkin.drivers.terminal.console import console, plain, print_json, show_table, shown, table_of

if TYPE_CHECKING:
    from hopkin.analysis.calibration import Quality
    from hopkin.drivers.recommendation import Advice


def show_quality(qualities: "Sequence[Quality]", path: Path, n_cases: int, *, as_json: bool) -> None:
    """Show how far models are off, and how well their corrected barriers hold for materials left out."""
    if as_json:
        print_json([asdict(quality) for quality in qualities])
        return
    table = table_of(
        *("models", "known", "materials", "MAE [eV]", "refused", "of others: MAE", "bias", "believed: MAE"),
        *("in 90 %", "+-", "raw: in 90 %", "+-"),
    )
    for quality in qualities:
        table.add_row(
            plain(", ".join(quality.models)),
            str(quality.n_cases),
            str(quality.n_materials),
            shown(quality.mae_all_eV),
            str(quality.n_refused),
            *(shown(value) for value in (quality.mae_eV, quality.bias_eV, quality.believed_mae_eV)),
            *(_percent(quality.coverage), shown(quality.half_width_eV)),
            *(_percent(quality.raw_coverage), shown(quality.raw_half_width_eV)),
        )
    show_table(table)
    for line in (
        "refused: outside the range of others, or these are too few; believed: corrected by other materials",
        "in 90 %: known barriers in their intervals; +-: median half width; raw: if errors were normal",
        f"{path}: {n_cases} cases",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{part:.0%}"


def show_advice(material: str, advice: "Sequence[Advice]", *, as_json: bool) -> None:
    """Show which models to use for a crystal, the best first."""
    if as_json:
        print_json([one.as_dict() for one in advice])
        return
    table = table_of(
        *("model", "state", "by", "known", "MAE [eV]", "believed: MAE", "+- 90 %", "failed", "minutes"),
        *("published MAE", "why"),
    )
    for one in advice:
        minutes = None if one.seconds is None else one.seconds / 60
        table.add_row(
            plain(one.model),
            one.state,
            plain(one.scope or "-"),
            str(one.n_cases or "-"),
            *(shown(value) for value in (one.mae_eV, one.believed_mae_eV, one.half_width_eV)),
            f"{one.n_failed}/{one.n_runs}" if one.n_runs else "-",
            "-" if minutes is None else shown(minutes, 1) + "*" * (not one.measured_here),
            shown(one.published_mae_eV),
            plain(one.reason),
        )
    show_table(table)
    console.print(
        f"for {material}; by: the known barriers that were looked at; believed: corrected, for materials left"
        " out; *: as in the benchmark, `hopkin bench FILE --calibrate` measures it here",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
