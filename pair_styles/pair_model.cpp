#include "pair_model.h"

#include "evaluator_library.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "universe.h"
#include "update.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <numeric>
#include <random>
#include <utility>

using namespace LAMMPS_NS;

// A model that finds its neighbours itself needs no list and no ghost atoms; LAMMPS wants a cutoff.
static constexpr double NO_GRAPH_CUTOFF = 1.0;

// LAMMPS rounds the positions in a triclinic box each time it builds its neighbours [A]. The frozen
// ends of a band are not moved by that; a run that is continued has to have the forces of the run
// that was not stopped.
static constexpr double UNMOVED_IN_BAND = 1e-12;

// The message of the first rank that has one, on every rank: LAMMPS stops all of them with it.
static std::string first_failure(std::string mine, MPI_Comm world)
{
  int rank = 0, n_ranks = 0;
  MPI_Comm_rank(world, &rank);
  MPI_Comm_size(world, &n_ranks);
  const int failed = mine.empty() ? n_ranks : rank;
  int first = n_ranks;
  MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == n_ranks) return {};
  auto length = static_cast<int>(mine.size());
  MPI_Bcast(&length, 1, MPI_INT, first, world);
  mine.resize(length);
  MPI_Bcast(mine.data(), length, MPI_CHAR, first, world);
  return mine;
}

static bool unmoved(const hopkin::Configuration &a, const hopkin::Configuration &b,
                    double tolerance)
{
  return a.n_owned == b.n_owned && a.species == b.species && a.cell == b.cell && a.pbc == b.pbc &&
         std::equal(a.positions.begin(), a.positions.end(), b.positions.begin(), b.positions.end(),
                    [tolerance](double x, double y) { return std::abs(x - y) <= tolerance; });
}

PairModel::PairModel(LAMMPS *lmp, std::string style) : Pair(lmp), style_(std::move(style))
{
  // Updates of one LAMMPS version differ in the layout of Pair. Its constructor is LAMMPS's own:
  // what it has left here is found only where the layouts agree.
  if (reinitflag != 1 || centroidstressflag != CENTROID_SAME || ncoultablebits != 12 ||
      compute_flag != 1)
    error->all(FLERR,
               "hopkin's plugin was built against another update of this LAMMPS version: build "
               "the plugin against this LAMMPS (cmake -D LAMMPS_ROOT=...)");
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairModel::~PairModel()
{
  if (copymode) return;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairModel::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  map = new int[n];    // owned and deleted by Pair
}

void PairModel::settings(int narg, char ** /*arg*/)
{
  if (narg != 0) error->all(FLERR, "pair_style {} takes no arguments, received {}", style_, narg);
}

void PairModel::coeff(int narg, char **arg)
{
  if (!allocated) allocate();
  if (narg < 4)
    error->all(FLERR, "pair_coeff of {} wants: * * model element1 element2 ... (or NULL)", style_);
  map_element2type(narg - 3, arg + 3);
  // Alone, a pair style has to answer for every type: NULL then marks types without atoms.
  if (force->pair == this)
    for (int i = 1; i <= atom->ntypes; ++i)
      for (int j = i; j <= atom->ntypes; ++j) setflag[i][j] = 1;

  hopkin::EvaluatorRequest request;
  request.model = arg[2];
  request.elements.assign(elements, elements + nelements);
  request.threads = comm->nthreads;
  request.rank = universe->me;
  std::string failure;
  try {
    request.library_directory = hopkin::library_directory();
    evaluator_ = make_evaluator(request);
    graph_cutoff_ = evaluator_->graph_cutoff();
    evaluated_ = {};
  } catch (const std::exception &e) {
    failure = e.what();
  }
  failure = first_failure(failure, world);
  if (!failure.empty()) error->all(FLERR, "pair_style {}: {}", style_, failure);
  if (comm->me == 0) utils::logmesg(lmp, "pair_style {}: {}\n", style_, evaluator_->description());
}

void PairModel::init_style()
{
  decomposed_ = comm->nprocs > 1;
  if (decomposed_ && (one_rank_ || graph_cutoff_ <= 0.0 || evaluator_->layers() == 0))
    error->all(FLERR,
               "pair_style {} evaluates a replica on one MPI rank, received {} ranks: start one "
               "rank, or one rank per replica with -partition",
               style_, comm->nprocs);
  if (utils::strmatch(update->unit_style, "^metal$") == 0)
    error->all(FLERR, "pair_style {} needs units metal, received units {}", style_,
               update->unit_style);
  if (atom->tag_enable == 0)
    error->all(FLERR, "pair_style {} needs atom IDs, received atom_modify id no", style_);
  if (domain->dimension != 3)
    error->all(FLERR, "pair_style {} needs dimension 3, received dimension {}", style_,
               domain->dimension);
  if (atom->molecular != Atom::ATOMIC)
    error->all(FLERR,
               "pair_style {} needs an atom style without bonds (atomic, charge), received {}: "
               "bonded neighbours would be left out of the model",
               style_, atom->get_style());
  if (decomposed_)
    prepare_decomposition();
  else if (graph_cutoff_ > 0.0)
    neighbor->add_request(this, NeighConst::REQ_FULL);
}

// The energy of an atom depends on atoms as far away as all layers reach together. Those of other
// ranks are ghosts, with neighbours of their own; the forces on them go back to their owners.
void PairModel::prepare_decomposition()
{
  if (force->newton_pair == 0)
    error->all(FLERR,
               "pair_style {} with several MPI ranks per replica needs newton on, received newton "
               "off for pairs",
               style_);
  if (comm->mode != Comm::SINGLE)
    error->all(FLERR,
               "pair_style {} with several MPI ranks per replica needs comm_modify mode single, "
               "received another",
               style_);
  const double reach = evaluator_->layers() * graph_cutoff_ + neighbor->skin;
  comm->cutghostuser = std::max(comm->cutghostuser, reach);
  neighbor->add_request(this, NeighConst::REQ_FULL | NeighConst::REQ_GHOST);
}

double PairModel::init_one(int /*i*/, int /*j*/)
{
  return graph_cutoff_ > 0.0 ? graph_cutoff_ : NO_GRAPH_CUTOFF;
}

void PairModel::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  read_configuration();

  // A replica that has not moved (a frozen end of a band, `run 0` after a run) is not computed
  // again.
  configuration_.band = band();
  const bool moved =
      !unmoved(configuration_, evaluated_, universe->nworlds > 1 ? UNMOVED_IN_BAND : 0.0);
  if (moved) build_graph();
  std::string failure;
  try {
    if (!moved && configuration_.band) evaluator_->pass(configuration_.band);
    if (moved && configuration_.n_owned > 0)
      evaluator_->evaluate(decomposed_ ? reached_ : configuration_, graph_, evaluation_);
  } catch (const std::exception &e) {
    failure = e.what();
  }
  if (!failure.empty()) {
    evaluated_ = {};
    error->one(FLERR, "pair_style {}: {}", style_, failure);
  }
  if (moved) evaluated_ = configuration_;
  if (configuration_.band) barrier_->wait();
  add_to_lammps();
}

// All replicas of a band take every step of its minimization together. They agree on a number, by
// which the evaluation service knows them.
std::uint32_t PairModel::band()
{
  constexpr int MINIMIZATION = 2;
  if (universe->nworlds == 1 || update->whichflag != MINIMIZATION ||
      modify->get_fix_by_style("^neb$").empty())
    return 0;
  if (band_ == 0) {
    band_ = std::random_device{}() | 1U;
    MPI_Bcast(&band_, 1, MPI_UINT32_T, 0, universe->uworld);
    barrier_ = std::make_unique<hopkin::BandBarrier>(universe->uworld);
  }
  return band_;
}

// The atoms of this rank in the order of their IDs, whatever order LAMMPS keeps them in. Where
// other ranks have a part of the replica, the ghosts follow.
void PairModel::read_configuration()
{
  atoms_.clear();
  const int n = decomposed_ ? atom->nlocal + atom->nghost : atom->nlocal;
  for (int i = 0; i < n; ++i) {
    if (map[atom->type[i]] < 0) {
      if (force->pair == this)
        error->one(FLERR,
                   "pair_style {}: there are atoms of type {}, which pair_coeff gives as NULL",
                   style_, atom->type[i]);
      continue;
    }
    atoms_.push_back(i);
  }
  const auto ghosts = std::lower_bound(atoms_.begin(), atoms_.end(), atom->nlocal);
  configuration_.n_owned = ghosts - atoms_.begin();
  const auto by_tag = [tag = atom->tag](int a, int b) { return tag[a] < tag[b]; };
  if (!std::is_sorted(atoms_.begin(), ghosts, by_tag)) std::sort(atoms_.begin(), ghosts, by_tag);

  configuration_.positions.resize(3 * atoms_.size());
  configuration_.species.resize(atoms_.size());
  for (std::size_t k = 0; k < atoms_.size(); ++k) {
    const int i = atoms_[k];
    configuration_.species[k] = map[atom->type[i]];
    std::copy_n(atom->x[i], 3, &configuration_.positions[3 * k]);
  }
  configuration_.cell = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                         0.0,          domain->xz, domain->yz, domain->zprd};
  if (!domain->triclinic)
    configuration_.cell[3] = configuration_.cell[6] = configuration_.cell[7] = 0.0;
  configuration_.pbc = {domain->xperiodic, domain->yperiodic, domain->zperiodic};
}

void PairModel::build_graph()
{
  graph_.edge_index.clear();
  graph_.edge_vectors.clear();
  if (decomposed_) {
    build_graph_with_ghosts();
  } else {
    nodes_.resize(atoms_.size());
    std::iota(nodes_.begin(), nodes_.end(), 0);
    if (graph_cutoff_ > 0.0) build_graph_of_owners();
  }
}

// Calls found(j, r_ij) for each neighbour of atom i within the cutoff that the model is to see.
template <typename Found> void PairModel::for_each_neighbor(int i, const Found &found) const
{
  const double cutoff_squared = graph_cutoff_ * graph_cutoff_;
  const double *xi = atom->x[i];
  for (int n = 0; n < list->numneigh[i]; ++n) {
    const int j = list->firstneigh[i][n] & NEIGHMASK;
    if (map[atom->type[j]] < 0) continue;
    const std::array<double, 3> r = {atom->x[j][0] - xi[0], atom->x[j][1] - xi[1],
                                     atom->x[j][2] - xi[2]};
    if (r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < cutoff_squared) found(j, r);
  }
}

// Ghost atoms are periodic images of the replica's own atoms: an edge to a ghost ends at its owner,
// found by its ID among the atoms, which are in the order of their IDs.
void PairModel::build_graph_of_owners()
{
  const tagint *tag = atom->tag;
  node_of_index_.assign(atom->nlocal + atom->nghost, -1);
  for (std::size_t node = 0; node < atoms_.size(); ++node)
    node_of_index_[atoms_[node]] = static_cast<int>(node);
  const auto n_atoms = static_cast<tagint>(atoms_.size());
  for (int i = atom->nlocal; n_atoms > 0 && i < atom->nlocal + atom->nghost; ++i) {
    tagint node = tag[i] - tag[atoms_.front()];    // where no ID is left out
    if (node < 0 || node >= n_atoms || tag[atoms_[node]] != tag[i])
      node = std::lower_bound(atoms_.begin(), atoms_.end(), tag[i],
                              [tag](int a, tagint id) { return tag[a] < id; }) -
             atoms_.begin();
    if (node < n_atoms && tag[atoms_[node]] == tag[i]) node_of_index_[i] = static_cast<int>(node);
  }

  std::vector<std::int64_t> destinations;
  for (std::size_t node = 0; node < atoms_.size(); ++node)
    for_each_neighbor(atoms_[node], [&](int j, const std::array<double, 3> &r) {
      graph_.edge_index.push_back(static_cast<std::int64_t>(node));
      destinations.push_back(node_of_index_[j]);
      graph_.edge_vectors.insert(graph_.edge_vectors.end(), r.begin(), r.end());
    });
  graph_.edge_index.insert(graph_.edge_index.end(), destinations.begin(), destinations.end());
}

// Ghost atoms are atoms of the model, as far as the energies of the own atoms depend on them: an
// atom that is `layers` edges away lends its species, nearer ones need all their own neighbours.
void PairModel::build_graph_with_ghosts()
{
  const int layers = evaluator_->layers();
  std::vector<int> atom_of_index(atom->nlocal + atom->nghost, -1);    // in configuration_
  for (std::size_t k = 0; k < atoms_.size(); ++k) atom_of_index[atoms_[k]] = static_cast<int>(k);

  nodes_.resize(configuration_.n_owned);
  std::iota(nodes_.begin(), nodes_.end(), 0);
  node_of_index_.assign(atom_of_index.size(), -1);
  for (std::size_t node = 0; node < nodes_.size(); ++node)
    node_of_index_[atoms_[nodes_[node]]] = static_cast<int>(node);
  std::vector<std::int64_t> destinations;
  std::size_t first = 0;    // nodes before this one have their edges
  for (int layer = 0; layer < layers; ++layer) {
    const auto last = nodes_.size();
    for (auto node = first; node < last; ++node)
      for_each_neighbor(atoms_[nodes_[node]], [&](int j, const std::array<double, 3> &r) {
        if (node_of_index_[j] < 0) {
          node_of_index_[j] = static_cast<int>(nodes_.size());
          nodes_.push_back(atom_of_index[j]);
        }
        graph_.edge_index.push_back(static_cast<std::int64_t>(node));
        destinations.push_back(node_of_index_[j]);
        graph_.edge_vectors.insert(graph_.edge_vectors.end(), r.begin(), r.end());
      });
    first = last;
  }
  graph_.edge_index.insert(graph_.edge_index.end(), destinations.begin(), destinations.end());

  reached_.cell = configuration_.cell;
  reached_.pbc = configuration_.pbc;
  reached_.n_owned = configuration_.n_owned;
  reached_.species.resize(nodes_.size());
  reached_.positions.resize(3 * nodes_.size());
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    reached_.species[node] = configuration_.species[nodes_[node]];
    std::copy_n(&configuration_.positions[3 * nodes_[node]], 3, &reached_.positions[3 * node]);
  }
}

void PairModel::add_to_lammps()
{
  if (configuration_.n_owned == 0) return;
  const auto owned = static_cast<std::size_t>(configuration_.n_owned);
  for (std::size_t node = 0; node < nodes_.size(); ++node)
    for (int k = 0; k < 3; ++k)
      atom->f[atoms_[nodes_[node]]][k] += evaluation_.forces[3 * node + k];
  if (eflag_global) eng_vdwl += evaluation_.energy;
  if (vflag_global)
    for (int k = 0; k < 6; ++k) virial[k] += evaluation_.virial[k];
  if (eflag_atom) {
    if (evaluation_.atomic_energies.empty())
      error->one(FLERR, "pair_style {}: this model has no atomic energies", style_);
    for (std::size_t node = 0; node < owned; ++node)
      eatom[atoms_[nodes_[node]]] += evaluation_.atomic_energies[node];
  }
  if (vflag_atom) {
    if (evaluation_.atomic_virials.empty())
      error->one(FLERR, "pair_style {}: this model has no atomic virials", style_);
    for (std::size_t node = 0; node < nodes_.size(); ++node)
      for (int k = 0; k < 6; ++k)
        vatom[atoms_[nodes_[node]]][k] += evaluation_.atomic_virials[6 * node + k];
  }
}

double PairModel::memory_usage()
{
  return static_cast<double>(graph_.edge_index.capacity() * sizeof(std::int64_t) +
                             graph_.edge_vectors.capacity() * sizeof(double)) +
         Pair::memory_usage();
}
