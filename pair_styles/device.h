// Where a model runs, and what is said when its memory does not suffice: alike for every evaluator.

#pragma once

#include <string>

namespace hopkin {

/// Number of the GPU that a rank takes, or -1 for the CPU: as HOPKIN_DEVICE says, else the GPU of
/// the rank where there is one. Throws std::runtime_error with a sentence for the user.
int choose_gpu(int rank, int n_gpus);

/// For a model that runs on a CPU alone: throws where HOPKIN_DEVICE wants a GPU.
void require_cpu();

/// "cpu", or "cuda:1".
std::string device_name(int gpu);

/// Throws std::runtime_error: the device does not hold the model, or what it makes of the atoms.
[[noreturn]] void throw_out_of_memory(int gpu);

}    // namespace hopkin
