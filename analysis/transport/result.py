"""What a trajectory says about the transport of one ion species: fields of result.json, and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hopkin.analysis.trajectories import FloatArray
from hopkin.analysis.transport.conductivity import CHARGES, conductivity
from hopkin.analysis.transport.diffusion import PaperFit, WindowedFit
from hopkin.analysis.transport.rdf import RadialDistribution
from hopkin.analysis.transport.sites import HopStatistics
from hopkin.analysis.transport.tables import write_table
from hopkin.analysis.transport.uncertainty import Estimate

DIRECTIONS = ("xx", "yy", "zz")
LEAST_SLOPE = 0.7  # of ln MSD against ln t, below which a fit without blocks is no diffusivity
HOP_FIELDS = ("n_site_hops", "site_hops_per_ion_per_ps", "jump_diffusivity_cm2_per_s", "correlation_factor")
ESTIMATES = ("block", "kinisi", "collective")
TRANSPORT_FIELDS = (
    *("n_ions", "time_ps", "volume_A3", "msd_A2_final", "diffusivity_cm2_per_s", "paper_fit_window_ps"),
    *("paper_fit_rule", "diffusivity_windowed_cm2_per_s", "diffusivity_windowed_reason"),
    *("windowed_fit_window_ps", "diffusivity_std", "diffusivity_tensor_cm2_per_s", "n_blocks"),
    *(
        f"diffusivity_{name}_{of}"
        for name in ESTIMATES
        for of in ("cm2_per_s", "std", "interval_95", "reason")
    ),
    *("diffusivity_tracer_reason", "conductivity_nernst_einstein_S_per_cm", "haven_ratio"),
    *("conductivity_collective_S_per_cm", "conductivity_collective_reason", "n_hops", *HOP_FIELDS),
    *("log_log_slope", "framework_msd_A2"),
)
"""Names of what :meth:`TransportResult.as_dict` returns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransportResult:
    """What a trajectory says about the transport of one ion species.

    Attributes
    ----------
    ion
        Chemical symbol of the ion; all other atoms are the framework, whose drift is removed.
    n_ions
        Number of ions.
    volume
        Mean volume of the cell [A^3].
    temperature
        Temperature [K], None where it is not known: there are no conductivities then, nor of ions whose
        charge is not known.
    times
        (n_frames,) times, or lags, from 0 [ps].
    msd_single_origin
        (n_frames,) MSD of the ions from the first frame [A^2].
    msd_windowed
        (n_frames,) MSD of the ions over all origins [A^2].
    msd_tensor
        (n_frames, 3, 3) its parts along each two directions; the trace is `msd_windowed` [A^2].
    msd_collective
        (n_frames,) the same of the sum of the ions' displacements, per ion [A^2].
    msd_of_species
        (n_frames,) MSD over all origins of every species [A^2].
    framework_msd
        (n_frames,) MSD of the framework from the first frame [A^2]; zero without framework.
    paper
        Diffusivity by the paper protocol.
    windowed
        Diffusivity by the rule of He, Zhu and Mo, or the reason why there is none.
    tensor
        (3, 3) diffusivity along each two directions in the same window [cm^2/s]; None without.
    block, collective
        Tracer and collective diffusivity by blocks, or the reason why there are none.
    posterior
        Diffusivity by kinisi, where it was asked for.
    hops
        Hops between sites, where sites were given.
    log_log_slope
        Slope of ln MSD against ln t, None where it is undefined.
    rdf
        Radial distribution functions of all species pairs over the last 40 % of the run.
    """

    ion: str
    n_ions: int
    volume: float
    temperature: float | None
    times: FloatArray
    msd_single_origin: FloatArray
    msd_windowed: FloatArray
    msd_tensor: FloatArray
    msd_collective: FloatArray
    msd_of_species: Mapping[str, FloatArray]
    framework_msd: FloatArray
    paper: PaperFit
    windowed: WindowedFit
    tensor: FloatArray | None
    block: Estimate
    collective: Estimate
    posterior: Estimate
    hops: HopStatistics | None
    log_log_slope: float | None
    rdf: RadialDistribution

    def as_dict(self) -> dict[str, Any]:
        """Return the scalar results, under the names and units of result.json."""
        return {
            "n_ions": self.n_ions,
            "time_ps": float(self.times[-1]),
            "volume_A3": self.volume,
            "msd_A2_final": float(self.msd_single_origin[-1]),
            "diffusivity_cm2_per_s": self.paper.diffusivity,
            "paper_fit_window_ps": list(self.paper.window),
            "paper_fit_rule": self.paper.rule,
            "diffusivity_windowed_cm2_per_s": self.windowed.diffusivity,
            "diffusivity_windowed_reason": self.windowed.reason,
            "windowed_fit_window_ps": self.windowed.window and list(self.windowed.window),
            "diffusivity_std": self.windowed.standard_deviation,
            "diffusivity_tensor_cm2_per_s": None if self.tensor is None else self.tensor.tolist(),
            **_estimate_fields("block", self.block),
            "n_blocks": self.block.n_blocks,
            **_estimate_fields("kinisi", self.posterior),
            **_estimate_fields("collective", self.collective),
            "diffusivity_tracer_reason": self._tracer_reason,
            "conductivity_nernst_einstein_S_per_cm": self._conductivity(self._tracer_diffusivity),
            "haven_ratio": _ratio(self.block.diffusivity, self._collective_diffusivity),
            "conductivity_collective_S_per_cm": self._conductivity(self._collective_diffusivity),
            "conductivity_collective_reason": self._collective_reason,
            "n_hops": self.windowed.n_hops,
            **self._hop_fields(),
            "log_log_slope": self.log_log_slope,
            "framework_msd_A2": float(self.framework_msd[-1]),
        }

    @property
    def _tracer_diffusivity(self) -> float | None:
        """By blocks, or, where a run is too short for them, by the rule of He, Zhu and Mo [cm^2/s]."""
        if self._tracer_reason:
            return None
        by_blocks = self.block.diffusivity
        return self.windowed.diffusivity if by_blocks is None else by_blocks

    @property
    def _tracer_reason(self) -> str | None:
        """Why there is neither: an MSD that bends, as that of caged ions, passes the gate of the rule."""
        if self.block.diffusivity is not None:
            return None
        if (
            self.windowed.reason is None
            and self.log_log_slope is not None
            and self.log_log_slope < LEAST_SLOPE
        ):
            return (
                f"ln MSD grows as {self.log_log_slope:.2f} ln t, not 1, and the run is too short for blocks: "
                f"no diffusivity below {LEAST_SLOPE}"
            )
        return self.windowed.reason

    @property
    def _collective_diffusivity(self) -> float | None:
        return None if self._collective_reason else self.collective.diffusivity

    @property
    def _collective_reason(self) -> str | None:
        """Why nothing follows from the collective diffusivity: there is none, or it may be zero."""
        if self.collective.interval is None or self.collective.interval[0] > 0:
            return self.collective.reason
        low, high = self.collective.interval
        return f"the 95 % interval of the collective diffusivity holds zero: {low:.2g} to {high:.2g} cm^2/s"

    def _conductivity(self, diffusivity: float | None) -> float | None:
        if diffusivity is None or self.temperature is None or self.ion not in CHARGES:
            return None
        return conductivity(
            diffusivity,
            n_ions=self.n_ions,
            charge=CHARGES[self.ion],
            volume=self.volume,
            temperature=self.temperature,
        )

    def _hop_fields(self) -> dict[str, Any]:
        if self.hops is None:
            return dict.fromkeys(HOP_FIELDS)
        return {
            "n_site_hops": self.hops.n_hops,
            "site_hops_per_ion_per_ps": self.hops.rate,
            "jump_diffusivity_cm2_per_s": self.hops.jump_diffusivity,
            "correlation_factor": _ratio(self._tracer_diffusivity, self.hops.jump_diffusivity),
        }


def write_tables(result: TransportResult, directory: Path) -> None:
    """Write msd.csv, rdf.csv and coordination.csv into a directory.

    Parameters
    ----------
    result
        Result of :func:`hopkin.analysis.transport.analyze`.
    directory
        An existing directory; tables that are there already are replaced.
    """
    species = sorted(result.msd_of_species)
    write_table(
        directory / "msd.csv",
        (
            *("time_ps", "msd_single_origin_A2", "msd_windowed_A2", "framework_msd_A2"),
            *(f"msd_{direction}_A2" for direction in DIRECTIONS),
            "msd_collective_A2",
            *(f"msd_windowed_{name}_A2" for name in species),
        ),
        np.column_stack(
            [
                *(result.times, result.msd_single_origin, result.msd_windowed, result.framework_msd),
                np.diagonal(result.msd_tensor, axis1=1, axis2=2),
                result.msd_collective,
                *(result.msd_of_species[name] for name in species),
            ]
        ),
    )
    rdf = result.rdf
    write_table(directory / "rdf.csv", ("r_A", *rdf.pairs), np.column_stack([rdf.r, *rdf.g]))
    pairs = [tuple(pair.split("-")) for pair in rdf.pairs]
    directed = sorted({*pairs, *((b, a) for a, b in pairs)})
    write_table(
        directory / "coordination.csv",
        ("r_A", *(f"{b} around {a}" for a, b in directed)),
        np.column_stack([rdf.edges[1:], *(rdf.coordination_numbers(a, b) for a, b in directed)]),
    )


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None


def _estimate_fields(name: str, estimate: Estimate) -> dict[str, Any]:
    return {
        f"diffusivity_{name}_cm2_per_s": estimate.diffusivity,
        f"diffusivity_{name}_std": estimate.standard_error,
        f"diffusivity_{name}_interval_95": estimate.interval and list(estimate.interval),
        f"diffusivity_{name}_reason": estimate.reason,
    }
