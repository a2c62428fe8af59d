#include "host/src/rank_spread.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "host/src/philox.hpp"

namespace attractor::detail {
namespace {

constexpr int sample_size = 1024;

/// Adds the ranked terms of a pair to `sums`.
void rank_terms(FootprintBase base, const float* pattern, const float* query, Index dimension, Index groups,
                std::vector<double>& sums) {
  std::vector<std::vector<double>> terms(static_cast<std::size_t>(groups));
  for (Index i = 0; i < dimension; ++i) {
    const auto a = static_cast<double>(pattern[i]);
    const auto b = static_cast<double>(query[i]);
    terms[static_cast<std::size_t>(rank_group(i, groups))].push_back(base == FootprintBase::dot ? a * b
                                                                                                : -(a - b) * (a - b));
  }
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::vector<double>& group : terms) {
    std::sort(group.begin(), group.end(), std::greater<>());
    std::transform(group.begin(), group.end(), sums.begin(), sums.begin(), std::plus<>());
  }
}

/// Mean and variance as values come (Welford 1962).
struct RunningVariance {
  double mean = 0.0;
  double squares = 0.0;

  void add(double value, int count) {
    const double change = value - mean;
    mean += change / count;
    squares += change * (value - mean);
  }
};

}  // namespace

std::vector<double> rank_spread(FootprintBase base, MatrixView<const float> patterns, MatrixView<const float> queries,
                                Index groups, std::uint64_t seed) {
  const auto ranks = static_cast<std::size_t>(rank_count(patterns.columns, groups));
  std::vector<double> terms(ranks);
  std::vector<RunningVariance> variances(ranks);
  RandomSequence random(seed, 0);
  for (int count = 1; count <= sample_size; ++count) {
    const float* const query = queries.row(random.below(queries.rows));
    rank_terms(base, patterns.row(random.below(patterns.rows)), query, patterns.columns, groups, terms);
    for (std::size_t r = 0; r < ranks; ++r) variances[r].add(terms[r], count);
  }
  std::vector<double> spread(ranks);
  std::transform(variances.begin(), variances.end(), spread.begin(),
                 [](const RunningVariance& variance) { return std::sqrt(variance.squares / sample_size); });
  // Below the absolute bound weights might not be floats; as terms are squares, such patterns are beyond float anyway.
  const double least = std::max(1e-3 * *std::max_element(spread.begin(), spread.end()), 1e-30);
  for (double& value : spread) value = std::max(value, least);
  return spread;
}

}  // namespace attractor::detail
