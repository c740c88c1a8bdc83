#include "libpython.h"

#include <dlfcn.h>

#include <fstream>
#include <stdexcept>
#include <vector>

namespace fs = std::filesystem;

fs::path hopkin::python_executable(const std::string &library_directory)
{
  for (auto prefix = fs::path(library_directory); prefix != prefix.root_path();
       prefix = prefix.parent_path())
    if (fs::exists(prefix / "bin" / HOPKIN_PYTHON_NAME)) return prefix / "bin" / HOPKIN_PYTHON_NAME;
  return HOPKIN_PYTHON_EXECUTABLE;
}

// A virtual environment names the installation it was made from: `home = /usr/bin` in pyvenv.cfg.
static fs::path base_prefix(const fs::path &executable)
{
  const auto prefix = executable.parent_path().parent_path();
  std::ifstream config(prefix / "pyvenv.cfg");
  for (std::string line; std::getline(config, line);)
    if (line.rfind("home", 0) == 0) {
      const auto value = line.find_first_not_of(" =", 4);
      if (value != std::string::npos) return fs::path(line.substr(value)).parent_path();
    }
  return prefix;
}

void hopkin::load_libpython(const std::string &library_directory)
{
  if (auto *symbol = dlsym(RTLD_DEFAULT, "Py_GetVersion")) {    // this process has a Python already
    const std::string version = reinterpret_cast<const char *(*)()>(symbol)();
    if (version.rfind(HOPKIN_PYTHON_VERSION ".", 0) != 0)
      throw std::runtime_error(
          "built for Python " HOPKIN_PYTHON_VERSION " but this process runs Python " + version);
    return;
  }
  const auto executable = python_executable(library_directory);
  const std::vector<std::string> candidates = {
      base_prefix(executable) / "lib" / HOPKIN_LIBPYTHON,
      fs::path(HOPKIN_LIBPYTHON_DIRECTORY) / HOPKIN_LIBPYTHON, HOPKIN_LIBPYTHON};
  for (const auto &candidate : candidates)
    if (dlopen(candidate.c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
  throw std::runtime_error("no shared " HOPKIN_LIBPYTHON " for " + executable.string() +
                           ": install the shared Python library (package libpython3), or a Python "
                           "built with --enable-shared");
}
