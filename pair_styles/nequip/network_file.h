// Which files are networks of hopkin: asked before an evaluator is chosen.

#pragma once

#include <fstream>
#include <string>

namespace hopkin::nequip {

inline constexpr const char *MAGIC = "hopkin network";

/// Whether a file begins as a network of hopkin does.
inline bool is_network(const std::string &path)
{
  std::string word, kind;
  std::ifstream file(path, std::ios::binary);
  return file >> word >> kind && word + " " + kind == MAGIC;
}

}    // namespace hopkin::nequip
