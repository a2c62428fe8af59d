#pragma once

/// How many slots take part in a step: all of them at first, fewer once no query waits and some have left.

#include <algorithm>

#include <attractor/host_device.hpp>
#include <attractor/matrix_view.hpp>

#include "kernels/sizes.hpp"

namespace attractor::cuda {

/// Numbers of slots, from all of them down.
struct Ladder {
  static constexpr int most_rungs = 32;

  int count;
  int rows[most_rungs];

  /// The lowest rung with room for so many queries.
  [[nodiscard]] ATTRACTOR_HOST_DEVICE int lowest(Index queries) const {
    int rung = count - 1;
    while (rung > 0 && rows[rung] < queries) --rung;
    return rung;
  }
};

/// Each rung has three quarters of the one before: to move queries costs about as much as to read them once more. With
/// a quarter of the least slots that there are for many queries, tiles of products are mostly empty anyway.
inline Ladder make_ladder(int rows) {
  Ladder ladder = {.count = 1, .rows = {rows}};
  const auto least = static_cast<int>(std::max<Index>(detail::sizes().least_slots / 4, 1));
  for (int next = rows / 4 * 3; next >= least && ladder.count < Ladder::most_rungs; next = next / 4 * 3)
    ladder.rows[ladder.count++] = next;
  return ladder;
}

}  // namespace attractor::cuda
