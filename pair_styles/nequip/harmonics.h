// Real spherical harmonics of edges, by the recursion of their couplings.

#pragma once

#include "network.h"

#include <array>
#include <vector>

namespace hopkin::nequip {

inline constexpr int MOST_HARMONICS = (HIGHEST_DEGREE + 1) * (HIGHEST_DEGREE + 1);

/// A coefficient of a coupling that is not zero.
struct Coefficient {
  int m1, m2, m3;
  double value;
};

std::vector<Coefficient> coefficients_of(const Network &network, const Degrees &degrees);

class Harmonics {
 public:
  explicit Harmonics(const Network &network);

  /// Number of components of all degrees.
  [[nodiscard]] int size() const { return size_; }

  /// Y of the vector r, all degrees one after the other.
  void values(const std::array<double, 3> &r, double *y) const;

  /// Sum_m gy[m] dY[m]/dr.
  [[nodiscard]] std::array<double, 3> pulled_back(const std::array<double, 3> &r, const double *y,
                                                  const double *gy) const;

 private:
  bool unit_vectors_;
  int size_;
  std::vector<double> factors_;
  std::vector<std::vector<Coefficient>> steps_;    // from the degree before
};

}    // namespace hopkin::nequip
