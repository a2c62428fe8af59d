#include "kernels/cuda/device/error.hpp"

#include <attractor/error.hpp>

namespace attractor::cuda {
namespace {

/// Of several devices, the one at fault.
std::string current_device() {
  int device = 0;
  const cudaError_t status = cudaGetDevice(&device);
  discard(status);
  return status == cudaSuccess ? ", CUDA device " + std::to_string(device) : "";
}

}  // namespace

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  discard(status);
  const std::string message =
      what + ": " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")" + current_device();
  if (status == cudaErrorMemoryAllocation) throw OutOfDeviceMemory(message, status);
  throw DeviceError(message, status);
}

void discard(cudaError_t status) {
  // An error that doesn't stick would otherwise be seen by whoever asks next.
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
}

}  // namespace attractor::cuda
