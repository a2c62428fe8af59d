// Scores of an adaptive similarity for a vector of states: ranked terms times their weights.

#if defined(ATTRACTOR_CPU_ADAPTIVE_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#undef ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#else
#define ATTRACTOR_CPU_ADAPTIVE_SCORER_INL
#endif

#include <algorithm>

#include "kernels/cpu/adaptive/rank_sort-inl.hpp"
#include "kernels/cpu/engine/field.hpp"
#include "kernels/cpu/engine/instruction_set.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// A pattern, and the lane whose state it is compared with.
struct LanePair {
  Index pattern;
  Index lane;
};

/// The entries of pairs, one in each lane, and the base that compares them.
template <FootprintBase base>
struct PairLosses {
  const float* patterns;  ///< entry i of all pairs at vector_lanes() · i
  const float* states;    ///< likewise

  HWY_INLINE Vector operator()(Index i) const {
    return loss<base>(hn::Load(floats, patterns + vector_lanes() * i), hn::Load(floats, states + vector_lanes() * i));
  }
};

/// One object per thread.
class AdaptiveScorer {
 public:
  explicit AdaptiveScorer(const AdaptiveField& field)
      : field_(field),
        integers_(known_order ? HWY_TARGET == HWY_AVX2 : sorts_integers_faster()),
        integer_sorter_(integers_ ? field.groups.ranks() : 0),
        float_sorter_(integers_ ? 0 : field.groups.ranks()),
        states_(field.patterns.columns() * most_lanes),
        panel_(field.groups.count() > 1 ? field.patterns.columns() * panel_rows : 0),
        pair_patterns_(field.patterns.columns() * vector_lanes()),
        pair_states_(field.patterns.columns() * vector_lanes()) {}

  /// Takes over the states of a tile.
  void take(const Tile& tile) {
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      float* to = states_.data() + lane * field_.patterns.columns();
      for (const Index entry : field_.groups.order) {
        hn::Store(hn::Load(floats, tile.state.data() + entry * tile.width + lane), floats, to);
        to += vector_lanes();
      }
    }
  }

  /// s of the pattern and the states of a vector of lanes.
  void score(Index pattern, Index lane, float* scores);

  /// The same bits for pairs of any patterns and lanes, vector_lanes() at most. Patterns share their weights.
  void score_pairs(const LanePair* pairs, Index count, float* scores);

  /// Hands the ranked losses of a base to `sink`, group by group.
  template <FootprintBase base, class Sink>
  HWY_INLINE void rank(Index pattern, Index lane, Sink& sink) {
    if constexpr (HWY_TARGET <= HWY_AVX2)
      if (integers_) return rank<base>(integer_sorter_, pattern, lane, sink);
    if constexpr (HWY_TARGET != HWY_AVX2) rank<base>(float_sorter_, pattern, lane, sink);
  }

 private:
  /// Whether the instruction set alone says how to compare: sets before AVX2 lack minima of integers, those of AVX2 are
  /// nowhere slower than those of floats, and with AVX-512 it depends on who made the processor.
  static constexpr bool known_order = HWY_TARGET >= HWY_AVX2;

  template <FootprintBase base, class Sorter, class Sink>
  HWY_INLINE void rank(Sorter& sorter, Index pattern, Index lane, Sink& sink) {
    const float* const own = entries(pattern);
    const float* const states = states_.data() + lane * field_.patterns.columns();
    const RankGroups& groups = field_.groups;
    for (Index group = 0; group < groups.count(); ++group) {
      const Index first = groups.begin(group);
      sorter.template sort<base>(groups.size(group),
                                 Losses<base>{own + panel_rows * first, states + vector_lanes() * first}, sink);
    }
  }

  /// Of the pattern, group after group; they lie panel_rows apart.
  [[nodiscard]] HWY_INLINE const float* entries(Index pattern) {
    if (field_.groups.count() == 1) return field_.patterns.data() + field_.patterns.row_offset(pattern);
    take_panel(pattern / panel_rows);
    return panel_.data() + pattern % panel_rows;
  }

  void take_panel(Index index) {
    if (panel_index_ == index) return;
    panel_index_ = index;
    float* to = panel_.data();
    for (const Index entry : field_.groups.order)
      to = std::copy_n(field_.patterns.panel(index) + entry * panel_rows, panel_rows, to);
  }

  template <FootprintBase base>
  [[nodiscard]] HWY_INLINE Vector weigh(Index pattern, Index lane, const RankWeights& weights);

  void take_pairs(const LanePair* pairs, Index count);
  template <FootprintBase base, class Sorter>
  [[nodiscard]] HWY_INLINE Vector weigh_pairs(Sorter& sorter, const RankWeights& weights);
  template <FootprintBase base>
  [[nodiscard]] HWY_INLINE Vector weigh_pairs(const RankWeights& weights);

  const AdaptiveField& field_;
  bool integers_;
  RankSorter<IntegerOrder> integer_sorter_;
  RankSorter<FloatOrder> float_sorter_;
  AlignedFloats states_;         ///< [vectors of lanes × D × vector_lanes()] group after group
  AlignedFloats panel_;          ///< [D × panel_rows] patterns likewise, where there are several groups
  Index panel_index_ = -1;       ///< which of the packed matrix
  AlignedFloats pair_patterns_;  ///< [D × vector_lanes()] group after group
  AlignedFloats pair_states_;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
