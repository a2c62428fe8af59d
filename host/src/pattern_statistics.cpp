#include "host/src/pattern_statistics.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "host/src/softmax_rules.hpp"

namespace attractor::detail {
namespace {

Matrix<float> rows_of(const StoredRows& patterns, std::span<const Index> rows) {
  Matrix<float> result(static_cast<Index>(rows.size()), patterns.columns());
  for (Index i = 0; i < result.rows(); ++i)
    for (Index k = 0; k < result.columns(); ++k) result(i, k) = patterns.at(rows[static_cast<std::size_t>(i)], k);
  return result;
}

/// What is left once some of `count` patterns have gone.
class Remainder {
 public:
  Remainder(std::span<const Index> removed, Index count) : removed_(removed), count_(count) {}

  /// The first by `order` of value(i) over the patterns left, of which none comes before `bound`.
  template <class T, class Value, class Order>
  [[nodiscard]] T extreme(T bound, const Value& value, const Order& order) const {
    auto next = removed_.begin();
    T best = {};
    for (Index i = 0, seen = 0; i < count_; ++i) {
      if (next != removed_.end() && *next == i) {
        ++next;
        continue;
      }
      const T own = value(i);
      if (own == bound) return own;
      if (seen++ == 0 || order(own, best)) best = own;
    }
    return best;
  }

 private:
  std::span<const Index> removed_;
  Index count_;
};

}  // namespace

void PatternStatistics::add(MatrixView<const float> patterns) {
  const auto dimension = static_cast<std::size_t>(patterns.columns);
  if (count == 0) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    smallest.assign(dimension, infinity);
    largest.assign(dimension, -infinity);
    shortest_square = std::numeric_limits<double>::infinity();
  }
  for (Index i = 0; i < patterns.rows; ++i) {
    const float* const pattern = patterns.row(i);
    for (std::size_t k = 0; k < dimension; ++k) {
      smallest[k] = std::min(smallest[k], pattern[k]);
      largest[k] = std::max(largest[k], pattern[k]);
    }
    const double square = squared_norm(pattern, dimension);
    shortest_square = std::min(shortest_square, square);
    longest_square = std::max(longest_square, square);
  }
  count += patterns.rows;
}

void PatternStatistics::remove(std::span<const Index> removed, const StoredRows& patterns) {
  const PatternStatistics gone(rows_of(patterns, removed));
  const Remainder rest(removed, count);
  for (std::size_t k = 0; k < smallest.size(); ++k) {
    const auto entry = [&](Index i) { return patterns.at(i, static_cast<Index>(k)); };
    if (gone.smallest[k] == smallest[k]) smallest[k] = rest.extreme(smallest[k], entry, std::less<>());
    if (gone.largest[k] == largest[k]) largest[k] = rest.extreme(largest[k], entry, std::greater<>());
  }
  std::vector<float> pattern(smallest.size());
  const auto square = [&](Index i) {
    for (std::size_t k = 0; k < pattern.size(); ++k) pattern[k] = patterns.at(i, static_cast<Index>(k));
    return squared_norm(pattern.data(), pattern.size());
  };
  if (gone.shortest_square == shortest_square) shortest_square = rest.extreme(shortest_square, square, std::less<>());
  if (gone.longest_square == longest_square) longest_square = rest.extreme(longest_square, square, std::greater<>());
  count -= gone.count;
}

}  // namespace attractor::detail
