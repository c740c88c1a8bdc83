// Evaluates an equivariant network of the NequIP kind on a CPU, without torch. The file says in
// which precision; the result is the same to the last bit for any number of threads.

#include "../device.h"
#include "../edge_forces.h"
#include "../elements.h"
#include "../evaluator.h"
#include "convolution.h"
#include "gate.h"
#include "thread_team.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

namespace hopkin::nequip {

namespace {

constexpr std::int64_t ATOMS_AT_ONCE = 8;
constexpr std::int64_t EDGES_AT_ONCE = 256;

// Sorted by counting, edges of one atom in the order that they are given in.
void sort_by_end(const std::int64_t *ends, std::int64_t n_edges, std::int64_t n_atoms,
                 Adjacency &adjacency)
{
  adjacency.starts.assign(n_atoms + 1, 0);
  for (std::int64_t edge = 0; edge < n_edges; ++edge) ++adjacency.starts[ends[edge] + 1];
  std::partial_sum(adjacency.starts.begin(), adjacency.starts.end(), adjacency.starts.begin());
  auto next = adjacency.starts;
  adjacency.edges.resize(n_edges);
  for (std::int64_t edge = 0; edge < n_edges; ++edge) adjacency.edges[next[ends[edge]]++] = edge;
}

template <class Real> class NequipEvaluator final : public Evaluator {
 public:
  NequipEvaluator(const Network &network, const EvaluatorRequest &request)
      : model_file_(request.model), made_by_(network.made_by), cutoff_(network.cutoff),
        harmonics_(network), team_(request.threads)
  {
    const auto elements = indices_of(request.elements, network.elements, request.model);
    for (const auto &layer : network.layers) layers_.emplace_back(network, layer, elements);
    const auto &first = layers_.front().features;
    for (const auto element : elements) {
      auto &embedded = embedding_.emplace_back(first.size, Real(0));
      std::copy_n(network.embedding.begin() + std::size_t(element) * network.embedded,
                  network.embedded, embedded.begin());
      scale_.push_back(network.scale[element]);
      shift_.push_back(network.shift[element] + network.scale[element] * network.bias);
    }
    readout_.assign(layers_.back().gate.to().size, Real(0));
    std::copy(network.readout.begin(), network.readout.end(), readout_.begin());
  }

  [[nodiscard]] double graph_cutoff() const override { return cutoff_; }

  [[nodiscard]] int layers() const override { return static_cast<int>(layers_.size()); }

  [[nodiscard]] std::string description() const override
  {
    std::ostringstream text;
    text << "network '" << model_file_ << "', made by " << made_by_ << ", "
         << (sizeof(Real) == 8 ? "double" : "single") << " precision, cutoff " << cutoff_ << " A, "
         << layers_.size() << " layers, on cpu with " << INSTRUCTIONS << ", " << team_.size()
         << " thread(s)";
    return text.str();
  }

  void evaluate(const Configuration &configuration, const NeighborGraph &graph,
                Evaluation &result) override
  {
    n_atoms_ = configuration.n_atoms();
    n_edges_ = graph.n_edges();
    species_ = configuration.species.data();
    prepare_edges(graph);
    embed();
    for (auto &layer : layers_) go_forward(layer);
    read_out(configuration.n_owned, result);
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) go_back(*layer);
    differentiate_edges(graph);
    gather_edge_forces(graph, gradient_.data(), n_atoms_, result);
  }

 private:
  struct LayerOf {
    LayerOf(const Network &network, const Layer &layer, const std::vector<std::int64_t> &elements)
        : features(layout_of<Real>(layer.features)), convolution(network, layer), gate(layer),
          to_itself(layer.to_itself, layer.features, layer.gated, elements),
          first(layer.first, layer.features, layer.features, elements),
          second(layer.second, products_of(layer), layer.gated, elements)
    {
    }

    static std::vector<Block> products_of(const Layer &layer)
    {
      std::vector<Block> blocks;
      for (const auto &product : layer.products)
        blocks.push_back({layer.features[product.block].channels, product.degree});
      return blocks;
    }

    Layout features;
    Convolution<Real> convolution;
    Gate<Real> gate;
    LinearMap<Real> to_itself, first, second;
    Buffer<Real> y, z;    // kept for the way back
  };

  void prepare_edges(const NeighborGraph &graph)
  {
    const auto n_harmonics = harmonics_.size();
    edges_.to = graph.edge_index.data();
    edges_.from = graph.edge_index.data() + n_edges_;
    sort_by_end(edges_.to, n_edges_, n_atoms_, heard_);
    sort_by_end(edges_.from, n_edges_, n_atoms_, spoken_);
    edges_.length.resize(n_edges_);
    edges_.harmonics.resize(n_edges_ * n_harmonics);
    edges_.by_length.assign(n_edges_, Real(0));
    edges_.by_harmonics.assign(n_edges_ * n_harmonics, Real(0));
    team_.run(n_edges_, EDGES_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int) {
      std::array<double, MOST_HARMONICS> y;
      for (auto edge = begin; edge < end; ++edge) {
        const auto r = vector_of(graph, edge);
        edges_.length[edge] = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
        harmonics_.values(r, y.data());
        std::copy_n(y.begin(), n_harmonics, edges_.harmonics.begin() + edge * n_harmonics);
      }
    });
  }

  void embed()
  {
    const auto size = layers_.front().features.size;
    x_.resize(n_atoms_ * size);
    for (std::int64_t atom = 0; atom < n_atoms_; ++atom)
      std::copy(embedding_[species_[atom]].begin(), embedding_[species_[atom]].end(),
                x_.begin() + atom * size);
  }

  // x_ are the features of the layer before it, and those of the layer after it.
  void go_forward(LayerOf &layer)
  {
    const auto size = layer.features.size, gated = layer.gate.from().size;
    const auto after = layer.gate.to().size, products = layer.convolution.products().size;
    layer.y.assign(n_atoms_ * size, Real(0));
    layer.z.assign(n_atoms_ * gated, Real(0));
    team_.run(n_atoms_, ATOMS_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int) {
      layer.first.add(&x_[begin * size], &layer.y[begin * size], end - begin, species_ + begin);
      layer.to_itself.add(&x_[begin * size], &layer.z[begin * gated], end - begin,
                          species_ + begin);
    });
    x_.resize(n_atoms_ * after);
    gathered_.resize(team_.size() * ATOMS_AT_ONCE * products);
    team_.run(n_atoms_, ATOMS_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int thread) {
      const auto n = end - begin;
      Real *gathered = &gathered_[thread * ATOMS_AT_ONCE * products];
      for (std::int64_t k = 0; k < n; ++k)
        layer.convolution.gather(begin + k, heard_, edges_, layer.y.data(),
                                 gathered + k * products);
      layer.second.add(gathered, &layer.z[begin * gated], n, species_ + begin);
      for (auto atom = begin; atom < end; ++atom)
        layer.gate.apply(&layer.z[atom * gated], &x_[atom * after]);
    });
  }

  // Atomic energies of the owned atoms, and their sum's derivative by the last features.
  void read_out(std::int64_t n_owned, Evaluation &result)
  {
    const auto size = static_cast<std::int64_t>(readout_.size());
    result.atomic_energies.resize(n_owned);
    gx_.assign(n_atoms_ * size, Real(0));
    for (std::int64_t atom = 0; atom < n_owned; ++atom) {
      double energy = 0.0;
      for (std::int64_t c = 0; c < size; ++c) {
        energy += double(readout_[c]) * double(x_[atom * size + c]);
        gx_[atom * size + c] = static_cast<Real>(scale_[species_[atom]]) * readout_[c];
      }
      result.atomic_energies[atom] = scale_[species_[atom]] * energy + shift_[species_[atom]];
    }
    result.energy =
        std::accumulate(result.atomic_energies.begin(), result.atomic_energies.end(), 0.0);
  }

  // gx_ are the derivatives by the features after the layer, and by those before it.
  void go_back(LayerOf &layer)
  {
    const auto size = layer.features.size, gated = layer.gate.from().size;
    const auto after = layer.gate.to().size, products = layer.convolution.products().size;
    gz_.assign(n_atoms_ * gated, Real(0));
    g_products_.assign(n_atoms_ * products, Real(0));
    team_.run(n_atoms_, ATOMS_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto atom = begin; atom < end; ++atom)
        layer.gate.pull_back(&layer.z[atom * gated], &gx_[atom * after], &gz_[atom * gated]);
      layer.second.add_transposed(&gz_[begin * gated], &g_products_[begin * products], end - begin,
                                  species_ + begin);
    });
    gx_.assign(n_atoms_ * size, Real(0));
    gy_.assign(n_atoms_ * size, Real(0));
    team_.run(n_atoms_, ATOMS_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto atom = begin; atom < end; ++atom)
        layer.convolution.gather_back(atom, spoken_, edges_, layer.y.data(), g_products_.data(),
                                      &gy_[atom * size]);
      layer.first.add_transposed(&gy_[begin * size], &gx_[begin * size], end - begin,
                                 species_ + begin);
      layer.to_itself.add_transposed(&gz_[begin * gated], &gx_[begin * size], end - begin,
                                     species_ + begin);
    });
  }

  void differentiate_edges(const NeighborGraph &graph)
  {
    const auto n_harmonics = harmonics_.size();
    gradient_.resize(3 * n_edges_);
    team_.run(n_edges_, EDGES_AT_ONCE, [&](std::int64_t begin, std::int64_t end, int) {
      std::array<double, MOST_HARMONICS> y, gy;
      for (auto edge = begin; edge < end; ++edge) {
        const auto r = vector_of(graph, edge);
        std::copy_n(edges_.harmonics.begin() + edge * n_harmonics, n_harmonics, y.begin());
        std::copy_n(edges_.by_harmonics.begin() + edge * n_harmonics, n_harmonics, gy.begin());
        const auto turning = harmonics_.pulled_back(r, y.data(), gy.data());
        for (int k = 0; k < 3; ++k)
          gradient_[3 * edge + k] =
              turning[k] + double(edges_.by_length[edge]) * r[k] / edges_.length[edge];
      }
    });
  }

  static std::array<double, 3> vector_of(const NeighborGraph &graph, std::int64_t edge)
  {
    const double *r = &graph.edge_vectors[3 * edge];
    return {r[0], r[1], r[2]};
  }

  std::string model_file_, made_by_;
  double cutoff_;
  Harmonics harmonics_;
  ThreadTeam team_;
  std::vector<LayerOf> layers_;
  std::vector<Buffer<Real>> embedding_;    // of each species
  std::vector<double> scale_, shift_;
  Buffer<Real> readout_;

  // of one evaluation
  std::int64_t n_atoms_ = 0, n_edges_ = 0;
  const std::int64_t *species_ = nullptr;
  Adjacency heard_, spoken_;
  Edges<Real> edges_;
  Buffer<Real> x_, gx_, gy_, gz_, g_products_, gathered_;
  Buffer<double> gradient_;
};

Evaluator *make(const EvaluatorRequest &request)
{
  require_cpu();
  const auto network = read_network(request.model);
  if (network.is_double) return new NequipEvaluator<double>(network, request);
  return new NequipEvaluator<float>(network, request);
}

}    // namespace

}    // namespace hopkin::nequip

extern "C" __attribute__((visibility("default"))) hopkin::Evaluator *
hopkin_make_evaluator(const hopkin::EvaluatorRequest &request)
{
  return hopkin::nequip::make(request);
}
