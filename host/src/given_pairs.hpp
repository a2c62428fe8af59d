#pragma once

/// Patterns, and queries with the patterns that they come from, as callers give them.

#include <span>
#include <vector>

#include <attractor/device.hpp>
#include <attractor/matrix.hpp>

#include "host/src/rows.hpp"

namespace attractor::detail {

class GivenPairs {
 public:
  /// Patterns and queries of their columns, whose layouts have been checked, and an origin for each query; each on the
  /// host or on the device, where it is left but for the origins, and outlives this.
  ///
  /// @throws InvalidArgument an origin that is no pattern, a value that isn't finite or whose square overflows, data on
  /// another device.
  GivenPairs(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
             std::span<const Index> origins);
  GivenPairs(const GivenPairs&) = delete;
  GivenPairs& operator=(const GivenPairs&) = delete;
  ~GivenPairs() = default;

  [[nodiscard]] const Rows& patterns() const { return patterns_; }
  [[nodiscard]] const Rows& queries() const { return queries_; }
  [[nodiscard]] Index count() const { return queries_.view().rows; }

  /// On the host.
  [[nodiscard]] std::span<const Index> origins() const { return origins_; }

 private:
  std::vector<Index> fetched_origins_;
  std::span<const Index> origins_;
  Rows patterns_;
  Rows queries_;
};

/// Those with these numbers.
std::vector<Index> values_at(std::span<const Index> values, const std::vector<Index>& numbers);

}  // namespace attractor::detail
