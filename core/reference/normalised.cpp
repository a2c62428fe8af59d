#include "core/reference/normalised.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "core/reference/similarity.hpp"

namespace attractor::reference {
namespace {

using Vector = std::vector<double>;

Vector weights_of(const SoftmaxSeparation& /*separation*/, const Vector& scores) {
  const double normaliser = log_sum_exp(scores);
  Vector result(scores.size());
  std::transform(scores.begin(), scores.end(), result.begin(),
                 [&](double score) { return std::exp(score - normaliser); });
  return result;
}

double potential_of(const SoftmaxSeparation& /*separation*/, const Vector& scores) { return log_sum_exp(scores); }

double sum(const Vector& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// [rate·s − threshold]₊^exponent.
Vector excess_powers(const Vector& scores, double rate, double threshold, double exponent) {
  Vector result(scores.size());
  std::transform(scores.begin(), scores.end(), result.begin(), [&](double score) {
    const double excess = rate * score - threshold;
    return excess > 0.0 ? std::pow(excess, exponent) : 0.0;
  });
  return result;
}

/// The threshold at which Σ [rate·s − threshold]₊^exponent = 1, by bisection: the sum falls with it, and is at least 1
/// where the largest excess is.
double excess_threshold(const Vector& scores, double rate, double exponent) {
  double above = rate * *std::max_element(scores.begin(), scores.end());
  double below = above - 1.0;
  for (int round = 0; round < 100; ++round) {
    const double middle = 0.5 * (below + above);
    (sum(excess_powers(scores, rate, middle, exponent)) >= 1.0 ? below : above) = middle;
  }
  return below;
}

Vector normalised(Vector weights) {
  const double total = sum(weights);
  for (double& weight : weights) weight /= total;
  return weights;
}

/// pᵀs; scores without a weight may be −∞.
double mean_score(const Vector& p, const Vector& scores) {
  double mean = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0.0) mean += p[i] * scores[i];
  return mean;
}

/// Σ p^exponent.
double sum_of_powers(const Vector& p, double exponent) {
  return std::accumulate(p.begin(), p.end(), 0.0,
                         [&](double powers, double weight) { return powers + std::pow(weight, exponent); });
}

Vector weights_of(const EntmaxSeparation& separation, const Vector& scores) {
  const double rate = static_cast<double>(separation.alpha) - 1.0;
  return normalised(excess_powers(scores, rate, excess_threshold(scores, rate, 1.0 / rate), 1.0 / rate));
}

/// pᵀs − (Σ p^α − 1)/(α(α−1)).
double potential_of(const EntmaxSeparation& separation, const Vector& scores) {
  const auto alpha = static_cast<double>(separation.alpha);
  const Vector p = weights_of(separation, scores);
  return mean_score(p, scores) - (sum_of_powers(p, alpha) - 1.0) / (alpha * (alpha - 1.0));
}

/// What exceeds the threshold has the norm 1.
Vector weights_of(const NormmaxSeparation& separation, const Vector& scores) {
  const auto gamma = static_cast<double>(separation.gamma);
  const double threshold = excess_threshold(scores, 1.0, gamma / (gamma - 1.0));
  return normalised(excess_powers(scores, 1.0, threshold, 1.0 / (gamma - 1.0)));
}

/// pᵀs + 1 − ‖p‖_γ.
double potential_of(const NormmaxSeparation& separation, const Vector& scores) {
  const auto gamma = static_cast<double>(separation.gamma);
  const Vector p = weights_of(separation, scores);
  return mean_score(p, scores) + 1.0 - std::pow(sum_of_powers(p, gamma), 1.0 / gamma);
}

/// The scores of the top patterns, −∞ for the others.
Vector only_top(const TopSeparation& separation, const Vector& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(separation.count)));
  Vector result(scores.size(), -std::numeric_limits<double>::infinity());
  for (const std::size_t i : order) result[i] = scores[i];
  return result;
}

Vector weights_of(const TopSeparation& separation, const Vector& scores) {
  return weights_of(SoftmaxSeparation{}, only_top(separation, scores));
}

double potential_of(const TopSeparation& separation, const Vector& scores) {
  return log_sum_exp(only_top(separation, scores));
}

/// [1 + s]₊^exponent.
Vector ball_excess(const Vector& scores, double exponent) { return excess_powers(scores, 1.0, -1.0, exponent); }

Vector weights_of(const EpanechnikovSeparation& /*separation*/, const Vector& scores) {
  const Vector within = ball_excess(scores, 0.0);
  return sum(within) == 0.0 ? within : normalised(within);
}

double potential_of(const EpanechnikovSeparation& separation, const Vector& scores) {
  return std::log(static_cast<double>(separation.epsilon) + sum(ball_excess(scores, 1.0)));
}

}  // namespace

Vector weights(const NormalisedSeparation& separation, const Vector& scores) {
  return std::visit([&](const auto& kind) { return weights_of(kind, scores); }, separation);
}

double potential(const NormalisedSeparation& separation, const Vector& scores) {
  return std::visit([&](const auto& kind) { return potential_of(kind, scores); }, separation);
}

}  // namespace attractor::reference
