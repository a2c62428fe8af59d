#pragma once

/// The units that fitted weights are measured in.

#include <cstdint>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

#include "host/src/rows.hpp"

namespace attractor::detail {

/// Random pairs of a pattern and a query.
struct PairSample {
  Matrix<float> patterns;
  Matrix<float> queries;
};

/// A thousand, of those queries that have these numbers.
PairSample sample_pairs(const Rows& patterns, const Rows& queries, const std::vector<Index>& numbers,
                        std::uint64_t seed);

/// The standard deviation of each ranked term over the pairs of a sample, at least a thousandth of the largest: terms
/// that hardly vary would otherwise have weights without bound.
///
/// Complexity: sorts the pairs.
std::vector<double> rank_spread(FootprintBase base, const PairSample& pairs, Index groups);

}  // namespace attractor::detail
