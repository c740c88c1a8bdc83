// An equivariant network of the NequIP kind as numbers, read from the file that hopkin writes of a
// checkpoint: `drivers/models/adapters/network.py` says what the numbers are.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace hopkin::nequip {

/// Of features and harmonics: kernels are compiled for each.
inline constexpr int HIGHEST_DEGREE = 3;

/// Channels of one irreducible representation, with 2 degree + 1 components each.
struct Block {
  int channels;
  int degree;
};

/// One product: a block of the features, a degree of the harmonics, the degree that comes out.
struct Product {
  int block;
  int harmonic;
  int degree;
};

enum class Function { silu, tanh, abs, softplus };

/// factor * function(x).
struct Activation {
  Function function;
  double factor;
};

/// A linear map of features, block by block.
struct Linear {
  struct Weights {
    int from, to;                                 ///< blocks
    std::vector<std::vector<double>> matrices;    ///< one, or one of each element: (from, to)
  };
  struct Bias {
    int to;
    std::vector<double> values;
  };
  std::vector<Weights> weights;
  std::vector<Bias> biases;
};

/// Functions of the distance between two ends, at the ends of equal intervals.
struct Segment {
  double start, end;    ///< [A]
  int intervals;
  std::vector<double> table;    ///< (intervals + 1, 3, functions): h, dh/dr, d2h/dr2
};

/// The weights of the products: h(r) @ mixing.
struct Radial {
  int functions;
  int weights;
  std::vector<double> mixing;    ///< (functions, weights)
  std::vector<Segment> segments;
};

struct Layer {
  std::vector<Block> features;
  std::vector<Product> products;
  std::vector<Block> gated;    ///< scalars, the gates of each block of higher degree, those blocks
  std::vector<Activation> scalars;
  std::vector<Activation> gates;
  Radial radial;
  Linear to_itself, first, second;
};

using Degrees = std::array<int, 3>;

struct Network {
  std::string made_by;
  bool is_double;
  bool unit_vectors;    ///< the harmonics are those of r / |r|
  double cutoff;        ///< [A]
  std::vector<std::string> elements;
  std::vector<double> harmonics;                       ///< Y_l = h[l] C(l-1, 1, l) Y_(l-1) Y_1
  std::map<Degrees, std::vector<double>> couplings;    ///< C(l1, l2, l3), (m1, m2, m3)
  int embedded;                                        ///< channels
  std::vector<double> embedding;                       ///< (elements, channels)
  std::vector<Layer> layers;
  std::vector<double> readout;    ///< (channels,)
  double bias;
  std::vector<double> scale, shift;    ///< (elements,) [eV]
};

/// Reads a file. Throws std::runtime_error with a sentence for the user.
Network read_network(const std::string &path);

}    // namespace hopkin::nequip
