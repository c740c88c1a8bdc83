// pair_style hopkin: any model that hopkin has a Python adapter for, evaluated by a service
//   pair_style hopkin
//   pair_coeff * * chgnet-0.3.0 Li Fe P O

#include "pair_model.h"
#include "plugin.h"
#include "service_client.h"

namespace {

class PairHopkin final : public LAMMPS_NS::PairModel {
 public:
  explicit PairHopkin(LAMMPS_NS::LAMMPS *lmp) : PairModel(lmp, "hopkin") {}

 protected:
  std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) override
  {
    return std::make_unique<hopkin::ServiceClient>(request);
  }
};

void *create(void *lmp)
{
  return static_cast<LAMMPS_NS::Pair *>(new PairHopkin(static_cast<LAMMPS_NS::LAMMPS *>(lmp)));
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *regfunc)
{
  hopkin::register_pair_style("hopkin", "models in Python", &create, lmp, handle, regfunc);
}
