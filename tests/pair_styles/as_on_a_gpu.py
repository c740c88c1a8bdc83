"""The service of CHGNet, as it is on a GPU, where there is none: a stand-in for one.

    python as_on_a_gpu.py SOCKET MODEL FOLDER < what the broker is told

The evaluator loads the model itself, is taken for a GPU, and is given batches, which CHGNet evaluates
together. FOLDER/batches lists how many configurations each had; a batch of more than FOLDER/most does not fit
into memory, and one of FOLDER/loses atoms loses the device.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hopkin.drivers.models.adapters import Adapter, Configuration, Evaluation
from hopkin.drivers.models.model import Model
from hopkin.drivers.models.service import broker, evaluators, pool

FOLDER = Path(sys.argv[3])
EVALUATION_S = 0.2  # an evaluation is long: others come meanwhile
LATE_S = 2.0  # and replicas are waited for, on a machine that does much else


def number_in(name: str, otherwise: int) -> int:
    file = FOLDER / name
    return int(file.read_text()) if file.exists() else otherwise


class Together(Adapter):
    """CHGNet, all of a batch together."""

    def __init__(self, model: Model) -> None:
        self._adapter = model.module.adapter(model, device="cpu")

    def __str__(self) -> str:
        return f"{self._adapter}, together"

    def evaluate(self, configuration: Configuration) -> Evaluation:
        (evaluation,) = self.evaluate_batch([configuration])
        return evaluation

    def evaluate_batch(self, configurations: Sequence[Configuration]) -> list[Evaluation]:
        with (FOLDER / "batches").open("a") as file:
            print(len(configurations), file=file)
        if len(configurations) > number_in("most", 64):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        if number_in("loses", 0) in {len(one.numbers) for one in configurations}:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        time.sleep(EVALUATION_S)
        together: list[Evaluation] = self._adapter.evaluate_together(configurations)
        return together


def load(model: Model, _: str) -> Adapter:
    return Together(model)


evaluators.load = load
pool._gpus = lambda _: ["cuda:0"]
broker._LATE_S = LATE_S
broker.main()
