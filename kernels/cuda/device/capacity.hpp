#pragma once

/// What a device has, the current one where none is named.

#include <cuda_runtime_api.h>

#include <cstddef>

namespace attractor::cuda {

int attribute(cudaDeviceAttr which, int device);
int attribute(cudaDeviceAttr which);

/// Bytes of memory, used or not. It is asked once: the answer waits for what the device does.
std::size_t memory_capacity();

/// Bytes of shared memory that a block may ask for.
std::size_t shared_memory_limit();

int multiprocessor_count();

/// Whether it has those that device/tensor.cuh is for.
bool has_tensor_cores();

}  // namespace attractor::cuda
