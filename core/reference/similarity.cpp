#include "core/reference/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace attractor::reference {
namespace {

using Vector = std::vector<double>;

std::size_t size(Index count) { return static_cast<std::size_t>(count); }

double term(FootprintBase base, double pattern, double state) {
  return base == FootprintBase::dot ? pattern * state : -(pattern - state) * (pattern - state);
}

std::span<const double> row(MatrixView<const double> matrix, Index i) { return {matrix.row(i), size(matrix.columns)}; }

/// One base of a similarity.
struct BaseWeights {
  FootprintBase base;
  double beta;
  const std::vector<float>& weights;

  /// Where the weights of a pattern begin.
  [[nodiscard]] std::size_t offset(Index pattern, std::size_t ranks) const {
    return weights.size() > ranks ? size(pattern) * ranks : 0;
  }
};

std::vector<BaseWeights> bases(const AdaptiveSimilarity& similarity) {
  std::vector<BaseWeights> used;
  if (!similarity.squared_distance.empty())
    used.push_back({FootprintBase::squared_distance, static_cast<double>(similarity.beta_squared_distance),
                    similarity.squared_distance});
  if (!similarity.dot.empty())
    used.push_back({FootprintBase::dot, static_cast<double>(similarity.beta_dot), similarity.dot});
  return used;
}

}  // namespace

double log_sum_exp(const Vector& values) {
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0.0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

Vector ranked_terms(FootprintBase base, std::span<const double> pattern, std::span<const double> state, Index groups) {
  const auto dimension = static_cast<Index>(state.size());
  Vector result(size(rank_count(dimension, groups)), 0.0);
  for (Index group = 0; group < groups; ++group) {
    Vector terms;
    for (Index i = 0; i < dimension; ++i)
      if (rank_group(i, groups) == group) terms.push_back(term(base, pattern[size(i)], state[size(i)]));
    std::sort(terms.begin(), terms.end(), std::greater<>());
    for (std::size_t r = 0; r < terms.size(); ++r) result[r] += terms[r];
  }
  return result;
}

Vector footprint(FootprintBase base, std::span<const double> pattern, std::span<const double> state) {
  Vector terms = ranked_terms(base, pattern, state);
  std::partial_sum(terms.begin(), terms.end(), terms.begin());
  return terms;
}

Vector adaptive_scores(const AdaptiveSimilarity& similarity, MatrixView<const double> patterns,
                       std::span<const double> state) {
  Vector scores(similarity.log_prior.begin(), similarity.log_prior.end());
  scores.resize(size(patterns.rows), 0.0);
  for (const BaseWeights& used : bases(similarity))
    for (Index pattern = 0; pattern < patterns.rows; ++pattern) {
      const Vector terms = ranked_terms(used.base, row(patterns, pattern), state, similarity.groups);
      const std::size_t offset = used.offset(pattern, terms.size());
      for (std::size_t r = 0; r < terms.size(); ++r)
        scores[size(pattern)] += used.beta * static_cast<double>(used.weights[offset + r]) * terms[r];
    }
  return scores;
}

double cross_entropy(const AdaptiveSimilarity& similarity, MatrixView<const double> patterns,
                     MatrixView<const double> queries, std::span<const Index> origins, SimilarityGradient& gradient) {
  double loss = 0.0;
  for (Index query = 0; query < queries.rows; ++query) {
    const std::span<const double> state = row(queries, query);
    const Index origin = origins[size(query)];
    const Vector scores = adaptive_scores(similarity, patterns, state);
    const double normaliser = log_sum_exp(scores);
    loss += normaliser - scores[size(origin)];
    for (Index pattern = 0; pattern < patterns.rows; ++pattern) {
      const double residual = std::exp(scores[size(pattern)] - normaliser) - (pattern == origin ? 1.0 : 0.0);
      if (!gradient.log_prior.empty()) gradient.log_prior[size(pattern)] += residual;
      for (const BaseWeights& used : bases(similarity)) {
        const Vector terms = ranked_terms(used.base, row(patterns, pattern), state, similarity.groups);
        Vector& derivatives = used.base == FootprintBase::dot ? gradient.dot : gradient.squared_distance;
        const std::size_t offset = used.offset(pattern, terms.size());
        for (std::size_t r = 0; r < terms.size(); ++r) derivatives[offset + r] += residual * used.beta * terms[r];
      }
    }
  }
  return loss;
}

}  // namespace attractor::reference
