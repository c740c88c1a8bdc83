// A SavedModel in TensorFlow: its functions take arrays by name and give arrays by name.

#pragma once

#include "saved_model.h"
#include "tensorflow_c.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace hopkin {

/// Integers or real numbers in the types of hopkin, whichever the model computes with.
struct Array {
  std::vector<std::int64_t> shape;    ///< empty: a scalar
  std::variant<std::vector<std::int32_t>, std::vector<double>> values;

  /// The real numbers that a function gives.
  [[nodiscard]] const std::vector<double> &reals() const
  {
    return std::get<std::vector<double>>(values);
  }
};

using Arrays = std::map<std::string, Array>;

/// The model, loaded. Errors are std::runtime_error with a sentence for the user.
class SavedModelSession {
 public:
  /// On GPU number `gpu`; on the CPU where it is negative.
  SavedModelSession(std::string directory, const std::string &library_directory, int threads,
                    int gpu);
  SavedModelSession(const SavedModelSession &) = delete;
  SavedModelSession &operator=(const SavedModelSession &) = delete;
  ~SavedModelSession();

  [[nodiscard]] const std::map<std::string, Signature> &signatures() const { return signatures_; }

  [[nodiscard]] std::string tensorflow_version() const { return tf_->TF_Version(); }

  /// Throws: the model is not what it has to be.
  [[noreturn]] void refuse(const std::string &reason) const;

 private:
  friend class SavedModelFunction;
  template <class T> using Owned = std::unique_ptr<T, void (*)(T *)>;

  [[nodiscard]] std::string config(int threads) const;
  void require_ok(const std::string &what) const;
  tensorflow::TF_DataType type_of(const TensorInfo &info) const;
  [[nodiscard]] tensorflow::TF_Output tensor_of(const TensorInfo &info) const;

  std::string directory_;
  int gpu_;
  const tensorflow::Library *tf_;
  Owned<tensorflow::TF_Status> status_;
  Owned<tensorflow::TF_Graph> graph_;
  tensorflow::TF_Session *session_ = nullptr;
  std::map<std::string, Signature> signatures_;
};

/// One function of a model. TensorFlow compiles it at its first call with arrays of a new shape.
class SavedModelFunction {
 public:
  /// The function under `name`, of whose outputs those in `outputs` are wanted.
  SavedModelFunction(const SavedModelSession &model, const std::string &name,
                     const std::vector<std::string> &outputs);

  /// Each input is taken from `more` where it is there, or else from `inputs`.
  [[nodiscard]] Arrays operator()(const Arrays &inputs, const Arrays &more = {}) const;

 private:
  const SavedModelSession &model_;
  std::vector<std::string> input_names_, output_names_;
  std::vector<tensorflow::TF_DataType> input_types_;
  std::vector<tensorflow::TF_Output> inputs_, outputs_;
};

}    // namespace hopkin
