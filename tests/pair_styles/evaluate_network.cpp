// Evaluates a network without LAMMPS: evaluate_network FILE THREADS < ATOMS, a line "symbol x y z"
// [A] for each atom of a cluster. Prints the energy, the forces and the virial (xx yy zz xy xz yz) to
// the last bit, of two evaluations in turn.

#include "evaluator.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

extern "C" hopkin::Evaluator *hopkin_make_evaluator(const hopkin::EvaluatorRequest &request);

namespace {

hopkin::NeighborGraph graph_of(const std::vector<double> &positions, double cutoff)
{
  hopkin::NeighborGraph graph;
  std::vector<std::int64_t> to, from;
  const auto n_atoms = static_cast<std::int64_t>(positions.size() / 3);
  for (std::int64_t i = 0; i < n_atoms; ++i)
    for (std::int64_t j = 0; j < n_atoms; ++j) {
      double r[3];
      for (int k = 0; k < 3; ++k) r[k] = positions[3 * j + k] - positions[3 * i + k];
      if (i == j || std::hypot(r[0], r[1], r[2]) >= cutoff) continue;
      to.push_back(i);
      from.push_back(j);
      graph.edge_vectors.insert(graph.edge_vectors.end(), r, r + 3);
    }
  graph.edge_index = to;
  graph.edge_index.insert(graph.edge_index.end(), from.begin(), from.end());
  return graph;
}

}    // namespace

int main(int argc, char **argv)
{
  if (argc != 3) return 2;
  hopkin::EvaluatorRequest request;
  request.model = argv[1];
  request.threads = std::atoi(argv[2]);
  hopkin::Configuration configuration;
  std::string symbol;
  for (double r[3]; std::cin >> symbol >> r[0] >> r[1] >> r[2];) {
    auto &known = request.elements;
    const auto at = std::find(known.begin(), known.end(), symbol) - known.begin();
    if (at == std::ssize(known)) known.push_back(symbol);
    configuration.species.push_back(at);
    configuration.positions.insert(configuration.positions.end(), r, r + 3);
  }
  configuration.n_owned = configuration.n_atoms();
  try {
    const std::unique_ptr<hopkin::Evaluator> evaluator(hopkin_make_evaluator(request));
    const auto graph = graph_of(configuration.positions, evaluator->graph_cutoff());
    for (int n = 0; n < 2; ++n) {
      hopkin::Evaluation result;
      evaluator->evaluate(configuration, graph, result);
      std::printf("%a\n", result.energy);
      for (const double value : result.forces) std::printf("%a\n", value);
      for (const double value : result.virial) std::printf("%a\n", value);
    }
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
