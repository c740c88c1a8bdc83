"""What TPCalculator says of structures; run by the interpreter of an environment with tensorpotential.

python grace_reference.py SAVED_MODEL STRUCTURES.json RESULTS.json
"""

import json
import sys
from pathlib import Path

from ase import Atoms
from tensorpotential.calculator import TPCalculator


def main(model: str, structures: str, results: str) -> None:
    calculator = TPCalculator(model)
    said = {}
    for name, structure in json.loads(Path(structures).read_text()).items():
        atoms = Atoms(**structure, pbc=True, calculator=calculator)
        said[name] = {
            "energy": float(atoms.get_potential_energy()),
            "forces": atoms.get_forces().tolist(),
            "stress": atoms.get_stress().tolist(),
        }
    Path(results).write_text(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
