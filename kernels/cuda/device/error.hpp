#pragma once

/// CUDA's statuses as exceptions.

#include <cuda_runtime_api.h>

#include <string>

namespace attractor::cuda {

/// Throws DeviceError where a status says so: `what` names the call and its sizes, "cudaMalloc of 4096 bytes for
/// states"; the message adds the current device.
void check(cudaError_t status, const std::string& what);

/// For destructors, which have no one to tell: takes the error, so that a later call doesn't report it.
void discard(cudaError_t status);

}  // namespace attractor::cuda
