#pragma once

/// The softmax scan by tensor cores.

#include <cstddef>

#include "kernels/cuda/softmax/softmax_scan.hpp"

namespace attractor::cuda {

/// Whether the current device has the tensor cores and states of this dimension aren't too long: else a memory needs no
/// halves.
bool has_tensor_scan(Index dimension);

/// Whether it can do this one: matrices are there as halves, and a block's shared memory of so many bytes is enough.
bool tensor_scan_fits(const SoftmaxScan& scan, std::size_t shared_bytes);

/// Enqueues one kernel.
void launch_tensor_scan(const SoftmaxScan& scan, std::size_t shared_bytes, cudaStream_t stream);

}  // namespace attractor::cuda
