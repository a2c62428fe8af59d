#include "host/src/pattern_statistics.hpp"

#include <algorithm>
#include <limits>

#include "host/src/softmax_rules.hpp"

namespace attractor::detail {

void PatternStatistics::add(MatrixView<const float> patterns) {
  const auto dimension = static_cast<std::size_t>(patterns.columns);
  if (count == 0) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    sums.assign(dimension, 0.0);
    smallest.assign(dimension, infinity);
    largest.assign(dimension, -infinity);
    shortest_square = std::numeric_limits<double>::infinity();
  }
  for (Index i = 0; i < patterns.rows; ++i) {
    const float* const pattern = patterns.row(i);
    for (std::size_t k = 0; k < dimension; ++k) {
      sums[k] += static_cast<double>(pattern[k]);
      smallest[k] = std::min(smallest[k], pattern[k]);
      largest[k] = std::max(largest[k], pattern[k]);
    }
    const double square = squared_norm(pattern, dimension);
    shortest_square = std::min(shortest_square, square);
    longest_square = std::max(longest_square, square);
  }
  count += patterns.rows;
}

}  // namespace attractor::detail
