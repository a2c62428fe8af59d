#pragma once

/// What forms need to know of all patterns together. It follows them as they come and go.

#include <span>
#include <vector>

#include <attractor/matrix.hpp>

#include "host/src/stored_rows.hpp"

namespace attractor::detail {

struct PatternStatistics {
  PatternStatistics() = default;
  explicit PatternStatistics(MatrixView<const float> patterns) { add(patterns); }

  /// Complexity: O(D) for each.
  void add(MatrixView<const float> patterns);

  /// Those of `patterns`, all of them, once these have gone, which ascend, but not all. Complexity: O(D) for each, and
  /// where it was extreme in a column or in length until another such is found, O(P) or O(PD).
  void remove(std::span<const Index> removed, const StoredRows& patterns);

  Index count = 0;
  std::vector<float> smallest = {};  ///< [D] entries
  std::vector<float> largest = {};   ///< [D]
  double shortest_square = 0.0;      ///< the smallest ‖a‖²
  double longest_square = 0.0;
};

}  // namespace attractor::detail
