// pair_style grace: GRACE models exported by `gracemaker` or `grace_utils export`, upstream syntax
//   pair_style grace [padding 0.05] [pad_verbose] ...
//   pair_coeff * * /path/to/saved_model Li Fe P O

#include "evaluator_library.h"
#include "grace_request.h"
#include "pair_model.h"
#include "plugin.h"

#include "comm.h"
#include "error.h"

#include <string_view>

namespace {

class PairGRACE final : public LAMMPS_NS::PairModel {
 public:
  explicit PairGRACE(LAMMPS_NS::LAMMPS *lmp) : PairModel(lmp, "grace") {}

  void settings(int narg, char **arg) override
  {
    using namespace LAMMPS_NS;
    options_ = {};
    bool verbose = false;
    for (int i = 0; i < narg; ++i) {
      const std::string_view keyword = arg[i];
      const auto value = [&]() {
        if (++i == narg)
          utils::missing_cmd_args(FLERR, "pair_style grace " + std::string(keyword), error);
        return arg[i];
      };
      if (keyword == "padding")
        options_.padding = utils::numeric(FLERR, value(), false, lmp);
      else if (keyword == "reduce_padding")
        options_.padding_reduction = utils::numeric(FLERR, value(), false, lmp);
      else if (keyword == "max_number_of_reduction")
        options_.max_reductions = utils::inumeric(FLERR, value(), false, lmp);
      else if (keyword == "pad_verbose")
        verbose = true;
      else if (keyword == "chunksize")    // upstream reads it and does not use it
        utils::inumeric(FLERR, value(), false, lmp);
      else if (!chooses_a_way(keyword))
        error->all(FLERR,
                   "pair_style grace: unknown keyword '{}' (it takes padding, reduce_padding, "
                   "max_number_of_reduction, pad_verbose, pair_forces, no_pair_forces, dense, "
                   "chunksize, debug_no_energy_only_calc)",
                   keyword);
    }
    if (options_.padding < 0.0 || options_.padding > 1.0)
      error->all(FLERR,
                 "pair_style grace: padding is a part of the neighbors, from 0 to 1, received {}",
                 options_.padding);
    if (options_.padding_reduction < 0.0)
      error->all(FLERR, "pair_style grace: reduce_padding must not be negative, received {}",
                 options_.padding_reduction);
    if (verbose && comm->me == 0)
      options_.report_shape = [lmp = lmp](const std::string &text) {
        utils::logmesg(lmp, "pair_style grace: {}\n", text);
      };
  }

 protected:
  std::unique_ptr<hopkin::Evaluator>
  make_evaluator(const hopkin::EvaluatorRequest &request) override
  {
    hopkin::GraceRequest asked = options_;
    static_cast<hopkin::EvaluatorRequest &>(asked) = request;
    return hopkin::make_evaluator("libhopkin_grace.so", asked);
  }

 private:
  // Upstream keywords for how, not what, it computes: here there is one way, with the same result.
  static bool chooses_a_way(std::string_view keyword)
  {
    return keyword == "pair_forces" || keyword == "no_pair_forces" || keyword == "dense" ||
           keyword == "debug_no_energy_only_calc";
  }

  hopkin::GraceRequest options_;
};

void *create(void *lmp)
{
  return static_cast<LAMMPS_NS::Pair *>(new PairGRACE(static_cast<LAMMPS_NS::LAMMPS *>(lmp)));
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *regfunc)
{
  hopkin::register_pair_style("grace", "GRACE (TensorFlow)", &create, lmp, handle, regfunc);
}
