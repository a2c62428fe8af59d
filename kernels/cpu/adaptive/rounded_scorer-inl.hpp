// Scores of an adaptive similarity from rounded terms, for a block of lanes, in integers of 16 bits throughout. A
// vector ranks two times as many losses of 16 bits as floats, or four times as many of 8 bits: those of two patterns.
//
// States and patterns are rounded in units of their lane's largest possible difference or product, to 15 bits; the high
// halves of products of two are losses of 14 bits and a sign, of which 8 bits are the highest.
//
// Errors: with R = 32760 units, a difference is off by half a unit for the state, by one for the pattern, by half for
// the ratio of their units and by one for multiplying by it, hence its square's high half by 2 · 32760 · 3 / 2¹⁶ = 3,
// and by half a step for what is cut off: 3.5 of 32760² / 2¹⁶ = 16376 for 16 bits, 35 for steps of 64. A product of
// entries that are off by half a unit each is off by half and that half step: 1 of 16376 for 16 bits, 65 for steps of
// 128. Ranks are in order of rounded losses: the r-th smallest of them is off by no more than the largest error.

#if defined(ATTRACTOR_CPU_ROUNDED_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_ROUNDED_SCORER_INL
#undef ATTRACTOR_CPU_ROUNDED_SCORER_INL
#else
#define ATTRACTOR_CPU_ROUNDED_SCORER_INL
#endif

#include <array>
#include <vector>

#include "kernels/cpu/adaptive/rank_sort-inl.hpp"
#include "kernels/cpu/engine/field.hpp"

// Older sets than AVX2 rank terms as they are.
#define ATTRACTOR_ROUNDS (HWY_TARGET <= HWY_AVX2)

#if ATTRACTOR_ROUNDS
HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using Shorts = hn::Repartition<std::int16_t, Floats>;
using ShortVector = hn::Vec<Shorts>;

/// A tile's states and a panel of patterns for one base, group after group.
template <FootprintBase base>
class RoundedEntries {
 public:
  explicit RoundedEntries(const AdaptiveField& field);

  void take_states(const Tile& tile);

  /// Of one panel of a packed matrix, from the row on that `panel` points to.
  void take_patterns(const float* panel);

  /// The i-th entry of a block of lanes lies at vector_lanes() · i.
  [[nodiscard]] HWY_INLINE const float* states(Index lane) const {
    return states_.data() + lane / block_vectors * dimension();
  }

  /// The i-th entry lies at panel_rows · i.
  [[nodiscard]] HWY_INLINE const std::int16_t* pattern(Index row) const { return patterns_.get() + row; }

  /// Patterns times this are in the unit of the lanes' states.
  [[nodiscard]] HWY_INLINE ShortVector ratio(Index lane) const {
    return hn::BitCast(Shorts(), hn::Load(floats, ratios_.data() + lane / block_vectors));
  }

  /// What the integer 1 stands for, in the high half of a product.
  [[nodiscard]] HWY_INLINE Vector step(Index lane) const { return hn::Load(floats, steps_.data() + lane); }

 private:
  /// What the integer 1 stands for in states and in patterns that meet them.
  struct Units {
    Vector state;
    Vector pattern;
  };

  [[nodiscard]] Units units_of(const float* states, Index width) const;
  void round_states(const Tile& tile, Index lane, const Vector (&scale)[block_vectors]);

  [[nodiscard]] Index dimension() const { return static_cast<Index>(order_.size()); }

  const std::vector<Index>& order_;
  std::vector<float> centre_;  ///< is taken from the entries, in the order of `order_`
  float reach_;                ///< the largest |entry| of patterns then
  AlignedFloats states_;
  hwy::AlignedFreeUniquePtr<std::int16_t[]> patterns_;
  LaneArray<float> ratios_{};
  LaneArray<float> steps_{};
};

/// T: uint8_t or int16_t. One object per thread.
template <class T>
class RoundedScorer {
 public:
  explicit RoundedScorer(const AdaptiveField& field);

  /// Takes over the states of a tile.
  void take(const Tile& tile);

  /// s of `count` ≤ block_rows patterns from `first` on, for a block of lanes.
  void score(Index first, Index count, Index lane, Block& block);

  /// What a pattern's scores for a vector of lanes are off by at most from those of AdaptiveScorer, but for rounding_of
  /// the scores themselves. ∞ where floats might leave their range, and where states aren't numbers.
  [[nodiscard]] Vector error(Index pattern, Index lane) const;

 private:
  /// Patterns that one vector ranks.
  static constexpr std::size_t at_once = sizeof(std::int16_t) / sizeof(T);
  using Patterns = std::array<Index, at_once>;

  void take_panel(Index first);

  /// Adds the part of a base to the scores of these patterns, one after another.
  template <FootprintBase base>
  HWY_INLINE void add(const RoundedEntries<base>& entries, const IntegerWeights& weights, const Patterns& patterns,
                      Index lane, Vector (*scores)[block_vectors]);

  const AdaptiveField& field_;
  RankSorter<PlainOrder<T>> sorter_;
  RoundedEntries<FootprintBase::squared_distance> distance_entries_;
  RoundedEntries<FootprintBase::dot> dot_entries_;
  Index panel_first_ = -1;  ///< the pattern that the panel taken begins with
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
