#pragma once

/// Reductions over a block.

#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

/// Combines the values of all threads, always in the same order; every thread gets the result.
template <int threads, class T, class Combine>
__device__ T reduce_block(T value, Combine&& combine) {
  __shared__ T warps[threads / 32];
  for (int offset = warp_size / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(all_lanes, value, offset));
  __syncthreads();
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  T result = warps[0];
  for (int w = 1; w < threads / 32; ++w) result = combine(result, warps[w]);
  return result;
}

}  // namespace attractor::cuda
