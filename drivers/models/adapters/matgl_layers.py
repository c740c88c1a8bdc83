"""M3GNet's convolutions in matgl, which do not join what they are linear in: see `parts`."""

from typing import Any

from matgl.models import M3GNet
from torch import Tensor, nn

from hopkin.drivers.models.adapters.parts import GatedMLP, added


def take_apart(model: nn.Module) -> None:
    """Replace the convolutions of an M3GNet without a state, which is to be evaluated and not trained."""
    if isinstance(model, M3GNet) and not model.include_state:
        for block in model.graph_layers:
            block.conv = _GraphConv(block.conv)


class _GraphConv(nn.Module):
    def __init__(self, conv: Any) -> None:
        super().__init__()
        self._of_edges, self._of_atoms = (
            GatedMLP(gated.layers, gated.gates) for gated in (conv.edge_update_func, conv.node_update_func)
        )
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
