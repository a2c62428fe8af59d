#pragma once

/// What forms need to know of all patterns together. It grows with them, each in O(D).

#include <vector>

#include <attractor/matrix.hpp>

namespace attractor::detail {

struct PatternStatistics {
  PatternStatistics() = default;
  explicit PatternStatistics(MatrixView<const float> patterns) { add(patterns); }

  void add(MatrixView<const float> patterns);

  Index count = 0;
  std::vector<double> sums = {};     ///< [D] of the entries
  std::vector<float> smallest = {};  ///< [D] entries
  std::vector<float> largest = {};   ///< [D]
  double shortest_square = 0.0;      ///< the smallest ‖a‖²
  double longest_square = 0.0;
};

}  // namespace attractor::detail
