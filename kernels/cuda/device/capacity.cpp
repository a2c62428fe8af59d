#include "kernels/cuda/device/capacity.hpp"

#include <map>
#include <mutex>

#include "kernels/cuda/device/error.hpp"

namespace attractor::cuda {

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

int attribute(cudaDeviceAttr which) {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return attribute(which, device);
}

std::size_t memory_capacity() {
  static std::mutex mutex;
  static std::map<int, std::size_t> known;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  const std::scoped_lock lock(mutex);
  if (const auto found = known.find(device); found != known.end()) return found->second;
  std::size_t left = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&left, &total), "cudaMemGetInfo");
  known[device] = total;
  return total;
}

std::size_t shared_memory_limit() {
  return static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
}

int multiprocessor_count() { return attribute(cudaDevAttrMultiProcessorCount); }

bool has_tensor_cores() { return attribute(cudaDevAttrComputeCapabilityMajor) >= 8; }

}  // namespace attractor::cuda
