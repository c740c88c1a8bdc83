#include "edge_forces.h"

// With g = dE/dr_ij: F_i += g, F_j -= g, virial -= r_ij (x) g, half of it to each end.
void hopkin::gather_edge_forces(const NeighborGraph &graph, const double *gradient,
                                std::int64_t n_atoms, Evaluation &result)
{
  static constexpr int row[6] = {0, 1, 2, 0, 0, 1};
  static constexpr int column[6] = {0, 1, 2, 1, 2, 2};
  result.forces.assign(3 * n_atoms, 0.0);
  result.atomic_virials.assign(6 * n_atoms, 0.0);
  result.virial.fill(0.0);
  const auto n_edges = graph.n_edges();
  for (std::int64_t edge = 0; edge < n_edges; ++edge) {
    const auto i = graph.edge_index[edge];
    const auto j = graph.edge_index[n_edges + edge];
    const double *r = &graph.edge_vectors[3 * edge];
    const double *g = &gradient[3 * edge];
    for (int k = 0; k < 3; ++k) {
      result.forces[3 * i + k] += g[k];
      result.forces[3 * j + k] -= g[k];
    }
    for (int k = 0; k < 6; ++k) {
      const double w = -0.5 * (r[row[k]] * g[column[k]] + r[column[k]] * g[row[k]]);
      result.virial[k] += w;
      result.atomic_virials[6 * i + k] += 0.5 * w;
      result.atomic_virials[6 * j + k] += 0.5 * w;
    }
  }
}
