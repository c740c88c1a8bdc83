"""A barrier by another package: both ends relaxed, then the band; runs in that package's environment.

    python peer.py PEER FAMILY CHECKPOINT DTYPE THREADS     between ./initial.extxyz and ./final.extxyz

Prints the barrier [eV], and how often the model was evaluated.
"""

import json
import sys
import warnings
from typing import Any

import ase.io
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.mep import NEB
from ase.optimize import FIRE

IMAGES = 3
TOLERANCE_EV_PER_A = 0.05
MOST_STEPS = 1000


def calculator(family: str, checkpoint: str, dtype: str) -> Calculator:
    """Return the family's own calculator, which counts what it evaluates."""
    made: Any
    if family == "sevennet":
        from sevenn.calculator import SevenNetCalculator

        made = SevenNetCalculator(checkpoint, device="cpu")
    elif family == "mace":
        from mace.calculators import MACECalculator

        made = MACECalculator(model_paths=checkpoint, device="cpu", default_dtype=dtype)
    elif family == "matgl":  # hopkin is in its environment; what is given is its name
        from hopkin.drivers.models.registry import find_model

        model = find_model(checkpoint)
        made = model.module.calculator(model, device="cpu")
    else:
        from chgnet.model.dynamics import CHGNetCalculator

        made = CHGNetCalculator(use_device="cpu")
    kind = type(made)
    evaluate = kind.calculate

    def counted(self: Any, *arguments: Any, **options: Any) -> None:
        kind.evaluations += 1
        evaluate(self, *arguments, **options)

    kind.evaluations = 0
    kind.calculate = counted
    return made


def by_ase(initial: Atoms, final: Atoms, shared: Any) -> float:
    """FIRE for the ends and the band, which starts by IDPP; a calculator with a memory per image."""
    from copy import copy

    ends = [initial, final]
    for end in ends:
        end.calc = copy(shared)
        FIRE(end, logfile=None).run(fmax=TOLERANCE_EV_PER_A, steps=MOST_STEPS)
    images = [ends[0], *(ends[0].copy() for _ in range(IMAGES)), ends[1]]
    for image in images[1:-1]:
        image.calc = copy(shared)
    band = NEB(images, climb=True, method="improvedtangent")
    # from a straight line, the band of M3GNet falls to another saddle, 0.08 eV lower
    band.interpolate("idpp", mic=True)
    assert FIRE(band, logfile=None).run(fmax=TOLERANCE_EV_PER_A, steps=MOST_STEPS)
    energies = [image.get_potential_energy() for image in images]
    return max(energies) - (energies[0] + energies[-1]) / 2


def by_matcalc(initial: Atoms, final: Atoms, shared: Any) -> float:
    from matcalc import NEBCalc
    from pymatgen.io.ase import AseAtomsAdaptor

    band = NEBCalc(shared, optimizer="FIRE", fmax=TOLERANCE_EV_PER_A, max_steps=MOST_STEPS)
    first, last = (
        AseAtomsAdaptor.get_structure(end["final_structure"])
        if isinstance(end["final_structure"], Atoms)
        else end["final_structure"]
        for end in band.calc_endpoints(initial, final)
    )
    energies = band.calc_images(first, last, n_images=IMAGES, autosort_tol=0)["mep"].energies
    return float(max(energies) - (energies[0] + energies[-1]) / 2)


def by_janus(initial: Atoms, final: Atoms, shared: Any) -> float:
    from janus_core.calculations import neb

    initial.calc = shared
    calculation = neb.NEB(
        init_struct=initial,
        final_struct=final,
        n_images=IMAGES,
        optimizer=FIRE,
        fmax=TOLERANCE_EV_PER_A,
        steps=MOST_STEPS,
        neb_kwargs={"climb": True, "method": "improvedtangent"},
        interpolator_kwargs={"mic": True},
        minimize=True,
        minimize_kwargs={"fmax": TOLERANCE_EV_PER_A, "steps": MOST_STEPS, "optimizer": FIRE},
        file_prefix="janus",
    )
    calculation.run()
    assert calculation.converged
    energies = [image.get_potential_energy() for image in calculation.images]
    return max(energies) - (energies[0] + energies[-1]) / 2


PEERS = {"ase": by_ase, "matcalc": by_matcalc, "janus-core": by_janus}


def main(peer: str, family: str, checkpoint: str, dtype: str, threads: str) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(threads))
    shared = calculator(family, checkpoint, dtype)
    initial, final = (ase.io.read(f"{end}.extxyz") for end in ("initial", "final"))
    barrier = PEERS[peer](initial, final, shared)
    print(json.dumps({"barrier_eV": float(barrier), "evaluations": type(shared).evaluations}))


if __name__ == "__main__":
    main(*sys.argv[1:])
