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

PairSample sample_pairs(const Rows& patterns, const Rows& queries, const std::vector<Index>& numbers,
                        std::uint64_t seed) {
  std::vector<Index> query_rows;
  std::vector<Index> pattern_rows;
  RandomSequence random(seed, 0);
  for (int i = 0; i < sample_size; ++i) {
    query_rows.push_back(numbers[static_cast<std::size_t>(random.below(static_cast<Index>(numbers.size())))]);
    pattern_rows.push_back(random.below(patterns.view().rows));
  }
  return {.patterns = fetch_rows(patterns, pattern_rows, "patterns"),
          .queries = fetch_rows(queries, query_rows, "queries")};
}

std::vector<double> rank_spread(FootprintBase base, const PairSample& pairs, Index groups) {
  const Index dimension = pairs.patterns.columns();
  const auto ranks = static_cast<std::size_t>(rank_count(dimension, groups));
  std::vector<double> terms(ranks);
  std::vector<RunningVariance> variances(ranks);
  for (int i = 0; i < sample_size; ++i) {
    rank_terms(base, pairs.patterns.row(i), pairs.queries.row(i), dimension, groups, terms);
    for (std::size_t r = 0; r < ranks; ++r) variances[r].add(terms[r], i + 1);
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
