#pragma once

/// Pairs of a query and its origin, split in those that are fitted and those that tell when to stop.

#include <cstdint>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

/// By their numbers, which ascend.
struct PairSplit {
  std::vector<Index> fitted;
  std::vector<Index> held_out;
};

/// Holds out round(share · B) of `count` pairs chosen at random, but never all.
PairSplit split_pairs(Index count, double share, std::uint64_t seed);

}  // namespace attractor::detail
