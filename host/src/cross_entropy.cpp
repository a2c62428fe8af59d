#include <attractor/fit.hpp>

#include "host/src/fit_loss.hpp"
#include "host/src/validation.hpp"

namespace attractor {
namespace {

void scale(std::vector<double>& derivatives, float beta) {
  for (double& derivative : derivatives) derivative *= static_cast<double>(beta);
}

}  // namespace

double cross_entropy(const Device& device, MatrixView<const float> patterns, const AdaptiveSimilarity& similarity,
                     MatrixView<const float> queries, std::span<const Index> origins, SimilarityGradient* gradient,
                     int threads) {
  detail::check_pattern_layout(patterns, "patterns");
  detail::check_queries(queries, patterns.columns);
  detail::check_similarity(similarity, patterns.rows, patterns.columns);
  detail::check_log_prior(similarity.log_prior, patterns.rows);
  detail::check_threads(threads);
  const detail::GivenPairs pairs(device, patterns, queries, origins);
  detail::check_origin_priors(similarity, pairs.origins());
  if (gradient != nullptr) {
    gradient->squared_distance.resize(similarity.squared_distance.size());
    gradient->dot.resize(similarity.dot.size());
    gradient->log_prior.resize(similarity.log_prior.size());
  }
  const double loss = detail::total_loss(device, pairs, similarity, gradient, threads);
  if (gradient != nullptr) {
    scale(gradient->squared_distance, similarity.beta_squared_distance);
    scale(gradient->dot, similarity.beta_dot);
  }
  return loss;
}

}  // namespace attractor
