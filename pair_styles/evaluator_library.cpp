#include "evaluator_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace hopkin {

std::string library_directory()
{
  Dl_info info{};
  if (dladdr(reinterpret_cast<void *>(&library_directory), &info) == 0 || !info.dli_fname)
    throw std::runtime_error("cannot tell where hopkin's plugins are installed");
  return std::filesystem::canonical(info.dli_fname).parent_path();
}

// The torch of the model's own environment takes the place of the one that the library names.
static void load_torch_of_environment()
{
  const char *directory = std::getenv("HOPKIN_TORCH_DIR");
  if (!directory || !*directory) return;
  const auto path = std::filesystem::path(directory) / "libtorch.so";
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND))
    throw std::runtime_error("cannot load the torch that HOPKIN_TORCH_DIR names: " +
                             std::string(dlerror()));
}

std::unique_ptr<Evaluator> make_evaluator(const std::string &library,
                                          const EvaluatorRequest &request)
{
  const auto path = std::filesystem::path(request.library_directory) / library;
  // Stays loaded: models outlive pairs. Bound to its own libraries first: LAMMPS brings a plain
  // BLAS whose dgemm_ would else take the place of libtorch's and halve the speed of double
  // precision.
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (!handle) throw std::runtime_error("cannot load " + path.string() + ": " + dlerror());
  auto *make = reinterpret_cast<MakeEvaluator *>(dlsym(handle, "hopkin_make_evaluator"));
  if (!make) throw std::runtime_error(path.string() + " holds no evaluator of hopkin");
  return std::unique_ptr<Evaluator>(make(request));
}

std::unique_ptr<Evaluator> make_torch_evaluator(const std::string &library,
                                                const EvaluatorRequest &request)
{
  load_torch_of_environment();
  return make_evaluator(library, request);
}

}    // namespace hopkin
