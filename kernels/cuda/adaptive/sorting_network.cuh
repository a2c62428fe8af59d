#pragma once

/// Sorting networks whose indices the compiler knows, so that values stay in registers.

#include <utility>

#include <cuda_runtime_api.h>

#include "kernels/sorting_network.hpp"

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

/// A network of the values from `begin` on.
template <int begin, auto network, int count>
__device__ __forceinline__ void run(float (&values)[count]) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (exchange<begin + network.comparators[i].first, begin + network.comparators[i].second>(values), ...);
  }
  (std::make_index_sequence<network.size>());
}

template <int begin, int width, int count>
__device__ __forceinline__ void sort_range(float (&values)[count]) {
  if constexpr (width == 16) {
    run<begin, detail::sort_16>(values);
  } else {
    sort_range<begin, width / 2>(values);
    if constexpr (begin + width / 2 < count) {
      sort_range<begin + width / 2, width / 2>(values);
      run<begin, detail::merge_start<std::size_t{width}>>(values);
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
