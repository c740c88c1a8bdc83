// Where the replicas of a band wait for the slowest one: asleep, until it has arrived.
//
// A rank that waits in MPI takes part of a core from those that compute, and a band has more ranks
// than a laptop has cores. The ranks of a node wait in a barrier of POSIX threads in memory that
// they share; one of each node meets those of the others in MPI, which it looks at now and then.

#pragma once

#include <mpi.h>
#include <pthread.h>

namespace hopkin {

class BandBarrier {
 public:
  /// All ranks of the band call it together, as they do each wait and the end.
  explicit BandBarrier(MPI_Comm band);
  ~BandBarrier();

  BandBarrier(const BandBarrier &) = delete;
  BandBarrier &operator=(const BandBarrier &) = delete;

  void wait();

 private:
  MPI_Comm node_ = MPI_COMM_NULL;
  MPI_Comm leaders_ = MPI_COMM_NULL;    // the first rank of each node; null in the others
  MPI_Win window_ = MPI_WIN_NULL;
  pthread_barrier_t *here_ = nullptr;
  int n_nodes_ = 1;
};

}    // namespace hopkin
