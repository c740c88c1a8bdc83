// Evaluates a GRACE model, a SavedModel exported by tensorpotential, with TensorFlow's C API.

#include "device.h"
#include "edge_forces.h"
#include "elements.h"
#include "grace_input.h"
#include "saved_model_session.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace {

using hopkin::Array;
using hopkin::Arrays;
using hopkin::GraceAtoms;
using hopkin::GraceInput;

// The functions of single layers, where a model has them.
constexpr const char *FORWARD_1 = "forward_layer_1";
constexpr const char *BACKWARD_2 = "backward_layer_2";
constexpr const char *BACKWARD_1 = "backward_layer_1";

// The first `kept` rows of an array, and rows of zeros up to `n_rows`.
Array with_rows(const Array &array, std::int64_t kept, std::int64_t n_rows)
{
  const auto width = std::accumulate(array.shape.begin() + 1, array.shape.end(), std::int64_t{1},
                                     std::multiplies<>());
  std::vector<double> values(array.reals().begin(), array.reals().begin() + kept * width);
  values.resize(n_rows * width, 0.0);
  Array result{array.shape, std::move(values)};
  result.shape[0] = n_rows;
  return result;
}

class GraceEvaluator final : public hopkin::Evaluator {
 public:
  explicit GraceEvaluator(const hopkin::GraceRequest &request)
      : directory_(request.model), metadata_(hopkin::read_grace_metadata(request.model)),
        threads_(request.threads), all_(request), owned_(request)
  {
    map_elements(request.elements);
    gpu_ = hopkin::choose_gpu(request.rank, hopkin::tensorflow::count_gpus());
    model_.emplace(directory_, request.library_directory, threads_, gpu_);
    find_compute();
    find_layers();
  }

  [[nodiscard]] double graph_cutoff() const override { return metadata_.cutoff; }

  [[nodiscard]] int layers() const override { return forward_1_ ? metadata_.layers() : 0; }

  [[nodiscard]] std::string description() const override
  {
    std::ostringstream text;
    text << "GRACE model '" << directory_ << "', TensorFlow " << model_->tensorflow_version()
         << ", cutoff " << metadata_.cutoff << " A, on " << hopkin::device_name(gpu_) << ", "
         << threads_ << " thread(s)";
    return text.str();
  }

  void evaluate(const hopkin::Configuration &configuration, const hopkin::NeighborGraph &graph,
                hopkin::Evaluation &result) override
  {
    choose_atoms(configuration, graph);
    choose_edges(graph);
    gradient_.assign(graph.edge_vectors.size(), 0.0);
    if (configuration.n_owned < configuration.n_atoms())
      evaluate_layers(graph, configuration.n_owned, result);
    else
      evaluate_all(graph, result);
    result.energy =
        std::accumulate(result.atomic_energies.begin(), result.atomic_energies.end(), 0.0);
    hopkin::gather_edge_forces(graph, gradient_.data(), configuration.n_atoms(), result);
  }

 private:
  void map_elements(const std::vector<std::string> &elements)
  {
    const auto indices = hopkin::indices_of(elements, metadata_.chemical_symbols, directory_);
    model_species_.assign(indices.begin(), indices.end());
  }

  void find_compute()
  {
    const auto &signatures = model_->signatures();
    const auto *name = signatures.count("compute") ? "compute" : "serving_default";
    const auto found = signatures.find(name);
    if (found == signatures.end()) model_->refuse("it offers no function `compute`");
    for (const auto &[input, info] : found->second.inputs)
      if (!all_.arrays().count(input))
        model_->refuse("it wants the input '" + input + "', which this pair style does not have");
    const auto &outputs = found->second.outputs;
    if (!outputs.count("atomic_energy")) model_->refuse("it gives no atomic_energy");
    pair_forces_ = outputs.count("z_pair_f") ? "z_pair_f" : "pair_f";
    if (!outputs.count(pair_forces_)) model_->refuse("it gives no z_pair_f");
    compute_.emplace(*model_, name, std::vector<std::string>{"atomic_energy", pair_forces_});
  }

  // Only with functions of single layers can the energy of some atoms alone be differentiated. They
  // are left aside unless all that they take and give is known.
  void find_layers()
  {
    const auto &signatures = model_->signatures();
    std::vector<std::string> passed, gradients;
    for (const auto &[name, to_neighbors] : metadata_.communicated) {
      passed.push_back(name);
      gradients.push_back("grad_" + name);
    }
    const auto fits = [&](const char *function, const std::vector<std::string> &more,
                          const std::vector<std::string> &outputs) {
      const auto found = signatures.find(function);
      if (found == signatures.end()) return false;
      return std::all_of(found->second.inputs.begin(), found->second.inputs.end(),
                         [&](const auto &input) {
                           return all_.arrays().count(input.first) ||
                                  std::count(more.begin(), more.end(), input.first);
                         }) &&
             std::all_of(outputs.begin(), outputs.end(), [&](const std::string &output) {
               return found->second.outputs.count(output) == 1;
             });
    };
    auto of_layer_2 = gradients;
    of_layer_2.insert(of_layer_2.end(), {"atomic_energy", "grad_bond_vector"});
    if (metadata_.layers() < 2 || !fits(FORWARD_1, {}, passed) ||
        !fits(BACKWARD_2, passed, of_layer_2) || !fits(BACKWARD_1, gradients, {"grad_bond_vector"}))
      return;
    forward_1_.emplace(*model_, FORWARD_1, passed);
    backward_2_.emplace(*model_, BACKWARD_2, of_layer_2);
    backward_1_.emplace(*model_, BACKWARD_1, std::vector<std::string>{"grad_bond_vector"});
  }

  // The owned atoms and those that hear of others are atoms of the model. Those of a species that
  // only lend it are all alike: the first of them stands for the others.
  void choose_atoms(const hopkin::Configuration &configuration, const hopkin::NeighborGraph &graph)
  {
    const auto n_nodes = configuration.n_atoms(), n_owned = configuration.n_owned;
    std::vector<bool> hears(n_nodes, false);
    std::fill_n(hears.begin(), n_owned, true);
    for (std::int64_t edge = 0; n_owned < n_nodes && edge < graph.n_edges(); ++edge)
      hears[graph.edge_index[edge]] = true;
    std::vector<std::int32_t> silent(model_species_.size(), -1);
    atoms_.species.clear();
    atoms_.of_node.clear();
    for (std::int64_t node = 0; node < n_nodes; ++node) {
      const auto species = configuration.species[node];
      auto atom = hears[node] ? -1 : silent[species];
      if (atom < 0) {
        atom = static_cast<std::int32_t>(atoms_.species.size());
        atoms_.species.push_back(model_species_[species]);
        if (!hears[node]) silent[species] = atom;
      }
      atoms_.of_node.push_back(atom);
    }
  }

  // All edges, or those within the cutoff of their pair of species where the model has one for
  // each.
  void choose_edges(const hopkin::NeighborGraph &graph)
  {
    atoms_.edges.clear();
    const auto n_edges = graph.n_edges();
    const auto n_species = metadata_.chemical_symbols.size();
    for (std::int64_t edge = 0; edge < n_edges; ++edge) {
      if (!metadata_.cutoffs.empty()) {
        const auto i = atoms_.species[atoms_.of_node[graph.edge_index[edge]]];
        const auto j = atoms_.species[atoms_.of_node[graph.edge_index[n_edges + edge]]];
        const double *r = &graph.edge_vectors[3 * edge];
        if (std::hypot(r[0], r[1], r[2]) >= metadata_.cutoffs[i * n_species + j]) continue;
      }
      atoms_.edges.push_back(edge);
    }
  }

  // Every atom is owned: what the model differentiates is the energy of them all.
  void evaluate_all(const hopkin::NeighborGraph &graph, hopkin::Evaluation &result)
  {
    const auto n_atoms = static_cast<std::int64_t>(atoms_.species.size());
    all_.fill(graph, atoms_, n_atoms);
    const auto outputs = (*compute_)(all_.arrays());
    read_energies(outputs, all_, n_atoms, result);
    add_gradient(outputs, pair_forces_, all_, -1.0);    // a pair force is -dE/dr_ij
  }

  // Layer 1 of all atoms, the rest and the energy of the owned ones, and the derivatives backwards.
  void evaluate_layers(const hopkin::NeighborGraph &graph, std::int64_t n_owned,
                       hopkin::Evaluation &result)
  {
    if (!forward_1_) model_->refuse("it cannot be evaluated on a part of the atoms");
    const auto n_atoms = static_cast<std::int64_t>(atoms_.species.size());
    all_.fill(graph, atoms_, n_atoms);
    owned_.fill(graph, atoms_, n_owned, &all_);

    auto passed = (*forward_1_)(all_.arrays());
    for (const auto &[name, to_neighbors] : metadata_.communicated) {
      require_rows(passed.at(name), all_.n_padded_atoms());
      if (!to_neighbors)
        passed.at(name) = with_rows(passed.at(name), n_owned, owned_.n_padded_atoms());
    }
    const auto outputs = (*backward_2_)(owned_.arrays(), passed);
    read_energies(outputs, owned_, n_owned, result);
    add_gradient(outputs, "grad_bond_vector", owned_, 1.0);

    Arrays gradients;
    for (const auto &[name, to_neighbors] : metadata_.communicated) {
      const auto &gradient = outputs.at("grad_" + name);
      require_rows(gradient, (to_neighbors ? all_ : owned_).n_padded_atoms());
      gradients["grad_" + name] =
          with_rows(gradient, to_neighbors ? n_atoms : n_owned, all_.n_padded_atoms());
    }
    add_gradient((*backward_1_)(all_.arrays(), gradients), "grad_bond_vector", all_, 1.0);
  }

  void require_rows(const Array &array, std::int64_t n_rows) const
  {
    if (array.shape.empty() || array.shape[0] != n_rows)
      model_->refuse("what it gives does not have the shape of its input");
  }

  void read_energies(const Arrays &outputs, const GraceInput &input, std::int64_t n_owned,
                     hopkin::Evaluation &result) const
  {
    const auto &energies = outputs.at("atomic_energy");
    require_rows(energies, input.n_padded_atoms());
    result.atomic_energies.assign(energies.reals().begin(), energies.reals().begin() + n_owned);
  }

  // Adds `sign` times the derivatives along the edges of `input`.
  void add_gradient(const Arrays &outputs, const std::string &name, const GraceInput &input,
                    double sign)
  {
    const auto &of_edges = outputs.at(name);
    require_rows(of_edges, input.n_padded_edges());
    const auto &edges = input.edges();
    for (std::size_t n = 0; n < edges.size(); ++n)
      for (int k = 0; k < 3; ++k) gradient_[3 * edges[n] + k] += sign * of_edges.reals()[3 * n + k];
  }

  std::string directory_;
  hopkin::GraceMetadata metadata_;
  int threads_;
  int gpu_ = -1;
  std::vector<std::int32_t> model_species_;    // the model's index of each requested element

  std::optional<hopkin::SavedModelSession> model_;
  std::optional<hopkin::SavedModelFunction> compute_;
  std::optional<hopkin::SavedModelFunction> forward_1_, backward_2_, backward_1_;    // or none
  std::string pair_forces_;

  GraceAtoms atoms_;
  GraceInput all_, owned_;
  std::vector<double> gradient_;
};

}    // namespace

// The plugin of this pair style alone opens this library: its request is a GraceRequest.
extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return new GraceEvaluator(static_cast<const hopkin::GraceRequest &>(request));
}
