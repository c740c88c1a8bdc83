"""Molecular dynamics beside reference trajectories: the figures' inputs of a comparison of potentials.

After Guo, Gui, Wang, "Are Universal Potentials Ready for Alkali-Ion Battery Kinetics?": final MSD on a
logarithmic scale, diffusivity, activation energy, and the integrated difference of radial distribution
functions. Where the reference hardly moves there is no diffusivity to compare: such materials are left out
of that, and of the activation energies, by name. Negative diffusivities are compared as they are, and listed.
The MSD of runs of different length is compared at the end of the shorter one.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.comparison.metrics import Errors, errors, log10_mae
from hopkin.analysis.comparison.references import SAME_TEMPERATURE_K
from hopkin.analysis.errors import AnalysisError, ResultsError
from hopkin.analysis.trajectories import FloatArray, frozen
from hopkin.analysis.transport import Point, fit_arrhenius, mae_rdf, read_table, wasserstein_distance

IMMOBILE_MSD_A2 = 5.0
IMMOBILE_TEMPERATURE_K = 800.0
SAME_TIME = 0.01  # of the time itself


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dynamics:
    """What one run says of a material at a temperature.

    Attributes
    ----------
    material
        Name of the material.
    temperature
        Temperature [K].
    msd
        MSD of the ions at the end of the run [A^2]; None where it is not known.
    time
        Length of the run [ps]; None: that of whatever it is compared with.
    curve
        (2, n) times [ps] and MSD from the first frame [A^2]; None where only its end is known.
    diffusivity
        Diffusivity by the protocol of the comparison [cm^2/s]; None where there is none.
    r
        (n_bins,) centres of the bins of `rdf` [A].
    rdf
        (n_bins,) radial distribution function by pair.
    """

    material: str
    temperature: float
    msd: float | None
    time: float | None = None
    curve: FloatArray | None = None
    diffusivity: float | None = None
    r: FloatArray | None = None
    rdf: Mapping[str, FloatArray] | None = None

    def msd_at(self, time: float | None) -> float | None:
        """MSD at a time [A^2]; None where it is not known. The time None is the end of the run."""
        if time is None or self.time is None or abs(time - self.time) <= SAME_TIME * self.time:
            return self.msd
        if self.curve is None or time > self.time:
            return None
        return float(np.interp(time, *self.curve))


def read_dynamics(result: Mapping[str, Any], directory: Path) -> Dynamics:
    """Take what a run says from the fields of its result, and from its tables where they are there."""
    curve = r = rdf = None
    with suppress(ResultsError, KeyError):
        table = read_table(directory / "msd.csv")
        curve = np.array([table["time_ps"], table["msd_single_origin_A2"]])
    with suppress(ResultsError):
        rdf = read_table(directory / "rdf.csv")
        r = rdf.pop("r_A")
    return Dynamics(
        material=result["material"],
        temperature=result["temperature_K"],
        msd=result.get("msd_A2_final"),
        time=result.get("time_ps"),
        curve=curve,
        diffusivity=result.get("diffusivity_cm2_per_s"),
        r=r,
        rdf=rdf,
    )


def common_msd(known: Dynamics, run: Dynamics) -> tuple[float, float] | None:
    """MSD of both at the end of the shorter one [A^2]; None where one has none there, or has not moved."""
    time = min((d.time for d in (known, run) if d.time is not None), default=None)
    first, second = known.msd_at(time), run.msd_at(time)
    return (first, second) if first and second else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RdfDifference:
    """Difference of the radial distribution functions of a pair: see :func:`mae_rdf`."""

    material: str
    temperature: float
    pair: str
    mae: float
    wasserstein: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DynamicsComparison:
    """How far the dynamics of a potential are from the reference's.

    Attributes
    ----------
    log10_msd_mae, n_msd
        Mean of |log10 MSD - log10 MSD_ref|, and over how many runs; None where no MSD can be compared.
    diffusivity
        Errors of the diffusivities of mobile materials [cm^2/s]; None where none can be compared.
    log10_diffusivity_mae, n_positive
        Of those that are positive in both, and how many are; None where none is.
    activation_energy
        Errors of the activation energies of mobile materials [eV]; None where none can be compared.
    energies
        Material, activation energy of the reference and of the potential [eV].
    rdf
        Differences of radial distribution functions, pair by pair.
    rdf_quartiles
        (3,) quartiles of their `mae`; None without.
    n_runs
        Runs that have a reference at their temperature.
    unmatched
        Materials with temperatures of runs that have none.
    immobile
        Materials that are left out of diffusivities and activation energies.
    negative
        Materials and temperatures of runs with a negative diffusivity, of reference or potential.
    without_energy
        Mobile materials without two temperatures at which both diffusivities are positive: they have no
        activation energy, which is fitted over the same temperatures in both.
    """

    log10_msd_mae: float | None
    n_msd: int
    diffusivity: Errors | None
    log10_diffusivity_mae: float | None
    n_positive: int
    activation_energy: Errors | None
    energies: tuple[tuple[str, float, float], ...]
    rdf: tuple[RdfDifference, ...]
    rdf_quartiles: FloatArray | None
    n_runs: int
    unmatched: tuple[tuple[str, float], ...]
    immobile: tuple[str, ...]
    negative: tuple[tuple[str, float], ...]
    without_energy: tuple[str, ...]


def compare_dynamics(
    reference: Sequence[Dynamics], computed: Sequence[Dynamics], *, seed: int
) -> DynamicsComparison:
    """Compare the runs of one potential with reference runs of the same materials and temperatures.

    Parameters
    ----------
    reference
        One run for each material and temperature.
    computed
        Runs of the potential; several of one material and temperature (seeds) count each.
    seed
        Seed of the bootstrap intervals.

    Raises
    ------
    AnalysisError
        If no run has a reference.
    """
    pairs = [(known, run) for run in computed if (known := reference_of(run, reference)) is not None]
    if not pairs:
        raise AnalysisError(
            f"none of the {len(computed)} runs has a reference of the same material and temperature; there "
            f"are references of {', '.join(sorted({known.material for known in reference})) or 'nothing'}"
        )
    immobile = {run.material for run in reference if _is_immobile(run)}
    mobile = [
        (known, run, known.diffusivity, run.diffusivity)
        for known, run in pairs
        if known.material not in immobile and known.diffusivity is not None and run.diffusivity is not None
    ]
    positive = [(first, second) for _, _, first, second in mobile if first > 0 and second > 0]
    energies, without_energy = _energies(mobile)
    msds = [both for pair in pairs if (both := common_msd(*pair))]
    differences = tuple(difference for known, run in pairs for difference in rdf_differences(known, run))
    return DynamicsComparison(
        log10_msd_mae=log10_mae(*zip(*msds, strict=True)) if msds else None,
        n_msd=len(msds),
        diffusivity=errors([m[2] for m in mobile], [m[3] for m in mobile], seed=seed) if mobile else None,
        log10_diffusivity_mae=log10_mae(*zip(*positive, strict=True)) if positive else None,
        n_positive=len(positive),
        activation_energy=errors(*list(zip(*energies, strict=True))[1:], seed=seed) if energies else None,
        energies=energies,
        rdf=differences,
        rdf_quartiles=frozen(np.quantile([d.mae for d in differences], [0.25, 0.5, 0.75]))
        if differences
        else None,
        n_runs=len(pairs),
        unmatched=tuple(
            (run.material, run.temperature) for run in computed if reference_of(run, reference) is None
        ),
        immobile=tuple(sorted(immobile)),
        negative=tuple(
            (known.material, known.temperature)
            for known, run in pairs
            if min(known.diffusivity or 0.0, run.diffusivity or 0.0) < 0
        ),
        without_energy=without_energy,
    )


def reference_of(run: Dynamics, reference: Sequence[Dynamics]) -> Dynamics | None:
    """Find the reference of a run; None where there is none."""
    return next(
        (
            known
            for known in reference
            if known.material == run.material
            and abs(known.temperature - run.temperature) < SAME_TEMPERATURE_K
        ),
        None,
    )


def _is_immobile(run: Dynamics) -> bool:
    at_rule = abs(run.temperature - IMMOBILE_TEMPERATURE_K) < SAME_TEMPERATURE_K
    return at_rule and run.msd is not None and run.msd < IMMOBILE_MSD_A2


def _energies(
    mobile: Sequence[tuple[Dynamics, Dynamics, float, float]],
) -> tuple[tuple[tuple[str, float, float], ...], tuple[str, ...]]:
    """Material with its activation energies [eV] of reference and potential, and the materials without."""
    energies, without = [], []
    for material in sorted({run.material for _, run, *_ in mobile}):
        points = [
            (
                Point(temperature=known.temperature, diffusivity=first),
                Point(temperature=known.temperature, diffusivity=second),
            )
            for known, run, first, second in mobile
            if run.material == material and first > 0 and second > 0
        ]
        try:
            fits = [fit_arrhenius([pair[side] for pair in points]) for side in (0, 1)]
            energies.append((material, fits[0].activation_energy, fits[1].activation_energy))
        except AnalysisError:
            without.append(material)
    return tuple(energies), tuple(without)


def rdf_differences(known: Dynamics, run: Dynamics) -> list[RdfDifference]:
    """Differences of the radial distribution functions that both have."""
    if known.rdf is None or run.rdf is None or known.r is None or run.r is None:
        return []
    differences = []
    for pair in sorted(known.rdf.keys() & run.rdf.keys()):
        g = np.interp(known.r, run.r, run.rdf[pair])
        differences.append(
            RdfDifference(
                material=run.material,
                temperature=run.temperature,
                pair=pair,
                mae=mae_rdf(known.r, known.rdf[pair], g),
                wasserstein=wasserstein_distance(known.r, known.rdf[pair], g),
            )
        )
    return differences
