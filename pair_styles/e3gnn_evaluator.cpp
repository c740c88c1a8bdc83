// Evaluates a SevenNet model, exported as TorchScript by `sevenn get_model`, with libtorch.

#include "torch_evaluator.h"

#include <iterator>
#include <sstream>
#include <stdexcept>

namespace {

class E3gnnEvaluator final : public hopkin::TorchEvaluator {
 public:
  explicit E3gnnEvaluator(const hopkin::EvaluatorRequest &request) : TorchEvaluator(request)
  {
    Metadata metadata{{"chemical_symbols_to_index", ""},
                      {"cutoff", ""},
                      {"model_type", ""},
                      {"version", ""},
                      {"dtype", ""},
                      {"flashTP", ""},
                      {"oeq", ""}};
    load(metadata, "export one with `sevenn get_model` or `hopkin models fetch`");
    if (metadata["model_type"] != "E3_equivariant_model")
      throw std::runtime_error("'" + model_file_ +
                               "' is a TorchScript file of another family "
                               "(model_type '" +
                               metadata["model_type"] + "'), wanted E3_equivariant_model");
    for (const auto *accelerator : {"flashTP", "oeq"})
      if (metadata[accelerator] == "yes")
        throw std::runtime_error("'" + model_file_ + "' was exported for " + accelerator +
                                 ", which this pair style does not have: export it without");
    std::istringstream symbols(metadata["chemical_symbols_to_index"]);
    Properties properties;
    properties.exported_by =
        "SevenNet model '" + model_file_ + "', exported by sevenn " + metadata["version"];
    properties.symbols.assign(std::istream_iterator<std::string>(symbols), {});
    properties.cutoff = std::stod(metadata["cutoff"]);
    properties.dtype = metadata["dtype"] == "double" ? torch::kFloat64 : torch::kFloat32;
    describe(std::move(properties));
    layers_ = count_layers();
  }

 protected:
  torch::Tensor atomic_energies(const hopkin::TorchGraph &graph) override
  {
    const auto count = torch::tensor({graph.species.size(0)}, torch::kInt64);
    c10::Dict<std::string, torch::Tensor> input;
    input.insert("x", graph.species);
    input.insert("edge_index", graph.edge_index);
    input.insert("edge_vec", graph.edge_vectors);
    input.insert("num_atoms", count.to(device_));
    input.insert("nlocal", count);
    return model_.forward({input}).toGenericDict().at("atomic_energy").toTensor().view({-1});
  }
};

}    // namespace

extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new E3gnnEvaluator(request);
}
