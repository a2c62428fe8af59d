#pragma once

/// Minimisers of a smooth function, and how they talk to their caller.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace attractor::detail {

/// The function's value at `x`; overwrites `gradient`, which has the size of `x`.
using Objective = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

/// Called with each point that a minimiser moves to and the value there; false ends the search.
using Accept = std::function<bool(const std::vector<double>& x, double value)>;

/// A minimum as far as a mean loss in nats over parameters of about unit scale is concerned.
inline bool vanishes(const std::vector<double>& gradient) {
  constexpr double tolerance = 1e-6;
  return std::all_of(gradient.begin(), gradient.end(), [](double value) { return std::abs(value) <= tolerance; });
}

/// L-BFGS with ten pairs and a line search for the weak Wolfe conditions by bisection (Liu, Nocedal 1989; Lewis,
/// Overton 2013, algorithm 4.6).
///
/// @return whether it ended at a minimum: the gradient vanishes, or rounding leaves no descent to be found.
bool minimise_lbfgs(const Objective& objective, std::vector<double> x, const Accept& accept);

/// Adam (Kingma, Ba 2015) with β₁ 0.9, β₂ 0.999.
///
/// @return whether it ended at a minimum: the gradient vanishes.
bool minimise_adam(const Objective& objective, std::vector<double> x, double rate, const Accept& accept);

}  // namespace attractor::detail
