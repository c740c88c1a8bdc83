#include "band_barrier.h"

#include <chrono>
#include <thread>

using namespace hopkin;

static constexpr std::chrono::microseconds NAP{500};    // between two looks at the other nodes

BandBarrier::BandBarrier(MPI_Comm band)
{
  MPI_Comm_split_type(band, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node_);
  int rank = 0, n_ranks = 0;
  MPI_Comm_rank(node_, &rank);
  MPI_Comm_size(node_, &n_ranks);
  MPI_Comm_split(band, rank == 0 ? 0 : MPI_UNDEFINED, 0, &leaders_);
  if (leaders_ != MPI_COMM_NULL) MPI_Comm_size(leaders_, &n_nodes_);
  MPI_Bcast(&n_nodes_, 1, MPI_INT, 0, node_);

  void *mine = nullptr;
  const MPI_Aint bytes = rank == 0 ? sizeof(pthread_barrier_t) : 0;
  MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, node_, &mine, &window_);
  MPI_Aint size = 0;
  int unit = 0;
  MPI_Win_shared_query(window_, 0, &size, &unit, &here_);
  if (rank == 0) {
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(here_, &shared, n_ranks);
    pthread_barrierattr_destroy(&shared);
  }
  MPI_Barrier(node_);
}

BandBarrier::~BandBarrier()
{
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized) return;
  MPI_Barrier(node_);
  if (leaders_ != MPI_COMM_NULL) {
    pthread_barrier_destroy(here_);
    MPI_Comm_free(&leaders_);
  }
  MPI_Win_free(&window_);
  MPI_Comm_free(&node_);
}

void BandBarrier::wait()
{
  pthread_barrier_wait(here_);
  if (n_nodes_ == 1) return;
  if (leaders_ != MPI_COMM_NULL) {
    MPI_Request others;
    int done = 0;
    MPI_Ibarrier(leaders_, &others);
    for (MPI_Test(&others, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(&others, &done, MPI_STATUS_IGNORE))
      std::this_thread::sleep_for(NAP);
  }
  pthread_barrier_wait(here_);
}
