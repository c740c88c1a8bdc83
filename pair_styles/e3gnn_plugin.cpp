// pair_style e3gnn: SevenNet models, with the upstream syntax
//   pair_style e3gnn
//   pair_coeff * * deployed_serial.pt Li Fe P O
// The file is a network that hopkin wrote, evaluated without torch, or what `sevenn get_model`
// exports.

#include "evaluator_library.h"
#include "nequip/network_file.h"
#include "pair_model.h"
#include "plugin.h"

#include <filesystem>
#include <stdexcept>

namespace {

// The evaluator of networks that was compiled for the instructions of this processor.
std::string library_for_networks()
{
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return "libhopkin_nequip_avx512.so";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return "libhopkin_nequip_avx2.so";
#endif
  return "libhopkin_nequip.so";
}

class PairE3GNN final : public LAMMPS_NS::PairModel {
 public:
  explicit PairE3GNN(LAMMPS_NS::LAMMPS *lmp) : PairModel(lmp, "e3gnn") {}

 protected:
  std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) override
  {
    if (!std::filesystem::is_regular_file(request.model))
      throw std::runtime_error("no model file '" + request.model + "'");
    if (hopkin::nequip::is_network(request.model))
      return hopkin::make_evaluator(library_for_networks(), request);
    return hopkin::make_torch_evaluator("libhopkin_e3gnn.so", request);
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
  hopkin::register_pair_style("e3gnn", "SevenNet", &create, lmp, handle, regfunc);
}
