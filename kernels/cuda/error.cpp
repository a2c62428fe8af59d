#include "kernels/cuda/error.hpp"

#include <attractor/error.hpp>

namespace attractor::cuda {

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  // An error that doesn't stick would otherwise be seen by whoever asks next.
  static_cast<void>(cudaGetLastError());
  const std::string message = what + ": " + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")";
  if (status == cudaErrorMemoryAllocation) throw OutOfDeviceMemory(message, status);
  throw DeviceError(message, status);
}

void check(cublasStatus_t status, const std::string& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string message = what + ": " + cublasGetStatusName(status);
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw OutOfDeviceMemory(message, status);
  throw DeviceError(message, status);
}

void check_launch(const char* kernel) { check(cudaGetLastError(), std::string("launch of ") + kernel); }

}  // namespace attractor::cuda
