// What the functions of a GRACE model take: atoms and edges in the model's words, padded.

#pragma once

#include "grace_request.h"
#include "saved_model_session.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hopkin {

/// The atoms of a configuration as the model is to see them, and the edges within its cutoffs.
struct GraceAtoms {
  std::vector<std::int32_t> species;    ///< in the model's numbers
  std::vector<std::int32_t> of_node;    ///< the atom that stands for each node of the graph
  std::vector<std::int64_t> edges;      ///< of the graph, in its order
};

/// One size of the input: how much of it there is, and the padded size that is in use.
class Padding {
 public:
  explicit Padding(const GraceRequest &request);

  /// Size to use for `n`; at least one more than `n`, unless there is no padding at all.
  std::int64_t fit(std::int64_t n);

  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  double fraction_, reduction_;
  int reductions_left_;
  std::int64_t size_ = 0;
};

/// The arrays that every function takes. Fake edges lead from a fake atom to a fake atom.
class GraceInput {
 public:
  explicit GraceInput(const GraceRequest &request);

  /// The first n_atoms atoms and the edges that they hear of, from those atoms or from those of
  /// `senders`, where it is given. All of them have an energy.
  void fill(const NeighborGraph &graph, const GraceAtoms &atoms, std::int64_t n_atoms,
            const GraceInput *senders = nullptr);

  [[nodiscard]] const Arrays &arrays() const { return arrays_; }
  /// Those of the graph that are in the arrays, in their order.
  [[nodiscard]] const std::vector<std::int64_t> &edges() const { return edges_; }
  [[nodiscard]] std::int64_t n_padded_atoms() const { return atom_padding_.size(); }
  [[nodiscard]] std::int64_t n_padded_edges() const { return edge_padding_.size(); }

 private:
  std::vector<std::int32_t> &integers(const std::string &name);
  void pad(std::int64_t n_atoms, std::int64_t n_edges);

  std::function<void(const std::string &)> report_shape_;
  Padding atom_padding_, edge_padding_;
  Arrays arrays_;
  std::vector<std::int64_t> edges_;
};

}    // namespace hopkin
