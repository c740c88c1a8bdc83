// pair_style mace: MACE models exported by `mace_create_lammps_model`, with the upstream syntax
//   pair_style mace
//   pair_coeff * * model-lammps.pt Li Fe P O
// `pair_style mace no_domain_decomposition` is upstream's way to say: one rank, no ghost atoms in
// the graph. That is how one rank is always computed here; the option refuses more of them.

#include "evaluator_library.h"
#include "pair_model.h"
#include "plugin.h"

#include "error.h"

#include <cstring>

namespace {

class PairMACE final : public LAMMPS_NS::PairModel {
 public:
  explicit PairMACE(LAMMPS_NS::LAMMPS *lmp) : PairModel(lmp, "mace") {}

  void settings(int narg, char **arg) override
  {
    if (narg > 1)
      error->all(FLERR, "pair_style mace takes one argument at most, received {}", narg);
    if (narg == 1 && std::strcmp(arg[0], "no_domain_decomposition") != 0)
      error->all(FLERR, "pair_style mace takes no argument or no_domain_decomposition, received {}",
                 arg[0]);
    forbid_domain_decomposition(narg == 1);
  }

 protected:
  std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) override
  {
    return hopkin::make_torch_evaluator("libhopkin_mace.so", request);
  }
};

void *create(void *lmp)
{
  return static_cast<LAMMPS_NS::Pair *>(new PairMACE(static_cast<LAMMPS_NS::LAMMPS *>(lmp)));
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *regfunc)
{
  hopkin::register_pair_style("mace", "MACE (libtorch)", &create, lmp, handle, regfunc);
}
