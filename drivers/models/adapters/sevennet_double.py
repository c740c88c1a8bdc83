"""SevenNet's ASE calculator in double precision: the sevenn package has it in single alone."""

from collections.abc import Sequence
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from sevenn import _keys as keys
from sevenn.atom_graph_data import AtomGraphData
from sevenn.calculator import SevenNetCalculator
from sevenn.train.dataload import unlabeled_atoms_to_graph
from sevenn.util import dtype_correct


class DoubleCalculator(SevenNetCalculator):
    """The calculator of sevenn with weights, positions and everything between in double precision."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.model.double()
        self.model._modules["onehot_idx_to_onehot"].register_forward_hook(_one_hot_in_double)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """As that of sevenn, which makes single precision of what it is given."""
        Calculator.calculate(self, atoms, properties, system_changes)
        assert atoms is not None
        graph = unlabeled_atoms_to_graph(atoms, self.cutoff)
        data = AtomGraphData(**{key: dtype_correct(value, torch.float64) for key, value in graph.items()})
        if self.modal:
            data[keys.DATA_MODALITY] = self.modal
        self.results = self.output_to_results(self.model(data.to(self.device)))


def _one_hot_in_double(module: Any, _: Any, data: Any) -> Any:
    """Undo the one part of sevenn that is single precision whatever its parameters are."""
    for key in (module.key_output, module.key_additional_output):
        data[key] = data[key].double()
    return data
