#include "grace_input.h"

#include <cmath>
#include <sstream>

namespace hopkin {

// What fills edges that are not there: longer than any cutoff, the model's envelope makes them
// zero.
static constexpr double PADDING_VECTOR = 52.0;

Padding::Padding(const GraceRequest &request)
    : fraction_(request.padding), reduction_(request.padding_reduction),
      reductions_left_(request.max_reductions)
{
}

std::int64_t Padding::fit(std::int64_t n)
{
  if (fraction_ == 0.0) return size_ = n;
  const auto wanted = n + 1 + static_cast<std::int64_t>(std::ceil(fraction_ * n));
  const bool small = size_ <= n;
  const bool large = size_ > wanted + reduction_ * n && reductions_left_ > 0;
  if (!small && large) --reductions_left_;
  if (small || large) size_ = wanted;
  return size_;
}

GraceInput::GraceInput(const GraceRequest &request)
    : report_shape_(request.report_shape), atom_padding_(request), edge_padding_(request)
{
  for (const auto *name : {"batch_tot_nat", "batch_tot_nat_real"}) integers(name) = {0};
  for (const auto *name : {"n_struct_total", "batch_total_num_structures"}) integers(name) = {1};
  for (const auto *name : {"atomic_mu_i", "atomic_mu_i_local", "mu_i", "mu_j", "ind_i", "ind_j",
                           "map_atoms_to_structure", "map_bonds_to_structure"})
    arrays_[name].shape = {0};
  arrays_["bond_vector"] = {{0, 3}, std::vector<double>()};
}

void GraceInput::fill(const NeighborGraph &graph, const GraceAtoms &atoms, std::int64_t n_atoms,
                      const GraceInput *senders)
{
  auto &ind_i = integers("ind_i"), &ind_j = integers("ind_j");
  auto &mu_i = integers("mu_i"), &mu_j = integers("mu_j");
  auto &vectors = std::get<std::vector<double>>(arrays_["bond_vector"].values);
  for (auto *list : {&ind_i, &ind_j, &mu_i, &mu_j}) list->clear();
  vectors.clear();
  edges_.clear();
  for (const auto edge : atoms.edges) {
    const auto i = atoms.of_node[graph.edge_index[edge]];
    const auto j = atoms.of_node[graph.edge_index[graph.n_edges() + edge]];
    if (i >= n_atoms) continue;
    edges_.push_back(edge);
    ind_i.push_back(i);
    ind_j.push_back(j);
    mu_i.push_back(atoms.species[i]);
    mu_j.push_back(atoms.species[j]);
    const double *r = &graph.edge_vectors[3 * edge];
    vectors.insert(vectors.end(), r, r + 3);
  }
  pad(n_atoms, static_cast<std::int64_t>(edges_.size()));

  const auto padded_atoms = n_padded_atoms(), padded_edges = n_padded_edges();
  const auto padded_senders = senders ? senders->n_padded_atoms() : padded_atoms;
  const std::int32_t fake_species = atoms.species.empty() ? 0 : atoms.species.front();
  auto &species = integers("atomic_mu_i_local");
  species.assign(atoms.species.begin(), atoms.species.begin() + n_atoms);
  species.resize(padded_atoms, fake_species);
  integers("map_atoms_to_structure").assign(padded_atoms, 0);
  integers("map_bonds_to_structure").assign(padded_edges, 0);
  ind_i.resize(padded_edges, static_cast<std::int32_t>(padded_atoms - 1));
  ind_j.resize(padded_edges, static_cast<std::int32_t>(padded_senders - 1));
  mu_i.resize(padded_edges, fake_species);
  mu_j.resize(padded_edges, fake_species);
  vectors.resize(3 * padded_edges, PADDING_VECTOR);
  integers("batch_tot_nat") = {static_cast<std::int32_t>(padded_atoms)};
  integers("batch_tot_nat_real") = {static_cast<std::int32_t>(n_atoms)};

  for (const auto *name : {"atomic_mu_i_local", "map_atoms_to_structure"})
    arrays_[name].shape = {padded_atoms};
  for (const auto *name : {"ind_i", "ind_j", "mu_i", "mu_j", "map_bonds_to_structure"})
    arrays_[name].shape = {padded_edges};
  arrays_["bond_vector"].shape = {padded_edges, 3};
  arrays_["atomic_mu_i"] = (senders ? *senders : *this).arrays_.at("atomic_mu_i_local");
}

std::vector<std::int32_t> &GraceInput::integers(const std::string &name)
{
  return std::get<std::vector<std::int32_t>>(arrays_[name].values);
}

void GraceInput::pad(std::int64_t n_atoms, std::int64_t n_edges)
{
  const auto atoms_before = n_padded_atoms(), edges_before = n_padded_edges();
  const auto atoms = atom_padding_.fit(n_atoms), edges = edge_padding_.fit(n_edges);
  if (!report_shape_ || (atoms == atoms_before && edges == edges_before)) return;
  std::ostringstream text;
  text << "compiled for " << atoms << " atoms (" << n_atoms << " of them real) and " << edges
       << " neighbors (" << n_edges << " of them real)";
  report_shape_(text.str());
}

}    // namespace hopkin
