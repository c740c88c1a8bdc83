#include "harmonics.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace hopkin::nequip {

std::vector<Coefficient> coefficients_of(const Network &network, const Degrees &degrees)
{
  const auto found = network.couplings.find(degrees);
  if (found == network.couplings.end())
    throw std::runtime_error("the network lacks a coupling of its products");
  const int n2 = 2 * degrees[1] + 1, n3 = 2 * degrees[2] + 1;
  std::vector<Coefficient> coefficients;
  for (int k = 0; k < static_cast<int>(found->second.size()); ++k)
    if (std::abs(found->second[k]) > 1e-12)
      coefficients.push_back({k / (n2 * n3), k / n3 % n2, k % n3, found->second[k]});
  return coefficients;
}

Harmonics::Harmonics(const Network &network)
    : unit_vectors_(network.unit_vectors), factors_(network.harmonics)
{
  const int highest = static_cast<int>(factors_.size()) - 1;
  size_ = (highest + 1) * (highest + 1);
  steps_.resize(2);
  for (int degree = 2; degree <= highest; ++degree) {
    steps_.push_back(coefficients_of(network, {degree - 1, 1, degree}));
    for (auto &step : steps_.back()) step.value *= factors_[degree];
  }
}

void Harmonics::values(const std::array<double, 3> &r, double *y) const
{
  const double length = unit_vectors_ ? std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]) : 1.0;
  y[0] = 1.0;
  for (int k = 0; k < 3; ++k) y[1 + k] = factors_[1] * r[k] / length;
  std::fill(y + 4, y + size_, 0.0);
  for (int degree = 2; degree < static_cast<int>(steps_.size()); ++degree) {
    const double *before = y + (degree - 1) * (degree - 1);
    for (const auto &step : steps_[degree])
      y[degree * degree + step.m3] += step.value * before[step.m1] * y[1 + step.m2];
  }
}

std::array<double, 3> Harmonics::pulled_back(const std::array<double, 3> &r, const double *y,
                                             const double *gy) const
{
  std::array<double, MOST_HARMONICS> g{};
  std::copy(gy, gy + size_, g.begin());
  for (int degree = static_cast<int>(steps_.size()) - 1; degree > 1; --degree) {
    const int before = (degree - 1) * (degree - 1);
    for (const auto &step : steps_[degree]) {
      const double w = step.value * g[degree * degree + step.m3];
      // of the degree 1, both factors are the same components
      const double left = w * y[1 + step.m2], right = w * y[before + step.m1];
      g[before + step.m1] += left;
      g[1 + step.m2] += right;
    }
  }
  std::array<double, 3> gradient;
  for (int k = 0; k < 3; ++k) gradient[k] = factors_[1] * g[1 + k];
  if (!unit_vectors_) return gradient;
  const double length = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
  const double along =
      (gradient[0] * r[0] + gradient[1] * r[1] + gradient[2] * r[2]) / (length * length);
  for (int k = 0; k < 3; ++k) gradient[k] = (gradient[k] - along * r[k]) / length;
  return gradient;
}

}    // namespace hopkin::nequip
