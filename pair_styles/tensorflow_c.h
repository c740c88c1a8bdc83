// The functions of the TensorFlow C API that hopkin calls, taken from a library opened at run time:
// neither building hopkin nor starting LAMMPS needs TensorFlow.
// Declarations after tensorflow/c/c_api.h and tf_*.h of TensorFlow 2.20, a stable interface
// since 1.0; Copyright The TensorFlow Authors, Apache License 2.0.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace hopkin::tensorflow {

struct TF_Status;
struct TF_Tensor;
struct TF_Graph;
struct TF_Operation;
struct TF_Session;
struct TF_SessionOptions;

struct TF_Buffer {
  const void *data;
  std::size_t length;
  void (*data_deallocator)(void *data, std::size_t length);
};

struct TF_Output {
  TF_Operation *oper;
  int index;
};

enum TF_DataType : int { TF_FLOAT = 1, TF_DOUBLE = 2, TF_INT32 = 3, TF_INT64 = 9 };
enum TF_Code : int { TF_OK = 0, TF_RESOURCE_EXHAUSTED = 8 };

/// The library, opened once in a process.
struct Library {
  const char *(*TF_Version)();

  TF_Status *(*TF_NewStatus)();
  void (*TF_DeleteStatus)(TF_Status *);
  TF_Code (*TF_GetCode)(const TF_Status *);
  const char *(*TF_Message)(const TF_Status *);

  TF_Buffer *(*TF_NewBuffer)();
  void (*TF_DeleteBuffer)(TF_Buffer *);

  TF_Tensor *(*TF_AllocateTensor)(TF_DataType, const std::int64_t *dims, int n_dims,
                                  std::size_t bytes);
  void (*TF_DeleteTensor)(TF_Tensor *);
  TF_DataType (*TF_TensorType)(const TF_Tensor *);
  int (*TF_NumDims)(const TF_Tensor *);
  std::int64_t (*TF_Dim)(const TF_Tensor *, int index);
  std::size_t (*TF_TensorByteSize)(const TF_Tensor *);
  void *(*TF_TensorData)(const TF_Tensor *);

  TF_Graph *(*TF_NewGraph)();
  void (*TF_DeleteGraph)(TF_Graph *);
  TF_Operation *(*TF_GraphOperationByName)(TF_Graph *, const char *name);

  TF_SessionOptions *(*TF_NewSessionOptions)();
  void (*TF_DeleteSessionOptions)(TF_SessionOptions *);
  void (*TF_SetConfig)(TF_SessionOptions *, const void *config_proto, std::size_t length,
                       TF_Status *);
  TF_Session *(*TF_LoadSessionFromSavedModel)(const TF_SessionOptions *,
                                              const TF_Buffer *run_options, const char *export_dir,
                                              const char *const *tags, int n_tags, TF_Graph *,
                                              TF_Buffer *meta_graph_def, TF_Status *);
  void (*TF_CloseSession)(TF_Session *, TF_Status *);
  void (*TF_DeleteSession)(TF_Session *, TF_Status *);
  void (*TF_SessionRun)(TF_Session *, const TF_Buffer *run_options, const TF_Output *inputs,
                        TF_Tensor *const *input_values, int n_inputs, const TF_Output *outputs,
                        TF_Tensor **output_values, int n_outputs,
                        const TF_Operation *const *targets, int n_targets, TF_Buffer *run_metadata,
                        TF_Status *);
};

/// Opens TensorFlow: in the directory that HOPKIN_TENSORFLOW_DIR names, or the `tensorflow` package
/// of the environment that hopkin is installed in, or wherever the system loader finds it. Throws
/// std::runtime_error with a sentence for the user.
const Library &open_library(const std::string &library_directory);

/// GPUs that the CUDA driver offers this process; 0 without one.
int count_gpus();

}    // namespace hopkin::tensorflow
