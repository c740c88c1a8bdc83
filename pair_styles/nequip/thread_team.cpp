#include "thread_team.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <system_error>

namespace hopkin::nequip {

ThreadTeam::ThreadTeam(int n_threads)
{
  try {
    for (int thread = 1; thread < n_threads; ++thread)
      others_.emplace_back([this, thread] { wait_for_loops(thread); });
  } catch (const std::system_error &error) {
    close();
    throw std::runtime_error("cannot start " + std::to_string(n_threads) +
                             " threads: " + error.what());
  }
}

ThreadTeam::~ThreadTeam()
{
  close();
}

void ThreadTeam::close()
{
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  began_.notify_all();
  for (auto &other : others_) other.join();
}

void ThreadTeam::run(std::int64_t n, std::int64_t grain, const Body &body)
{
  if (others_.empty() || n <= grain) {
    for (std::int64_t begin = 0; begin < n; begin += grain)
      body(begin, std::min(begin + grain, n), 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    n_ = n;
    grain_ = grain;
    next_ = 0;
    at_work_ = static_cast<int>(others_.size());
    ++loop_;
  }
  began_.notify_all();
  work(0);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return at_work_ == 0; });
}

void ThreadTeam::wait_for_loops(int thread)
{
  std::uint64_t done = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    began_.wait(lock, [&] { return closed_ || loop_ != done; });
    if (closed_) return;
    done = loop_;
    lock.unlock();
    work(thread);
    lock.lock();
    if (--at_work_ == 0) ended_.notify_one();
  }
}

void ThreadTeam::work(int thread)
{
  while (true) {
    const auto begin = next_.fetch_add(grain_);
    if (begin >= n_) return;
    (*body_)(begin, std::min(begin + grain_, n_), thread);
  }
}

}    // namespace hopkin::nequip
