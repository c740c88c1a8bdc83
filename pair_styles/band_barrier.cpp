#include "band_barrier.h"

#include <chrono>
#include <thread>

using namespace hopkin;

static constexpr std::chrono::microseconds NAP{500};    // between two looks at the other nodes

static int size_of(MPI_Comm ranks)
{
  int n_ranks = 0;
  MPI_Comm_size(ranks, &n_ranks);
  return n_ranks;
}

BandBarrier::BandBarrier(MPI_Comm band) : band_(band)
{
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(band, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int one_node = size_of(node) == size_of(band);
  MPI_Allreduce(MPI_IN_PLACE, &one_node, 1, MPI_INT, MPI_MIN, band);
  if (one_node) {
    int rank = 0, unit = 0;
    MPI_Comm_rank(node, &rank);
    void *mine = nullptr;
    MPI_Aint bytes = rank == 0 ? sizeof(pthread_barrier_t) : 0;
    MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, node, &mine, &window_);
    MPI_Win_shared_query(window_, 0, &bytes, &unit, &shared_);
    if (rank == 0) {
      pthread_barrierattr_t shared;
      pthread_barrierattr_init(&shared);
      pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
      pthread_barrier_init(shared_, &shared, size_of(node));
      pthread_barrierattr_destroy(&shared);
    }
    MPI_Barrier(node);
  }
  MPI_Comm_free(&node);
}

BandBarrier::~BandBarrier()
{
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized && shared_ != nullptr) MPI_Win_free(&window_);
}

void BandBarrier::wait()
{
  if (shared_ != nullptr) {
    pthread_barrier_wait(shared_);
    return;
  }
  MPI_Request others;
  int done = 0;
  MPI_Ibarrier(band_, &others);
  for (MPI_Test(&others, &done, MPI_STATUS_IGNORE); !done;
       MPI_Test(&others, &done, MPI_STATUS_IGNORE))
    std::this_thread::sleep_for(NAP);
}
