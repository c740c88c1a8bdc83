// The LAMMPS life cycle of a model: options, checks, atoms and neighbour graph out of LAMMPS,
// energy, forces and virial back into it. What the model computes is an Evaluator's business.
//
// Atoms are handed to the model in the order of their IDs, whatever order LAMMPS keeps them in. A
// replica that has not moved is not evaluated again: the frozen ends of a band cost nothing. In a
// single replica, positions that differ by rounding count as moved.
//
// One rank per replica maps ghosts back to their owners, which is exact and cheapest. Several ranks
// make the ghosts atoms of the model, as far as its layers reach, and send the forces on them back;
// the energy is summed over owned atoms. That is exact for every model whose pair style knows its
// layers; the others refuse.
//
// Replicas of a band wait for the slowest asleep (`band_barrier.h`).

#pragma once

#include "band_barrier.h"
#include "evaluator.h"
#include "pair.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairModel : public Pair {
 public:
  ~PairModel() override;

  PairModel(const PairModel &) = delete;
  PairModel &operator=(const PairModel &) = delete;

  void compute(int eflag, int vflag) override;
  void settings(int narg, char **arg) override;
  void coeff(int narg, char **arg) override;
  void init_style() override;
  double init_one(int i, int j) override;
  double memory_usage() override;

 protected:
  /// `style` names the pair style in messages.
  PairModel(LAMMPS *lmp, std::string style);

  /// Loads the model that pair_coeff names.
  virtual std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) = 0;

  /// A deck can say that its replicas have one MPI rank each.
  void forbid_domain_decomposition(bool forbidden) { one_rank_ = forbidden; }

 private:
  void allocate();
  void prepare_decomposition();
  void read_configuration();
  void build_graph();
  void build_graph_of_owners();
  void build_graph_with_ghosts();
  template <typename Found> void for_each_neighbor(int i, const Found &found) const;
  [[nodiscard]] std::uint32_t band();
  void add_to_lammps();

  std::string style_;
  std::unique_ptr<hopkin::Evaluator> evaluator_;
  double graph_cutoff_ = 0.0;
  bool one_rank_ = false;
  std::uint32_t band_ = 0;
  std::unique_ptr<hopkin::BandBarrier> barrier_;    // of the replicas of that band
  bool decomposed_ = false;    // the replica is on several ranks: ghosts are atoms of the model

  hopkin::Configuration configuration_;
  hopkin::Configuration evaluated_;    // what evaluation_ belongs to
  hopkin::Configuration reached_;      // decomposed: the part of configuration_ the model is given
  hopkin::NeighborGraph graph_;
  hopkin::Evaluation evaluation_;
  std::vector<int> atoms_;            // LAMMPS index of each atom of configuration_
  std::vector<int> nodes_;            // atom of configuration_ of each atom of the model
  std::vector<int> node_of_index_;    // (own atoms and ghosts,) atom of the model, or -1
};

}    // namespace LAMMPS_NS
