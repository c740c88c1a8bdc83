#include "tensorflow_c.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

namespace hopkin::tensorflow {

namespace fs = std::filesystem;

// The Python package has the first two, the C library that TensorFlow publishes the third.
static constexpr const char *FRAMEWORK = "libtensorflow_framework.so.2";
static constexpr const char *NAMES[] = {"libtensorflow_cc.so.2", "libtensorflow.so.2"};

static void *open_in(const fs::path &directory, std::string &failure)
{
  for (const auto *name : NAMES) {
    const auto path = directory / name;
    if (!directory.empty() && !fs::exists(path)) continue;
    // by its full path first: a C library need not say where its framework lies
    if (!directory.empty()) dlopen((directory / FRAMEWORK).c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (void *handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL)) return handle;
    failure = dlerror();
  }
  return nullptr;
}

static void *open_anywhere(const std::string &library_directory)
{
  std::vector<fs::path> directories;
  const char *given = std::getenv("HOPKIN_TENSORFLOW_DIR");
  if (given && *given)
    directories = {given, fs::path(given) / "lib"};
  else    // site-packages/hopkin/lib -> site-packages/tensorflow; then the system loader
    directories = {fs::path(library_directory) / ".." / ".." / "tensorflow", {}};
  // What goes wrong comes back as a status, and to have no GPU is no error. A user's choice stands.
  setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0);
  std::string failure;
  for (const auto &directory : directories)
    if (void *handle = open_in(directory, failure)) return handle;
  if (given && *given)
    throw std::runtime_error("no TensorFlow in '" + std::string(given) +
                             "', which HOPKIN_TENSORFLOW_DIR names (wanted " + NAMES[0] + " or " +
                             NAMES[1] + ")" + (failure.empty() ? "" : ": " + failure));
  throw std::runtime_error(
      "TensorFlow is not installed in this environment: `pip install tensorflow`, or name the "
      "directory of libtensorflow_cc.so.2 in HOPKIN_TENSORFLOW_DIR");
}

template <class Function> static void find(void *handle, const char *name, Function *&function)
{
  function = reinterpret_cast<Function *>(dlsym(handle, name));
  if (!function) throw std::runtime_error(std::string("this TensorFlow has no function ") + name);
}

// The C API has no function for this: tsl::enable_tensor_float_32_execution(bool), where it is
// exported.
static void disable_tensor_float_32(void *handle)
{
  auto *enable = reinterpret_cast<void (*)(bool)>(
      dlsym(handle, "_ZN3tsl33enable_tensor_float_32_executionEb"));
  if (enable) enable(false);
}

static Library load(const std::string &library_directory)
{
  void *handle = open_anywhere(library_directory);    // stays open: it cannot be unloaded
  disable_tensor_float_32(handle);
  Library tf{};
#define HOPKIN_FIND(name) find(handle, #name, tf.name)
  HOPKIN_FIND(TF_Version);
  HOPKIN_FIND(TF_NewStatus);
  HOPKIN_FIND(TF_DeleteStatus);
  HOPKIN_FIND(TF_GetCode);
  HOPKIN_FIND(TF_Message);
  HOPKIN_FIND(TF_NewBuffer);
  HOPKIN_FIND(TF_DeleteBuffer);
  HOPKIN_FIND(TF_AllocateTensor);
  HOPKIN_FIND(TF_DeleteTensor);
  HOPKIN_FIND(TF_TensorType);
  HOPKIN_FIND(TF_NumDims);
  HOPKIN_FIND(TF_Dim);
  HOPKIN_FIND(TF_TensorByteSize);
  HOPKIN_FIND(TF_TensorData);
  HOPKIN_FIND(TF_NewGraph);
  HOPKIN_FIND(TF_DeleteGraph);
  HOPKIN_FIND(TF_GraphOperationByName);
  HOPKIN_FIND(TF_NewSessionOptions);
  HOPKIN_FIND(TF_DeleteSessionOptions);
  HOPKIN_FIND(TF_SetConfig);
  HOPKIN_FIND(TF_LoadSessionFromSavedModel);
  HOPKIN_FIND(TF_CloseSession);
  HOPKIN_FIND(TF_DeleteSession);
  HOPKIN_FIND(TF_SessionRun);
#undef HOPKIN_FIND
  return tf;
}

const Library &open_library(const std::string &library_directory)
{
  static const Library library = load(library_directory);    // tried again after a failure
  return library;
}

int count_gpus()
{
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (!driver) return 0;
  auto *initialise = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  auto *count = reinterpret_cast<int (*)(int *)>(dlsym(driver, "cuDeviceGetCount"));
  int gpus = 0;
  if (!initialise || !count || initialise(0) != 0 || count(&gpus) != 0) return 0;
  return gpus;
}

}    // namespace hopkin::tensorflow
