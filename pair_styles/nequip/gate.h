// The gate of a layer: scalars through a function of their own, blocks of higher degree times one
// of their gates.

#pragma once

#include "features.h"

#include <cmath>
#include <cstdint>
#include <utility>

namespace hopkin::nequip {

/// Value and slope of an activation.
template <class Real> std::pair<Real, Real> activated(const Activation &activation, Real x)
{
  const auto factor = static_cast<Real>(activation.factor);
  switch (activation.function) {
  case Function::silu: {
    const Real s = 1 / (1 + std::exp(-x));
    return {factor * x * s, factor * s * (1 + x * (1 - s))};
  }
  case Function::tanh: {
    const Real t = std::tanh(x);
    return {factor * t, factor * (1 - t * t)};
  }
  case Function::abs:
    return {factor * std::abs(x), x > 0 ? factor : x < 0 ? -factor : 0};
  case Function::softplus: {
    const Real s = 1 / (1 + std::exp(-x));
    const Real value = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    return {factor * (value - static_cast<Real>(M_LN2)), factor * s};
  }
  }
  return {};
}

template <class Real> class Gate {
 public:
  explicit Gate(const Layer &layer) : scalars_(layer.scalars), gates_(layer.gates)
  {
    from_ = layout_of<Real>(layer.gated);
    std::vector<Block> left(layer.gated.begin(), layer.gated.begin() + scalars_.size());
    left.insert(left.end(), layer.gated.begin() + scalars_.size() + gates_.size(),
                layer.gated.end());
    to_ = layout_of<Real>(left);
  }

  [[nodiscard]] const Layout &from() const { return from_; }
  [[nodiscard]] const Layout &to() const { return to_; }

  /// x = gate(z), of one atom.
  void apply(const Real *z, Real *x) const
  {
    for (std::size_t n = 0; n < scalars_.size(); ++n)
      for (int c = 0; c < from_.blocks[n].channels; ++c)
        x[to_.blocks[n].offset + c] = activated(scalars_[n], z[from_.blocks[n].offset + c]).first;
    for (std::size_t n = 0; n < gates_.size(); ++n) {
      const auto &[gate, block, target] = spans(n);
      for (int c = 0; c < gate.channels; ++c) {
        const Real value = activated(gates_[n], z[gate.offset + c]).first;
        for (int m = 0; m < block.components; ++m)
          x[target.offset + m * block.channels + c] =
              value * z[block.offset + m * block.channels + c];
      }
    }
  }

  /// gz = dE/dz from gx = dE/dx, of one atom.
  void pull_back(const Real *z, const Real *gx, Real *gz) const
  {
    for (std::size_t n = 0; n < scalars_.size(); ++n)
      for (int c = 0; c < from_.blocks[n].channels; ++c)
        gz[from_.blocks[n].offset + c] =
            gx[to_.blocks[n].offset + c] *
            activated(scalars_[n], z[from_.blocks[n].offset + c]).second;
    for (std::size_t n = 0; n < gates_.size(); ++n) {
      const auto &[gate, block, target] = spans(n);
      for (int c = 0; c < gate.channels; ++c) {
        const auto [value, slope] = activated(gates_[n], z[gate.offset + c]);
        Real along = 0;
        for (int m = 0; m < block.components; ++m) {
          const Real g = gx[target.offset + m * block.channels + c];
          along += g * z[block.offset + m * block.channels + c];
          gz[block.offset + m * block.channels + c] = value * g;
        }
        gz[gate.offset + c] = slope * along;
      }
    }
  }

 private:
  struct Spans {
    const Span &gate, &block, &target;
  };

  [[nodiscard]] Spans spans(std::size_t n) const
  {
    return {from_.blocks[scalars_.size() + n], from_.blocks[scalars_.size() + gates_.size() + n],
            to_.blocks[scalars_.size() + n]};
  }

  std::vector<Activation> scalars_, gates_;
  Layout from_, to_;
};

}    // namespace hopkin::nequip
