#pragma once

/// How to find exact scores at the least cost.

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "kernels/cpu/engine/field.hpp"
#include "kernels/sizes.hpp"

namespace attractor::cpu {

/// Goes by what a sample of the memory promises, then by what each way has cost when it was last taken. No result
/// depends on the choice.
class ScreenChoice {
 public:
  /// What terms are rounded to before those that matter are ranked exactly; or all are scored, at once.
  enum Way : std::size_t { bytes, words, none };

  /// Of scores of pairs gathered from anywhere, beside those of a vector of lanes and one pattern.
  static constexpr float pair_cost = 1.4F;

  /// Scores within `reach` of the largest are wanted. Where all are made, each costs `least_cost`.
  ScreenChoice(const Rounding& rounding, float reach, float least_cost) : least_cost_(least_cost) {
    costs_[none] *= least_cost;
    set(bytes, pair_cost * share_within(rounding.margins8, reach));
    set(words, pair_cost * share_within(rounding.margins16, reach));
  }

  [[nodiscard]] Way cheapest() const {
    return static_cast<Way>(std::min_element(costs_.begin(), costs_.end()) - costs_.begin());
  }

  /// Whether it has paid.
  [[nodiscard]] bool proven(Way way) const { return proven_[way]; }

  /// The way has been taken, with this share of all exact scores. What wasn't taken becomes more attractive: the next
  /// states may be easier.
  void note(Way way, float exact_share) {
    for (const Way other : {bytes, words})
      if (other != way) costs_[other] = std::max(rounded_costs[other], costs_[other] * (63.0F / 64.0F));
    if (way != none) set(way, exact_share);
  }

 private:
  /// Of scores from rounded terms, where exact ones cost 1.
  static constexpr std::array<float, 2> rounded_costs = {0.36F, 0.52F};

  static float share_within(const std::vector<float>& margins, float reach) {
    if (margins.empty()) return 0.0F;
    const auto count = std::count_if(margins.begin(), margins.end(), [&](float margin) { return margin <= reach; });
    return static_cast<float>(count) / static_cast<float>(margins.size());
  }

  void set(Way way, float exact_share) {
    costs_[way] = rounded_costs[way] + exact_share;
    proven_[way] = costs_[way] < least_cost_;
  }

  float least_cost_;
  std::array<float, 3> costs_ = {0.0F, 0.0F, detail::sizes().exact_cost};
  std::array<bool, 2> proven_ = {false, false};
};

}  // namespace attractor::cpu
