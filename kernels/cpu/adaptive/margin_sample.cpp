#include "kernels/cpu/adaptive/margin_sample.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace attractor::cpu {
namespace {

constexpr Index most_states = 4;
constexpr Index most_others = 12;

class MarginSample {
 public:
  MarginSample(const AdaptiveField& field, Rounding& rounding)
      : field_(field), rounding_(rounding), losses_(static_cast<std::size_t>(field.patterns.columns())) {}

  /// Adds the margins of patterns spread over all of them beside one of them.
  void add(Index state) {
    const Index count = field_.patterns.rows();
    const Index others = std::min(most_others, count - 1);
    std::vector<double> scores;
    for (Index i = 0; i < others; ++i) scores.push_back(score(other(state, i, others), state));
    const double best = std::max(score(state, state), *std::max_element(scores.begin(), scores.end()));
    take_steps(state);
    for (Index i = 0; i < others; ++i) {
      const double margin = best - scores[static_cast<std::size_t>(i)];
      const Index pattern = other(state, i, others);
      rounding_.margins16.push_back(less_error(margin, pattern, &IntegerWeights::error16));
      rounding_.margins8.push_back(less_error(margin, pattern, &IntegerWeights::error8));
    }
  }

 private:
  [[nodiscard]] Index other(Index state, Index i, Index others) const {
    const Index count = field_.patterns.rows();
    return (state + 1 + i * (count - 1) / others) % count;
  }

  [[nodiscard]] double entry(Index pattern, Index k) const {
    return static_cast<double>(field_.patterns.data()[field_.patterns.row_offset(pattern) + panel_rows * k]);
  }

  double score(Index pattern, Index state) {
    auto sum = static_cast<double>(field_.log_prior[static_cast<std::size_t>(pattern)]);
    if (field_.squared_distance.used())
      sum -= weigh(pattern, field_.squared_distance,
                   [&](Index k) { return std::pow(entry(pattern, k) - entry(state, k), 2.0); });
    if (field_.dot.used())
      sum -= weigh(pattern, field_.dot, [&](Index k) { return -entry(pattern, k) * entry(state, k); });
    return sum;
  }

  template <class Loss>
  double weigh(Index pattern, const RankWeights& weights, const Loss& loss) {
    const RankGroups& groups = field_.groups;
    double sum = 0.0;
    for (Index group = 0; group < groups.count(); ++group) {
      const auto first = groups.order.begin() + groups.begin(group);
      const auto size = groups.size(group);
      std::transform(first, first + size, losses_.begin(), loss);
      std::sort(losses_.begin(), losses_.begin() + size);
      for (Index r = 0; r < size; ++r)
        sum += static_cast<double>(weights.of(pattern)[r]) * losses_[static_cast<std::size_t>(r)];
    }
    return sum;
  }

  /// What rounded_scorer-inl.hpp makes of this state.
  void take_steps(Index state) {
    constexpr double largest = 32760.0;
    double distance = 0.0;
    double factor = 0.0;
    for (Index k = 0; k < field_.patterns.columns(); ++k) {
      const double x = entry(state, k);
      distance = std::max(distance, std::abs(x - static_cast<double>(rounding_.centre[static_cast<std::size_t>(k)])));
      factor = std::max(factor, std::abs(x));
    }
    distance_step_ = 65536.0 * std::pow((distance + static_cast<double>(rounding_.distance_reach)) / largest, 2.0);
    dot_step_ = 65536.0 * factor * static_cast<double>(rounding_.dot_reach) / (largest * largest);
  }

  /// Both scores may be off.
  [[nodiscard]] float less_error(double margin, Index pattern, float (IntegerWeights::*error)(Index) const) const {
    if (field_.squared_distance.used())
      margin -= 2.0 * distance_step_ * static_cast<double>((rounding_.squared_distance.*error)(pattern));
    if (field_.dot.used()) margin -= 2.0 * dot_step_ * static_cast<double>((rounding_.dot.*error)(pattern));
    return static_cast<float>(margin);
  }

  const AdaptiveField& field_;
  Rounding& rounding_;
  std::vector<double> losses_;
  double distance_step_ = 0.0;
  double dot_step_ = 0.0;
};

}  // namespace

void sample_margins(const AdaptiveField& field, Rounding& rounding) {
  const Index count = field.patterns.rows();
  rounding.margins16.clear();
  rounding.margins8.clear();
  rounding.sampled = count;
  if (count < 2) return;
  MarginSample sample(field, rounding);
  const Index states = std::min(most_states, count);
  for (Index i = 0; i < states; ++i) sample.add(i * count / states);
}

}  // namespace attractor::cpu
