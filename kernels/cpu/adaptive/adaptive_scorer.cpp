// Scores of adaptive memories, in a file of their own: sorting networks take long to compile.

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adaptive/adaptive_scorer.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive/adaptive_scorer-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

template <FootprintBase base>
Vector AdaptiveScorer::weigh(Index pattern, Index lane, const RankWeights& weights) {
  WeightedSum sum(weights.of(pattern));
  rank<base>(pattern, lane, sum);
  return sum.value();
}

void AdaptiveScorer::score(Index pattern, Index lane, float* scores) {
  const float prior = field_.log_prior[static_cast<std::size_t>(pattern)];
  Vector sum = hn::Set(floats, prior);
  // Never retrieved, whatever the terms.
  if (prior == -std::numeric_limits<float>::infinity()) return hn::Store(sum, floats, scores);
  if (field_.squared_distance.used())
    sum = hn::Add(sum, weigh<FootprintBase::squared_distance>(pattern, lane, field_.squared_distance));
  if (field_.dot.used()) sum = hn::Add(sum, weigh<FootprintBase::dot>(pattern, lane, field_.dot));
  hn::Store(sum, floats, scores);
}

void AdaptiveScorer::take_pairs(const LanePair* pairs, Index count) {
  const Index dimension = field_.patterns.columns();
  for (Index j = 0; j < vector_lanes(); ++j) {
    const LanePair& pair = pairs[std::min(j, count - 1)];
    const float* const pattern = field_.patterns.data() + field_.patterns.row_offset(pair.pattern);
    const Index place = pair.lane % vector_lanes();
    const float* const state = states_.data() + (pair.lane - place) * dimension + place;
    const Index* const order = field_.groups.order.data();
    for (Index i = 0; i < dimension; ++i) {
      pair_patterns_[i * vector_lanes() + j] = pattern[panel_rows * order[i]];
      pair_states_[i * vector_lanes() + j] = state[i * vector_lanes()];
    }
  }
}

template <FootprintBase base, class Sorter>
Vector AdaptiveScorer::weigh_pairs(Sorter& sorter, const RankWeights& weights) {
  WeightedSum sum(weights.of(0));
  const RankGroups& groups = field_.groups;
  for (Index group = 0; group < groups.count(); ++group) {
    const Index first = groups.begin(group) * vector_lanes();
    sorter.template sort<base>(groups.size(group),
                               PairLosses<base>{pair_patterns_.data() + first, pair_states_.data() + first}, sum);
  }
  return sum.value();
}

template <FootprintBase base>
Vector AdaptiveScorer::weigh_pairs(const RankWeights& weights) {
  if constexpr (HWY_TARGET <= HWY_AVX2)
    if (integers_) return weigh_pairs<base>(integer_sorter_, weights);
  if constexpr (HWY_TARGET != HWY_AVX2)
    return weigh_pairs<base>(float_sorter_, weights);
  else
    return hn::Zero(floats);  // Not reached: sets that know their order sort integers.
}

void AdaptiveScorer::score_pairs(const LanePair* pairs, Index count, float* scores) {
  take_pairs(pairs, count);
  LaneArray<float> priors;
  for (Index j = 0; j < vector_lanes(); ++j)
    priors[static_cast<std::size_t>(j)] =
        field_.log_prior[static_cast<std::size_t>(pairs[std::min(j, count - 1)].pattern)];
  const Vector prior = hn::Load(floats, priors.data());
  Vector sum = prior;
  if (field_.squared_distance.used())
    sum = hn::Add(sum, weigh_pairs<FootprintBase::squared_distance>(field_.squared_distance));
  if (field_.dot.used()) sum = hn::Add(sum, weigh_pairs<FootprintBase::dot>(field_.dot));
  const auto never = hn::Eq(prior, hn::Set(floats, -std::numeric_limits<float>::infinity()));
  hn::Store(hn::IfThenElse(never, prior, sum), floats, scores);
}

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
