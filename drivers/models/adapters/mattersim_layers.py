"""MatterSim's blocks, which do not join what they are linear in: see `parts`."""

from typing import Any

from mattersim.forcefield.m3gnet.modules.layers import GatedMLP, SwishLayer
from torch import Tensor, nn
from torch.nn.functional import silu

from hopkin.drivers.models.adapters.parts import LinearOfParts, added


def take_apart(model: Any) -> None:
    """Replace the blocks of an M3Gnet of mattersim, which is to be evaluated and not trained."""
    for n, block in enumerate(model.graph_conv):
        model.graph_conv[n] = _Block(block)


class _GatedMLP(nn.Module):
    """A gated MLP of features that are not joined."""

    def __init__(self, gated: GatedMLP) -> None:
        super().__init__()
        self._first = LinearOfParts([gated.g[0].linear, gated.sigma[0].linear])
        self._core, self._gate = gated.g[1:], gated.sigma[1:]

    def forward(self, *parts: tuple[Tensor, Tensor | None]) -> Tensor:
        core, gate = silu(self._first(*parts)).chunk(2, dim=1)
        for layer in self._core:
            core = silu(layer.linear(core))
        result: Tensor = core * self._gate(gate)
        return result


class _Block(nn.Module):
    def __init__(self, block: Any) -> None:
        super().__init__()
        self._three_body = block.three_body
        self._of_edges, self._of_atoms = _GatedMLP(block.gated_mlp_edge), _GatedMLP(block.gated_mlp_atom)
        self._edge_weights, self._atom_weights = block.edge_layer_edge, block.edge_layer_atom.linear
        assert all(
            isinstance(layer, SwishLayer) for layer in (*block.gated_mlp_edge.g, *block.gated_mlp_atom.g)
        )

    def forward(
        self,
        atom_attr: Tensor,
        edge_attr: Tensor,
        edge_attr_zero: Tensor,
        edge_index: Tensor,
        *of_three_bodies: Tensor,
        **counts: Any,
    ) -> tuple[Tensor, Tensor]:
        three_basis, triples, edge_length, num_edges, num_triples, _ = of_three_bodies
        edges = self._three_body(
            edge_attr,
            three_basis,
            atom_attr,
            edge_index,
            triples,
            edge_length,
            num_edges,
            num_triples.view(-1),
            total_num_bonds=counts["total_num_bonds"],
            three_body_edge_map=counts["three_body_edge_map"],
        )
        centers, neighbours = edge_index
        atoms = ((atom_attr, centers), (atom_attr, neighbours))
        edges = edges + self._of_edges(*atoms, (edges, None)) * self._edge_weights(edge_attr_zero)
        messages = self._of_atoms(*atoms, (edges, None)) * silu(self._atom_weights(edge_attr_zero))
        return atom_attr + added(messages, centers, len(atom_attr)), edges
