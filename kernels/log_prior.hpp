#pragma once

/// Log-priors as engines take them: relative to the largest. A constant common to all scores changes nothing but the
/// energy's zero, and in float it would only cost their digits.

#include <algorithm>
#include <vector>

namespace attractor::detail {

/// The largest of them, which is finite; 0 where there are none.
inline double largest_log_prior(const std::vector<float>& log_prior) {
  return log_prior.empty() ? 0.0 : static_cast<double>(*std::max_element(log_prior.begin(), log_prior.end()));
}

/// Each less the largest: at most 0, −∞ for patterns without weight.
inline std::vector<float> relative_log_prior(std::vector<float> log_prior) {
  const double largest = largest_log_prior(log_prior);
  for (float& value : log_prior) value = static_cast<float>(static_cast<double>(value) - largest);
  return log_prior;
}

}  // namespace attractor::detail
