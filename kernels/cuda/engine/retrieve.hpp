#pragma once

/// Retrieval in a caller's stream.

#include <cstddef>
#include <span>

#include "kernels/cuda/engine/memory.hpp"

namespace attractor::cuda {

/// Enqueues a retrieval whose data are on the memory's device, but for the schedule, which is on the host and taken at
/// once. Arguments are valid but for where their data are. Without workspace, takes some from the device's pool.
///
/// @throws InvalidArgument data on the host or another device; too small a workspace, or none while the stream is being
/// captured. @throws DeviceError
void retrieve_async(const DeviceMemory& memory, const RetrievalJob& job, std::span<std::byte> workspace,
                    cudaStream_t stream);

/// The same of a memory without patterns, on that device: −1 and NaN.
void retrieve_nothing_async(int device, const RetrievalJob& job, cudaStream_t stream);

}  // namespace attractor::cuda
