"""Columns of the tables on the page: one line a column."""

from collections.abc import Sequence
from dataclasses import dataclass

from hopkin.analysis.comparison import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title, unit
        heading
    field
        of a row
    form
        how numbers are written, as Python's `format` has it; empty for text
    low, high
        fields with the ends of the interval; empty without
    good, bad
        a value as good as it need be, and one that is of no use: they colour a cell and count in the
        score; the page lets its reader change them
    ideal
        what a value is best at; None: the smaller, the better
    header
        explains the heading
    """

    title: str
    field: str
    unit: str = ""
    form: str = ""
    low: str = ""
    high: str = ""
    good: float | None = None
    bad: float | None = None
    ideal: float | None = None
    header: str = ""


def used(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """Return the columns that are not empty in every row."""
    return [column for column in columns if any(row.get(column.field) not in (None, "") for row in rows)]


def _column(field: str, title: str, unit: str = "", form: str = "", header: str = "") -> Column:
    return Column(field=field, title=title, unit=unit, form=form, header=header)


def _metric(
    field: str,
    title: str,
    unit: str,
    form: str,
    good: float,
    bad: float,
    *,
    ideal: float | None = None,
    interval: bool = False,
    header: str = "",
) -> Column:
    ends = (f"{field}_low", f"{field}_high") if interval else ("", "")
    return Column(
        field=field,
        title=title,
        unit=unit,
        form=form,
        low=ends[0],
        high=ends[1],
        good=good,
        bad=bad,
        ideal=ideal,
        header=header,
    )


MODELS = (
    _column("model", "model"),
    _column("architecture", "architecture"),
    _column("training_set", "training set"),
    _column("forces", "forces", header="of a direct model, they are no gradient of its energy"),
    _column("n_barriers", "barriers", form="d", header="asked for"),
    _metric("failed_part", "failed", "", ".0%", 0.0, 0.2, header="part of the barriers that have ended"),
    _metric("barrier_mae_eV", "barrier MAE", "eV", ".3f", 0.05, 0.3, interval=True),
    _column(
        "n_barriers_known",
        "compared",
        form="d",
        header="converged ones with a known barrier",
    ),
    _metric("barrier_bias_eV", "bias", "eV", "+.3f", 0.03, 0.3, ideal=0.0, interval=True),
    _metric(
        "barrier_slope",
        "slope",
        "",
        ".2f",
        0.05,
        0.5,
        ideal=1.0,
        interval=True,
        header="computed against known",
    ),
    _column("barrier_r2", "R²", form=".2f"),
    _metric("log10_msd_mae", "log10 MSD", "", ".2f", 0.1, 0.8, header="mean absolute error"),
    _metric("activation_energy_mae_eV", "Ea MAE", "eV", ".3f", 0.05, 0.3),
    _metric("rdf_mae_median_A", "RDF", "Å", ".2f", 0.2, 2.0, header="median of the integrated differences"),
    _column("n_runs", "runs", form="d", header="of molecular dynamics"),
    _column("n_runs_failed", "runs failed", form="d"),
    _column("n_negative_diffusivities", "D < 0", form="d"),
    _column("seconds_per_barrier", "time", "s", ".0f", header="median of a barrier"),
    _column("ns_per_day", "speed", "ns/day", ".3g", header="median of molecular dynamics"),
    Column(
        title="published MAE",
        field="published_barrier_mae_eV",
        unit="eV",
        form=".3f",
        high="published_barrier_mae_eV_to",
        header="of barriers, over others, some for a group: Guo, Gui, Wang (2026), arXiv:2601.10938",
    ),
)
_BELIEVED = Column(
    title="believed",
    field="believed_barrier_eV",
    unit="eV",
    form=".3f",
    low="believed_low_eV",
    high="believed_high_eV",
    header="corrected by known barriers, with its 90 % interval",
)
BELIEVED = (
    _column("material", "material"),
    _column("ion", "ion"),
    _column("mechanism", "mechanism"),
    _column("hop_index", "hop", form="d"),
    _BELIEVED,
    _column("reference_eV", "known", "eV", ".3f"),
    _column("lowest_eV", "lowest", "eV", ".3f", "of the models, as they are"),
    _column("highest_eV", "highest", "eV", ".3f", "of the models, as they are"),
    _column("models", "models"),
    _column("believed_cases", "cases", form="d", header="known barriers that it stands on"),
    _column("believed_from", "by", header="what these have in common"),
)
BARRIERS = (
    _column("material", "material"),
    _column("ion", "ion"),
    _column("family", "family"),
    _column("mechanism", "mechanism"),
    _column("hop_index", "hop", form="d"),
    _column("model", "model"),
    _column("barrier_eV", "barrier", "eV", ".3f", "over the mean of the two ends"),
    _BELIEVED,
    _column("reference_eV", "known", "eV", ".3f"),
    _column("error_eV", "error", "eV", "+.3f", "computed less known, the same of both"),
    _column("failure", "failure"),
    _column("forward_barrier_eV", "forward", "eV", ".3f", "over the initial end"),
    _column("reverse_barrier_eV", "reverse", "eV", ".3f", "over the final end"),
    _column("path_length_A", "path", "Å", ".2f"),
    _column("n_atoms", "atoms", form="d"),
    _column("images", "images", form="d"),
    _column("max_atom_force_eV_per_A", "force", "eV/Å", ".3f", "largest on an atom of the band"),
    _column("force_evaluations", "evaluations", form="d"),
    _column("wall_s", "time", "s", ".0f"),
    _column("verified", "verified", header="LAMMPS agreed with the model's own calculator"),
    _column("believed_cases", "cases", form="d", header="known barriers that it is believed by"),
    _column("believed_from", "believed by", header="what these have in common"),
    _column("not_believed", "not believed", header="why there is no believed barrier"),
    _column("functional", "functional", header="of the known barrier"),
    _column("source", "source", header="of the known barrier"),
    _column("message", "message"),
)
KINETICS = (
    _column("material", "material"),
    _column("ion", "ion"),
    _column("model", "model"),
    _column("axis", "axis"),
    _column("vacancy_300K_cm2_per_s", "D, vacancy", "cm²/s", ".1e"),
    _column("vacancy_300K_at_most_cm2_per_s", "at most", "cm²/s", ".1e"),
    Column(
        title="believed",
        field="believed_300K_cm2_per_s",
        unit="cm²/s",
        form=".1e",
        low="believed_300K_low_cm2_per_s",
        high="believed_300K_high_cm2_per_s",
    ),
    _column("vacant_part", "vacant", form=".2g", header="part of the sites of the ion"),
    _column("ion_300K_cm2_per_s", "D, ion", "cm²/s", ".1e", "with so many vacancies"),
    _column("conductivity_300K_S_per_cm", "conductivity", "S/cm", ".1e", "Nernst-Einstein, of the vacancies"),
    _column("activation_energy_eV", "Ea", "eV", ".3f", "over all temperatures"),
    Column(
        title="Ea, believed",
        field="believed_activation_energy_eV",
        unit="eV",
        form=".3f",
        low="believed_activation_energy_eV_low",
        high="believed_activation_energy_eV_high",
    ),
    _column("not_believed", "not believed"),
    _column("failure", "failure"),
    _column("message", "message"),
)
STATISTICS = (
    _column("model", "model"),
    _column("family", "family"),
    _column("over", "over"),
    _column("n_cases", "cases", form="d"),
    _column("n_converged", "converged", form="d"),
    _column("n_references", "known", form="d"),
    _column("n", "compared", form="d"),
    *(
        Column(title=title, field=name, unit=unit, form=form, low=f"{name}_low", high=f"{name}_high")
        for name, title, unit, form in (
            ("mae_eV", "MAE", "eV", ".3f"),
            ("median_ae_eV", "median AE", "eV", ".3f"),
            ("rmse_eV", "RMSE", "eV", ".3f"),
            ("bias_eV", "bias", "eV", "+.3f"),
            ("r2", "R²", "", ".2f"),
            ("slope", "slope", "", ".2f"),
        )
    ),
    _column("max_ae_eV", "largest", "eV", ".3f"),
    _column("failures", "failures"),
)
DYNAMICS = (
    _column("material", "material"),
    _column("ion", "ion"),
    _column("model", "model"),
    _column("temperature_K", "T", "K", ".0f"),
    _column("temperature_mean_K", "mean T", "K", ".0f"),
    _column("seed", "seed", form="d"),
    _column("time_ps", "length", "ps", ".1f"),
    _column("n_ions", "ions", form="d"),
    _column("msd_A2_final", "MSD", "Å²", ".2f", "at the end"),
    _column("framework_msd_A2", "framework", "Å²", ".2f"),
    _column("diffusivity_cm2_per_s", "D, paper", "cm²/s", ".2e", "slope of the single-origin MSD at the end"),
    _column("diffusivity_windowed_cm2_per_s", "D, windowed", "cm²/s", ".2e", "all origins, where diffusive"),
    _column("diffusivity_std", "±", "cm²/s", ".1e"),
    _column("n_hops", "hops", form=".0f"),
    _column("log_log_slope", "slope", form=".2f", header="of ln MSD against ln t: 1 for diffusion"),
    _column("common_msd_A2", "MSD then", "Å²", ".2f", "at the end of the shorter of the two runs"),
    _column("reference_common_msd_A2", "known MSD", "Å²", ".2f"),
    _column("reference_diffusivity_cm2_per_s", "known D", "cm²/s", ".2e"),
    _column("rdf_mae_A", "RDF", "Å", ".2f"),
    _column("failure", "failure"),
    _column("ns_per_day", "speed", "ns/day", ".3g"),
    _column("message", "message"),
)
DYNAMICS_STATISTICS = (
    _column("model", "model"),
    _column("temperature_K", "T", "K", ".0f", "empty: all"),
    _column("over", "over"),
    _column("n_cases", "cases", form="d"),
    _column("log10_msd_mae", "log10 MSD", form=".2f"),
    _column("log10_msd_n", "of", form="d"),
    _column("diffusivity_mae_cm2_per_s", "D, MAE", "cm²/s", ".1e"),
    _column("diffusivity_n", "of", form="d"),
    _column("log10_diffusivity_mae", "log10 D", form=".2f"),
    _column("activation_energy_mae_eV", "Ea, MAE", "eV", ".3f"),
    _column("activation_energy_n", "of", form="d"),
    _column("activation_energy_r2", "Ea, R²", form=".2f"),
    _column("rdf_mae_median_A", "RDF, median", "Å", ".2f"),
    _column("immobile", "immobile"),
    _column("negative", "negative D"),
    _column("without_energy", "without Ea"),
    _column("failures", "failures"),
)
IMAGES = (
    _column("material", "material"),
    _column("model", "model"),
    _column("n_atoms", "atoms", form="d"),
    _column("images", "images", form="d"),
    _column("saddle_reference_energy_eV", "DFT", "eV", ".3f"),
    _column("saddle_energy_eV", "model", "eV", ".3f"),
    _column("saddle_energy_error_eV", "error", "eV", "+.3f"),
    _column("saddle_force_mae_eV_per_A", "forces, MAE", "eV/Å", ".3f"),
    _column("saddle_normal_force_mae_eV_per_A", "across, MAE", "eV/Å", ".3f"),
    _column("saddle_reference_normal_force_eV_per_A", "across, DFT", "eV/Å", ".3f"),
    _column("saddle_normal_force_eV_per_A", "across, model", "eV/Å", ".3f"),
    _column("saddle_stress_mae_GPa", "stress, MAE", "GPa", ".3f"),
    _column("failure", "failure"),
)
LABELS = (
    _column("source", "source"),
    _column("group", "group"),
    _column("model", "model"),
    _column("n_structures", "structures", form="d"),
    _column("energy_mae_eV_per_atom", "energy", "eV/atom", ".4f"),
    _column(
        "energy_shifted_mae_eV_per_atom",
        "energy, shifted",
        "eV/atom",
        ".4f",
        "less a constant for each element",
    ),
    _column("force_mae_eV_per_A", "forces", "eV/Å", ".3f"),
    _column("stress_mae_GPa", "stress", "GPa", ".3f"),
)
PROVENANCE = (
    _column("name", "directory"),
    _column("kind", "kind"),
    _column("state", "state"),
    _column("material", "material"),
    _column("model", "model"),
    _column("model_sha256", "SHA-256 of the model"),
    _column("route", "route"),
    _column("lammps_version", "LAMMPS"),
    _column("hopkin_version", "hopkin"),
)
