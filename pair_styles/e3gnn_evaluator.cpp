// Evaluates a SevenNet model, exported as TorchScript by `sevenn get_model`, with libtorch.

#include "evaluator.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/cuda.h>
#include <torch/script.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

namespace {

using Metadata = std::unordered_map<std::string, std::string>;

class E3gnnEvaluator final : public hopkin::Evaluator {
 public:
  explicit E3gnnEvaluator(const hopkin::EvaluatorRequest &request) : model_file_(request.model)
  {
    if (!std::filesystem::is_regular_file(model_file_))
      throw std::runtime_error("no model file '" + model_file_ + "'");
    at::set_num_threads(request.threads);
    if (torch::cuda::device_count() > 0)
      device_ = torch::Device(torch::kCUDA, request.rank % torch::cuda::device_count());

    Metadata metadata{{"chemical_symbols_to_index", ""},
                      {"cutoff", ""},
                      {"model_type", ""},
                      {"version", ""},
                      {"dtype", ""},
                      {"flashTP", ""},
                      {"oeq", ""}};
    try {
      model_ = torch::jit::load(model_file_, device_, metadata);
    } catch (const c10::Error &) {
      throw std::runtime_error("'" + model_file_ +
                               "' is not a TorchScript model, or is damaged: export one with "
                               "`sevenn get_model` or `hopkin models fetch`");
    }
    if (metadata["model_type"] != "E3_equivariant_model")
      throw std::runtime_error("'" + model_file_ +
                               "' is a TorchScript file of another family "
                               "(model_type '" +
                               metadata["model_type"] + "'), wanted E3_equivariant_model");
    for (const auto *accelerator : {"flashTP", "oeq"})
      if (metadata[accelerator] == "yes")
        throw std::runtime_error("'" + model_file_ + "' was exported for " + accelerator +
                                 ", which this pair style does not have: export it without");
    cutoff_ = std::stod(metadata["cutoff"]);
    dtype_ = metadata["dtype"] == "double" ? torch::kFloat64 : torch::kFloat32;
    version_ = metadata["version"];
    map_elements(request.elements, metadata["chemical_symbols_to_index"]);
  }

  [[nodiscard]] double graph_cutoff() const override { return cutoff_; }

  [[nodiscard]] std::string description() const override
  {
    std::ostringstream text;
    text << "SevenNet model '" << model_file_ << "', exported by sevenn " << version_ << ", "
         << (dtype_ == torch::kFloat64 ? "double" : "single") << " precision, cutoff " << cutoff_
         << " A, on " << device_.str() << ", " << at::get_num_threads() << " thread(s)";
    return text.str();
  }

  void evaluate(const hopkin::Configuration &configuration, const hopkin::NeighborGraph &graph,
                hopkin::Evaluation &result) override
  {
    const auto n_atoms = configuration.n_atoms();
    const auto n_edges = graph.n_edges();
    species_.resize(n_atoms);
    std::transform(configuration.species.begin(), configuration.species.end(), species_.begin(),
                   [this](std::int64_t s) { return model_species_[s]; });

    const auto integers = torch::TensorOptions().dtype(torch::kInt64);
    const auto count = torch::tensor({n_atoms}, integers);
    auto edge_vectors = torch::from_blob(const_cast<double *>(graph.edge_vectors.data()),
                                         {n_edges, 3}, torch::kFloat64)
                            .to(device_, dtype_);
    edge_vectors.set_requires_grad(true);
    c10::Dict<std::string, torch::Tensor> input;
    input.insert("x", torch::from_blob(species_.data(), {n_atoms}, integers).to(device_));
    input.insert("edge_index", torch::from_blob(const_cast<std::int64_t *>(graph.edge_index.data()),
                                                {2, n_edges}, integers)
                                   .to(device_));
    input.insert("edge_vec", edge_vectors);
    input.insert("num_atoms", count.to(device_));
    input.insert("nlocal", count);

    // Straight interpretation: the profiling executor would make the first steps several times
    // slower. For this call alone: without it, Python in the same process could export no model.
    const torch::jit::GraphOptimizerEnabledGuard interpret(false);
    const auto output = model_.forward({input}).toGenericDict();
    const auto energy = output.at("inferred_total_energy").toTensor().squeeze();
    const auto gradient = torch::autograd::grad({energy}, {edge_vectors})[0]
                              .to(torch::kCPU, torch::kFloat64)
                              .contiguous();
    const auto atomic_energies = output.at("atomic_energy")
                                     .toTensor()
                                     .detach()
                                     .to(torch::kCPU, torch::kFloat64)
                                     .contiguous();

    result.atomic_energies.assign(atomic_energies.data_ptr<double>(),
                                  atomic_energies.data_ptr<double>() + n_atoms);
    // Summed in double: the model's own single-precision total loses digits in large cells.
    result.energy =
        std::accumulate(result.atomic_energies.begin(), result.atomic_energies.end(), 0.0);
    gather_forces(graph, gradient.data_ptr<double>(), n_atoms, result);
  }

 private:
  void map_elements(const std::vector<std::string> &elements, const std::string &covered)
  {
    std::istringstream stream(covered);
    const std::vector<std::string> symbols{std::istream_iterator<std::string>(stream), {}};
    for (const auto &element : elements) {
      const auto found = std::find(symbols.begin(), symbols.end(), element);
      if (found == symbols.end())
        throw std::runtime_error("model '" + model_file_ + "' does not cover element '" + element +
                                 "' (it covers " + std::to_string(symbols.size()) + ": " + covered +
                                 ")");
      model_species_.push_back(found - symbols.begin());
    }
  }

  // With g = dE/dr_ij: F_i += g, F_j -= g, virial -= r_ij (x) g, half of it to each end.
  static void gather_forces(const hopkin::NeighborGraph &graph, const double *gradient,
                            std::int64_t n_atoms, hopkin::Evaluation &result)
  {
    static constexpr int row[6] = {0, 1, 2, 0, 0, 1};
    static constexpr int column[6] = {0, 1, 2, 1, 2, 2};
    result.forces.assign(3 * n_atoms, 0.0);
    result.atomic_virials.assign(6 * n_atoms, 0.0);
    result.virial.fill(0.0);
    const auto n_edges = graph.n_edges();
    for (std::int64_t edge = 0; edge < n_edges; ++edge) {
      const auto i = graph.edge_index[edge];
      const auto j = graph.edge_index[n_edges + edge];
      const double *r = &graph.edge_vectors[3 * edge];
      const double *g = &gradient[3 * edge];
      for (int k = 0; k < 3; ++k) {
        result.forces[3 * i + k] += g[k];
        result.forces[3 * j + k] -= g[k];
      }
      for (int k = 0; k < 6; ++k) {
        const double w = -0.5 * (r[row[k]] * g[column[k]] + r[column[k]] * g[row[k]]);
        result.virial[k] += w;
        result.atomic_virials[6 * i + k] += 0.5 * w;
        result.atomic_virials[6 * j + k] += 0.5 * w;
      }
    }
  }

  std::string model_file_;
  std::string version_;
  torch::jit::Module model_;
  torch::Device device_{torch::kCPU};
  torch::ScalarType dtype_ = torch::kFloat32;
  double cutoff_ = 0.0;
  std::vector<std::int64_t> model_species_;    // the model's index of each requested element
  std::vector<std::int64_t> species_;          // (n_atoms,) buffer
};

}    // namespace

extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new E3gnnEvaluator(request);
}
