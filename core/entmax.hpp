#pragma once

/// How the threshold of entmax is found and what its potential is, in terms of core/separation-inl.hpp: weights y^k
/// with y = [level + (α−1)(s − max)]₊ and k = 1/(α−1); the level is (α−1)max − τ, the largest y.

#include <cmath>

#include <attractor/host_device.hpp>

namespace attractor::detail {

/// The next level on the way to the one where weights sum to 1, by Newton's method on (Σ y^k)^(1/k) − 1: a norm of what
/// is left of the scores, convex in the level and nearly straight, so that a few rounds do. From 1 on levels only fall;
/// the last one is returned as it is. So it is where a score isn't a number.
ATTRACTOR_HOST_DEVICE inline double next_level(double alpha, double level, double weights, double slopes) {
  const double norm = alpha == 2.0 ? weights : alpha == 1.5 ? std::sqrt(weights) : std::pow(weights, alpha - 1.0);
  const double step = (norm - 1.0) * weights / (norm * slopes);
  // Less changes no level that is a float.
  return step > 0x1p-25 * level && step < level ? level - step : level;
}

/// Ω* less the largest score, from Σ y^(k+1).
ATTRACTOR_HOST_DEVICE inline double entmax_potential(double alpha, double level, double powers) {
  return (1.0 - level) / (alpha - 1.0) + (powers - 1.0) / alpha;
}

}  // namespace attractor::detail
