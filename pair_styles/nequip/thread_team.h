// A few threads that wait for loops. What a loop makes does not depend on how many there are: its
// steps come in the same groups, and each writes what no other one does.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hopkin::nequip {

class ThreadTeam {
 public:
  /// (begin, end, thread): steps begin to end - 1, by the thread of that number.
  using Body = std::function<void(std::int64_t, std::int64_t, int)>;

  explicit ThreadTeam(int n_threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(others_.size()) + 1; }

  /// Runs `body` over n steps, a grain at a time; returns when all are done. It must not throw.
  void run(std::int64_t n, std::int64_t grain, const Body &body);

 private:
  void close();
  void wait_for_loops(int thread);
  void work(int thread);

  std::vector<std::thread> others_;
  std::mutex mutex_;
  std::condition_variable began_, ended_;
  std::uint64_t loop_ = 0;
  int at_work_ = 0;
  bool closed_ = false;
  const Body *body_ = nullptr;
  std::int64_t n_ = 0, grain_ = 1;
  std::atomic<std::int64_t> next_{0};
};

}    // namespace hopkin::nequip
