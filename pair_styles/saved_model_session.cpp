#include "saved_model_session.h"

#include "device.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace hopkin {

using namespace tensorflow;

static std::size_t size_of(TF_DataType type)
{
  return type == TF_DOUBLE || type == TF_INT64 ? 8 : 4;
}

// Types that the arrays of hopkin become in the model, in the numbers of TensorFlow.
template <class From>
static void convert(const std::vector<From> &values, TF_DataType type, void *to)
{
  const auto copy = [&](auto *as) {
    std::transform(values.begin(), values.end(), as, [](From value) {
      return static_cast<std::remove_pointer_t<decltype(as)>>(value);
    });
  };
  if (type == TF_DOUBLE)
    copy(static_cast<double *>(to));
  else if (type == TF_FLOAT)
    copy(static_cast<float *>(to));
  else if (type == TF_INT64)
    copy(static_cast<std::int64_t *>(to));
  else
    copy(static_cast<std::int32_t *>(to));
}

SavedModelSession::SavedModelSession(std::string directory, const std::string &library_directory,
                                     int threads, int gpu)
    : directory_(std::move(directory)), gpu_(gpu), tf_(&open_library(library_directory)),
      status_(tf_->TF_NewStatus(), tf_->TF_DeleteStatus),
      graph_(tf_->TF_NewGraph(), tf_->TF_DeleteGraph)
{
  Owned<TF_SessionOptions> options(tf_->TF_NewSessionOptions(), tf_->TF_DeleteSessionOptions);
  const auto config_proto = config(threads);
  tf_->TF_SetConfig(options.get(), config_proto.data(), config_proto.size(), status_.get());
  require_ok("TensorFlow refuses its configuration");

  Owned<TF_Buffer> meta_graph(tf_->TF_NewBuffer(), tf_->TF_DeleteBuffer);
  const char *tag = "serve";
  session_ = tf_->TF_LoadSessionFromSavedModel(options.get(), nullptr, directory_.c_str(), &tag, 1,
                                               graph_.get(), meta_graph.get(), status_.get());
  require_ok("'" + directory_ + "' is damaged, or TensorFlow cannot load it");
  try {
    signatures_ =
        read_signatures({static_cast<const char *>(meta_graph->data), meta_graph->length});
  } catch (...) {
    tf_->TF_CloseSession(session_, status_.get());
    tf_->TF_DeleteSession(session_, status_.get());
    throw;
  }
}

SavedModelSession::~SavedModelSession()
{
  tf_->TF_CloseSession(session_, status_.get());
  tf_->TF_DeleteSession(session_, status_.get());
}

// tensorflow.ConfigProto: device_count = 1 {"GPU": 0}, intra_op_parallelism_threads = 2,
// inter_op_parallelism_threads = 5, gpu_options = 6 {allow_growth = 4, visible_device_list = 5},
// allow_soft_placement = 7.
std::string SavedModelSession::config(int threads) const
{
  std::string proto{0x10, static_cast<char>(std::clamp(threads, 1, 127)), 0x28, 1, 0x38, 1};
  if (gpu_ < 0) {
    proto += std::string{0x0a, 7, 0x0a, 3, 'G', 'P', 'U', 0x10, 0};
  } else {
    const auto device = std::to_string(gpu_);
    const std::string options =
        std::string{0x20, 1, 0x2a, static_cast<char>(device.size())} + device;
    proto += std::string{0x32, static_cast<char>(options.size())} + options;
  }
  return proto;
}

void SavedModelSession::refuse(const std::string &reason) const
{
  throw std::runtime_error("'" + directory_ +
                           "' is not a GRACE model that LAMMPS can run: " + reason);
}

// The first line of what TensorFlow says: the others repeat where in its own sources it was.
void SavedModelSession::require_ok(const std::string &what) const
{
  const auto code = tf_->TF_GetCode(status_.get());
  if (code == TF_OK) return;
  if (code == TF_RESOURCE_EXHAUSTED) throw_out_of_memory(gpu_);
  const std::string message = tf_->TF_Message(status_.get());
  throw std::runtime_error(what + ": " + message.substr(0, message.find('\n')));
}

TF_DataType SavedModelSession::type_of(const TensorInfo &info) const
{
  if (info.dtype != TF_FLOAT && info.dtype != TF_DOUBLE && info.dtype != TF_INT32 &&
      info.dtype != TF_INT64)
    refuse("its tensor " + info.operation + " is neither a real number nor an integer");
  return static_cast<TF_DataType>(info.dtype);
}

TF_Output SavedModelSession::tensor_of(const TensorInfo &info) const
{
  type_of(info);
  auto *operation = tf_->TF_GraphOperationByName(graph_.get(), info.operation.c_str());
  if (!operation) refuse("its graph has no operation " + info.operation);
  return {operation, info.index};
}

SavedModelFunction::SavedModelFunction(const SavedModelSession &model, const std::string &name,
                                       const std::vector<std::string> &outputs)
    : model_(model), output_names_(outputs)
{
  const auto &signature = model.signatures().at(name);
  for (const auto &[input, info] : signature.inputs) {
    input_names_.push_back(input);
    input_types_.push_back(model.type_of(info));
    inputs_.push_back(model.tensor_of(info));
  }
  for (const auto &output : outputs)
    outputs_.push_back(model.tensor_of(signature.outputs.at(output)));
}

Arrays SavedModelFunction::operator()(const Arrays &inputs, const Arrays &more) const
{
  const auto &tf = *model_.tf_;
  std::vector<SavedModelSession::Owned<TF_Tensor>> owned;
  std::vector<TF_Tensor *> values;
  for (std::size_t n = 0; n < inputs_.size(); ++n) {
    const auto found = more.find(input_names_[n]);
    const auto &array = found == more.end() ? inputs.at(input_names_[n]) : found->second;
    const auto type = input_types_[n];
    std::visit(
        [&](const auto &numbers) {
          owned.emplace_back(tf.TF_AllocateTensor(type, array.shape.data(),
                                                  static_cast<int>(array.shape.size()),
                                                  numbers.size() * size_of(type)),
                             tf.TF_DeleteTensor);
          convert(numbers, type, tf.TF_TensorData(owned.back().get()));
        },
        array.values);
    values.push_back(owned.back().get());
  }
  std::vector<TF_Tensor *> results(outputs_.size(), nullptr);
  tf.TF_SessionRun(model_.session_, nullptr, inputs_.data(), values.data(),
                   static_cast<int>(values.size()), outputs_.data(), results.data(),
                   static_cast<int>(results.size()), nullptr, 0, nullptr, model_.status_.get());
  for (auto *result : results) owned.emplace_back(result, tf.TF_DeleteTensor);
  model_.require_ok("TensorFlow cannot evaluate '" + model_.directory_ + "'");

  Arrays outputs;
  for (std::size_t n = 0; n < results.size(); ++n) {
    auto &array = outputs[output_names_[n]];
    for (int k = 0; k < tf.TF_NumDims(results[n]); ++k)
      array.shape.push_back(tf.TF_Dim(results[n], k));
    const auto type = tf.TF_TensorType(results[n]);
    const auto length = tf.TF_TensorByteSize(results[n]) / size_of(type);
    const void *data = tf.TF_TensorData(results[n]);
    auto &numbers = array.values.emplace<std::vector<double>>();
    if (type == TF_DOUBLE)
      numbers.assign(static_cast<const double *>(data), static_cast<const double *>(data) + length);
    else
      numbers.assign(static_cast<const float *>(data), static_cast<const float *>(data) + length);
  }
  return outputs;
}

}    // namespace hopkin
