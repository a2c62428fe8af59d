#include "host/src/similarity_parameters.hpp"

#include <cmath>

namespace attractor::detail {
namespace {

double pattern_unit(Index patterns, const FitOptions& options) {
  if (options.optimiser == Optimiser::adam) return 1.0;
  return std::sqrt(static_cast<double>(patterns) / (1.0 + static_cast<double>(options.pattern_l2)));
}

}  // namespace

SimilarityParameters::SimilarityParameters(Index patterns, const PairSample& sample, const FitOptions& options)
    : patterns_(static_cast<std::size_t>(patterns)),
      per_pattern_(options.per_pattern),
      log_prior_(options.log_prior),
      groups_(options.groups),
      pattern_unit_(pattern_unit(patterns, options)) {
  const double own_penalty =
      static_cast<double>(options.pattern_l2) * pattern_unit_ * pattern_unit_ / static_cast<double>(patterns_);
  const auto add_base = [&](FootprintBase base) {
    Base added{.spread = rank_spread(base, sample, groups_), .begin = penalties_.size()};
    const std::size_t ranks = added.spread.size();
    penalties_.insert(penalties_.end(), ranks, static_cast<double>(options.l2));
    if (per_pattern_) penalties_.insert(penalties_.end(), patterns_ * ranks, own_penalty);
    return added;
  };
  if (options.squared_distance) squared_distance_ = add_base(FootprintBase::squared_distance);
  if (options.dot) dot_ = add_base(FootprintBase::dot);
  prior_begin_ = penalties_.size();
  if (log_prior_) penalties_.insert(penalties_.end(), patterns_, own_penalty);
}

std::vector<float> SimilarityParameters::weights(const Base& base, const std::vector<double>& x) const {
  const std::size_t ranks = base.spread.size();
  const std::size_t rows = per_pattern_ ? patterns_ : 1;
  std::vector<float> result(rows * ranks);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double shared = x[base.begin + i % ranks];
    const double own = per_pattern_ ? pattern_unit_ * x[base.begin + ranks + i] : 0.0;
    result[i] = static_cast<float>((shared + own) / base.spread[i % ranks]);
  }
  return result;
}

AdaptiveSimilarity SimilarityParameters::similarity(const std::vector<double>& x) const {
  AdaptiveSimilarity result{.groups = groups_};
  if (!squared_distance_.spread.empty()) result.squared_distance = weights(squared_distance_, x);
  if (!dot_.spread.empty()) result.dot = weights(dot_, x);
  for (std::size_t i = prior_begin_; i < x.size(); ++i)
    result.log_prior.push_back(static_cast<float>(pattern_unit_ * x[i]));
  return result;
}

SimilarityGradient SimilarityParameters::make_gradient() const {
  const std::size_t rows = per_pattern_ ? patterns_ : 1;
  SimilarityGradient gradient;
  gradient.squared_distance.resize(rows * squared_distance_.spread.size());
  gradient.dot.resize(rows * dot_.spread.size());
  gradient.log_prior.resize(size() - prior_begin_);
  return gradient;
}

void SimilarityParameters::chain(const Base& base, const std::vector<double>& by_weights, double factor,
                                 std::vector<double>& by_parameters) const {
  const std::size_t ranks = base.spread.size();
  for (std::size_t i = 0; i < by_weights.size(); ++i) {
    const double by_shared = factor * by_weights[i] / base.spread[i % ranks];
    by_parameters[base.begin + i % ranks] += by_shared;
    if (per_pattern_) by_parameters[base.begin + ranks + i] = pattern_unit_ * by_shared;
  }
}

std::vector<double> SimilarityParameters::chain(const SimilarityGradient& by_weights, double factor) const {
  std::vector<double> result(size(), 0.0);
  chain(squared_distance_, by_weights.squared_distance, factor, result);
  chain(dot_, by_weights.dot, factor, result);
  for (std::size_t i = 0; i < by_weights.log_prior.size(); ++i)
    result[prior_begin_ + i] = factor * pattern_unit_ * by_weights.log_prior[i];
  return result;
}

double SimilarityParameters::penalty(const std::vector<double>& x) const {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += penalties_[i] * x[i] * x[i];
  return 0.5 * sum;
}

void SimilarityParameters::add_penalty_gradient(const std::vector<double>& x, std::vector<double>& gradient) const {
  for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += penalties_[i] * x[i];
}

}  // namespace attractor::detail
