#pragma once

/// Sorting networks whose indices the compiler knows, so that values stay in registers.

#include <utility>

#include <cuda_runtime_api.h>

namespace attractor::cuda {

/// One comparator. Values from `count` on, which a network for more of them would have, count as +∞: no comparator
/// moves these.
template <int lower, int upper, int count>
__device__ __forceinline__ void exchange(float (&values)[count]) {
  if constexpr (upper < count) {
    const float low = fminf(values[lower], values[upper]);
    values[upper] = fmaxf(values[lower], values[upper]);
    values[lower] = low;
  }
}

/// Comparators of neighbours `distance` apart: (i, i + distance) for the first `distance` i of every 2·distance, within
/// [begin, end).
template <int begin, int end, int distance, int count>
__device__ __forceinline__ void exchange_neighbours(float (&values)[count]) {
  [&]<int... i>(std::integer_sequence<int, i...>) {
    (exchange<begin + i / distance * 2 * distance + i % distance,
              begin + i / distance * 2 * distance + i % distance + distance>(values),
     ...);
  }
  (std::make_integer_sequence<int, (end - begin) / 2>());
}

/// The last layers of Green's network.
inline constexpr int green[][2] = {{5, 10},  {6, 9},  {3, 12}, {13, 14}, {4, 8},   {7, 11}, {1, 2},
                                   {1, 4},   {7, 13}, {2, 8},  {11, 14}, {2, 4},   {5, 6},  {9, 10},
                                   {11, 13}, {3, 8},  {7, 12}, {6, 8},   {10, 12}, {3, 5},  {7, 9},
                                   {3, 4},   {5, 6},  {7, 8},  {9, 10},  {11, 12}, {6, 7},  {8, 9}};

/// Sixteen values from `begin` on, by Green's network: its 60 comparators are the fewest known.
template <int begin, int count>
__device__ __forceinline__ void sort_sixteen(float (&values)[count]) {
  exchange_neighbours<begin, begin + 16, 1>(values);
  exchange_neighbours<begin, begin + 16, 2>(values);
  exchange_neighbours<begin, begin + 16, 4>(values);
  exchange_neighbours<begin, begin + 16, 8>(values);
  [&]<int... i>(std::integer_sequence<int, i...>) { (exchange<begin + green[i][0], begin + green[i][1]>(values), ...); }
  (std::make_integer_sequence<int, sizeof(green) / sizeof(green[0])>());
}

/// Batcher's odd-even merge of two sorted halves, from the layer of this distance on.
template <int begin, int width, int distance, int count>
__device__ __forceinline__ void merge_halves(float (&values)[count]) {
  if constexpr (distance == width / 2)
    exchange_neighbours<begin, begin + width, distance>(values);
  else
    exchange_neighbours<begin + distance, begin + width - distance, distance>(values);
  if constexpr (distance > 1) merge_halves<begin, width, distance / 2>(values);
}

template <int begin, int width, int count>
__device__ __forceinline__ void sort_range(float (&values)[count]) {
  if constexpr (width == 16) {
    sort_sixteen<begin>(values);
  } else {
    sort_range<begin, width / 2>(values);
    if constexpr (begin + width / 2 < count) {
      sort_range<begin + width / 2, width / 2>(values);
      merge_halves<begin, width, width / 2>(values);
    }
  }
}

/// Into ascending order, up to 128 values; 64 take 531 comparators. NaN may be lost.
template <int count>
__device__ __forceinline__ void sort(float (&values)[count]) {
  static_assert(count <= 128);
  sort_range<0, count <= 16 ? 16 : count <= 32 ? 32 : count <= 64 ? 64 : 128>(values);
}

/// A bitonic sequence into ascending order.
template <int distance, int count>
__device__ __forceinline__ void merge_bitonic(float (&values)[count]) {
  exchange_neighbours<0, count, distance>(values);
  if constexpr (distance > 1) merge_bitonic<distance / 2>(values);
}

}  // namespace attractor::cuda
