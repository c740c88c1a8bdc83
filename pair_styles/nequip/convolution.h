// The convolution of a layer: weights from the table, products of features and harmonics, and the
// sum over the neighbours, edge by edge, with nothing of an edge kept.
//
// A product with the harmonics of an edge is a small matrix, the same for all channels:
//   out[u, c] += w[u] sum_a M[c, a] x[u, a],   M[c, a] = sum_b C[a, b, c] Y[b].

#pragma once

#include "features.h"
#include "harmonics.h"
#include "radial_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace hopkin::nequip {

/// Edges i <- j in the order of one of their ends.
struct Adjacency {
  std::vector<std::int64_t> starts;    ///< (n_atoms + 1,) of an atom's part of `edges`
  std::vector<std::int64_t> edges;
};

/// What all layers share of the edges.
template <class Real> struct Edges {
  const std::int64_t *to;       ///< i, that hears
  const std::int64_t *from;     ///< j
  Buffer<double> length;        ///< [A]
  Buffer<Real> harmonics;       ///< (n_edges, n_harmonics)
  Buffer<Real> by_length;       ///< (n_edges,) dE/d|r|
  Buffer<Real> by_harmonics;    ///< (n_edges, n_harmonics) dE/dY
};

template <class Real> class Convolution {
 public:
  Convolution(const Network &network, const Layer &layer)
      : features_(layout_of<Real>(layer.features)), table_(layer.radial, widths_of(layer)),
        n_harmonics_(static_cast<int>(network.harmonics.size() * network.harmonics.size()))
  {
    int weights = 0;
    for (const auto &product : layer.products) {
      const auto &from = features_.blocks[product.block];
      const int degree = layer.features[product.block].degree;
      products_.add(from.channels, 2 * product.degree + 1);
      Path path{from,
                products_.blocks.back(),
                weights,
                {},
                forward_of(degree, product.degree),
                backward_of(degree, product.degree)};
      for (const auto &c : coefficients_of(network, {degree, product.harmonic, product.degree}))
        path.terms.push_back({c.m3 * from.components + c.m1,
                              product.harmonic * product.harmonic + c.m2,
                              static_cast<Real>(c.value)});
      paths_.push_back(std::move(path));
      weights += from.channels;
    }
  }

  [[nodiscard]] const Layout &products() const { return products_; }

  /// out = sum over the edges i <- j of an atom i; y are the features of all atoms.
  void gather(std::int64_t i, const Adjacency &heard, const Edges<Real> &edges, const Real *y,
              Real *out) const
  {
    std::fill(out, out + products_.size, Real(0));
    for (auto at = heard.starts[i]; at < heard.starts[i + 1]; ++at) {
      const auto edge = heard.edges[at];
      const auto knots = table_.at(edges.length[edge]);
      const Real *x = y + edges.from[edge] * features_.size;
      const Real *harmonics = &edges.harmonics[edge * n_harmonics_];
      for (const auto &path : paths_) {
        const auto matrix = matrix_of(path, harmonics);
        path.forward(path.from.channels, x + path.from.offset, knots, table_.stride(), path.weights,
                     matrix.data(), out + path.to.offset);
      }
    }
  }

  /// The derivatives by the features of an atom j (gy += ...), and by its edges i <- j, from those
  /// by what the atoms i have gathered.
  void gather_back(std::int64_t j, const Adjacency &spoken, Edges<Real> &edges, const Real *y,
                   const Real *g_products, Real *gy) const
  {
    const Real *x = y + j * features_.size;
    for (auto at = spoken.starts[j]; at < spoken.starts[j + 1]; ++at) {
      const auto edge = spoken.edges[at];
      const auto knots = table_.at(edges.length[edge]);
      const Real *harmonics = &edges.harmonics[edge * n_harmonics_];
      const Real *g = g_products + edges.to[edge] * products_.size;
      Vector<Real> by_length{};
      std::array<Vector<Real>, MOST_HARMONICS> by_harmonics{};
      for (const auto &path : paths_) {
        const auto matrix = matrix_of(path, harmonics);
        std::array<Vector<Real>, MOST_ENTRIES> by_matrix;
        path.backward(path.from.channels, x + path.from.offset, knots, table_.stride(),
                      path.weights, matrix.data(), g + path.to.offset, gy + path.from.offset,
                      by_length, by_matrix.data());
        for (const auto &term : path.terms)
          by_harmonics[term.harmonic] += term.value * by_matrix[term.entry];
      }
      edges.by_length[edge] += sum<Real>(by_length);
      for (int m = 0; m < n_harmonics_; ++m)
        edges.by_harmonics[edge * n_harmonics_ + m] += sum<Real>(by_harmonics[m]);
    }
  }

 private:
  static constexpr int KINDS = HIGHEST_DEGREE + 1;    // of blocks
  static constexpr int MOST_ENTRIES = (2 * HIGHEST_DEGREE + 1) * (2 * HIGHEST_DEGREE + 1);

  using Forward = void (*)(int channels, const Real *x, const Knots<Real> &knots, int stride,
                           int weights, const Real *matrix, Real *out);
  using Backward = void (*)(int channels, const Real *x, const Knots<Real> &knots, int stride,
                            int weights, const Real *matrix, const Real *g, Real *gx,
                            Vector<Real> &by_length, Vector<Real> *by_matrix);

  struct Term {
    int entry, harmonic;
    Real value;
  };

  struct Path {
    Span from, to;
    int weights;
    std::vector<Term> terms;
    Forward forward;
    Backward backward;
  };

  static std::vector<std::array<int, 2>> widths_of(const Layer &layer)
  {
    std::vector<std::array<int, 2>> widths;
    for (const auto &product : layer.products) {
      const int channels = layer.features[product.block].channels;
      widths.push_back({channels, padded<Real>(channels)});
    }
    return widths;
  }

  static std::array<Real, MOST_ENTRIES> matrix_of(const Path &path, const Real *harmonics)
  {
    std::array<Real, MOST_ENTRIES> matrix;
    std::fill_n(matrix.begin(), path.from.components * path.to.components, Real(0));
    for (const auto &term : path.terms) matrix[term.entry] += term.value * harmonics[term.harmonic];
    return matrix;
  }

  template <int NI, int NO>
  static void forward(int channels, const Real *x, const Knots<Real> &knots, int stride,
                      int weights, const Real *matrix, Real *out)
  {
    const Real *row = knots.row + weights;
    for (int c = 0; c < channels; c += WIDTH<Real>) {
      Vector<Real> weight = knots.value[0] * load(row + c);
      for (int k = 1; k < 6; ++k) weight += knots.value[k] * load(row + k * stride + c);
      Vector<Real> weighted[NI];
      for (int a = 0; a < NI; ++a) weighted[a] = weight * load(x + a * channels + c);
      for (int o = 0; o < NO; ++o) {
        Vector<Real> total = load(out + o * channels + c);
        for (int a = 0; a < NI; ++a) total += matrix[o * NI + a] * weighted[a];
        store(out + o * channels + c, total);
      }
    }
  }

  template <int NI, int NO>
  static void backward(int channels, const Real *x, const Knots<Real> &knots, int stride,
                       int weights, const Real *matrix, const Real *g, Real *gx,
                       Vector<Real> &by_length, Vector<Real> *by_matrix)
  {
    const Real *row = knots.row + weights;
    for (int k = 0; k < NI * NO; ++k) by_matrix[k] = Vector<Real>{};
    for (int c = 0; c < channels; c += WIDTH<Real>) {
      Vector<Real> weight{}, slope{};
      for (int k = 0; k < 6; ++k) {
        const auto part = load(row + k * stride + c);
        weight += knots.value[k] * part;
        slope += knots.slope[k] * part;
      }
      Vector<Real> features[NI], pulled[NI];
      for (int a = 0; a < NI; ++a) {
        features[a] = weight * load(x + a * channels + c);
        pulled[a] = Vector<Real>{};
      }
      for (int o = 0; o < NO; ++o) {
        const auto gradient = load(g + o * channels + c);
        for (int a = 0; a < NI; ++a) {
          pulled[a] += matrix[o * NI + a] * gradient;
          by_matrix[o * NI + a] += gradient * features[a];
        }
      }
      Vector<Real> along{};
      for (int a = 0; a < NI; ++a) {
        along += load(x + a * channels + c) * pulled[a];
        store(gx + a * channels + c, load(gx + a * channels + c) + weight * pulled[a]);
      }
      by_length += slope * along;
    }
  }

  template <int... N>
  static constexpr std::array<Forward, sizeof...(N)> forwards(std::integer_sequence<int, N...>)
  {
    return {&forward<2 * (N / KINDS) + 1, 2 * (N % KINDS) + 1>...};
  }

  template <int... N>
  static constexpr std::array<Backward, sizeof...(N)> backwards(std::integer_sequence<int, N...>)
  {
    return {&backward<2 * (N / KINDS) + 1, 2 * (N % KINDS) + 1>...};
  }

  static Forward forward_of(int degree, int result)
  {
    static constexpr auto all = forwards(std::make_integer_sequence<int, KINDS * KINDS>());
    return all[degree * KINDS + result];
  }

  static Backward backward_of(int degree, int result)
  {
    static constexpr auto all = backwards(std::make_integer_sequence<int, KINDS * KINDS>());
    return all[degree * KINDS + result];
  }

  Layout features_, products_;
  RadialTable<Real> table_;
  int n_harmonics_;
  std::vector<Path> paths_;
};

}    // namespace hopkin::nequip
