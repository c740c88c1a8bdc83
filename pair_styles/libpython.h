// Finds the Python of the environment that hopkin is installed in, without linking to any.
//
// In a Python process the symbols are there. Under plain `lmp`, the shared library of the
// environment's interpreter is opened globally, which the extension modules of torch and numpy need
// anyway.

#pragma once

#include <filesystem>
#include <string>

namespace hopkin {

/// The interpreter of the environment above `library_directory`, else the one of the build.
std::filesystem::path python_executable(const std::string &library_directory);

/// Makes Python's symbols visible to extension modules: those of the Python that runs this process,
/// or of the shared libpython behind python_executable(). Throws std::runtime_error if there is
/// none.
void load_libpython(const std::string &library_directory);

}    // namespace hopkin
