"""SevenNet as a network of numbers: each linear part of a checkpoint is asked what it makes of unit vectors.

So no convention of e3nn (order of weights, normalizations) is repeated here.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import e3nn.o3
import numpy as np
import torch
from ase.data import chemical_symbols
from sevenn import _keys as keys

from hopkin.drivers.errors import ModelError
from hopkin.drivers.models.adapters.network import (
    Activation,
    Block,
    Layer,
    Linear,
    Network,
    Numbers,
    Product,
    Radial,
)
from hopkin.drivers.models.adapters.radial_table import Function, tabulate

_HIGHEST_DEGREE = 3

_RADIAL_ERROR = {"single": 2e-7, "double": 1e-8}
"""of the weights of a path, in units of the largest one; that of the slopes likewise"""
_NEAREST_A = 1e-3
"""sin(r) / r is not evaluated nearer to zero [A]"""

_ACTIVATIONS: dict[str, Function] = {
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "softplus": lambda x: torch.nn.functional.softplus(x) - np.log(2.0),
}


class _Channels(NamedTuple):
    """Where the channels of a block lie in the features of e3nn: the first component of each."""

    degree: int
    parity: int
    columns: torch.Tensor

    @property
    def block(self) -> Block:
        return Block(len(self.columns), self.degree)


def network_of(loaded: Any, modal: str | None, *, precision: str, made_by: str) -> Network:
    """Return the network of a checkpoint of sevenn, loaded.

    Raises
    ------
    ModelError
        when it holds something that the evaluator does not have
    """
    config = loaded.config
    type_map = config[keys.TYPE_MAP]
    modules = loaded.build_model().double().eval()._modules
    n_elements = config[keys.NUM_SPECIES]
    chosen = _modal_columns(config, modal)

    def linear_with_modal(name: str) -> Function:
        module = modules[name]
        asked = chosen if module.num_modalities > 1 else torch.zeros(0)
        return lambda x: module.linear(torch.cat([x, asked.double().expand(len(x), -1)], dim=1))

    if config[keys.READOUT_AS_FCN]:
        raise ModelError("its readout is a network of its own")
    embed = linear_with_modal("onehot_to_feature_x")
    embedding = embed(torch.eye(n_elements, dtype=torch.float64))
    layers = [
        _layer(modules, t, linear_with_modal, config, precision) for t in range(config[keys.NUM_CONVOLUTION])
    ]
    hidden, energy = map(linear_with_modal, ("reduce_input_to_hidden", "reduce_hidden_to_energy"))
    last = modules[f"{config[keys.NUM_CONVOLUTION] - 1}_equivariant_gate"].gate.irreps_out
    if len(last) != 1 or last.lmax:
        raise ModelError("its last features are not scalars of one kind")
    n_last = last.dim
    bias = energy(hidden(torch.zeros(1, n_last, dtype=torch.float64))).detach()
    readout = energy(hidden(torch.eye(n_last, dtype=torch.float64))) - bias
    shift, scale = _shift_and_scale(modules["rescale_atomic_energy"], n_elements, chosen)
    _require_chained(layers)
    harmonics, couplings = _harmonics(modules["edge_embedding"].spherical)
    for layer in layers:
        for path in layer.paths:
            degrees = (layer.features[path.block].degree, path.harmonic, path.degree)
            couplings.setdefault(degrees, _coupling(*degrees))
    return Network(
        made_by=made_by,
        precision=precision,
        cutoff_A=float(config[keys.CUTOFF]),
        unit_vectors=modules["edge_embedding"].spherical.sph.normalize,
        elements=[chemical_symbols[z] for z in sorted(type_map, key=type_map.__getitem__)],
        harmonics=harmonics,
        couplings=couplings,
        embedding=_numbers(embedding),
        layers=layers,
        readout=_numbers(readout[:, 0]),
        bias=bias.item(),
        scale=scale,
        shift=shift,
    )


def _require_chained(layers: Sequence[Layer]) -> None:
    """Raise ModelError where the features of a layer are not those that the one before it gives."""
    for layer in layers:
        if any(block.degree > _HIGHEST_DEGREE for block in layer.features):
            raise ModelError(f"its features go beyond the degree {_HIGHEST_DEGREE}")
    for before, after in pairwise(layers):
        n_scalars, n_gates = len(before.scalars), len(before.gates)
        if after.features != before.gated[:n_scalars] + before.gated[n_scalars + n_gates :]:
            raise ModelError("its gates join blocks of its features")


def _layer(
    modules: dict[str, Any], t: int, linear_with_modal: Callable[[str], Function], config: Any, precision: str
) -> Layer:
    convolution = modules[f"{t}_convolution"]
    gate = modules[f"{t}_equivariant_gate"].gate
    of_products = convolution.convolution
    features = _blocks(of_products.irreps_in1)
    products = _blocks(of_products.irreps_out)
    gated, scalars, gates = _gate(gate)
    paths, path_weights = [], []
    for k, instruction in enumerate(of_products.instructions):
        if instruction.connection_mode != "uvu" or instruction.i_out != k or not instruction.has_weight:
            raise ModelError("its products are not those of NequIP")
        degree = of_products.irreps_out[k].ir.l
        harmonic = of_products.irreps_in2[instruction.i_in2].ir.l
        paths.append(Product(instruction.i_in1, harmonic, degree))
        path_weights += [instruction.path_weight] * features[instruction.i_in1].block.channels
    scale = _numbers(torch.tensor(path_weights)) / convolution.denominator.detach().item()
    intro = modules.get(f"{t}_self_connection_intro")
    return Layer(
        features=[block.block for block in features],
        paths=paths,
        gated=[block.block for block in gated],
        scalars=scalars,
        gates=gates,
        radial=_radial(modules["edge_embedding"], convolution.weight_nn, scale, config, precision),
        to_itself=None if intro is None else _linear(_to_itself(intro, config), features, gated),
        first=_linear([linear_with_modal(f"{t}_self_interaction_1")], features, features),
        second=_linear([linear_with_modal(f"{t}_self_interaction_2")], products, gated),
    )


def _to_itself(module: Any, config: Any) -> list[Function]:
    if hasattr(module, "linear"):
        return [module.linear]

    def of_element(one_hot: torch.Tensor) -> Function:
        return lambda x: module.fc_tensor_product(x, one_hot.expand(len(x), -1))

    return [of_element(one_hot) for one_hot in torch.eye(config[keys.NUM_SPECIES], dtype=torch.float64)]


def _blocks(irreps: Any) -> list[_Channels]:
    columns = [
        torch.arange(piece.start, piece.stop, irrep.ir.dim)
        for piece, irrep in zip(irreps.slices(), irreps, strict=True)
    ]
    return [_Channels(irrep.ir.l, irrep.ir.p, where) for irrep, where in zip(irreps, columns, strict=True)]


def _gate(gate: Any) -> tuple[list[_Channels], list[Activation], list[Activation]]:
    """Blocks of what a gate takes (scalars, gates, gated), and the activations of the first two."""
    where = gate.sc(torch.arange(gate.irreps_in.dim, dtype=torch.float64)[None])
    parts = (gate.irreps_scalars, gate.irreps_gates, gate.irreps_gated)
    scalars, gates, gated = (
        [block._replace(columns=columns[0, block.columns].long()) for block in _blocks(irreps)]
        for columns, irreps in zip(where, parts, strict=True)
    )
    of_gates = _activations(gate.act_gates, parts[1])
    if gates:  # e3nn takes those of one parity for one block
        columns = torch.cat([block.columns for block in gates])
        kinds = [kind for block, kind in zip(gates, of_gates, strict=True) for _ in block.columns]
        starts = np.cumsum([0, *(len(block.columns) for block in gated)])
        gates = [_Channels(0, gates[0].parity, columns[start:end]) for start, end in pairwise(starts)]
        of_gates = [kinds[start] for start in starts[:-1]]
    return [*scalars, *gates, *gated], _activations(gate.act_scalars, parts[0]), of_gates


def _activations(function: Function, irreps: Any) -> list[Activation]:
    at = torch.tensor([-1.3, -0.4, 0.7, 2.1], dtype=torch.float64)
    values = function(at[:, None].expand(-1, irreps.dim)) if irreps.dim else at
    found = []
    for block in _blocks(irreps):
        of_block = values[:, block.columns[0]]
        for kind, formula in _ACTIVATIONS.items():
            factors = of_block / formula(at)
            if torch.allclose(factors, factors[0], rtol=1e-9):
                found.append(Activation(kind, float(factors[0])))
                break
        else:
            raise ModelError("it has an activation that the evaluator does not know")
    return found


def _linear(functions: Sequence[Function], inputs: list[_Channels], outputs: list[_Channels]) -> Linear:
    """Ask linear functions, one for each element or one in all, what they make of unit vectors."""
    n_inputs = sum(len(block.columns) * (2 * block.degree + 1) for block in inputs)
    nothing = torch.zeros(1, n_inputs, dtype=torch.float64)
    biases = [function(nothing)[0] for function in functions]
    weights: dict[tuple[int, int], list[Numbers]] = {}
    for i, source in enumerate(inputs):
        units = torch.zeros(len(source.columns), n_inputs, dtype=torch.float64)
        units[torch.arange(len(source.columns)), source.columns] = 1.0
        answers = [function(units) - bias for function, bias in zip(functions, biases, strict=True)]
        for o, target in enumerate(outputs):
            if (source.degree, source.parity) == (target.degree, target.parity):
                weights[i, o] = [_numbers(answer[:, target.columns]) for answer in answers]
    if any(not torch.equal(bias, biases[0]) for bias in biases):
        raise ModelError("its elements have biases of their own")
    bias = {
        o: _numbers(biases[0][target.columns])
        for o, target in enumerate(outputs)
        if target.degree == 0 and biases[0][target.columns].any()
    }
    return Linear(weights=weights, bias=bias)


def _radial(embedding: Any, network: Any, scale: Numbers, config: Any, precision: str) -> Radial:
    """Tabulate the last hidden functions of a radial network."""
    *hidden, last = network.children()
    mixing = last(torch.eye(len(last.weight), dtype=torch.float64)) * torch.from_numpy(scale)

    def functions(r: torch.Tensor) -> torch.Tensor:
        r = r.clamp(min=_NEAREST_A)
        h: torch.Tensor = embedding.basis_function(r) * embedding.cutoff_function(r)[:, None]
        for layer in hidden:
            h = layer(h)
        return h

    begins = getattr(embedding.cutoff_function, "r_on", None)  # of XPLOR, whose curvature jumps there
    ends = [0.0, *([begins] if begins else []), float(config[keys.CUTOFF])]
    return tabulate(functions, mixing, ends, _RADIAL_ERROR[precision])


def _harmonics(spherical: Any) -> tuple[list[float], dict[tuple[int, int, int], Numbers]]:
    """Factors of the recursion of the spherical harmonics, and the couplings that it takes."""
    degrees = [irrep.ir.l for irrep in spherical.irreps_out]
    if degrees != list(range(len(degrees))) or degrees[-1] > _HIGHEST_DEGREE:
        raise ModelError(f"its harmonics go beyond the degree {_HIGHEST_DEGREE}")
    vector = torch.tensor([[0.48, -0.6, 0.64]], dtype=torch.float64)  # of length one
    values = spherical(vector)[0]
    parts = [values[piece] for piece in spherical.irreps_out.slices()]
    factors, couplings = [1.0], {}
    if not torch.allclose(parts[0], torch.ones(1, dtype=torch.float64)):
        raise ModelError("its harmonics are normalized in another way")
    for degree in degrees[1:]:
        if degree == 1:
            product = vector[0]
        else:
            coupling = _coupling(degree - 1, 1, degree)
            couplings[degree - 1, 1, degree] = coupling
            product = torch.einsum("abc,a,b->c", torch.from_numpy(coupling), parts[degree - 1], parts[1])
        ratios = parts[degree] / product
        if not torch.allclose(ratios, ratios[0], rtol=1e-6):
            raise ModelError("its harmonics are ordered in another way")
        factors.append(float(parts[degree].norm() / product.norm() * torch.sign(ratios[0])))
    return factors, couplings


def _coupling(*degrees: int) -> Numbers:
    return _numbers(e3nn.o3.wigner_3j(*degrees, dtype=torch.float64))


def _modal_columns(config: Any, modal: str | None) -> torch.Tensor:
    modals = config.get(keys.MODAL_MAP) or {}
    one_hot = torch.zeros(len(modals), dtype=torch.float64)
    if modal is not None:
        one_hot[modals[modal]] = 1.0
    return one_hot


def _shift_and_scale(module: Any, n_elements: int, chosen: torch.Tensor) -> tuple[Numbers, Numbers]:
    module._is_batch_data = False
    data = {
        keys.ATOM_TYPE: torch.arange(n_elements),
        keys.MODAL_TYPE: torch.argmax(chosen) if len(chosen) else torch.tensor(0),
    }
    shift, whole = (
        module({**data, keys.SCALED_ATOMIC_ENERGY: value * torch.ones(n_elements, 1, dtype=torch.float64)})[
            keys.ATOMIC_ENERGY
        ][:, 0]
        for value in (0.0, 1.0)
    )
    return _numbers(shift), _numbers(whole - shift)


def _numbers(tensor: torch.Tensor) -> Numbers:
    array: Numbers = tensor.detach().double().numpy()
    return array
