"""Errors that a user can cause or has to act on.

Each message says what is wrong, what was received, and what is accepted.
"""

from typing import Literal

Failure = Literal[
    "type_I_divergence",
    "type_II_unphysical",
    "endpoint_drift",
    "not_converged",
    "melted",
    "decomposed",
    "frozen",
    "thermostat_lost",
]
"""What `failure` of a result can be, beside null."""


class HopkinError(Exception):
    """Base of every error that hopkin raises on purpose."""


def one_sentence(error: Exception) -> str:
    """Say an error in one line; one that is not hopkin's own by its type, too."""
    words = " ".join(str(error).split())
    return words if isinstance(error, HopkinError) else f"{type(error).__name__}: {words}"


class StructureError(HopkinError, ValueError):
    """A structure that cannot be read, or that the calculation asked for cannot use."""


class SpecificationError(HopkinError, ValueError):
    """An option outside its accepted values."""


class CampaignError(HopkinError, ValueError):
    """A campaign, executor or reference file that cannot be used."""


class RunError(HopkinError, ValueError):
    """A run directory that does not hold what is asked of it."""


class ModelError(HopkinError, ValueError):
    """A model that is unknown, unreadable, or does not cover the structure."""


class TrustError(ModelError):
    """A checkpoint of unknown origin, which the user has not said may be loaded."""


class DeckError(HopkinError, ValueError):
    """A deck template that cannot be rendered."""


class MachineError(HopkinError, RuntimeError):
    """Something the machine lacks: LAMMPS, an MPI launcher, slots, disk space, a writable directory."""


class ScarcityError(MachineError):
    """Too little memory or too few slots for a run of LAMMPS, of which a smaller one may have enough."""


class ServiceError(MachineError):
    """An evaluation service that was ended or killed while LAMMPS used it: the same run may succeed."""


class BusyError(MachineError):
    """Another hopkin does that calculation now: its result is there when it has ended."""


class LammpsError(HopkinError, RuntimeError):
    """LAMMPS ended with an error; the message holds the end of its log."""


class DivergenceError(LammpsError):
    """LAMMPS ended because the run diverged numerically (failure type I)."""

    failure: Failure = "type_I_divergence"


class HopelessError(DivergenceError):
    """A run that was stopped, because nothing of use would come of it."""

    def __init__(self, failure: Failure, evidence: str) -> None:
        super().__init__(evidence)
        self.failure = failure
