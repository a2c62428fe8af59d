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

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
