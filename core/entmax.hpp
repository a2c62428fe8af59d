#pragma once

/// How the threshold of entmax is found and what its potential is, in terms of core/separation-inl.hpp: weights y^k
/// with y = [1 + (α−1)(s − max) − rise]₊ and k = 1/(α−1).

#include <cmath>

#include <attractor/host_device.hpp>

namespace attractor::detail {

/// The next approximation of the rise that makes weights sum to 1, by Newton's method on (Σ y^k)^(1/k) − 1: a norm of
/// what is left of the scores, convex in the rise and nearly straight, so that a few rounds do. From 0 on rises only
/// grow; the last one is returned as it is. So it is where a score isn't a number.
///
/// Floats between ½ and 1, as 1 − rise is one, are 2⁻²⁴ apart: no round goes by less than half of that, or there would
/// be no end to them.
ATTRACTOR_HOST_DEVICE inline double next_rise(double alpha, double rise, double weights, double slopes) {
  constexpr double unit = 0x1p-24;
  const double norm = alpha == 2.0 ? weights : alpha == 1.5 ? std::sqrt(weights) : std::pow(weights, alpha - 1.0);
  double step = (norm - 1.0) * weights / (norm * slopes);
  // Many scores that are hardly above the threshold.
  if (norm - 1.0 > 4.0 * unit && step < unit) step = unit;
  if (!(step > 0.5 * unit)) return rise;
  return rise + step < 1.0 - unit ? rise + step : 1.0 - unit;
}

/// Ω* less the largest score, from Σ y^(k+1).
ATTRACTOR_HOST_DEVICE inline double entmax_potential(double alpha, double rise, double powers) {
  return rise / (alpha - 1.0) + (powers - 1.0) / alpha;
}

}  // namespace attractor::detail
