// Loads an evaluator from a shared library next to this plugin, when a deck first asks for it:
// decks that do not use a model never load libtorch or TensorFlow.
//
// LAMMPS opens every `hopkin_*plugin.so` at its start. These hold the pair style alone; the
// evaluator behind it (`libhopkin_e3gnn.so`, `libhopkin_nequip.so`, ...) is opened at `pair_coeff`.
// A deck without a model pays nothing, an environment without torch is no error, and an evaluator
// without torch can take the place of the libtorch one.

#pragma once

#include "evaluator.h"

namespace hopkin {

/// The directory of the plugin that this code is linked into.
std::string library_directory();

/// Makes the evaluator of `library` (file name). Throws std::runtime_error when it does not load.
std::unique_ptr<Evaluator> make_evaluator(const std::string &library,
                                          const EvaluatorRequest &request);

/// Makes an evaluator of libtorch: with that of the model's own environment, where HOPKIN_TORCH_DIR
/// names it.
std::unique_ptr<Evaluator> make_torch_evaluator(const std::string &library,
                                                const EvaluatorRequest &request);

}    // namespace hopkin
