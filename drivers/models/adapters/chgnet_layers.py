"""CHGNet's convolutions, which do not join what they are linear in: see `parts`."""

from typing import Any

from chgnet.model.model import CHGNet
from torch import Tensor, nn

from hopkin.drivers.models.adapters.parts import GatedMLP, added


def take_apart(model: CHGNet) -> None:
    """Replace the convolutions of a model, which is to be evaluated and not trained."""
    for layers, kind in (
        (model.atom_conv_layers, _AtomConv),
        (model.bond_conv_layers, _BondConv),
        (model.angle_layers, _AngleUpdate),
    ):
        for n, layer in enumerate(layers):
            if layer is not None:
                layers[n] = kind(layer)


def _apart(gated: Any) -> GatedMLP:
    def chain(mlp: Any, norm: nn.Module | None, last: nn.Module) -> list[nn.Module]:
        layers = [layer for layer in mlp.layers if not isinstance(layer, nn.Dropout)]
        return [*layers, *([] if norm is None else [norm]), last]

    return GatedMLP(
        chain(gated.mlp_core, gated.bn1, gated.activation), chain(gated.mlp_gate, gated.bn2, gated.sigmoid)
    )


class _Layer(nn.Module):
    """What the three layers share: the residual and the norm after what they have gathered."""

    def __init__(self, layer: Any, gated: Any, norm: nn.Module | None) -> None:
        super().__init__()
        self._gated = _apart(gated)
        self._out = layer.mlp_out if getattr(layer, "use_mlp_out", False) else None
        self._residual = layer.resnet
        self._norm = norm

    def _finish(self, gathered: Tensor, before: Tensor) -> Tensor:
        features = gathered if self._out is None else self._out(gathered)
        if self._residual:
            features = features + before
        return features if self._norm is None else self._norm(features)


class _AtomConv(_Layer):
    def __init__(self, layer: Any) -> None:
        super().__init__(layer, layer.twoBody_atom, layer.atom_norm)

    def forward(
        self,
        *,
        atom_feas: Tensor,
        bond_feas: Tensor,
        bond_weights: Tensor,
        atom_graph: Tensor,
        directed2undirected: Tensor,
    ) -> Tensor:
        centers, neighbours = atom_graph.unbind(dim=1)
        messages = self._gated(
            (atom_feas, centers), (bond_feas, directed2undirected), (atom_feas, neighbours)
        )
        messages = messages * bond_weights.index_select(0, directed2undirected)
        return self._finish(added(messages, centers, len(atom_feas)), atom_feas)


class _BondConv(_Layer):
    def __init__(self, layer: Any) -> None:
        super().__init__(layer, layer.twoBody_bond, layer.bond_norm)

    def forward(
        self,
        *,
        atom_feas: Tensor,
        bond_feas: Tensor,
        bond_weights: Tensor,
        angle_feas: Tensor,
        bond_graph: Tensor,
    ) -> Tensor:
        centers, first, second = bond_graph.unbind(dim=1)
        messages = self._gated(
            (bond_feas, first), (bond_feas, second), (angle_feas, None), (atom_feas, centers)
        )
        weights = bond_weights.index_select(0, first) * bond_weights.index_select(0, second)
        return self._finish(added(messages * weights, first, len(bond_feas)), bond_feas)


class _AngleUpdate(_Layer):
    def __init__(self, layer: Any) -> None:
        super().__init__(layer, layer.twoBody_bond, layer.angle_norm)

    def forward(
        self, *, atom_feas: Tensor, bond_feas: Tensor, angle_feas: Tensor, bond_graph: Tensor
    ) -> Tensor:
        centers, first, second = bond_graph.unbind(dim=1)
        angles = self._gated(
            (bond_feas, first), (bond_feas, second), (angle_feas, None), (atom_feas, centers)
        )
        return self._finish(angles, angle_feas)
