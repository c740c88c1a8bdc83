// The client of the evaluation service: hands over the atoms of a replica, takes back what the
// model says. No Python and no torch here; the service is a process of its own (docs/service.md
// holds the protocol).

#pragma once

#include "evaluator.h"

#include <cstddef>
#include <string>

namespace hopkin {

/// A file descriptor that is closed with its owner.
class Descriptor final {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  Descriptor(Descriptor &&other) noexcept;
  Descriptor &operator=(Descriptor &&other) noexcept;

  [[nodiscard]] int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

/// Memory that this process and the service both see; it only grows.
class SharedMemory final {
 public:
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory &) = delete;
  SharedMemory &operator=(const SharedMemory &) = delete;

  /// Whether it had to be made anew to hold that many bytes: the service has to be told.
  bool reserve(std::size_t bytes);

  [[nodiscard]] int descriptor() const { return file_.get(); }
  [[nodiscard]] std::byte *data() const { return data_; }

 private:
  Descriptor file_;
  std::byte *data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A model that the service of this node evaluates.
class ServiceClient final : public Evaluator {
 public:
  /// Connects to the service that HOPKIN_SERVICE names, or has one started.
  explicit ServiceClient(const EvaluatorRequest &request);

  [[nodiscard]] double graph_cutoff() const override { return 0.0; }
  [[nodiscard]] std::string description() const override { return description_; }

  void evaluate(const Configuration &configuration, const NeighborGraph &graph,
                Evaluation &result) override;
  void pass(std::uint32_t band) override;

 private:
  std::string answer();

  Descriptor socket_;
  SharedMemory memory_;
  std::string description_;
};

}    // namespace hopkin
