#pragma once

/// How the level of a separation by an excess is found, see core/separation-inl.hpp: y = [level + rate·(s − max)]₊, the
/// level being the y of the largest score.

#include <cmath>

#include <attractor/host_device.hpp>

namespace attractor::detail {

/// The next level on the way to the one where Σ y^k = 1, by Newton's method on (Σ y^k)^(1/k) − 1: a norm of what is
/// left of the scores, convex in the level and nearly straight, so that a few rounds do. `powers` is Σ y^k, `slopes` Σ
/// y^(k−1). From 1 on levels only fall; the last one is returned as it is. So it is where a score isn't a number.
ATTRACTOR_HOST_DEVICE inline double next_level(double k, double level, double powers, double slopes) {
  const double norm = k == 1.0 ? powers : k == 2.0 ? std::sqrt(powers) : std::pow(powers, 1.0 / k);
  const double step = (norm - 1.0) * powers / (norm * slopes);
  // Less changes no level that is a float.
  return step > 0x1p-25 * level && step < level ? level - step : level;
}

}  // namespace attractor::detail
