"""Statistical physics of a run with a machine-learned potential in LAMMPS.

The canonical ensemble of N atoms whose centre of mass rests, f = 3N - 3 (Frenkel and Smit, Understanding
Molecular Simulation, chapter 6): the kinetic temperature varies by 2 T^2 / f, and an atom of mass m of M in
all has the kinetic energy 3/2 k T (1 - m/M), whatever its element.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from bands import silent

from hopkin.drivers import engine
from hopkin.drivers.crystals.structures import load_structure
from hopkin.drivers.models.registry import find_model
from hopkin.drivers.specification import MDSpecification
from hopkin.drivers.workflows.continuation import read_thermo
from hopkin.drivers.workflows.dynamics import run_md

TEMPERATURE_K = 600.0
N_ATOMS = 28
CORRELATION_PS = 0.05  # of the kinetic energy: damping and vibrations
EVERY = 5


def with_kinetic_energies(deck: str, n_types: int) -> str:
    """Have the mean kinetic energy of an atom of each type written every few steps of the run."""
    lines = ["compute ke all ke/atom"]
    for n in range(1, n_types + 1):
        lines += [f"group type{n} type {n}", f"compute ke{n} type{n} reduce ave c_ke"]
    columns = " ".join(f"c_ke{n}" for n in range(1, n_types + 1))
    lines.append(f"fix species all ave/time {EVERY} 1 {EVERY} {columns} file species.txt")
    return deck.replace("\nrestart  ", "\n" + "\n".join(lines) + "\n\nrestart  ", 1)


@pytest.mark.slow
def test_canonical_ensemble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiFePO4, 28 atoms, 6 ps after 1 ps, every 10 fs; bounds of four standard errors."""
    write = engine.write_deck

    def measured(directory: Path, template: str, model: Any, elements: Any, **values: Any) -> str:
        deck = write(directory, template, model, elements, **values)
        if template == "md":
            text = (directory / deck).read_text()
            (directory / deck).write_text(with_kinetic_energies(text, len(elements)))
        return deck

    monkeypatch.setattr(engine, "write_deck", measured)
    structure = load_structure("LiFePO4-olivine")
    asked = MDSpecification(
        model="grace-small-lfp",
        temperature_K=TEMPERATURE_K,
        time_ps=6,
        equilibration_ps=1,
        frame_interval_fs=20,
    )
    run, result = run_md(structure, find_model(asked.model), asked, tmp_path, verify=False, say=silent)
    assert result["failure"] is None
    n_independent = 6 / CORRELATION_PS

    thermo = read_thermo(run.path)
    produced = thermo["Time"] >= 1
    temperatures, conserved, energies = (thermo[name][produced] for name in ("Temp", "Econserve", "TotEng"))
    freedom = 3 * N_ATOMS - 3
    spread = TEMPERATURE_K * np.sqrt(2 / freedom)
    assert temperatures.mean() == pytest.approx(TEMPERATURE_K, abs=4 * spread / np.sqrt(n_independent))
    assert temperatures.var() == pytest.approx(spread**2, rel=4 * np.sqrt(2 / n_independent))

    # the energy of the crystal goes to and fro; with that of the thermostat it is kept
    assert conserved.std() < 0.02 * energies.std()
    assert abs(result["energy_drift_eV_per_atom_per_ps"]) < 1e-3 * units.kB * TEMPERATURE_K  # kT in 1 ns

    steps, *kinetic = np.loadtxt(run.path / "species.txt").T
    atoms = structure.atoms
    for element, energy in zip(engine.elements_of(atoms), kinetic, strict=True):
        of_element = atoms.symbols == element
        mass = atoms.get_masses()[of_element][0]
        expected = 1.5 * units.kB * TEMPERATURE_K * (1 - mass / atoms.get_masses().sum())
        error = np.sqrt(2 / (3 * of_element.sum() * n_independent))
        assert energy[steps > 500].mean() == pytest.approx(expected, rel=4 * error), element
