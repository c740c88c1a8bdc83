// Evaluates a GRACE model, a SavedModel exported by tensorpotential, with TensorFlow's C API.

#include "edge_forces.h"
#include "grace_request.h"
#include "saved_model.h"
#include "tensorflow_c.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>

namespace {

using namespace hopkin::tensorflow;

// What fills edges that are not there: longer than any cutoff, the model's envelope makes them
// zero.
constexpr double PADDING_VECTOR = 52.0;

// Types that the arrays of hopkin become in the model, in the numbers of TensorFlow.
template <class From> void convert(const std::vector<From> &values, TF_DataType type, void *to)
{
  const auto copy = [&](auto *as) {
    std::transform(values.begin(), values.end(), as, [](From value) {
      return static_cast<std::remove_pointer_t<decltype(as)>>(value);
    });
  };
  if (type == TF_DOUBLE)
    copy(static_cast<double *>(to));
  else if (type == TF_FLOAT)
    copy(static_cast<float *>(to));
  else if (type == TF_INT64)
    copy(static_cast<std::int64_t *>(to));
  else
    copy(static_cast<std::int32_t *>(to));
}

std::size_t size_of(TF_DataType type)
{
  return type == TF_DOUBLE || type == TF_INT64 ? 8 : 4;
}

// One size of the input: how much of it there is, and the padded size that is in use.
class Padding {
 public:
  Padding(double fraction, double reduction, int max_reductions)
      : fraction_(fraction), reduction_(reduction), reductions_left_(max_reductions)
  {
  }

  /// Size to use for `n`; at least one more than `n`, unless there is no padding at all.
  std::int64_t fit(std::int64_t n)
  {
    if (fraction_ == 0.0) return size_ = n;
    const auto wanted = n + 1 + static_cast<std::int64_t>(std::ceil(fraction_ * n));
    const bool small = size_ <= n;
    const bool large = size_ > wanted + reduction_ * n && reductions_left_ > 0;
    if (!small && large) --reductions_left_;
    if (small || large) size_ = wanted;
    return size_;
  }

  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  double fraction_, reduction_;
  int reductions_left_;
  std::int64_t size_ = 0;
};

class GraceEvaluator final : public hopkin::Evaluator {
 public:
  explicit GraceEvaluator(const hopkin::GraceRequest &request)
      : directory_(request.model), metadata_(hopkin::read_grace_metadata(request.model)),
        threads_(request.threads), report_shape_(request.report_shape),
        atoms_(request.padding, request.padding_reduction, request.max_reductions),
        edges_(request.padding, request.padding_reduction, request.max_reductions)
  {
    map_elements(request.elements);
    tf_ = &open_library(request.library_directory);
    status_ = {tf_->TF_NewStatus(), tf_->TF_DeleteStatus};
    graph_ = {tf_->TF_NewGraph(), tf_->TF_DeleteGraph};
    load(request);
  }

  GraceEvaluator(const GraceEvaluator &) = delete;
  GraceEvaluator &operator=(const GraceEvaluator &) = delete;

  ~GraceEvaluator() override
  {
    if (!session_) return;
    tf_->TF_CloseSession(session_, status_.get());
    tf_->TF_DeleteSession(session_, status_.get());
  }

  [[nodiscard]] double graph_cutoff() const override { return metadata_.cutoff; }

  [[nodiscard]] std::string description() const override
  {
    std::ostringstream text;
    text << "GRACE model '" << directory_ << "', TensorFlow " << tf_->TF_Version() << ", cutoff "
         << metadata_.cutoff << " A, on "
         << (gpu_ < 0 ? std::string("cpu") : "cuda:" + std::to_string(gpu_)) << ", " << threads_
         << " thread(s)";
    return text.str();
  }

  void evaluate(const hopkin::Configuration &configuration, const hopkin::NeighborGraph &graph,
                hopkin::Evaluation &result) override
  {
    read_input(configuration, graph);
    const auto outputs = run();

    result.atomic_energies.assign(outputs[ATOMIC_ENERGIES].begin(),
                                  outputs[ATOMIC_ENERGIES].begin() + configuration.n_owned);
    result.energy =
        std::accumulate(result.atomic_energies.begin(), result.atomic_energies.end(), 0.0);
    gradient_.assign(graph.edge_vectors.size(), 0.0);    // a pair force is -dE/dr_ij
    for (std::size_t n = 0; n < edges_used_.size(); ++n)
      for (int k = 0; k < 3; ++k)
        gradient_[3 * edges_used_[n] + k] = -outputs[PAIR_FORCES][3 * n + k];
    hopkin::gather_edge_forces(graph, gradient_.data(), configuration.n_atoms(), result);
  }

 private:
  enum OutputOf { ATOMIC_ENERGIES, PAIR_FORCES, N_OUTPUTS };

  template <class T> using Owned = std::unique_ptr<T, void (*)(T *)>;

  struct Input {
    TF_DataType type;
    const std::vector<std::int32_t> *integers;    // or null: the edge vectors
    bool scalar;
  };

  void map_elements(const std::vector<std::string> &elements)
  {
    const auto &symbols = metadata_.chemical_symbols;
    for (const auto &element : elements) {
      const auto found = std::find(symbols.begin(), symbols.end(), element);
      if (found == symbols.end()) {
        std::string covered;
        for (const auto &symbol : symbols) covered += (covered.empty() ? "" : " ") + symbol;
        throw std::runtime_error("model '" + directory_ + "' does not cover element '" + element +
                                 "' (it covers " + std::to_string(symbols.size()) + ": " + covered +
                                 ")");
      }
      model_species_.push_back(static_cast<std::int32_t>(found - symbols.begin()));
    }
  }

  void load(const hopkin::GraceRequest &request)
  {
    const int gpus = count_gpus();
    if (gpus > 0) gpu_ = request.rank % gpus;
    Owned<TF_SessionOptions> options(tf_->TF_NewSessionOptions(), tf_->TF_DeleteSessionOptions);
    const auto config = session_config();
    tf_->TF_SetConfig(options.get(), config.data(), config.size(), status_.get());
    require_ok("TensorFlow refuses its configuration");

    Owned<TF_Buffer> meta_graph(tf_->TF_NewBuffer(), tf_->TF_DeleteBuffer);
    const char *tag = "serve";
    session_ = tf_->TF_LoadSessionFromSavedModel(options.get(), nullptr, directory_.c_str(), &tag,
                                                 1, graph_.get(), meta_graph.get(), status_.get());
    require_ok("'" + directory_ + "' is damaged, or TensorFlow cannot load it");
    try {
      choose_tensors(hopkin::read_signatures(
          {static_cast<const char *>(meta_graph->data), meta_graph->length}));
    } catch (...) {
      tf_->TF_CloseSession(session_, status_.get());
      tf_->TF_DeleteSession(session_, status_.get());
      throw;
    }
  }

  // tensorflow.ConfigProto: intra_op_parallelism_threads = 2, inter_op_parallelism_threads = 5,
  // gpu_options = 6 {allow_growth = 4, visible_device_list = 5}, allow_soft_placement = 7.
  [[nodiscard]] std::string session_config() const
  {
    const char threads = static_cast<char>(std::clamp(threads_, 1, 127));
    std::string config{0x10, threads, 0x28, 1, 0x38, 1};
    if (gpu_ >= 0) {
      const auto device = std::to_string(gpu_);
      const std::string gpu = std::string{0x20, 1, 0x2a, static_cast<char>(device.size())} + device;
      config += std::string{0x32, static_cast<char>(gpu.size())} + gpu;
    }
    return config;
  }

  void choose_tensors(const std::map<std::string, hopkin::Signature> &signatures)
  {
    auto found = signatures.find("compute");
    if (found == signatures.end()) found = signatures.find("serving_default");
    if (found == signatures.end()) not_grace("it offers no function `compute`");
    const auto &signature = found->second;

    const std::map<std::string, std::pair<const std::vector<std::int32_t> *, bool>> known{
        {"atomic_mu_i", {&species_, false}},
        {"mu_i", {&species_i_, false}},
        {"mu_j", {&species_j_, false}},
        {"ind_i", {&edge_i_, false}},
        {"ind_j", {&edge_j_, false}},
        {"bond_vector", {nullptr, false}},
        {"batch_tot_nat", {&n_nodes_, true}},
        {"batch_tot_nat_real", {&n_real_, true}},
        {"map_atoms_to_structure", {&structure_of_atom_, false}},
        {"map_bonds_to_structure", {&structure_of_edge_, false}},
        {"n_struct_total", {&one_, true}},
        {"batch_total_num_structures", {&one_, true}}};
    for (const auto &[name, info] : signature.inputs) {
      const auto source = known.find(name);
      if (source == known.end())
        not_grace("it wants the input '" + name + "', which this pair style does not have");
      inputs_.push_back({type_of(info), source->second.first, source->second.second});
      input_tensors_.push_back(tensor_of(info));
    }
    const auto output = [&](std::initializer_list<const char *> names) {
      for (const auto *name : names)
        if (const auto it = signature.outputs.find(name); it != signature.outputs.end())
          return tensor_of(it->second);
      not_grace("it gives no " + std::string(*names.begin()));
    };
    output_tensors_ = {output({"atomic_energy"}), output({"z_pair_f", "pair_f"})};
  }

  [[noreturn]] void not_grace(const std::string &reason) const
  {
    throw std::runtime_error("'" + directory_ +
                             "' is not a GRACE model that LAMMPS can run: " + reason);
  }

  TF_DataType type_of(const hopkin::TensorInfo &info) const
  {
    if (info.dtype != TF_FLOAT && info.dtype != TF_DOUBLE && info.dtype != TF_INT32 &&
        info.dtype != TF_INT64)
      not_grace("its tensor " + info.operation + " is neither a real number nor an integer");
    return static_cast<TF_DataType>(info.dtype);
  }

  [[nodiscard]] TF_Output tensor_of(const hopkin::TensorInfo &info) const
  {
    type_of(info);
    auto *operation = tf_->TF_GraphOperationByName(graph_.get(), info.operation.c_str());
    if (!operation) not_grace("its graph has no operation " + info.operation);
    return {operation, info.index};
  }

  // The first line of what TensorFlow says: the others repeat where in its own sources it was.
  void require_ok(const std::string &what) const
  {
    if (tf_->TF_GetCode(status_.get()) == TF_OK) return;
    const std::string message = tf_->TF_Message(status_.get());
    throw std::runtime_error(what + ": " + message.substr(0, message.find('\n')));
  }

  // Atoms and edges in the model's words, padded. Fake edges lead from a fake atom to itself.
  void read_input(const hopkin::Configuration &configuration, const hopkin::NeighborGraph &graph)
  {
    const auto n_atoms = configuration.n_atoms();
    species_.resize(n_atoms);
    std::transform(configuration.species.begin(), configuration.species.end(), species_.begin(),
                   [this](std::int64_t s) { return model_species_[s]; });
    choose_edges(graph);
    const auto n_edges = static_cast<std::int64_t>(edges_used_.size());

    edge_i_.clear();
    edge_j_.clear();
    species_i_.clear();
    species_j_.clear();
    edge_vectors_.clear();
    for (const auto edge : edges_used_) {
      const auto i = static_cast<std::int32_t>(graph.edge_index[edge]);
      const auto j = static_cast<std::int32_t>(graph.edge_index[graph.n_edges() + edge]);
      edge_i_.push_back(i);
      edge_j_.push_back(j);
      species_i_.push_back(species_[i]);
      species_j_.push_back(species_[j]);
      const double *r = &graph.edge_vectors[3 * edge];
      edge_vectors_.insert(edge_vectors_.end(), r, r + 3);
    }

    const auto atoms_before = atoms_.size();
    const auto edges_before = edges_.size();
    const auto atoms = atoms_.fit(n_atoms);
    const auto edges = edges_.fit(n_edges);
    if (report_shape_ && (atoms != atoms_before || edges != edges_before)) {
      std::ostringstream text;
      text << "compiled for " << atoms << " atoms (" << n_atoms << " of them real) and " << edges
           << " neighbors (" << n_edges << " of them real)";
      report_shape_(text.str());
    }
    const auto fake_atom = static_cast<std::int32_t>(atoms - 1);
    const std::int32_t fake_species = species_.empty() ? 0 : species_.front();
    species_.resize(atoms, fake_species);
    edge_i_.resize(edges, fake_atom);
    edge_j_.resize(edges, fake_atom);
    species_i_.resize(edges, fake_species);
    species_j_.resize(edges, fake_species);
    edge_vectors_.resize(3 * edges, PADDING_VECTOR);
    structure_of_atom_.assign(atoms, 0);
    structure_of_edge_.assign(edges, 0);
    n_nodes_ = {static_cast<std::int32_t>(atoms)};
    n_real_ = {static_cast<std::int32_t>(configuration.n_owned)};    // those that have an energy
  }

  // All edges, or those within the cutoff of their pair of species where the model has one for
  // each.
  void choose_edges(const hopkin::NeighborGraph &graph)
  {
    edges_used_.clear();
    const auto n_edges = graph.n_edges();
    const auto n_species = metadata_.chemical_symbols.size();
    for (std::int64_t edge = 0; edge < n_edges; ++edge) {
      if (!metadata_.cutoffs.empty()) {
        const auto i = species_[graph.edge_index[edge]];
        const auto j = species_[graph.edge_index[n_edges + edge]];
        const double *r = &graph.edge_vectors[3 * edge];
        if (std::hypot(r[0], r[1], r[2]) >= metadata_.cutoffs[i * n_species + j]) continue;
      }
      edges_used_.push_back(edge);
    }
  }

  std::array<std::vector<double>, N_OUTPUTS> run()
  {
    std::vector<Owned<TF_Tensor>> owned;
    std::vector<TF_Tensor *> values;
    for (const auto &input : inputs_) {
      const auto length = input.integers ? input.integers->size() : edge_vectors_.size();
      const std::int64_t dims[2] = {static_cast<std::int64_t>(input.integers ? length : length / 3),
                                    3};
      const int n_dims = input.scalar ? 0 : input.integers ? 1 : 2;
      owned.emplace_back(
          tf_->TF_AllocateTensor(input.type, dims, n_dims, length * size_of(input.type)),
          tf_->TF_DeleteTensor);
      values.push_back(owned.back().get());
      if (input.integers)
        convert(*input.integers, input.type, tf_->TF_TensorData(values.back()));
      else
        convert(edge_vectors_, input.type, tf_->TF_TensorData(values.back()));
    }
    std::array<TF_Tensor *, N_OUTPUTS> results{};
    tf_->TF_SessionRun(session_, nullptr, input_tensors_.data(), values.data(),
                       static_cast<int>(values.size()), output_tensors_.data(), results.data(),
                       N_OUTPUTS, nullptr, 0, nullptr, status_.get());
    for (auto *result : results) owned.emplace_back(result, tf_->TF_DeleteTensor);
    require_ok("TensorFlow cannot evaluate '" + directory_ + "'");

    std::array<std::vector<double>, N_OUTPUTS> outputs;
    for (int i = 0; i < N_OUTPUTS; ++i) {
      const auto type = tf_->TF_TensorType(results[i]);
      const auto length = tf_->TF_TensorByteSize(results[i]) / size_of(type);
      const void *data = tf_->TF_TensorData(results[i]);
      if (type == TF_DOUBLE)
        outputs[i].assign(static_cast<const double *>(data),
                          static_cast<const double *>(data) + length);
      else
        outputs[i].assign(static_cast<const float *>(data),
                          static_cast<const float *>(data) + length);
    }
    if (outputs[ATOMIC_ENERGIES].size() < species_.size() ||
        outputs[PAIR_FORCES].size() < edge_vectors_.size())
      not_grace("its atomic energies and pair forces do not have the shape of its input");
    return outputs;
  }

  std::string directory_;
  hopkin::GraceMetadata metadata_;
  int threads_;
  int gpu_ = -1;
  std::function<void(const std::string &)> report_shape_;
  std::vector<std::int32_t> model_species_;    // the model's index of each requested element

  const Library *tf_ = nullptr;
  Owned<TF_Status> status_{nullptr, nullptr};
  Owned<TF_Graph> graph_{nullptr, nullptr};
  TF_Session *session_ = nullptr;
  std::vector<Input> inputs_;
  std::vector<TF_Output> input_tensors_;
  std::array<TF_Output, N_OUTPUTS> output_tensors_{};

  Padding atoms_, edges_;
  std::vector<std::int64_t> edges_used_;    // of the graph, in its order
  std::vector<std::int32_t> species_, species_i_, species_j_, edge_i_, edge_j_;
  std::vector<std::int32_t> structure_of_atom_, structure_of_edge_, n_nodes_, n_real_;
  const std::vector<std::int32_t> one_{1};
  std::vector<double> edge_vectors_, gradient_;
};

}    // namespace

// The plugin of this pair style alone opens this library: its request is a GraceRequest.
extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new GraceEvaluator(static_cast<const hopkin::GraceRequest &>(request));
}
