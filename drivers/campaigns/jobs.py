"""A calculation of a campaign, and what becomes of it.

A failure is a result: whatever a job ends with goes into the `ledger`, and tables are made from that and the
run directories, at any time. Only what was lost is tried again, a worker, a block of Parsl, a rank that was
killed: the machine's doing, not the model's.
"""

import errno
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hopkin.analysis.comparison import DynamicsReference, Reference
from hopkin.analysis.errors import AnalysisError
from hopkin.drivers.bands import finished_band
from hopkin.drivers.crystals import Structure
from hopkin.drivers.errors import BusyError, HopkinError, MachineError, ModelError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification, MDSpecification, Specification
from hopkin.drivers.workflows import Run, Say, prepare, shared_key

Key = tuple[str, str, str, Specification]

_logger = logging.getLogger(__name__)

# The disk is full or broken, or the folder or the machine has had enough
_OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE),
    *(errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ETIMEDOUT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What jobs have in common, and is done once before them.

    Attributes
    ----------
    key
        what tells it from others
    title
        what it is called
    work
        does it, in a folder of run directories: `work(root, verify=..., say=...)`; at once where it was done
    """

    key: str
    title: str
    work: Callable[..., None]

    @property
    def id(self) -> str:
        """Short name, the same whenever its campaign is planned."""
        return _short(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One calculation of a campaign.

    Attributes
    ----------
    kind, material, source, mechanism, hop_index, path_length_A, family
        what it is, for tables and references
    specification
        what is asked for
    work
        does it, in a folder of run directories: `work(root, verify=..., say=...)`
    reference
        known barrier or dynamics, where there are
    ground
        what it stands on, where several jobs may stand on the same: the gate, the relaxed crystal
    n_atoms, n_evaluations
        what it takes, about; 0 where no model is evaluated
    """

    kind: Literal["barrier", "neb", "kinetics", "images", "md", "reference"]
    material: str
    source: str
    mechanism: str | None = None
    hop_index: int | None = None
    path_length_A: float | None = None
    family: str = ""
    specification: Specification
    work: Callable[..., Run]
    reference: Reference | DynamicsReference | None = None
    ground: Ground | None = None
    n_atoms: int = 0
    n_evaluations: int = 0

    @property
    def key(self) -> Key:
        """What tells it from the other jobs of its campaign."""
        return self.kind, self.material, self.source, self.specification

    @property
    def id(self) -> str:
        """Short name, the same whenever its campaign is planned."""
        what = [self.kind, self.material, self.source, self.specification.model_dump(mode="json")]
        return _short(json.dumps(what, sort_keys=True))

    @property
    def base(self) -> Key | None:
        """Key of the job whose band gives this one its first path."""
        band = self.specification
        if not isinstance(band, BandSpecification) or band.start_from is None:
            return None
        return (*self.key[:-1], band.model_copy(update={"model": band.start_from, "start_from": None}))

    @property
    def cost(self) -> float:
        """Evaluations of atoms: long jobs go first."""
        return float(self.n_atoms * self.n_evaluations)

    @property
    def title(self) -> str:
        """What it is called in progress and messages."""
        words = [self.material]
        if self.hop_index is not None:
            words.append(f"hop {self.hop_index}")
        if self.kind == "barrier" and self.mechanism != "vacancy":
            words.append(str(self.mechanism))
        if isinstance(self.specification, MDSpecification):
            words.append(f"at {self.specification.temperature_K:g} K")
            if self.specification.seed > 1:
                words.append(f"seed {self.specification.seed}")
        if self.kind == "reference" and isinstance(self.reference, DynamicsReference):
            words.append(f"at {self.reference.temperature_K:g} K as known")
        if self.kind == "kinetics":
            words.append("kinetics")
        if self.kind == "images":
            words.append("images of VASP")
        return f"{' '.join(words)}, {self.specification.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a job: a run directory with its result, or the error that kept it from one.

    `lost`: it was the machine's or the user's doing, and another try may come to a result. `busy`: another
    hopkin is at it.
    """

    directory: Path | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    message: str | None = None
    lost: bool = False
    busy: bool = False

    @property
    def failure(self) -> str | None:
        """Class of the failure: of the result, or of the error; None where there is none."""
        return self.error if self.result is None else self.result["failure"]


def ground_of(structure: Structure, model: Model, specification: Specification) -> Ground:
    """Return what a calculation of a crystal stands on: the gate of its model, and the relaxed crystal."""
    return Ground(
        key=shared_key(structure, model, specification),
        title=f"{structure.material}, {model.name}",
        work=partial(prepare, structure, model, specification),
    )


def refuse(error: HopkinError, *_: Any, **__: Any) -> Run:
    """Stand in for the work on what cannot be used: one of many does not keep the others waiting."""
    raise error


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def lay_ground(ground: Ground, root: Path, *, verify: bool, say: Say) -> Outcome:
    """Do what jobs stand on; an error that is the model's is theirs, too."""
    try:
        ground.work(root, verify=verify, say=say)
    except ModelError as error:
        return Outcome(error=type(error).__name__, message=str(error))
    except Exception as error:  # the jobs meet it themselves, and say so, or not any more
        _logger.info("%s: %s", ground.title, error)
    return Outcome()


def run_job(
    job: Job,
    root: Path,
    base: Outcome | None = None,
    ground: Outcome | None = None,
    *,
    verify: bool,
    say: Say,
) -> Outcome:
    """Do a job; whatever it ends with is an outcome, so that the others go on.

    A band starts from that of `base`, where it has converged; else as bands do that start from none. Where
    that was lost, so is this one. What `ground` failed with, this fails with.
    """
    if ground is not None and ground.error is not None and not ground.lost:
        return ground
    if base is not None and base.lost:
        message = f"it starts from a band that was lost: {base.message or base.error}"
        return Outcome(error=base.error, message=message, lost=True)
    work = job.work
    try:
        if base is not None and base.directory is not None and base.failure is None:
            *_, path = finished_band(base.directory)
            work = partial(work, path=path)
        run, result = work(root, verify=verify, say=say)
    except (HopkinError, AnalysisError) as error:
        return Outcome(
            error=type(error).__name__,
            message=str(error),
            lost=isinstance(error, MachineError),
            busy=isinstance(error, BusyError),
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            message = f"{error.filename or root}: {error.strerror}"
            return Outcome(error=MachineError.__name__, message=message, lost=True)
        _logger.exception("%s", job.title)  # a defect: recorded like the rest, and told in full to the log
        return Outcome(error=type(error).__name__, message=f"{type(error).__name__}: {error}")
    return Outcome(directory=run.path, result=result)
