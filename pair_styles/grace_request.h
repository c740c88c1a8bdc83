// What pair_style grace asks of its evaluator beyond what every model needs.

#pragma once

#include "evaluator.h"

#include <functional>

namespace hopkin {

/// TensorFlow compiles the model anew for each shape of its input: the input is padded, so that the
/// shape lasts while the number of neighbours changes.
struct GraceRequest : EvaluatorRequest {
  double padding = 0.05;             ///< part of the edges that is added; 0: none
  double padding_reduction = 0.2;    ///< padding beyond which a smaller shape is compiled
  int max_reductions = 2;            ///< how often that may happen
  std::function<void(const std::string &)> report_shape;    ///< told of each new shape, where set
};

}    // namespace hopkin
