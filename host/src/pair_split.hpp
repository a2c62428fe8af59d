#pragma once

/// Pairs of a query and its origin, split in those that are fitted and those that tell when to stop.

#include <cstdint>
#include <span>
#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

struct Pairs {
  Matrix<float> queries;
  std::vector<Index> origins;
};

struct PairSplit {
  Pairs fitted;
  Pairs held_out;
};

/// Holds out round(share · B) pairs chosen at random, but never all.
PairSplit split_pairs(MatrixView<const float> queries, std::span<const Index> origins, double share,
                      std::uint64_t seed);

}  // namespace attractor::detail
