#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "kernels/cpu/adaptive/adaptive.hpp"
#include "kernels/log_prior.hpp"

namespace attractor::cpu {
namespace {

RankWeights scaled(const std::vector<float>& weights, float beta, Index ranks) {
  RankWeights result{.values = weights, .stride = static_cast<Index>(weights.size()) > ranks ? ranks : 0};
  for (float& weight : result.values) weight *= beta;
  return result;
}

/// Σ over the entries of a state.
float total(const std::int16_t* weights, const RankGroups& groups) {
  double sum = 0.0;
  for (Index group = 0; group < groups.count(); ++group)
    sum = std::accumulate(weights, weights + groups.size(group), sum);
  return static_cast<float>(sum);
}

IntegerWeights integers(const RankWeights& weights, const RankGroups& groups) {
  IntegerWeights result;
  result.stride = weights.stride;
  const auto ranks = static_cast<std::size_t>(groups.ranks());
  result.values.resize(weights.values.size());
  for (std::size_t first = 0; first < weights.values.size(); first += ranks) {
    const std::span<const float> row(weights.values.data() + first, ranks);
    float largest = std::numeric_limits<float>::min();
    for (const float weight : row) largest = std::max(largest, std::abs(weight));
    std::int16_t* const rounded = result.values.data() + first;
    std::transform(row.begin(), row.end(), rounded, [=](float weight) {
      return static_cast<std::int16_t>(std::lround(weight / largest * IntegerWeights::largest));
    });
    result.units.push_back(largest / IntegerWeights::largest);
    result.totals.push_back(total(rounded, groups));
  }
  return result;
}

Rounding make_rounding(const AdaptiveField& field) {
  const PackedMatrix& patterns = field.patterns;
  const auto entry = [&](Index i, Index k) { return patterns.data()[patterns.row_offset(i) + panel_rows * k]; };
  Rounding result;
  for (Index k = 0; k < patterns.columns(); ++k) {
    float lowest = entry(0, k);
    float highest = entry(0, k);
    for (Index i = 1; i < patterns.rows(); ++i) {
      lowest = std::min(lowest, entry(i, k));
      highest = std::max(highest, entry(i, k));
    }
    const float centre = lowest + 0.5F * (highest - lowest);
    result.centre.push_back(centre);
    result.distance_reach = std::max({result.distance_reach, highest - centre, centre - lowest});
    result.dot_reach = std::max({result.dot_reach, std::abs(highest), std::abs(lowest)});
  }
  result.squared_distance = integers(field.squared_distance, field.groups);
  result.dot = integers(field.dot, field.groups);
  return result;
}

}  // namespace

RankGroups::RankGroups(Index dimension, Index groups) {
  order.reserve(static_cast<std::size_t>(dimension));
  first.push_back(0);
  for (Index group = 0; group < groups; ++group) {
    for (Index i = 0; i < dimension; ++i)
      if (rank_group(i, groups) == group) order.push_back(i);
    first.push_back(static_cast<Index>(order.size()));
  }
}

AdaptiveField make_adaptive(PackedMatrix patterns, const AdaptiveSimilarity& similarity) {
  const Index dimension = patterns.columns();
  AdaptiveField field{.patterns = std::move(patterns),
                      .groups = RankGroups(dimension, similarity.groups),
                      .precision = similarity.precision};
  set_weights(field, similarity);
  return field;
}

void append(AdaptiveField& field, MatrixView<const float> patterns) {
  const Index count = field.patterns.rows() + patterns.rows;
  field.patterns.reserve(count);
  field.log_prior.resize(static_cast<std::size_t>(count), 0.0F);
  field.patterns.append(patterns);
}

void set_weights(AdaptiveField& field, const AdaptiveSimilarity& similarity) {
  const Index ranks = rank_count(field.patterns.columns(), field.groups.count());
  field.squared_distance = scaled(similarity.squared_distance, similarity.beta_squared_distance, ranks);
  field.dot = scaled(similarity.dot, similarity.beta_dot, ranks);
  field.log_prior = detail::relative_log_prior(similarity.log_prior);
  field.energy_offset = -detail::largest_log_prior(similarity.log_prior);
  field.log_prior.resize(static_cast<std::size_t>(field.patterns.rows()), 0.0F);
  if (field.precision != TermPrecision::full) field.rounding = make_rounding(field);
}

}  // namespace attractor::cpu
