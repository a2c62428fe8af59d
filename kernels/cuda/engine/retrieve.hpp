#pragma once

/// Retrieval from and to wherever the caller's data are.

#include <cstddef>
#include <span>

#include "kernels/cuda/engine/memory.hpp"

namespace attractor::cuda {

/// Arguments are valid but for where their data are: each on the host or the memory's device. Returns when all results
/// are there. What is on the device may still be on its way there on the default stream, not on others.
///
/// @throws InvalidArgument data on another device. @throws NotSupported data on the device while a stream that waits
/// for the default stream is being captured. @throws DeviceError
void retrieve(const DeviceMemory& memory, const RetrievalJob& job);

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
