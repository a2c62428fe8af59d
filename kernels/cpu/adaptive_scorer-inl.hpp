// Scores of an adaptive similarity for a vector of states: ranked terms times their weights.

#if defined(ATTRACTOR_CPU_ADAPTIVE_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#undef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#else
#define ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#endif

#include "kernels/cpu/field.hpp"
#include "kernels/cpu/rank_sort-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// One object per thread.
class AdaptiveScorer {
 public:
  explicit AdaptiveScorer(const AdaptiveField& field) : field_(field), sorter_(field.groups.ranks()) {}

  [[nodiscard]] const PackedMatrix& patterns() const { return field_.patterns; }

  /// s of the pattern and the states of one vector of lanes.
  HWY_NOINLINE Vector score(Index pattern, const float* states, Index width) {
    Vector sum = hn::Set(floats, field_.log_prior[static_cast<std::size_t>(pattern)]);
    if (field_.squared_distance.used())
      sum = hn::Add(sum, weigh<FootprintBase::squared_distance>(pattern, states, width, field_.squared_distance));
    if (field_.dot.used()) sum = hn::Add(sum, weigh<FootprintBase::dot>(pattern, states, width, field_.dot));
    return sum;
  }

  /// Hands the ranked terms of a base to `sink`, group by group.
  template <FootprintBase base, class Sink>
  HWY_INLINE void rank(Index pattern, const float* states, Index width, Sink& sink) {
    const float* const entries = field_.patterns.data() + field_.patterns.row_offset(pattern);
    for (Index group = 0; group < field_.groups.count(); ++group)
      sorter_.sort(field_.groups.size(group), Terms<base>{entries, states, width, field_.groups.entries(group)}, sink);
  }

 private:
  template <FootprintBase base>
  HWY_INLINE Vector weigh(Index pattern, const float* states, Index width, const RankWeights& weights) {
    WeightedSum sum(weights.of(pattern));
    rank<base>(pattern, states, width, sum);
    return sum.value();
  }

  const AdaptiveField& field_;
  RankSorter sorter_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
