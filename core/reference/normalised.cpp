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

/// [(α−1)s − τ]₊^(1/(α−1)).
Vector unnormalised(double alpha, const Vector& scores, double threshold) {
  Vector result(scores.size());
  std::transform(scores.begin(), scores.end(), result.begin(), [&](double score) {
    return std::pow(std::max((alpha - 1.0) * score - threshold, 0.0), 1.0 / (alpha - 1.0));
  });
  return result;
}

double sum(const Vector& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// The threshold by bisection: the weights' sum falls with it, and is at least 1 where the largest weight is.
Vector weights_of(const EntmaxSeparation& separation, const Vector& scores) {
  const auto alpha = static_cast<double>(separation.alpha);
  double above = (alpha - 1.0) * *std::max_element(scores.begin(), scores.end());
  double below = above - 1.0;
  for (int round = 0; round < 100; ++round) {
    const double middle = 0.5 * (below + above);
    (sum(unnormalised(alpha, scores, middle)) >= 1.0 ? below : above) = middle;
  }
  Vector result = unnormalised(alpha, scores, below);
  const double total = sum(result);
  for (double& weight : result) weight /= total;
  return result;
}

double potential_of(const EntmaxSeparation& separation, const Vector& scores) {
  const auto alpha = static_cast<double>(separation.alpha);
  const Vector p = weights_of(separation, scores);
  double powers = 0.0;
  double mean = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    powers += std::pow(p[i], alpha);
    if (p[i] > 0.0) mean += p[i] * scores[i];  // Others may be −∞.
  }
  return mean - (powers - 1.0) / (alpha * (alpha - 1.0));
}

/// The threshold by bisection: what exceeds it has the norm 1.
Vector weights_of(const NormmaxSeparation& separation, const Vector& scores) {
  const auto gamma = static_cast<double>(separation.gamma);
  const auto powers = [&](double threshold, double exponent) {
    Vector result(scores.size());
    std::transform(scores.begin(), scores.end(), result.begin(),
                   [&](double score) { return score > threshold ? std::pow(score - threshold, exponent) : 0.0; });
    return result;
  };
  double above = *std::max_element(scores.begin(), scores.end());
  double below = above - 1.0;
  for (int round = 0; round < 100; ++round) {
    const double middle = 0.5 * (below + above);
    (sum(powers(middle, gamma / (gamma - 1.0))) >= 1.0 ? below : above) = middle;
  }
  Vector result = powers(below, 1.0 / (gamma - 1.0));
  const double total = sum(result);
  for (double& weight : result) weight /= total;
  return result;
}

/// pᵀs + 1 − ‖p‖_γ.
double potential_of(const NormmaxSeparation& separation, const Vector& scores) {
  const auto gamma = static_cast<double>(separation.gamma);
  const Vector p = weights_of(separation, scores);
  double powers = 0.0;
  double mean = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    powers += std::pow(p[i], gamma);
    if (p[i] > 0.0) mean += p[i] * scores[i];  // Others may be −∞.
  }
  return mean + 1.0 - std::pow(powers, 1.0 / gamma);
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

}  // namespace

Vector weights(const NormalisedSeparation& separation, const Vector& scores) {
  return std::visit([&](const auto& kind) { return weights_of(kind, scores); }, separation);
}

double potential(const NormalisedSeparation& separation, const Vector& scores) {
  return std::visit([&](const auto& kind) { return potential_of(kind, scores); }, separation);
}

}  // namespace attractor::reference
