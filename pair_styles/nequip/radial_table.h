// The weights of all products as functions of the distance: quintic polynomials between knots.

#pragma once

#include "network.h"
#include "vectors.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace hopkin::nequip {

/// Values and slopes at a distance: weight = sum_k value[k] * row[k * stride], slope likewise.
template <class Real> struct Knots {
  const Real *row;
  std::array<Real, 6> value, slope;
};

template <class Real> class RadialTable {
 public:
  /// `products`: channels of each, and with those that fill it up.
  RadialTable(const Radial &radial, const std::vector<std::array<int, 2>> &products)
  {
    for (const auto &[channels, filled] : products) stride_ += filled;
    for (const auto &segment : radial.segments) {
      starts_.push_back(segment.start);
      widths_.push_back((segment.end - segment.start) / segment.intervals);
      intervals_.push_back(segment.intervals);
      tables_.push_back(mixed(segment, radial, products));
    }
  }

  /// Numbers from one of the six parts of a row to the next.
  [[nodiscard]] int stride() const { return stride_; }

  [[nodiscard]] Knots<Real> at(double r) const
  {
    std::size_t n = starts_.size() - 1;
    while (n > 0 && r < starts_[n]) --n;
    const double h = widths_[n];
    const double x = (r - starts_[n]) / h;
    const auto interval =
        std::min(static_cast<std::int64_t>(std::max(x, 0.0)), intervals_[n] - std::int64_t(1));
    const double t = x - static_cast<double>(interval), s = 1 - t;
    const double t2 = t * t, s2 = s * s;
    Knots<Real> knots;
    knots.row = tables_[n].data() + std::size_t(interval) * 3 * stride_;
    const double value[6] = {s2 * s * (1 + 3 * t + 6 * t2), h * t * s2 * s * (1 + 3 * t),
                             h * h * t2 * s2 * s / 2,       t2 * t * (1 + 3 * s + 6 * s2),
                             -h * s * t2 * t * (1 + 3 * s), h * h * s2 * t2 * t / 2};
    const double slope[6] = {
        -30 * t2 * s2 / h, s2 * (1 + 2 * t - 15 * t2), h * t * s2 * (2 - 5 * t) / 2,
        30 * t2 * s2 / h,  t2 * (1 + 2 * s - 15 * s2), -h * s * t2 * (2 - 5 * s) / 2};
    for (int k = 0; k < 6; ++k) {
      knots.value[k] = static_cast<Real>(value[k]);
      knots.slope[k] = static_cast<Real>(slope[k]);
    }
    return knots;
  }

 private:
  // (intervals + 1, 3, stride): the hidden functions, mixed to the weights
  Buffer<Real> mixed(const Segment &segment, const Radial &radial,
                     const std::vector<std::array<int, 2>> &products) const
  {
    const std::size_t n_rows = std::size_t(segment.intervals + 1) * 3;
    Buffer<Real> table(n_rows * stride_, 0);
    std::vector<double> weights(radial.weights);
    for (std::size_t row = 0; row < n_rows; ++row) {
      std::fill(weights.begin(), weights.end(), 0.0);
      for (int f = 0; f < radial.functions; ++f) {
        const double h = segment.table[row * radial.functions + f];
        const double *mixing = &radial.mixing[std::size_t(f) * radial.weights];
        for (int w = 0; w < radial.weights; ++w) weights[w] += h * mixing[w];
      }
      std::size_t from = 0, to = row * stride_;
      for (const auto &[channels, filled] : products) {
        for (int c = 0; c < channels; ++c) table[to + c] = static_cast<Real>(weights[from + c]);
        from += channels;
        to += filled;
      }
    }
    return table;
  }

  int stride_ = 0;
  std::vector<double> starts_, widths_;
  std::vector<int> intervals_;
  std::vector<Buffer<Real>> tables_;
};

}    // namespace hopkin::nequip
