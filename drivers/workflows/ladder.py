"""The ladder of settings that attempts at a band go down; a killed run goes on after the last that ended.

A ladder, not a verdict. A band that diverges starts again by smaller steps, one that stalls goes on with
another optimiser and stiffer springs, one whose spline has a higher point or a minimum between images goes
on with twice the images. LAMMPS chooses the climbing image once, after 20 iterations; where another one
ends up highest, the band is run again from where it is, and is not converged before the two agree. Each
attempt is in the result; a failure is classed after the last.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ase import Atoms

from hopkin.drivers import bands, engine
from hopkin.drivers.errors import LammpsError, RunError, ScarcityError
from hopkin.drivers.models import Model
from hopkin.drivers.specification import BandSpecification
from hopkin.drivers.workflows.attempts import Attempt, Settings, run_attempt
from hopkin.drivers.workflows.calculation import Say, digest
from hopkin.drivers.workflows.relaxation import Relaxed, read_state

_MOST_CLIMBS = 3

# From the interpolated path again, after an attempt that diverged.
_AFTER_DIVERGENCE = (
    Settings(timestep_ps=0.0005, largest_step_A=0.02),
    Settings(optimiser="quickmin", timestep_ps=0.0005, spring_eV_per_A2=0.2, largest_step_A=0.02),
)
# On from where the last attempt ended, which had not converged.
_AFTER_STALL = (
    Settings(optimiser="quickmin", timestep_ps=0.001),
    Settings(timestep_ps=0.0005, spring_eV_per_A2=5.0),
)

_RECORD = "attempt.json"


def climb(
    ends: tuple[Relaxed, Relaxed],
    model: Model,
    specification: BandSpecification,
    directory: Path,
    *,
    path: Sequence[Atoms] | None = None,
    earlier: Sequence[Attempt] = (),
    enough: Callable[[Attempt], object] | None,
    say: Say,
) -> tuple[Attempt, list[Attempt]]:
    """Attempt a band until it has converged with enough images, or the ladder ends.

    LAMMPS chooses the climbing image once, after the first iterations: where another one ends up
    highest, the band goes on from where it is. One that diverges starts again by smaller steps; one
    that stalls goes on with another optimiser, then with stiffer springs. One that is converged, but
    whose profile says that it has too few images, goes on with twice as many; where that fails, the
    one before counts, unless the run was stopped from outside. Where the last attempt left no numbers,
    an earlier one that has some counts. An attempt of which the caller has `enough` is the last. The very
    first attempt has the shape of a given `path`; where it does not converge, the ladder begins as without.

    Returns the attempt that counts, and all, after the `earlier` ones, which were between other ends. The
    files of the one that counts are in `directory`, those of the others in `attempt_N` there. What a run
    that was killed has recorded is read.
    """
    after_divergence, after_stall = list(_AFTER_DIVERGENCE), list(_AFTER_STALL)
    straight = bands.interpolate(ends[0].atoms, ends[1].atoms, specification.images)
    first = bands.off_symmetry(straight, aside=not specification.symmetric_path)
    between = digest([end.atoms for end in ends])
    begin = "interpolated between ends relaxed anew" if earlier else "interpolated"
    settings, images, start, climbs = Settings(), first, begin, 1
    borrowed = path is not None and not earlier
    if path is not None and borrowed:
        reshaped = bands.reshaped(path, ends[0].atoms, ends[1].atoms, specification.images)
        images = bands.off_symmetry(reshaped, aside=not specification.symmetric_path)
        start = f"shape of the band of {specification.start_from}"
    attempts = [*earlier]
    coarse: int | None = None
    while True:
        number = len(attempts) + 1
        asked = Attempt(settings=settings, images=len(images) - 2, start=start)
        last = _recorded(directory, number, asked, between)
        if last is None:
            _forget(directory, number)
            _set_aside(directory)
            try:
                last = run_attempt(asked, images, ends, model, specification, directory, say=say)
            except (LammpsError, ScarcityError) as error:  # the coarse band had memory and slots enough
                if coarse is None:
                    raise
                last = replace(asked, outcome="broke down", evidence=str(error))
            _record(directory, number, last, between)
        attempts.append(last)
        if last.replicas and enough is not None and enough(last):
            return last, attempts
        goes_on = last.outcome == "another image is highest" and climbs < _MOST_CLIMBS
        if borrowed and last.outcome != "converged" and not goes_on:
            settings, images, start, climbs, borrowed = Settings(), first, begin, 1, False
        elif not last.replicas:
            if coarse is not None or not after_divergence:
                break
            settings, images, start = after_divergence.pop(0), first, begin
        elif last.outcome == "converged":
            borrowed = False
            images = bands.refined(last.atoms)
            if coarse is not None or len(images) - 2 > specification.most_images:
                break
            reason = last.profile.unresolved() or _below_an_end(last.energies)
            if reason is None:
                break
            coarse, start = len(attempts), f"band {len(attempts)} with twice the images, because {reason}"
        else:
            if goes_on:
                climbs += 1
            elif after_stall:
                settings = after_stall.pop(0)
            else:
                break
            images, start = last.atoms, f"band {len(attempts)}"
    counts = len(attempts)
    if last.outcome != "converged":
        ours = [n for n, a in enumerate(attempts, 1) if a.replicas and n > len(earlier)]
        counts = coarse or max(ours, default=counts)
    bring_back(directory, counts)
    return attempts[counts - 1], attempts


def _below_an_end(energies_eV: Sequence[float]) -> str | None:
    failed = bands.classify(energies_eV)
    return failed.evidence if failed else None


# Attempts that have ended: the last one's files in the run directory, those of others in a folder each.
# A file `attempt.json` tells which attempt the files beside it belong to. It moves last where files are set
# aside and first where they are brought back, so that it is always there that they have to be gathered.


def _record(directory: Path, number: int, attempt: Attempt, between: str) -> None:
    """Keep what came of an attempt, and the hash of the ends that it was between."""
    known = {
        "number": number,
        "between": between,
        "settings": asdict(attempt.settings),
        "images": attempt.images,
        "start": attempt.start,
        "steps": attempt.steps,
        "outcome": attempt.outcome,
        "evidence": attempt.evidence,
        "has_numbers": bool(attempt.replicas),
        "climbing_image": attempt.climbing_image,
        "max_force_eV_per_A": attempt.max_force_eV_per_A if attempt.replicas else None,
    }
    engine.write_json(directory / _RECORD, known)


def _recorded(directory: Path, number: int, asked: Attempt, between: str) -> Attempt | None:
    """Read an attempt that has ended, of the settings that are asked and between these ends."""
    folder = directory / f"attempt_{number}"
    if _number(directory) == number:
        _move(folder, directory)
        folder = directory
    if not (folder / _RECORD).is_file():
        return None
    try:
        attempt, there = _read(folder)
    except RunError as error:
        engine.say_absent(str(error))
        return None
    same = (attempt.settings, attempt.images, attempt.start) == (asked.settings, asked.images, asked.start)
    if not same or there != between:
        engine.say_absent(f"{folder} holds another attempt than is wanted")
        return None
    return attempt


def _read(folder: Path) -> tuple[Attempt, str]:
    known = engine.read_fields(folder / _RECORD)
    try:
        replicas = [
            read_state(folder, f"image_{n}") for n in range(known["images"] + 2) if known["has_numbers"]
        ]
        attempt = Attempt(
            settings=Settings(**known["settings"]),
            images=known["images"],
            start=known["start"],
            steps=known["steps"],
            outcome=known["outcome"],
            evidence=known["evidence"],
            replicas=tuple(replicas),
            max_force_eV_per_A=known["max_force_eV_per_A"] if replicas else math.nan,
            climbing_image=known["climbing_image"],
        )
        return attempt, known["between"]
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder / _RECORD} is torn: {error}") from error


def _number(directory: Path) -> int | None:
    """Tell which attempt the files in the directory itself belong to; None where that has not ended."""
    record = engine.read_json(directory / _RECORD, "number")
    return None if record is None else int(record["number"])


def _forget(directory: Path, number: int) -> None:
    """Remove what is there of an attempt and later ones: of another ladder, or torn."""
    if (here := _number(directory)) is None or here >= number:
        (directory / _RECORD).unlink(missing_ok=True)
    for folder in directory.glob("attempt_*"):
        if int(folder.name.removeprefix("attempt_")) >= number:
            shutil.rmtree(folder)
    lost = [folder for n, folder in ends_set_aside(directory) if n >= number]
    if lost:
        shutil.rmtree(directory / "ends", ignore_errors=True)
        lost[0].rename(directory / "ends")
    for folder in lost[1:]:
        shutil.rmtree(folder)


def ends_set_aside(directory: Path) -> list[tuple[int, Path]]:
    """Earlier ends that gave way to lower ones: after how many attempts, and their folder."""
    return sorted((int(folder.name.removeprefix("ends_")), folder) for folder in directory.glob("ends_*"))


def _files(directory: Path) -> list[Path]:
    kinds = ("image_*", "neb.in", "model", "model.*", "log.lammps*")  # the model's is a link
    return [file for kind in kinds for file in directory.glob(kind)]


def _move(source: Path, target: Path) -> None:
    """Move the files of an attempt, as far as they are not there yet."""
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for file in _files(source):
            file.rename(target / file.name)
        if source.name.startswith("attempt_"):
            source.rmdir()


def _set_aside(directory: Path) -> None:
    """Move the files of an attempt that has ended into a folder of its own."""
    if (number := _number(directory)) is not None:
        folder = directory / f"attempt_{number}"
        _move(directory, folder)
        (directory / _RECORD).rename(folder / _RECORD)


def bring_back(directory: Path, number: int) -> None:
    """Have the files of an attempt in the directory itself."""
    if _number(directory) != number:
        _set_aside(directory)
        for stale in _files(directory):
            stale.unlink()
        folder = directory / f"attempt_{number}"
        (folder / _RECORD).rename(directory / _RECORD)
        _move(folder, directory)
