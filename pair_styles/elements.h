// Which of a model's elements are meant: alike for every evaluator.

#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace hopkin {

/// Index of each element among those that a model covers. Throws std::runtime_error with a sentence
/// for the user where it does not cover one.
inline std::vector<std::int64_t> indices_of(const std::vector<std::string> &elements,
                                            const std::vector<std::string> &covered,
                                            const std::string &model)
{
  std::vector<std::int64_t> indices;
  for (const auto &element : elements) {
    const auto found = std::find(covered.begin(), covered.end(), element);
    if (found == covered.end()) {
      std::string all;
      for (const auto &symbol : covered) all += (all.empty() ? "" : " ") + symbol;
      throw std::runtime_error("model '" + model + "' does not cover element '" + element +
                               "' (it covers " + std::to_string(covered.size()) + ": " + all + ")");
    }
    indices.push_back(found - covered.begin());
  }
  return indices;
}

}    // namespace hopkin
