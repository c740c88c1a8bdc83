// Loads an evaluator from a shared library next to this plugin, when a deck first asks for it:
// decks that do not use a model never load libtorch or Python.

#pragma once

#include "evaluator.h"

namespace hopkin {

/// The directory of the plugin that this code is linked into.
std::string library_directory();

/// Makes the evaluator of `library` (file name). Throws std::runtime_error when it does not load.
std::unique_ptr<Evaluator> make_evaluator(const std::string &library,
                                          const EvaluatorRequest &request);

}    // namespace hopkin
