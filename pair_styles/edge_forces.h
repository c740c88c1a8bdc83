// Forces and virial of a model whose energy is differentiated by the edges of its graph.

#pragma once

#include "evaluator.h"

namespace hopkin {

/// Fills forces, virial and atomic virials of `result` from `gradient`, (n_edges, 3) dE/dr_ij
/// [eV/A].
void gather_edge_forces(const NeighborGraph &graph, const double *gradient, std::int64_t n_atoms,
                        Evaluation &result);

}    // namespace hopkin
