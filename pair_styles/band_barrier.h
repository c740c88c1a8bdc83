// Where the replicas of a band wait for the slowest one: asleep, until it has arrived.
//
// A rank that waits in MPI takes part of a core from those that compute, and a band has more ranks
// than a laptop has cores. The ranks of one node wait in a barrier of POSIX threads in memory that
// they share. Those of a band over several nodes wait in MPI, and look at it now and then: it may
// need them for messages to arrive.

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
  MPI_Comm band_;
  MPI_Win window_ = MPI_WIN_NULL;
  pthread_barrier_t *shared_ = nullptr;    // null over several nodes
};

}    // namespace hopkin
