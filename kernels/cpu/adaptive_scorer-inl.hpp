// Scores of an adaptive similarity for a vector of states: ranked terms times their weights.

#if defined(ATTRACTOR_CPU_ADAPTIVE_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#undef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#else
#define ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#endif

#include "kernels/cpu/field.hpp"
#include "kernels/cpu/instruction_set.hpp"
#include "kernels/cpu/rank_sort-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// One object per thread.
class AdaptiveScorer {
 public:
  explicit AdaptiveScorer(const AdaptiveField& field)
      : field_(field),
        integers_(known_order ? HWY_TARGET == HWY_AVX2 : sorts_integers_faster()),
        integer_sorter_(integers_ ? field.groups.ranks() : 0),
        float_sorter_(integers_ ? 0 : field.groups.ranks()),
        states_(field.patterns.columns() * vector_lanes()) {}

  /// Takes over the states of one vector of lanes, whose entries are `width` floats apart.
  void take_states(const float* states, Index width) {
    for (Index i = 0; i < field_.patterns.columns(); ++i)
      hn::Store(hn::Load(floats, states + i * width), floats, states_.data() + i * vector_lanes());
  }

  /// s of the pattern and the states.
  void score(Index pattern, float* scores);

  /// Hands the ranked losses of a base to `sink`, group by group.
  template <FootprintBase base, class Sink>
  HWY_INLINE void rank(Index pattern, Sink& sink) {
    rank<base, false>(pattern, sink);
  }

 private:
  /// Whether the instruction set alone says how to compare: sets before AVX2 lack minima of integers, those of AVX2 are
  /// nowhere slower than those of floats, and with AVX-512 it depends on who made the processor.
  static constexpr bool known_order = HWY_TARGET >= HWY_AVX2;

  /// `direct`: also in a form for a single group, which is faster and takes its time to compile.
  template <FootprintBase base, bool direct, class Sink>
  HWY_INLINE void rank(Index pattern, Sink& sink) {
    if constexpr (HWY_TARGET <= HWY_AVX2)
      if (integers_) return rank<base, direct>(integer_sorter_, pattern, sink);
    if constexpr (HWY_TARGET != HWY_AVX2) rank<base, direct>(float_sorter_, pattern, sink);
  }

  template <FootprintBase base, bool direct, class Sorter, class Sink>
  HWY_INLINE void rank(Sorter& sorter, Index pattern, Sink& sink) {
    const float* const states = states_.data();
    const RankGroups& groups = field_.groups;
    if constexpr (direct)
      if (groups.count() == 1)
        return sorter.template sort<base>(groups.size(0), Losses<base, false>{entries(pattern), states, nullptr}, sink);
    for (Index group = 0; group < groups.count(); ++group)
      sorter.template sort<base>(groups.size(group),
                                 Losses<base, true>{entries(pattern), states, groups.entries(group)}, sink);
  }

  [[nodiscard]] HWY_INLINE const float* entries(Index pattern) const {
    return field_.patterns.data() + field_.patterns.row_offset(pattern);
  }

  template <FootprintBase base>
  [[nodiscard]] HWY_INLINE Vector weigh(Index pattern, const RankWeights& weights);

  const AdaptiveField& field_;
  bool integers_;
  RankSorter<IntegerOrder> integer_sorter_;
  RankSorter<FloatOrder> float_sorter_;
  AlignedFloats states_;  ///< [D × vector_lanes()]
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
