#include "device.h"

#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace hopkin {

static constexpr const char *DEVICE_VARIABLE = "HOPKIN_DEVICE";
static constexpr std::string_view CUDA = "cuda";

int choose_gpu(int rank, int n_gpus)
{
  const int of_rank = n_gpus > 0 ? rank % n_gpus : -1;
  const char *variable = std::getenv(DEVICE_VARIABLE);
  const std::string wanted = variable ? variable : "";
  if (wanted.empty()) return of_rank;
  if (wanted == "cpu") return -1;
  const auto refuse = [&](const std::string &reason) {
    throw std::runtime_error(std::string(DEVICE_VARIABLE) + "=" + wanted + " " + reason);
  };
  const auto index = wanted.substr(0, CUDA.size()) == CUDA ? wanted.substr(CUDA.size()) : "?";
  const bool numbered = index.size() > 1 && index.size() < 5 && index[0] == ':' &&
                        index.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!index.empty() && !numbered) refuse("names no device: wanted cpu, cuda or cuda:1");
  const int gpu = numbered ? std::stoi(index.substr(1)) : of_rank;
  if (gpu < 0 || gpu >= n_gpus) refuse("but there are " + std::to_string(n_gpus) + " GPU(s)");
  return gpu;
}

void require_cpu()
{
  static constexpr int ANY = 1000;
  const char *variable = std::getenv(DEVICE_VARIABLE);
  if (variable && *variable && choose_gpu(0, ANY) >= 0)
    throw std::runtime_error(std::string(DEVICE_VARIABLE) + "=" + variable +
                             " but the file of this model is for a CPU: take that of "
                             "NAME:evaluator=libtorch");
}

std::string device_name(int gpu)
{
  return gpu < 0 ? "cpu" : "cuda:" + std::to_string(gpu);
}

void throw_out_of_memory(int gpu)
{
  throw std::runtime_error("not enough memory on " + device_name(gpu) +
                           ": take a smaller cell, fewer replicas on this device, or another "
                           "device (HOPKIN_DEVICE)");
}

}    // namespace hopkin
