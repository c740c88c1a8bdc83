"""Linear maps of features that a package joins, without joining them: the same numbers in less time.

Graph networks of this kind join the features of two atoms and of the edge between them, for every edge, and
multiply them by one matrix. Here each part is multiplied where there is one of it (an atom, a bond), and the
products are gathered and added: a third of the multiplications, and no copies of what is joined.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class LinearOfParts(nn.Module):
    """Linear maps of the same joined features, side by side; to be evaluated and not trained."""

    def __init__(self, linears: Sequence[Any]) -> None:
        super().__init__()
        weights: list[Tensor] = [linear.weight.detach() for linear in linears]
        biases: list[Tensor] = [linear.bias.detach() for linear in linears]
        self.matrix: Tensor
        self.bias: Tensor
        self.register_buffer("matrix", torch.cat(weights).T.contiguous())
        self.register_buffer("bias", torch.cat(biases))

    def forward(self, *parts: tuple[Tensor, Tensor | None]) -> Tensor:
        """Apply the maps.

        Parameters
        ----------
        parts
            features, (n, channels), and which of them each row of the result takes, (rows,); None where they
            are in the order of the result
        """
        matrices = torch.split(self.matrix, [features.shape[1] for features, _ in parts])
        result = self.bias
        for (features, rows), matrix in zip(parts, matrices, strict=True):
            product = features @ matrix
            result = result + (product if rows is None else product.index_select(0, rows))
        return result


class GatedMLP(nn.Module):
    """Two chains of layers over the same joined features, core times gate.

    Each begins with a linear map; where SiLU follows in both, it is applied to both at once.
    """

    def __init__(self, core: Sequence[nn.Module], gate: Sequence[nn.Module]) -> None:
        super().__init__()
        self._first = LinearOfParts([core[0], gate[0]])
        shared = isinstance(core[1], nn.SiLU) and isinstance(gate[1], nn.SiLU)
        self._activation = core[1] if shared else nn.Identity()
        self._core, self._gate = (nn.Sequential(*chain[2 if shared else 1 :]) for chain in (core, gate))

    def forward(self, *parts: tuple[Tensor, Tensor | None]) -> Tensor:
        """Evaluate the features that `LinearOfParts` takes."""
        core, gate = self._activation(self._first(*parts)).chunk(2, dim=1)
        result: Tensor = self._core(core) * self._gate(gate)
        return result


def added(rows: Tensor, to: Tensor, n: int) -> Tensor:
    """Sum rows by what each belongs to: (n, channels)."""
    return rows.new_zeros(n, rows.shape[1]).index_add(0, to, rows)
