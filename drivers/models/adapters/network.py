"""An equivariant network of the NequIP kind as numbers, and the file of it that `pair_style e3gnn` evaluates.

Features of an atom are blocks of channels, one for each irreducible representation: (channels, 2 l + 1). A
layer makes of the features x of all atoms

    y = first(x)                                                linear, block by block
    m_i,p[u, c] = sum_j w_p[u](r_ij) sum_ab C_p[a, b, c] Y_p,b(r_ij) y_j[u, a]     for each path p
    z = self(x) + second(m)
    x' = gate(z)

and the energy of an atom is scale[element] (readout . x + bias) + shift[element]. All that the packages hold
as a convention (normalizations, one-hot elements, modals) has gone into these numbers when they are written.

The file is three lines of text, then the words that say its structure, then float64 numbers, little-endian,
in the order of the words: `pair_styles/nequip/network.cpp` reads it. The third line holds the length of the
words, the number of numbers, and the CRC-32 of both.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

NETWORK_VERSION = 1
"""of the file, and of how the numbers are made"""
_MAGIC = "hopkin network"


class Block(NamedTuple):
    """Channels of one irreducible representation."""

    channels: int
    degree: int


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A linear map of features: weights between blocks of one representation, and a bias of the scalars.

    Weights are (channels in, channels out) of a pair of blocks; one array, or one for each element.
    """

    weights: dict[tuple[int, int], list[Numbers]]
    bias: dict[int, Numbers]


@dataclass(frozen=True, kw_only=True)
class Radial:
    """The weights of the paths as functions of the distance: w(r) = h(r) @ mixing.

    h is given at the ends of equal intervals with its first two derivatives; quintic polynomials join them.
    """

    segments: list[tuple[float, float, Numbers]]
    """start, end [A], and (intervals + 1, 3, functions): h, dh/dr, d2h/dr2"""
    mixing: Numbers
    """(functions, weights)"""


class Product(NamedTuple):
    """One product: a block of the features, a degree of the harmonics, and the degree that comes out."""

    block: int
    harmonic: int
    degree: int


class Activation(NamedTuple):
    """factor * kind(x)."""

    kind: str
    factor: float


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer: see the head of this module."""

    features: list[Block]
    paths: list[Product]
    gated: list[Block]
    """of z: scalars, then the gates of each block of higher degree, then those blocks"""
    scalars: list[Activation]
    gates: list[Activation]
    radial: Radial
    to_itself: Linear | None
    first: Linear
    second: Linear


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, whole."""

    made_by: str
    precision: str
    cutoff_A: float
    unit_vectors: bool
    elements: list[str]
    harmonics: list[float]
    """Y_l = harmonics[l] * C(l - 1, 1, l) Y_(l - 1) Y_1, with Y_0 = 1 and Y_1 = harmonics[1] (x, y, z)"""
    couplings: dict[tuple[int, int, int], Numbers]
    """Clebsch-Gordan coefficients C(l1, l2, l3), real, as the harmonics want them"""
    embedding: Numbers
    """(elements, channels): the scalars that the first layer begins with"""
    layers: list[Layer]
    readout: Numbers
    bias: float
    scale: Numbers
    shift: Numbers

    def write(self, path: Path) -> None:
        """Write its file."""
        writer = _Writer()
        writer.network(self)
        words = (" ".join(writer.words) + "\n").encode()
        numbers = np.concatenate([np.ravel(part) for part in writer.numbers]).astype("<f8").tobytes()
        head = f"{_MAGIC} {NETWORK_VERSION}\n{self.made_by}\n"
        head += f"{len(words)} {len(numbers) // 8} {zlib.crc32(words + numbers):08x}\n"
        path.write_bytes(head.encode() + words + numbers)


class _Writer:
    def __init__(self) -> None:
        self.words: list[str] = []
        self.numbers: list[Numbers] = []

    def say(self, *words: str | int) -> None:
        self.words += [str(word) for word in words]

    def put(self, numbers: Numbers | Sequence[float] | float) -> None:
        self.numbers.append(np.asarray(numbers, float))

    def network(self, network: Network) -> None:
        self.say("precision", network.precision, "unit_vectors", int(network.unit_vectors))
        self.put(network.cutoff_A)
        self.say("elements", len(network.elements), *network.elements)
        self.say("harmonics", len(network.harmonics) - 1)
        self.put(network.harmonics)
        self.say("couplings", len(network.couplings))
        for degrees, coefficients in network.couplings.items():
            self.say(*degrees)
            self.put(coefficients)
        self.say("embedding", network.embedding.shape[1])
        self.put(network.embedding)
        self.say("layers", len(network.layers))
        for layer in network.layers:
            self.layer(layer)
        self.say("readout", len(network.readout))
        self.put(network.readout)
        self.put(network.bias)
        self.put(network.scale)
        self.put(network.shift)
        self.say("end")

    def layer(self, layer: Layer) -> None:
        self.say("features")
        self.blocks(layer.features)
        self.say("paths", len(layer.paths))
        for path in layer.paths:
            self.say(*path)
        self.say("gated")
        self.blocks(layer.gated)
        for name, activations in (("scalars", layer.scalars), ("gates", layer.gates)):
            self.say(name, len(activations), *(activation.kind for activation in activations))
            self.put([activation.factor for activation in activations])
        self.radial(layer.radial)
        for linear in (layer.to_itself or Linear(weights={}, bias={}), layer.first, layer.second):
            self.linear(linear)

    def blocks(self, blocks: list[Block]) -> None:
        self.say(len(blocks))
        for block in blocks:
            self.say(*block)

    def radial(self, radial: Radial) -> None:
        self.say("radial", *radial.mixing.shape, len(radial.segments))
        self.put(radial.mixing)
        for start, end, table in radial.segments:
            self.say(len(table) - 1)
            self.put([start, end])
            self.put(table)

    def linear(self, linear: Linear) -> None:
        self.say("linear", len(linear.weights))
        for pair, weights in linear.weights.items():
            self.say(*pair, len(weights))
            for matrix in weights:
                self.put(matrix)
        self.say(len(linear.bias))
        for block, bias in linear.bias.items():
            self.say(block)
            self.put(bias)
