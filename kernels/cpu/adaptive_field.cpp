#include <algorithm>

#include "kernels/cpu/adaptive.hpp"

namespace attractor::cpu {
namespace {

RankWeights scaled(const std::vector<float>& weights, float beta, Index ranks) {
  RankWeights result{.values = weights, .stride = static_cast<Index>(weights.size()) > ranks ? ranks : 0};
  for (float& weight : result.values) weight *= beta;
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
  AdaptiveField field{.patterns = std::move(patterns), .groups = RankGroups(dimension, similarity.groups)};
  set_weights(field, similarity);
  return field;
}

void set_weights(AdaptiveField& field, const AdaptiveSimilarity& similarity) {
  const Index ranks = rank_count(field.patterns.columns(), field.groups.count());
  field.squared_distance = scaled(similarity.squared_distance, similarity.beta_squared_distance, ranks);
  field.dot = scaled(similarity.dot, similarity.beta_dot, ranks);
  field.log_prior = similarity.log_prior;
  field.log_prior.resize(static_cast<std::size_t>(field.patterns.rows()), 0.0F);
}

}  // namespace attractor::cpu
