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
  detail::check_patterns_and_queries(patterns, queries);
  detail::check_similarity(similarity, patterns.rows, patterns.columns);
  detail::check_log_prior(similarity.log_prior, patterns.rows);
  detail::check_origins(origins, queries.rows, patterns.rows);
  detail::check_origin_priors(similarity, origins);
  detail::check_squares(patterns, queries);
  detail::check_threads(threads);
  if (gradient != nullptr) {
    gradient->squared_distance.resize(similarity.squared_distance.size());
    gradient->dot.resize(similarity.dot.size());
    gradient->log_prior.resize(similarity.log_prior.size());
  }
  const double loss =
      detail::make_fit_loss(device, patterns, similarity.groups, threads)(similarity, queries, origins, gradient);
  if (gradient != nullptr) {
    scale(gradient->squared_distance, similarity.beta_squared_distance);
    scale(gradient->dot, similarity.beta_dot);
  }
  return loss;
}

}  // namespace attractor
