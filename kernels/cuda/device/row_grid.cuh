#pragma once

/// A warp for each row of a matrix, for what is done once of all its entries.

#include <algorithm>

#include <attractor/matrix_view.hpp>

#include "kernels/cuda/device/launch.hpp"
#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

inline constexpr int row_warps = 8;
inline constexpr int row_threads = row_warps * warp_size;

/// Blocks enough for any device; of more rows than they have warps each takes several.
inline Grid row_grid(Index rows) {
  constexpr Index most = 4096;
  return {static_cast<unsigned>(std::clamp<Index>((rows + row_warps - 1) / row_warps, 1, most)), row_threads};
}

/// Calls visit(row, lane) for the rows of a warp.
template <class Visit>
__device__ __forceinline__ void for_rows(Index rows, Visit&& visit) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const Index first = Index{blockIdx.x} * row_warps + static_cast<int>(threadIdx.x) / warp_size;
  for (Index row = first; row < rows; row += Index{gridDim.x} * row_warps) visit(row, lane);
}

/// The largest of a warp's values.
__device__ __forceinline__ unsigned warp_largest(unsigned value) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2)
    value = max(value, __shfl_xor_sync(all_lanes, value, offset));
  return value;
}

}  // namespace attractor::cuda
