// What a model is to hopkin: atoms in; energy, atomic energies, forces and virial out.
// No LAMMPS, torch or Python header here: pair styles and evaluators meet on these types alone.
// Energies are summed in double, from the model's atomic energies where those are in single
// precision: line searches and finite differences need the digits.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hopkin {

/// The atoms that a model is given, in LAMMPS `metal` units: those of one replica, or of the part
/// of it that a rank owns and then those around that part, within reach of the model's layers.
struct Configuration {
  std::vector<double> positions;        ///< (n_atoms, 3) [A]
  std::vector<std::int64_t> species;    ///< (n_atoms,) index into the evaluator's list of elements
  std::array<double, 9> cell{};         ///< rows are the cell vectors [A]
  std::array<int, 3> pbc{};             ///< 1 where periodic
  std::int64_t n_owned = 0;             ///< the first n_owned atoms make up the energy
  std::uint32_t band = 0;               ///< of the replicas that take this step together; 0: alone

  [[nodiscard]] std::int64_t n_atoms() const { return static_cast<std::int64_t>(species.size()); }
};

/// Edges i <- j between atoms closer than the cutoff, periodic images counted one by one: i hears
/// of j. Of a whole replica both directions are there; atoms at the rim of a part of one do not
/// hear.
struct NeighborGraph {
  std::vector<std::int64_t> edge_index;    ///< (2, n_edges): all i, then all j
  std::vector<double> edge_vectors;        ///< (n_edges, 3) r_ij = r_j + S @ cell - r_i [A]

  [[nodiscard]] std::int64_t n_edges() const
  {
    return static_cast<std::int64_t>(edge_vectors.size() / 3);
  }
};

/// What a model says of a configuration. The forces and the virial are derivatives of `energy`, so
/// that those of all the parts of a replica add up to those of the whole.
struct Evaluation {
  double energy = 0.0;                    ///< of the owned atoms [eV]
  std::vector<double> atomic_energies;    ///< (n_owned,) [eV], their sum is `energy`; may be empty
  std::vector<double> forces;             ///< (n_atoms, 3) [eV/A]
  std::array<double, 6> virial{};         ///< -dE/d(strain): xx yy zz xy xz yz [eV]
  std::vector<double> atomic_virials;    ///< (n_atoms, 6) [eV], their sum is `virial`; may be empty
};

/// A model, loaded. Errors are std::exception with a sentence for the user.
class Evaluator {
 public:
  virtual ~Evaluator() = default;

  /// Range of the neighbour graph it needs [A]; 0 when it finds neighbours itself.
  [[nodiscard]] virtual double graph_cutoff() const = 0;

  /// How many edges away an atom can be whose place changes the energy of another; 0 where the
  /// model cannot be evaluated on a part of a replica.
  [[nodiscard]] virtual int layers() const { return 0; }

  /// One line for the log: what was loaded, in which precision, on which device.
  [[nodiscard]] virtual std::string description() const = 0;

  /// Fills `result`; `graph` is empty when graph_cutoff() is 0.
  virtual void evaluate(const Configuration &configuration, const NeighborGraph &graph,
                        Evaluation &result) = 0;

  /// Said in the place of evaluate() by a replica of a band that has not moved.
  virtual void pass(std::uint32_t /*band*/) {}
};

/// What an evaluator is made from.
struct EvaluatorRequest {
  std::string model;                    ///< file or name, as given to pair_coeff
  std::vector<std::string> elements;    ///< chemical symbols that `species` indexes
  int threads = 1;                      ///< threads within the model
  int rank = 0;                     ///< rank in the whole run; modulo the GPUs of a node, its GPU
  std::string library_directory;    ///< where hopkin's shared libraries are installed
};

/// The one symbol that an evaluator library exports, under the name "hopkin_make_evaluator".
using MakeEvaluator = Evaluator *(const EvaluatorRequest &);

}    // namespace hopkin
