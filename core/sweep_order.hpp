#pragma once

/// In which order an asynchronous update takes the neurons, the same on every device.

#include <cstdint>
#include <numeric>
#include <vector>

#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>
#include <attractor/update.hpp>

namespace attractor::detail {

/// Makes `order` a permutation of [0, dimension): Fisher and Yates's shuffle by numbers of SplitMix64 (Steele, Lea,
/// Flood 2014).
ATTRACTOR_HOST_DEVICE inline void shuffle(std::uint64_t seed, int* order, int dimension) {
  for (int i = 0; i < dimension; ++i) order[i] = i;
  std::uint64_t state = seed;
  for (int left = dimension; left > 1; --left) {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    const auto other = static_cast<int>((z ^ (z >> 31U)) % static_cast<std::uint64_t>(left));
    const int last = order[left - 1];
    order[left - 1] = order[other];
    order[other] = last;
  }
}

inline std::vector<int> sweep_order(const AsynchronousSignUpdate& update, Index dimension) {
  std::vector<int> order(static_cast<std::size_t>(dimension));
  if (update.seed)
    shuffle(*update.seed, order.data(), static_cast<int>(dimension));
  else
    std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace attractor::detail
