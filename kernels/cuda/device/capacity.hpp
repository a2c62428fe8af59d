#pragma once

/// What the current device has.

#include <cstddef>

namespace attractor::cuda {

/// Bytes of memory, used or not. It is asked once: the answer waits for what the device does.
std::size_t memory_capacity();

/// Bytes of shared memory that a block may ask for.
std::size_t shared_memory_limit();

int multiprocessor_count();

/// Whether it has those that device/tensor.cuh is for.
bool has_tensor_cores();

}  // namespace attractor::cuda
