// Where the blocks of an atom's features lie, and linear maps between them.

#pragma once

#include "network.h"
#include "vectors.h"

#include <algorithm>
#include <cstdint>

namespace hopkin::nequip {

/// A block in the features of one atom: components one after the other, channels within.
struct Span {
  int offset;
  int channels;    ///< with those that fill it up
  int components;
};

/// The features of one atom.
struct Layout {
  std::vector<Span> blocks;
  int size = 0;

  void add(int channels, int components)
  {
    blocks.push_back({size, channels, components});
    size += channels * components;
  }
};

template <class Real> Layout layout_of(const std::vector<Block> &blocks)
{
  Layout layout;
  for (const auto &block : blocks) layout.add(padded<Real>(block.channels), 2 * block.degree + 1);
  return layout;
}

/// Adds rows of a matrix product: c[r] += a[r] @ w for R rows, w being (n_in, n_out).
template <int R, class Real>
void add_rows(const Real *const *a, Real *const *c, const Real *w, int n_in, int n_out)
{
  constexpr int W = WIDTH<Real>;
  const auto columns = [&]<int N>(int at) {
    Vector<Real> total[R][N];
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < N; ++n) total[r][n] = load(c[r] + at + n * W);
    for (int k = 0; k < n_in; ++k) {
      Vector<Real> row[N];
      for (int n = 0; n < N; ++n) row[n] = load(w + std::size_t(k) * n_out + at + n * W);
      for (int r = 0; r < R; ++r)
        for (int n = 0; n < N; ++n) total[r][n] += a[r][k] * row[n];
    }
    for (int r = 0; r < R; ++r)
      for (int n = 0; n < N; ++n) store(c[r] + at + n * W, total[r][n]);
  };
  int at = 0;
  for (; at + 2 * W <= n_out; at += 2 * W) columns.template operator()<2>(at);
  for (; at < n_out; at += W) columns.template operator()<1>(at);
}

/// A linear map of features, and its transpose.
template <class Real> class LinearMap {
 public:
  LinearMap(const Linear &linear, const std::vector<Block> &from, const std::vector<Block> &to,
            const std::vector<std::int64_t> &elements)
      : from_(layout_of<Real>(from)), to_(layout_of<Real>(to))
  {
    for (const auto &weights : linear.weights)
      pairs_.push_back(packed(weights, from[weights.from], to[weights.to], elements));
    bias_.assign(to_.size, 0);
    for (const auto &bias : linear.biases)
      std::copy(bias.values.begin(), bias.values.end(), bias_.begin() + to_.blocks[bias.to].offset);
  }

  /// y += x @ W + bias, for n atoms; `species` indexes the elements.
  void add(const Real *x, Real *y, std::int64_t n, const std::int64_t *species) const
  {
    for (std::int64_t atom = 0; atom < n; ++atom)
      for (int k = 0; k < to_.size; ++k) y[atom * to_.size + k] += bias_[k];
    for (const auto &pair : pairs_)
      multiply(x, from_.size, pair.from, y, to_.size, pair.to, n, species, pair.weights);
  }

  /// gx += gy @ W^T
  void add_transposed(const Real *gy, Real *gx, std::int64_t n, const std::int64_t *species) const
  {
    for (const auto &pair : pairs_)
      multiply(gy, to_.size, pair.to, gx, from_.size, pair.from, n, species, pair.transposed);
  }

 private:
  struct Pair {
    Span from, to;
    std::vector<Buffer<Real>> weights, transposed;    // one, or one of each species
  };

  Pair packed(const Linear::Weights &weights, const Block &from, const Block &to,
              const std::vector<std::int64_t> &elements) const
  {
    Pair pair{from_.blocks[weights.from], to_.blocks[weights.to], {}, {}};
    const bool of_elements = weights.matrices.size() > 1;
    for (std::size_t n = 0; n < (of_elements ? elements.size() : 1); ++n) {
      const auto &matrix = weights.matrices[of_elements ? elements[n] : 0];
      Buffer<Real> w(std::size_t(pair.from.channels) * pair.to.channels, 0);
      Buffer<Real> wt(w.size(), 0);
      for (int i = 0; i < from.channels; ++i)
        for (int o = 0; o < to.channels; ++o) {
          const auto value = static_cast<Real>(matrix[std::size_t(i) * to.channels + o]);
          w[std::size_t(i) * pair.to.channels + o] = value;
          wt[std::size_t(o) * pair.from.channels + i] = value;
        }
      pair.weights.push_back(std::move(w));
      pair.transposed.push_back(std::move(wt));
    }
    return pair;
  }

  static void multiply(const Real *x, int x_size, const Span &from, Real *y, int y_size,
                       const Span &to, std::int64_t n, const std::int64_t *species,
                       const std::vector<Buffer<Real>> &weights)
  {
    constexpr int R = ROWS_AT_ONCE;
    const Real *a[R];
    Real *c[R];
    int rows = 0;
    const Real *w = weights[0].data();
    const auto flush = [&] {
      if (rows == R)
        add_rows<R>(a, c, w, from.channels, to.channels);
      else
        for (int r = 0; r < rows; ++r) add_rows<1>(a + r, c + r, w, from.channels, to.channels);
      rows = 0;
    };
    for (std::int64_t atom = 0; atom < n; ++atom) {
      if (weights.size() > 1) {
        flush();
        w = weights[species[atom]].data();
      }
      for (int m = 0; m < from.components; ++m) {
        a[rows] = x + atom * x_size + from.offset + m * from.channels;
        c[rows] = y + atom * y_size + to.offset + m * to.channels;
        if (++rows == R) flush();
      }
    }
    flush();
  }

  Layout from_, to_;
  std::vector<Pair> pairs_;
  Buffer<Real> bias_;
};

}    // namespace hopkin::nequip
