"""MatterSim's blocks, which do not join what they are linear in: see `parts`."""

from typing import Any

from mattersim.forcefield.m3gnet.modules.layers import SwishLayer
from torch import Tensor, nn
from torch.nn.functional import silu

from hopkin.drivers.models.adapters.parts import GatedMLP, added


def take_apart(model: Any) -> None:
    """Replace the blocks of an M3Gnet of mattersim, which is to be evaluated and not trained."""
    for n, block in enumerate(model.graph_conv):
        model.graph_conv[n] = _Block(block)


def _apart(gated: Any) -> GatedMLP:
    """Take a gated MLP of mattersim apart: its swish, x * sigmoid(x), is torch's SiLU."""
    assert all(isinstance(layer, SwishLayer) for layer in (*gated.g, *gated.sigma[:-1]))
    core, gate = (
        [part for layer in chain for part in (layer.linear, nn.SiLU())] for chain in (gated.g, gated.sigma)
    )
    return GatedMLP(core, [*gate[:-1], gated.sigma[-1].sigmoid])


class _Block(nn.Module):
    def __init__(self, block: Any) -> None:
        super().__init__()
        self._three_body = block.three_body
        self._of_edges, self._of_atoms = _apart(block.gated_mlp_edge), _apart(block.gated_mlp_atom)
        self._edge_weights, self._atom_weights = block.edge_layer_edge, block.edge_layer_atom.linear

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
