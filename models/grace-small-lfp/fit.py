"""Fit a small GRACE to LiFePO4 labelled by SevenNet-0, and write what `pair_style grace` reads.

    python fit.py label WORK     in an environment with hopkin and sevenn: WORK/train.xyz, WORK/test.xyz
    python fit.py fit WORK       in an environment with tensorpotential: WORK/grace-small-lfp
    python fit.py errors WORK    in the same: WORK/errors.json
    python fit.py pack WORK      grace-small-lfp.tar.gz beside this file

Each step is seeded. `label` takes about ten minutes on one core, `fit` about twenty.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixedPlane
from ase.io import read, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

NAME = "grace-small-lfp"
HERE = Path(__file__).parent
TIMESTEP = 2 * units.fs


# Labels


def strained_and_rattled(atoms: Atoms, random: np.random.Generator, *, strain: float, rattle: float) -> Atoms:
    """Strain the cell by up to `strain` in each component, displace atoms by `rattle` [A] rms."""
    copy = atoms.copy()
    components = random.uniform(-strain, strain, size=(3, 3))
    copy.set_cell(atoms.cell.array @ (np.eye(3) + (components + components.T) / 2), scale_atoms=True)
    copy.positions += random.normal(scale=rattle, size=copy.positions.shape)
    return copy


def dynamics(
    atoms: Atoms,
    calculator: Calculator,
    random: np.random.Generator,
    *,
    temperature: float,
    steps: int,
    every: int,
) -> Iterator[Atoms]:
    """Yield snapshots of Langevin dynamics at a temperature [K], one each `every` steps of 2 fs."""
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=random)
    motion = Langevin(
        atoms, TIMESTEP, temperature_K=temperature, friction=0.02 / units.fs, rng=random, fixcm=False
    )
    for _ in range(steps // every):
        motion.run(every)
        yield atoms.copy()


def on_the_way(atoms: Atoms, fraction: float) -> Atoms:
    """Move a Li of a cell of two along the channel (b), by a fraction of the hop, towards a vacancy."""
    copy = atoms.repeat((1, 2, 1))
    along = copy.get_scaled_positions()
    row = [i for i in range(len(copy)) if copy[i].symbol == "Li" and np.allclose(along[i][[0, 2]], 0)]
    row.sort(key=lambda i: along[i][1])
    start, vacant = row[0], row[1]
    copy.positions[start] += fraction * (copy.positions[vacant] - copy.positions[start])
    del copy[vacant]
    # held in its plane, it finds its way past the oxygens by itself
    copy.set_constraint(FixedPlane(start - (vacant < start), (0, 1, 0)))
    return copy


def configurations(calculator: Calculator, *, test: bool) -> Iterator[tuple[str, Atoms]]:
    """Yield kinds and configurations; the test set has seeds and fractions of the hop of its own."""
    from hopkin.drivers.crystals.materials import build_material

    random = np.random.default_rng(2 if test else 1)
    olivine = build_material("LiFePO4-olivine")
    lithium = [atom.index for atom in olivine if atom.symbol == "Li"]
    parts = 6 if test else 50
    for n in range(parts):
        rattle = 0.02 + 0.14 * n / parts
        yield "rattled", strained_and_rattled(olivine, random, strain=0.04, rattle=rattle)
        vacancy = olivine.copy()
        del vacancy[int(random.choice(lithium))]
        yield "vacancy", strained_and_rattled(vacancy, random, strain=0.04, rattle=rattle)

    for temperature, vacancies in [(600.0, 0), (600.0, 1), (1200.0, 0), (1200.0, 1)]:
        cell = strained_and_rattled(olivine, random, strain=0.01, rattle=0.0)
        if vacancies:
            del cell[lithium[0]]
        shots = dynamics(
            cell, calculator, random, temperature=temperature, steps=40 if test else 160, every=8
        )
        for snapshot in shots:
            yield f"dynamics {temperature:.0f} K", snapshot

    for fraction in (0.25, 0.45) if test else np.linspace(0.05, 0.55, 11):
        images = dynamics(
            on_the_way(olivine, fraction), calculator, random, temperature=400.0, steps=32, every=8
        )
        for snapshot in images:
            yield "hop", snapshot


def label(work: Path) -> None:
    """Write WORK/train.xyz and WORK/test.xyz with energies, forces and stresses of SevenNet-0."""
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator("7net-0", device="cpu")
    for name in ("test", "train"):
        labelled = []
        for kind, atoms in configurations(calculator, test=name == "test"):
            atoms.set_constraint()
            atoms.calc = calculator
            results = {
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces(),
                "stress": atoms.get_stress(),
            }
            bare = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
            bare.calc = SinglePointCalculator(bare, **results)
            bare.info["kind"] = kind
            labelled.append(bare)
        write(work / f"{name}.xyz", labelled, format="extxyz")
        print(name, len(labelled), "configurations", flush=True)  # noqa: T201


# Fit

INPUT = """\
seed: 1
cutoff: 4.5
data:
  filename: ../train.xyz
  test_filename: ../test.xyz
  reference_energy: 0
potential:
  preset: GRACE_2LAYER_latest
  elements: [Li, Fe, P, O]
  param_dtype: float32
  shift: True
  scale: True
  kwargs:
    lmax: [3, 2]
    max_order: 3
    n_rad_base: 8
    n_rad_max: [16, 16]
    prod_func_n_max: [16, 16]
    indicator_lmax: 1
    embedding_size: 32
    n_mlp_dens: 8
fit:
  loss:
    energy: {weight: 16, type: huber, delta: 0.01}
    forces: {weight: 32, type: huber, delta: 0.01}
    stress: {weight: 128, type: huber, delta: 0.01}
  maxiter: 64
  optimizer: Adam
  opt_params: {learning_rate: 0.01, use_ema: True, ema_momentum: 0.99, weight_decay: null, clipnorm: 1.0}
  scheduler: cosine_decay
  scheduler_params: {minimum_learning_rate: 0.0002}
  batch_size: 2
  test_batch_size: 8
  jit_compile: True
  train_max_n_buckets: 2
  test_max_n_buckets: 2
  checkpoint_freq: 10
  train_shuffle: True
"""


def fit(work: Path) -> None:
    """Fit with `gracemaker` in single precision; export in double, WORK/grace-small-lfp."""
    directory = work / "fit"
    directory.mkdir()
    (directory / "input.yaml").write_text(INPUT)
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}

    def run(*argv: str) -> None:
        command = Path(sys.executable).with_name(argv[0])
        subprocess.run([str(command), *argv[1:]], cwd=directory, env=environment, check=True)

    run("gracemaker", "input.yaml")
    export(work, run)


def export(work: Path, run: Callable[..., None]) -> None:
    """Cast the best model to double precision, where energies have the digits of a line search."""
    fitted = Path("seed/1")
    of_fit = ("-p", f"{fitted}/model.yaml", "-c", f"{fitted}/checkpoints/checkpoint.best_test_loss")
    run("grace_utils", *of_fit, "cast_model_param", "-curr", "fp32", "-to", "fp64")
    cast = fitted / "checkpoints" / "casted-converted"
    of_cast = ("-p", f"{cast}/model.yaml", "-c", f"{cast}/checkpoint")
    run("grace_utils", *of_cast, "export", "-n", str((work / NAME).resolve()))


# Errors


def errors(work: Path) -> None:
    """Write WORK/errors.json: root-mean-square errors on the test set, by kind of configuration."""
    from tensorpotential.calculator import TPCalculator

    calculator = TPCalculator(str(work / NAME))
    differences: dict[str, list[tuple[float, np.ndarray, np.ndarray]]] = {}
    for labelled in read(work / "test.xyz", ":"):
        atoms = labelled.copy()
        atoms.calc = calculator
        energy = (atoms.get_potential_energy() - labelled.get_potential_energy()) / len(atoms)
        forces = (atoms.get_forces() - labelled.get_forces()).ravel()
        stress = (atoms.get_stress() - labelled.get_stress()) / units.GPa
        for kind in (labelled.info["kind"], "all"):
            differences.setdefault(kind, []).append((energy, forces, stress))
    summary = {}
    for kind, of_kind in sorted(differences.items()):
        energy, forces, stress = (
            np.concatenate([np.atleast_1d(x) for x in part]) for part in zip(*of_kind, strict=True)
        )
        summary[kind] = {
            "configurations": len(of_kind),
            "energy_rmse_meV_per_atom": round(1e3 * float(np.sqrt(np.mean(energy**2))), 2),
            "force_rmse_eV_per_A": round(float(np.sqrt(np.mean(forces**2))), 4),
            "force_mae_eV_per_A": round(float(np.mean(np.abs(forces))), 4),
            "stress_rmse_GPa": round(float(np.sqrt(np.mean(stress**2))), 3),
        }
    (work / "errors.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))  # noqa: T201


def pack(work: Path) -> None:
    """Write grace-small-lfp.tar.gz beside this file; the same model gives the same bytes."""
    files = sorted(path for path in (work / NAME).rglob("*") if path.is_file())
    with (
        (HERE / f"{NAME}.tar.gz").open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for file in files:
            member = tarfile.TarInfo(f"{NAME}/{file.relative_to(work / NAME)}")
            member.size = file.stat().st_size
            with file.open("rb") as content:
                archive.addfile(member, content)


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    steps = {"label": label, "fit": fit, "errors": errors, "pack": pack}
    parser.add_argument("step", choices=steps)
    parser.add_argument("work", type=Path, help="directory of everything that is made on the way")
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    steps[arguments.step](arguments.work.resolve())


if __name__ == "__main__":
    main()
