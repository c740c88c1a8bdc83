"""M3GNet's convolutions in matgl, which do not join what they are linear in: see `parts`."""

from typing import Any

from matgl.layers import GatedMLP
from matgl.models import M3GNet
from torch import Tensor, nn
from torch.nn.functional import silu

from hopkin.drivers.models.adapters.parts import LinearOfParts, added


def take_apart(model: nn.Module) -> None:
    """Replace the convolutions of an M3GNet without a state, which is to be evaluated and not trained."""
    if isinstance(model, M3GNet) and not model.include_state:
        for block in model.graph_layers:
            block.conv = _GraphConv(block.conv)


class _GatedMLP(nn.Module):
    """A gated MLP of features that are not joined."""

    def __init__(self, gated: GatedMLP) -> None:
        super().__init__()
        self._first = LinearOfParts([gated.layers[0], gated.gates[0]])
        self._core, self._gate = gated.layers[2:], gated.gates[2:]

    def forward(self, *parts: tuple[Tensor, Tensor | None]) -> Tensor:
        core, gate = silu(self._first(*parts)).chunk(2, dim=1)
        result: Tensor = self._core(core) * self._gate(gate)
        return result


class _GraphConv(nn.Module):
    def __init__(self, conv: Any) -> None:
        super().__init__()
        self._of_edges, self._of_atoms = _GatedMLP(conv.edge_update_func), _GatedMLP(conv.node_update_func)
        self._edge_weights, self._atom_weights = conv.edge_weight_func, conv.node_weight_func

    def forward(
        self, graph: Any, edge_feat: Tensor, node_feat: Tensor, state_feat: Any
    ) -> tuple[Tensor, Tensor, Any]:
        centers, neighbours = graph.edges()
        basis = graph.edata["rbf"]
        atoms = ((node_feat, centers), (node_feat, neighbours))
        edges = edge_feat + self._of_edges(*atoms, (edge_feat, None)) * self._edge_weights(basis)
        messages = self._of_atoms(*atoms, (edges, None)) * self._atom_weights(basis)
        return edges, node_feat + added(messages, neighbours, len(node_feat)), state_feat
