// What a SavedModel of GRACE says of itself, read without TensorFlow's protobuf or a YAML library.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hopkin {

/// metadata.yaml, which tensorpotential writes beside saved_model.pb.
struct GraceMetadata {
  std::vector<std::string> chemical_symbols;    ///< in the order of the model's species
  double cutoff = 0.0;                          ///< largest over the pairs [A]
  std::vector<double> cutoffs;    ///< (n_species, n_species) [A] of each pair; empty: all `cutoff`
  /// What the functions of single layers hand from one to the next, by name; true where an atom
  /// needs that of its neighbours. Empty where the file does not tell.
  std::map<std::string, bool> communicated;

  /// Message-passing layers: what goes to the neighbours reaches one further. 0: not known.
  [[nodiscard]] int layers() const
  {
    if (communicated.empty()) return 0;
    int n = 1;
    for (const auto &[name, to_neighbors] : communicated) n += to_neighbors;
    return n;
  }
};

/// Throws std::runtime_error where the directory is no SavedModel of GRACE.
GraceMetadata read_grace_metadata(const std::string &directory);

/// A tensor of the graph: operation and output, and its type as TensorFlow numbers them.
struct TensorInfo {
  std::string operation;
  int index = 0;
  int dtype = 0;
};

/// Inputs and outputs of a function that a SavedModel offers.
struct Signature {
  std::map<std::string, TensorInfo> inputs, outputs;
};

/// Signatures of a serialized tensorflow.MetaGraphDef, by name.
std::map<std::string, Signature> read_signatures(std::string_view meta_graph_def);

}    // namespace hopkin
