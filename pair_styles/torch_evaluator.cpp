#include "torch_evaluator.h"

#include "device.h"
#include "edge_forces.h"
#include "elements.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace hopkin {

namespace {

// libtorch keeps no binary interface from one version to the next: what was compiled for another
// one can load, and compute something else.
void require_version_of_build()
{
  Dl_info info{};
  if (dladdr(reinterpret_cast<void *>(&at::show_config), &info) == 0 || !info.dli_fname) return;
  std::ifstream file(std::filesystem::path(info.dli_fname).parent_path().parent_path() /
                     "version.py");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("__version__", 0) != 0) continue;
    const auto start = line.find('\'') + 1;
    const auto found = line.substr(start, line.find_first_of("+'", start) - start);
    if (found != TORCH_VERSION)
      throw std::runtime_error("hopkin was built with torch " TORCH_VERSION " but this is torch " +
                               found + ": install hopkin again, or that torch");
    return;
  }
}

torch::Tensor in_double_on_cpu(const torch::Tensor &tensor)
{
  return tensor.detach().to(torch::kCPU, torch::kFloat64).contiguous();
}

// What libtorch says of a failure in one line, without the stacks of C++ and TorchScript around it.
std::string cause_of(const std::exception &error)
{
  const auto *of_torch = dynamic_cast<const c10::Error *>(&error);
  std::istringstream lines(of_torch ? of_torch->what_without_backtrace() : error.what());
  std::string line, found;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    found = line;
    // the interpreter ends with the cause, everything else begins with it
    if (std::string(error.what()).find("TorchScript interpreter") == std::string::npos) break;
  }
  return found;
}

// TorchScript passes on what is said alone: the type of the exception is lost in it.
bool is_out_of_memory(const std::exception &error)
{
  if (dynamic_cast<const c10::OutOfMemoryError *>(&error)) return true;
  const auto cause = cause_of(error);
  return cause.find("CUDA out of memory") != std::string::npos ||
         cause.find("DefaultCPUAllocator: can't allocate memory") != std::string::npos;
}

// Calls each function of MKL's vector mathematics once, alone. MKL chooses the kernel of a function
// when it is first called, and threads that do so at the same time may be given the least accurate
// one (https://github.com/pytorch/pytorch/issues/188792).
void settle_vector_math()
{
  using Function = at::Tensor (*)(const at::Tensor &);
  const Function functions[] = {at::acos, at::asin,   at::atan, at::cos, at::erf,
                                at::erfc, at::erfinv, at::exp,  at::log, at::log10,
                                at::log2, at::sin,    at::sqrt, at::tan, at::tanh};
  for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
    const auto one = torch::full({1}, 0.5, dtype);
    for (const auto function : functions) function(one);
  }
}

}    // namespace

TorchEvaluator::TorchEvaluator(const EvaluatorRequest &request)
    : model_file_(request.model), elements_(request.elements)
{
  if (!std::filesystem::is_regular_file(model_file_))
    throw std::runtime_error("no model file '" + model_file_ + "'");
  require_version_of_build();
  settle_vector_math();
  at::set_num_threads(request.threads);
  gpu_ = choose_gpu(request.rank, static_cast<int>(torch::cuda::device_count()));
  device_ = torch::Device(device_name(gpu_));
}

void TorchEvaluator::load(Metadata &metadata, const std::string &remedy)
{
  try {
    model_ = torch::jit::load(model_file_, device_, metadata);
  } catch (const std::exception &error) {
    if (is_out_of_memory(error)) throw_out_of_memory(gpu_);
    throw std::runtime_error("'" + model_file_ +
                             "' is not a TorchScript model, or is damaged: " + remedy);
  }
}

void TorchEvaluator::describe(Properties properties)
{
  model_species_ = indices_of(elements_, properties.symbols, model_file_);
  exported_by_ = std::move(properties.exported_by);
  cutoff_ = properties.cutoff;
  dtype_ = properties.dtype;
}

std::string TorchEvaluator::description() const
{
  std::ostringstream text;
  text << exported_by_ << ", " << (dtype_ == torch::kFloat64 ? "double" : "single")
       << " precision, cutoff " << cutoff_ << " A, " << layers_ << " layers, on " << device_.str()
       << ", " << at::get_num_threads() << " thread(s)";
  return text.str();
}

void TorchEvaluator::evaluate(const Configuration &configuration, const NeighborGraph &graph,
                              Evaluation &result)
{
  try {
    evaluate_in_torch(configuration, graph, result);
  } catch (const std::exception &error) {
    if (is_out_of_memory(error)) throw_out_of_memory(gpu_);
    throw std::runtime_error("the model failed: " + cause_of(error));
  }
}

void TorchEvaluator::evaluate_in_torch(const Configuration &configuration,
                                       const NeighborGraph &graph, Evaluation &result)
{
  const auto n_atoms = configuration.n_atoms();
  const auto n_owned = configuration.n_owned;
  const auto n_edges = graph.n_edges();
  species_.resize(n_atoms);
  std::transform(configuration.species.begin(), configuration.species.end(), species_.begin(),
                 [this](std::int64_t s) { return model_species_[s]; });

  const auto integers = torch::TensorOptions().dtype(torch::kInt64);
  TorchGraph input;
  input.species = torch::from_blob(species_.data(), {n_atoms}, integers).to(device_);
  input.edge_index =
      torch::from_blob(const_cast<std::int64_t *>(graph.edge_index.data()), {2, n_edges}, integers)
          .to(device_);
  input.edge_vectors = torch::from_blob(const_cast<double *>(graph.edge_vectors.data()),
                                        {n_edges, 3}, torch::kFloat64)
                           .to(device_, dtype_)
                           .set_requires_grad(true);

  // Straight interpretation: the profiling executor would make the first steps several times
  // slower. For this call alone: without it, Python in the same process could export no model.
  const torch::jit::GraphOptimizerEnabledGuard interpret(false);
  const auto owned = atomic_energies(input).narrow(0, 0, n_owned);
  const auto gradient =
      in_double_on_cpu(torch::autograd::grad({owned.sum()}, {input.edge_vectors})[0]);
  const auto energies = in_double_on_cpu(owned);

  result.atomic_energies.assign(energies.data_ptr<double>(), energies.data_ptr<double>() + n_owned);
  // Summed in double: the model's own single-precision total loses digits in large cells.
  result.energy =
      std::accumulate(result.atomic_energies.begin(), result.atomic_energies.end(), 0.0);
  gather_edge_forces(graph, gradient.data_ptr<double>(), n_atoms, result);
}

int TorchEvaluator::count_layers()
{
  static constexpr std::int64_t n_atoms = 16;
  const double step = 0.4 * cutoff_;
  std::vector<std::int64_t> from, to;
  std::vector<double> vectors;
  for (std::int64_t i = 0; i + 1 < n_atoms; ++i) {
    // not along one line, where symmetry could make a derivative vanish
    const double x = step, y = i % 2 ? 0.3 * step : -0.2 * step, z = i % 3 ? 0.2 * step : 0.0;
    from.insert(from.end(), {i, i + 1});
    to.insert(to.end(), {i + 1, i});
    vectors.insert(vectors.end(), {x, y, z, -x, -y, -z});
  }
  const auto n_edges = static_cast<std::int64_t>(from.size());
  from.insert(from.end(), to.begin(), to.end());
  const auto integers = torch::TensorOptions().dtype(torch::kInt64);
  TorchGraph chain;
  chain.species =
      torch::full({n_atoms}, model_species_.empty() ? 0 : model_species_.front(), integers)
          .to(device_);
  chain.edge_index = torch::from_blob(from.data(), {2, n_edges}, integers).to(device_);
  chain.edge_vectors = torch::from_blob(vectors.data(), {n_edges, 3}, torch::kFloat64)
                           .to(device_, dtype_)
                           .set_requires_grad(true);
  const torch::jit::GraphOptimizerEnabledGuard interpret(false);
  const auto gradient =
      in_double_on_cpu(torch::autograd::grad({atomic_energies(chain)[0]}, {chain.edge_vectors})[0]);
  const double *g = gradient.data_ptr<double>();
  std::int64_t reached = 0;    // an edge beyond the last layer has no derivative at all
  for (std::int64_t link = 0; link < n_atoms - 1; ++link)
    if (std::any_of(g + 6 * link, g + 6 * link + 6, [](double v) { return v != 0.0; }))
      reached = link + 1;
  return reached < n_atoms - 1 ? static_cast<int>(reached) : 0;
}

}    // namespace hopkin
