#include "kernels/cuda/device/pointer.hpp"

#include <cuda_runtime_api.h>

#include <attractor/error.hpp>

#include "kernels/cuda/device/error.hpp"

namespace attractor::cuda {

Location locate(const void* data, int device, const std::string& name) {
  cudaPointerAttributes attributes = {};
  check(cudaPointerGetAttributes(&attributes, data), "cudaPointerGetAttributes of " + name);
  switch (attributes.type) {
    case cudaMemoryTypeHost: return Location::pinned;
    case cudaMemoryTypeManaged: return Location::device;
    case cudaMemoryTypeDevice: break;
    default: return Location::pageable;
  }
  if (attributes.device != device)
    throw InvalidArgument(name + " are on CUDA device " + std::to_string(attributes.device) +
                          ", this call works on device " + std::to_string(device));
  return Location::device;
}

}  // namespace attractor::cuda
