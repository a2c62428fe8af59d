#include "host/src/given_pairs.hpp"

#include <algorithm>

#include "host/src/cuda_backend.hpp"
#include "host/src/validation.hpp"

namespace attractor::detail {
namespace {

/// Of origins on the host nothing.
std::vector<Index> fetch(const Device& device, std::span<const Index> origins) {
  if (origins.empty() || !is_on_device(device, origins.data(), "origins")) return {};
  return cuda_fetch(device.index(), origins, "origins");
}

}  // namespace

GivenPairs::GivenPairs(const Device& device, MatrixView<const float> patterns, MatrixView<const float> queries,
                       std::span<const Index> origins)
    : fetched_origins_(fetch(device, origins)), origins_(fetched_origins_.empty() ? origins : fetched_origins_) {
  check_origins(origins_, queries.rows, patterns.rows);
  patterns_ = Rows(device, patterns, "patterns");
  queries_ = Rows(device, queries, "queries");
  check_squares(std::max(largest_magnitude(patterns_), largest_magnitude(queries_)), patterns.columns);
}

std::vector<Index> values_at(std::span<const Index> values, const std::vector<Index>& numbers) {
  std::vector<Index> result(numbers.size());
  std::transform(numbers.begin(), numbers.end(), result.begin(),
                 [&](Index i) { return values[static_cast<std::size_t>(i)]; });
  return result;
}

}  // namespace attractor::detail
