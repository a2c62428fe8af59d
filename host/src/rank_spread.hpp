#pragma once

/// The units that fitted weights are measured in.

#include <cstdint>
#include <vector>

#include <attractor/matrix.hpp>
#include <attractor/similarity.hpp>

namespace attractor::detail {

/// The standard deviation of each ranked term over random pairs of a query and a pattern, at least a thousandth of the
/// largest: terms that hardly vary would otherwise have weights without bound.
///
/// Complexity: sorts a thousand pairs.
std::vector<double> rank_spread(FootprintBase base, MatrixView<const float> patterns, MatrixView<const float> queries,
                                Index groups, std::uint64_t seed);

}  // namespace attractor::detail
