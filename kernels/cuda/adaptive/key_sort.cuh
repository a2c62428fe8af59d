#pragma once

/// Sorting of floats with their places, by the threads of a block in shared memory.

#include <cstdint>

#include <attractor/host_device.hpp>

#include "kernels/cuda/device/quad.cuh"

namespace attractor::cuda {

/// A float, above the place that it comes from: no two are equal, so the order depends on nothing else.
using SortKey = std::uint64_t;

/// Bits of floats that aren't negative have the floats' order; those of negative ones have the opposite.
__device__ __forceinline__ SortKey sort_key(float value, int place) {
  const unsigned bits = __float_as_uint(value);
  const unsigned ordered = bits ^ ((bits >> 31U) != 0 ? 0xFFFFFFFFU : 0x80000000U);
  return SortKey{ordered} << 32U | static_cast<unsigned>(place);
}

/// After those of all floats.
__device__ __forceinline__ SortKey last_key(int place) {
  return SortKey{0xFFFFFFFF} << 32U | static_cast<unsigned>(place);
}

__device__ __forceinline__ float value_of(SortKey key) {
  const auto ordered = static_cast<unsigned>(key >> 32U);
  return __uint_as_float(ordered ^ ((ordered >> 31U) != 0 ? 0x80000000U : 0xFFFFFFFFU));
}

__device__ __forceinline__ int place_of(SortKey key) { return static_cast<int>(key & 0xFFFFFFFFU); }

/// Where the i-th key lies: a gap of two follows 16, so that threads which each take 8 in a row seldom meet the same
/// bank.
ATTRACTOR_HOST_DEVICE constexpr int key_place(int i) { return i + (i >> 4) * 2; }

/// Keys that a thread compares in registers, where there are stages enough.
inline constexpr int thread_keys = 4;

__device__ __forceinline__ void exchange_keys(SortKey& low, SortKey& high, bool descending) {
  const bool swaps = (high < low) != descending;
  const SortKey lower = swaps ? high : low;
  high = swaps ? low : high;
  low = lower;
}

/// A bitonic sequence into order.
template <int width, int count>
__device__ __forceinline__ void merge_keys(SortKey (&keys)[count], int first, bool descending) {
#pragma unroll
  for (int distance = width / 2; distance > 0; distance /= 2)
#pragma unroll
    for (int i = 0; i < width; ++i)
      if ((i & distance) == 0) exchange_keys(keys[first + i], keys[first + i + distance], descending);
}

/// Gives every thread of a block `count` keys at a time, `distance` apart: work(keys, number of the first one). The
/// distance is a power of two, and there is no gap between a thread's keys or one between any two.
template <int count, class Work>
__device__ __forceinline__ void for_keys(SortKey* all, int size, int distance, Work&& work) {
  const int step = key_place(distance);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < size / count; i += static_cast<int>(blockDim.x)) {
    const int first = (i & -distance) * count + (i & (distance - 1));
    SortKey* const own = all + key_place(first);
    SortKey keys[count];
#pragma unroll
    for (int k = 0; k < count; ++k) keys[k] = own[k * step];
    work(keys, first);
#pragma unroll
    for (int k = 0; k < count; ++k) own[k * step] = keys[k];
  }
  __syncthreads();
}

/// So many stages of the merge of runs of `width` keys, the last of which compares keys `distance` apart.
template <int count>
__device__ __forceinline__ void run_stages(SortKey* all, int size, int width, int distance) {
  for_keys<count>(all, size, distance,
                  [&](SortKey(&keys)[count], int first) { merge_keys<count>(keys, 0, (first & width) != 0); });
}

/// Each thread's own keys: runs of them ascend and descend in turn.
__device__ __forceinline__ void sort_runs(SortKey* all, int size) {
  for_keys<thread_keys>(all, size, 1, [](SortKey(&keys)[thread_keys], int first) {
#pragma unroll
    for (int i = 0; i < thread_keys; i += 2) merge_keys<2>(keys, i, (i & 2) != 0);
    merge_keys<4>(keys, 0, (first & thread_keys) != 0);
  });
}

/// A power of two of keys, 16 at least, into ascending order (Batcher's bitonic sort). For all threads of a block,
/// which see what others have written before and after.
__device__ __forceinline__ void sort_keys(SortKey* all, int size) {
  __syncthreads();
  sort_runs(all, size);
#pragma unroll 1
  for (int width = 2 * thread_keys; width <= size; width *= 2) {
    int distance = width;
    if (__ffs(width) % 2 == 0) run_stages<2>(all, size, width, distance /= 2);
#pragma unroll 1
    while (distance > 1) run_stages<4>(all, size, width, distance /= 4);
  }
}

}  // namespace attractor::cuda
