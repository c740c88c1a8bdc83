// What every evaluator in libtorch does alike: device, loading, elements, and forces and virial
// from the gradient of the energy with respect to the edges. A family says what its files are like,
// and its energy.

#pragma once

#include "evaluator.h"

#include <torch/script.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace hopkin {

/// A configuration on the model's device.
struct TorchGraph {
  torch::Tensor species;         ///< (n_atoms,) index into the model's own list of elements
  torch::Tensor edge_index;      ///< (2, n_edges)
  torch::Tensor edge_vectors;    ///< (n_edges, 3) r_ij [A], in the model's precision; a leaf
};

class TorchEvaluator : public Evaluator {
 public:
  [[nodiscard]] double graph_cutoff() const final { return cutoff_; }
  [[nodiscard]] int layers() const final { return layers_; }
  [[nodiscard]] std::string description() const final;
  void evaluate(const Configuration &configuration, const NeighborGraph &graph,
                Evaluation &result) final;

 protected:
  using Metadata = std::unordered_map<std::string, std::string>;

  /// What a family reads from its file.
  struct Properties {
    std::string exported_by;             ///< for the log
    std::vector<std::string> symbols;    ///< chemical symbols in the model's own order
    double cutoff = 0.0;                 ///< [A]
    torch::ScalarType dtype = torch::kFloat32;
  };

  explicit TorchEvaluator(const EvaluatorRequest &request);

  /// Loads the file, and the named entries of its metadata. `remedy` says how to get such a file.
  void load(Metadata &metadata, const std::string &remedy);

  /// Has to follow load(). The elements that were asked for are found among the model's.
  void describe(Properties properties);

  /// (n_atoms,) energies [eV], differentiable in `graph.edge_vectors`.
  virtual torch::Tensor atomic_energies(const TorchGraph &graph) = 0;

  /// Counts the layers of a model that does not say how many it has: along a chain of atoms, the
  /// edges that the energy of its first atom depends on.
  [[nodiscard]] int count_layers();

  std::string model_file_;
  torch::jit::Module model_;
  torch::Device device_{torch::kCPU};
  int gpu_ = -1;
  torch::ScalarType dtype_ = torch::kFloat32;
  int layers_ = 0;

 private:
  void evaluate_in_torch(const Configuration &configuration, const NeighborGraph &graph,
                         Evaluation &result);

  std::vector<std::string> elements_;    // as asked for
  std::string exported_by_;
  double cutoff_ = 0.0;
  std::vector<std::int64_t> model_species_;    // the model's index of each requested element
  std::vector<std::int64_t> species_;          // (n_atoms,) buffer
};

}    // namespace hopkin
