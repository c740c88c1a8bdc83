#include "pair_model.h"

#include "evaluator_library.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "universe.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>
#include <utility>

using namespace LAMMPS_NS;

// A model that finds its neighbours itself needs no list and no ghost atoms; LAMMPS wants a cutoff.
static constexpr double NO_GRAPH_CUTOFF = 1.0;

// LAMMPS rounds the positions in a triclinic box each time it builds its neighbours [A].
static constexpr double UNMOVED = 1e-12;

// Part of the last step that a replica of several sleeps through where it has nothing to compute.
static constexpr double SLEEP = 0.8;

static bool unmoved(const hopkin::Configuration &a, const hopkin::Configuration &b)
{
  return a.species == b.species && a.cell == b.cell && a.pbc == b.pbc &&
         std::equal(a.positions.begin(), a.positions.end(), b.positions.begin(), b.positions.end(),
                    [](double x, double y) { return std::abs(x - y) < UNMOVED; });
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
  if (!failure.empty()) error->all(FLERR, "pair_style {}: {}", style_, failure);
  if (comm->me == 0) utils::logmesg(lmp, "pair_style {}: {}\n", style_, evaluator_->description());
}

void PairModel::init_style()
{
  if (comm->nprocs > 1)
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
  if (graph_cutoff_ > 0.0) neighbor->add_request(this, NeighConst::REQ_FULL);
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
  // again. While others compute it sleeps: waiting in MPI would take part of a core from them.
  const auto start = std::chrono::steady_clock::now();
  if (unmoved(configuration_, evaluated_)) {
    if (universe->nworlds > 1)
      std::this_thread::sleep_for(SLEEP * std::min(start - called_, evaluation_time_));
  } else {
    build_graph();
    std::string failure;
    try {
      evaluator_->evaluate(configuration_, graph_, evaluation_);
    } catch (const std::exception &e) {
      failure = e.what();
    }
    if (!failure.empty()) {
      evaluated_ = {};
      error->one(FLERR, "pair_style {}: {}", style_, failure);
    }
    evaluated_ = configuration_;
    evaluation_time_ = std::chrono::steady_clock::now() - start;
  }
  called_ = start;
  add_to_lammps();
}

// The atoms that the model sees, in the order of their IDs, whatever order LAMMPS keeps them in.
void PairModel::read_configuration()
{
  owners_.clear();
  tagint max_tag = 0;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (map[atom->type[i]] < 0) {
      if (force->pair == this)
        error->one(FLERR,
                   "pair_style {}: there are atoms of type {}, which pair_coeff gives as NULL",
                   style_, atom->type[i]);
      continue;
    }
    owners_.push_back(i);
    max_tag = std::max(max_tag, atom->tag[i]);
  }
  const auto by_tag = [tag = atom->tag](int a, int b) { return tag[a] < tag[b]; };
  if (!std::is_sorted(owners_.begin(), owners_.end(), by_tag))
    std::sort(owners_.begin(), owners_.end(), by_tag);

  node_of_tag_.assign(max_tag + 1, -1);
  configuration_.positions.resize(3 * owners_.size());
  configuration_.species.resize(owners_.size());
  for (std::size_t node = 0; node < owners_.size(); ++node) {
    const int i = owners_[node];
    node_of_tag_[atom->tag[i]] = static_cast<int>(node);
    configuration_.species[node] = map[atom->type[i]];
    std::copy_n(atom->x[i], 3, &configuration_.positions[3 * node]);
  }
  configuration_.cell = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                         0.0,          domain->xz, domain->yz, domain->zprd};
  if (!domain->triclinic)
    configuration_.cell[3] = configuration_.cell[6] = configuration_.cell[7] = 0.0;
  configuration_.pbc = {domain->xperiodic, domain->yperiodic, domain->zperiodic};
}

// Ghost atoms are periodic images of the replica's own atoms: an edge to a ghost ends at its owner.
void PairModel::build_graph()
{
  if (graph_cutoff_ <= 0.0) return;
  const double cutoff_squared = graph_cutoff_ * graph_cutoff_;
  std::vector<std::int64_t> sources, destinations;
  sources.reserve(graph_.edge_index.size() / 2);
  destinations.reserve(graph_.edge_index.size() / 2);
  graph_.edge_vectors.clear();
  for (std::size_t node = 0; node < owners_.size(); ++node) {
    const int i = owners_[node];
    const double *xi = atom->x[i];
    for (int n = 0; n < list->numneigh[i]; ++n) {
      const int j = list->firstneigh[i][n] & NEIGHMASK;
      if (map[atom->type[j]] < 0) continue;
      const double dx = atom->x[j][0] - xi[0];
      const double dy = atom->x[j][1] - xi[1];
      const double dz = atom->x[j][2] - xi[2];
      if (dx * dx + dy * dy + dz * dz >= cutoff_squared) continue;
      sources.push_back(static_cast<std::int64_t>(node));
      destinations.push_back(node_of_tag_[atom->tag[j]]);
      graph_.edge_vectors.insert(graph_.edge_vectors.end(), {dx, dy, dz});
    }
  }
  graph_.edge_index = std::move(sources);
  graph_.edge_index.insert(graph_.edge_index.end(), destinations.begin(), destinations.end());
}

void PairModel::add_to_lammps()
{
  for (std::size_t node = 0; node < owners_.size(); ++node)
    for (int k = 0; k < 3; ++k) atom->f[owners_[node]][k] += evaluation_.forces[3 * node + k];
  if (eflag_global) eng_vdwl += evaluation_.energy;
  if (vflag_global)
    for (int k = 0; k < 6; ++k) virial[k] += evaluation_.virial[k];
  if (eflag_atom) {
    if (evaluation_.atomic_energies.empty() && !owners_.empty())
      error->one(FLERR, "pair_style {}: this model has no atomic energies", style_);
    for (std::size_t node = 0; node < owners_.size(); ++node)
      eatom[owners_[node]] += evaluation_.atomic_energies[node];
  }
  if (vflag_atom) {
    if (evaluation_.atomic_virials.empty() && !owners_.empty())
      error->one(FLERR, "pair_style {}: this model has no atomic virials", style_);
    for (std::size_t node = 0; node < owners_.size(); ++node)
      for (int k = 0; k < 6; ++k)
        vatom[owners_[node]][k] += evaluation_.atomic_virials[6 * node + k];
  }
}

double PairModel::memory_usage()
{
  return static_cast<double>(graph_.edge_index.capacity() * sizeof(std::int64_t) +
                             graph_.edge_vectors.capacity() * sizeof(double)) +
         Pair::memory_usage();
}
