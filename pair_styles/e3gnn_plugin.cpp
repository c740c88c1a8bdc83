// pair_style e3gnn: SevenNet models exported by `sevenn get_model`, with the upstream syntax
//   pair_style e3gnn
//   pair_coeff * * deployed_serial.pt Li Fe P O

#include "evaluator_library.h"
#include "pair_model.h"
#include "plugin.h"

namespace {

class PairE3GNN final : public LAMMPS_NS::PairModel {
 public:
  explicit PairE3GNN(LAMMPS_NS::LAMMPS *lmp) : PairModel(lmp, "e3gnn") {}

 protected:
  std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) override
  {
    return hopkin::make_evaluator("libhopkin_e3gnn.so", request);
  }
};

void *create(void *lmp)
{
  return static_cast<LAMMPS_NS::Pair *>(new PairE3GNN(static_cast<LAMMPS_NS::LAMMPS *>(lmp)));
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *regfunc)
{
  hopkin::register_pair_style("e3gnn", "SevenNet (libtorch)", &create, lmp, handle, regfunc);
}
