"""Columns of the tables in the report, and how their cells read: one line a column.

`BARRIER_COLUMNS` and `MD_COLUMNS` are those of runs, `CASE_COLUMNS` and `DYNAMICS_CASE_COLUMNS` of runs
beside references, `STATISTICS_COLUMNS` and `DYNAMICS_STATISTICS_COLUMNS` of errors per model,
`IMAGES_COLUMNS` of the images of DFT bands, `PROVENANCE_COLUMNS` of what made a run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hopkin.analysis.comparison import Run

MISSING = "–"  # noqa: RUF001 - the dash of a table


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table in the report: its heading, its unit, and its cell of each run or row."""

    heading: str
    cell: Callable[[Any], Any]
    unit: str = ""
    numeric: bool = True
    field: str = ""


def _field(key: str, heading: str, unit: str = "", form: str = "", *, numeric: bool = True) -> Column:
    """Column of one field of result.json, or of run.json where the result has none."""

    def cell(run: Run | Mapping[str, Any]) -> Any:
        value = run.get(key)
        if key == "failure" and isinstance(value, str):
            value = value.replace("_", " ")  # so that it can break between words
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return format(value, form) if form and is_number else value

    return Column(heading=heading, cell=cell, unit=unit, numeric=numeric, field=key)


def _interval(key: str, heading: str, unit: str = "") -> Column:
    """Column of a statistic with its interval."""

    def cell(row: Mapping[str, Any]) -> str | None:
        value, low, high = (row[name] for name in (key, f"{key}_low", f"{key}_high"))
        if value is None:
            return None
        return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"

    return Column(heading=heading, cell=cell, unit=unit)


def _counted(key: str, count: str, heading: str, unit: str = "", *, form: str) -> Column:
    """Column of a statistic with the number of what it was taken over, in brackets."""

    def cell(row: Mapping[str, Any]) -> str:
        value = MISSING if row[key] is None else format(row[key], form)
        return f"{value} ({row[count]})"

    return Column(heading=heading, cell=cell, unit=unit)


def model_name(run: Run) -> str | None:
    """Return its name, and what a reader has to know before believing it."""
    name = run.get("model")
    if name is None:
        return None
    direct = " (direct: forces are no gradient)" if run.get("conservative") is False else ""
    unverified = " (not verified)" if run.get("verified") is False else ""
    return f"{name}{direct}{unverified}"


def _diffusivity(run: Run) -> str | None:
    value, error = run.get("diffusivity_windowed_cm2_per_s"), run.get("diffusivity_std")
    if value is None:
        return None
    return f"{value:.2e}" if error is None else f"{value:.2e} ± {error:.1e}"


def _parity(run: Run) -> str | None:
    parity = run.get("parity")
    difference = parity.get("force_difference_eV_per_A") if isinstance(parity, dict) else None
    return None if difference is None else f"{difference:.0e}"


def _version(run: Run) -> Any:
    versions = run.get("versions")
    from_versions = versions.get("hopkin") if isinstance(versions, dict) else None
    return run.get("hopkin_version") or from_versions


BARRIER_NOTE = (
    "Barrier: saddle above the mean of the two endpoints; forward and reverse: above the initial "
    "and the final one. Parity: largest difference of a force component between LAMMPS and the model's "
    "own calculator on a rattled cell. Red: failed, with the class of the failure."
)
MD_NOTE = (
    "D, paper: slope of the single-origin MSD at the end of the run, negative where it falls. "
    "D, windowed: all origins, fitted where the MSD is diffusive, with its standard deviation; "
    "where that rule allows no number, the reason stands below the MSD. Slope: of ln MSD against ln t, "
    "1 for diffusion."
)
BARRIER_COLUMNS = (
    _field("material", "material", numeric=False),
    _field("ion", "ion", numeric=False),
    _field("hop", "hop", numeric=False),
    _field("path_length_A", "path", "Å", ".2f"),
    Column(heading="model", cell=model_name, numeric=False),
    _field("images", "images"),
    _field("barrier_eV", "barrier", "eV", ".3f"),
    _field("forward_barrier_eV", "forward", "eV", ".3f"),
    _field("reverse_barrier_eV", "reverse", "eV", ".3f"),
    _field("max_atom_force_eV_per_A", "max force", "eV/Å", ".3f"),
    _field("failure", "failure", numeric=False),
    _field("wall_s", "time", "s", ".0f"),
    Column(heading="parity", cell=_parity, unit="eV/Å"),
)
MD_COLUMNS = (
    _field("material", "material", numeric=False),
    _field("ion", "ion", numeric=False),
    Column(heading="model", cell=model_name, numeric=False),
    _field("temperature_K", "T", "K", ".0f"),
    _field("temperature_mean_K", "mean T", "K", ".0f"),
    _field("seed", "seed"),
    _field("timestep_fs", "step", "fs"),
    _field("time_ps", "length", "ps", ".1f"),
    _field("n_ions", "ions"),
    _field("msd_A2_final", "MSD", "Å²", ".2f"),
    _field("framework_msd_A2", "framework", "Å²", ".2f"),
    _field("diffusivity_cm2_per_s", "D, paper", "cm²/s", ".2e"),
    Column(heading="D, windowed", cell=_diffusivity, unit="cm²/s", numeric=False),
    _field("n_hops", "hops", form=".0f"),
    _field("log_log_slope", "slope", form=".2f"),
    _field("failure", "failure", numeric=False),
    _field("ns_per_day", "speed", "ns/day", ".3g"),
)
COMPARISON_NOTE = (
    "Error: computed minus known barrier, the same of both: over the mean of the ends, or over one end "
    "where only that is known. Converged: runs that ended without a failure. All: every run that has a "
    "number, that of a failed one too, such as a saddle below an end (type II); a run that diverged "
    "(type I), had no band because an end left its site, or ended with an error has none, and is counted "
    "beside. In brackets: 95 % percentile bootstrap intervals over the cases. R² of the numbers as they "
    "are, no line fitted; slope of computed against known."
)
CASES_NOTE = "All barriers that were asked for: how many converged, and how the others failed."
STATISTICS_COLUMNS = (
    _field("model", "model", numeric=False),
    _field("family", "family", numeric=False),
    _field("over", "over", numeric=False),
    _field("n_cases", "cases"),
    _field("n_converged", "converged"),
    _field("n_references", "known"),
    _field("n", "compared"),
    _interval("mae_eV", "MAE", "eV"),
    _interval("median_ae_eV", "median AE", "eV"),
    _interval("rmse_eV", "RMSE", "eV"),
    _interval("bias_eV", "bias", "eV"),
    _interval("r2", "R²"),
    _interval("slope", "slope"),
    _field("max_ae_eV", "largest", "eV", ".3f"),
    _field("failures", "failures", numeric=False),
)
CASE_COLUMNS = (
    _field("material", "material", numeric=False),
    _field("family", "family", numeric=False),
    _field("mechanism", "mechanism", numeric=False),
    _field("hop_index", "hop"),
    _field("path_length_A", "path", "Å", ".2f"),
    _field("n_atoms", "atoms"),
    _field("model", "model", numeric=False),
    _field("barrier_eV", "barrier", "eV", ".3f"),
    _field("forward_barrier_eV", "forward", "eV", ".3f"),
    _field("reverse_barrier_eV", "reverse", "eV", ".3f"),
    _field("reference_eV", "known", "eV", ".3f"),
    _field("error_eV", "error", "eV", "+.3f"),
    _field("failure", "failure", numeric=False),
    _field("functional", "functional", numeric=False),
    _field("source", "source", numeric=False),
)
DYNAMICS_COMPARISON_NOTE = (
    "MSD at the end of the shorter of two runs. D by the published protocol, compared as it is, negative "
    "ones too; materials whose known MSD at 800 K stays below 5 Å² are immobile, and left out of D and Ea. "
    "log10: mean of the absolute differences of logarithms, of positive numbers. RDF: integral of the "
    "absolute difference, median over all pairs. In brackets: over how many. Converged: runs that ended "
    "without a failure; all: every run that has numbers."
)
DYNAMICS_STATISTICS_COLUMNS = (
    _field("model", "model", numeric=False),
    _field("over", "over", numeric=False),
    _field("n_cases", "cases"),
    _counted("log10_msd_mae", "log10_msd_n", "log10 MSD", form=".2f"),
    _counted("diffusivity_mae_cm2_per_s", "diffusivity_n", "D, MAE", "cm²/s", form=".1e"),
    _counted("log10_diffusivity_mae", "log10_diffusivity_n", "log10 D", form=".2f"),
    _counted("activation_energy_mae_eV", "activation_energy_n", "Ea, MAE", "eV", form=".3f"),
    _field("activation_energy_r2", "Ea, R²", form=".2f"),
    _counted("rdf_mae_median_A", "rdf_n", "RDF, median", "Å", form=".2f"),
    _field("immobile", "immobile", numeric=False),
    _field("negative", "negative D", numeric=False),
    _field("without_energy", "without Ea", numeric=False),
    _field("failures", "failures", numeric=False),
)
DYNAMICS_CASE_COLUMNS = (
    _field("material", "material", numeric=False),
    _field("temperature_K", "T", "K", ".0f"),
    _field("model", "model", numeric=False),
    _field("seed", "seed"),
    _field("common_msd_A2", "MSD", "Å²", ".2f"),
    _field("reference_common_msd_A2", "known", "Å²", ".2f"),
    _field("diffusivity_cm2_per_s", "D, paper", "cm²/s", ".2e"),
    _field("reference_diffusivity_cm2_per_s", "known", "cm²/s", ".2e"),
    _field("rdf_mae_A", "RDF", "Å", ".2f"),
    _field("failure", "failure", numeric=False),
    _field("functional", "functional", numeric=False),
    _field("source", "source", numeric=False),
)
IMAGES_NOTE = (
    "A model at the images of a DFT band, nothing relaxed; at the saddle of DFT. Energies above the mean of "
    "the ends. Force across: largest on an atom, without the part along the path; DFT has little left of it."
)
IMAGES_COLUMNS = (
    _field("material", "material", numeric=False),
    Column(heading="model", cell=model_name, numeric=False),
    _field("n_atoms", "atoms"),
    _field("images", "images"),
    _field("saddle_reference_energy_eV", "DFT", "eV", ".3f"),
    _field("saddle_energy_eV", "model", "eV", ".3f"),
    _field("saddle_energy_error_eV", "error", "eV", "+.3f"),
    _field("saddle_force_mae_eV_per_A", "forces, MAE", "eV/Å", ".3f"),
    _field("saddle_normal_force_mae_eV_per_A", "across, MAE", "eV/Å", ".3f"),
    _field("saddle_reference_normal_force_eV_per_A", "across, DFT", "eV/Å", ".3f"),
    _field("saddle_normal_force_eV_per_A", "across, model", "eV/Å", ".3f"),
    _field("saddle_stress_mae_GPa", "stress, MAE", "GPa", ".3f"),
    _field("failure", "failure", numeric=False),
)
OTHER_COLUMNS = (
    Column(heading="directory", cell=lambda run: run.name, numeric=False),
    Column(heading="kind", cell=lambda run: run.kind, numeric=False),
    _field("failure", "failure", numeric=False),
)
PROVENANCE_COLUMNS = (
    Column(heading="directory", cell=lambda run: run.name, numeric=False),
    Column(heading="kind", cell=lambda run: run.kind, numeric=False),
    Column(heading="state", cell=lambda run: run.state, numeric=False),
    Column(heading="model", cell=model_name, numeric=False),
    _field("model_sha256", "SHA-256 of the model", numeric=False),
    _field("route", "route", numeric=False),
    _field("lammps_version", "LAMMPS", numeric=False),
    Column(heading="hopkin", cell=_version, numeric=False),
)
