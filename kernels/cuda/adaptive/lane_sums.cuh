#pragma once

/// Sums across the lanes of a warp of many values at once.

#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

/// Adds up every value over `lanes` neighbouring lanes and calls take(i, sum of values[i]) in one of them. While the
/// number of values is even, two lanes each keep half of them; so a sum costs little more than an exchange. For all
/// lanes of a warp.
template <int lanes = warp_size, int count, class Take>
__device__ __forceinline__ void sum_lanes(int lane, float (&values)[count], Take&& take, int first = 0,
                                          bool takes = true) {
  constexpr int distance = lanes / 2;
  if constexpr (lanes == 1) {
#pragma unroll
    for (int i = 0; i < count; ++i)
      if (takes) take(first + i, values[i]);
  } else if constexpr (count % 2 == 0) {
    const bool upper = (lane & distance) != 0;
    float kept[count / 2];
#pragma unroll
    for (int i = 0; i < count / 2; ++i) {
      const float low = values[i];
      const float high = values[i + count / 2];
      kept[i] = (upper ? high : low) + __shfl_xor_sync(all_lanes, upper ? low : high, distance);
    }
    sum_lanes<distance>(lane, kept, take, upper ? first + count / 2 : first, takes);
  } else {
#pragma unroll
    for (int i = 0; i < count; ++i) values[i] += __shfl_xor_sync(all_lanes, values[i], distance);
    sum_lanes<distance>(lane, values, take, first, takes && (lane & distance) == 0);
  }
}

}  // namespace attractor::cuda
