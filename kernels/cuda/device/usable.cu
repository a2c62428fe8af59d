#include "kernels/cuda/device/usable.hpp"

#include <attractor/error.hpp>

#include "kernels/cuda/device/resources.hpp"

namespace attractor::cuda {
namespace {

/// Stands for all kernels, which are compiled for the same architectures.
__global__ void any_kernel() {}

/// A version as CUDA counts: 12020 is 12.2.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Of the current device.
cudaError_t code_status() {
  cudaFuncAttributes attributes = {};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, any_kernel);
  discard(status);
  return status;
}

int driver_version() {
  int version = 0;
  discard(cudaDriverGetVersion(&version));
  return version;
}

}  // namespace

int device_count() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  discard(status);
  return status == cudaSuccess ? count : 0;
}

std::string driver_obstacle() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  discard(status);
  if (status == cudaSuccess || status == cudaErrorNoDevice) return {};
  const int version = driver_version();
  if (version == 0) return {};
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is made for CUDA " + version_text(version) + ", this build for " +
           version_text(CUDART_VERSION);
  return std::string("cudaGetDeviceCount: ") + cudaGetErrorName(status) + " (" + cudaGetErrorString(status) + ")";
}

std::string device_obstacle(int device) {
  try {
    const DeviceScope scope(device);
    switch (code_status()) {
      case cudaErrorNoKernelImageForDevice: return "this build has no code for its compute capability";
      case cudaErrorUnsupportedPtxVersion:
      case cudaErrorJitCompilerNotFound: return "the NVIDIA driver can't compile this build's code for it";
      default: break;
    }
  } catch (const DeviceError&) {  // NOLINT(bugprone-empty-catch)
    // It may be in use by another process, or have no memory left: that passes, or is said by the call that meets it.
  }
  return {};
}

}  // namespace attractor::cuda
