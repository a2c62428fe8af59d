// Scores of adaptive memories from rounded terms, in a file of their own: sorting networks take long to compile.

#include <algorithm>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adaptive/rounded_scorer.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/adaptive/rounded_scorer-inl.hpp"

#if ATTRACTOR_ROUNDS
HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

using Integers = hn::RebindToSigned<Floats>;
using IntegerVector = hn::Vec<Integers>;
using Words = hn::RebindToUnsigned<Shorts>;
using Bytes = hn::Repartition<std::uint8_t, Floats>;

/// What the largest entry is rounded to: differences are off by up to two, and 16 bits hold them too.
inline constexpr float most = 32760.0F;

/// Products are divided by this.
inline constexpr float high_half = 65536.0F;

/// Keeps scales finite.
inline constexpr float least_reach = 1e-18F;

/// Rounded to integers, those of `a` in the lower half of each block of 16 bytes, those of `b` in the upper one.
HWY_INLINE ShortVector round_pair(Vector a, Vector b) {
  return hn::ReorderDemote2To(Shorts(), hn::NearestInt(a), hn::NearestInt(b));
}

template <FootprintBase base>
RoundedEntries<base>::RoundedEntries(const AdaptiveField& field)
    : order_(field.groups.order),
      centre_(order_.size(), 0.0F),
      reach_(
          std::max(base == FootprintBase::dot ? field.rounding.dot_reach : field.rounding.distance_reach, least_reach)),
      states_(dimension() * most_lanes / block_vectors),
      patterns_(hwy::AllocateAligned<std::int16_t>(static_cast<std::size_t>(dimension() * panel_rows))) {
  if (!patterns_) throw std::bad_alloc();
  if constexpr (base == FootprintBase::dot) return;
  for (std::size_t i = 0; i < order_.size(); ++i)
    centre_[i] = field.rounding.centre[static_cast<std::size_t>(order_[i])];
}

template <FootprintBase base>
void RoundedEntries<base>::take_states(const Tile& tile) {
  for (Index lane = 0; lane < tile.lanes; lane += block_lanes()) {
    Vector scale[block_vectors];
    Vector ratio[block_vectors];
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const Units units = units_of(tile.state.data() + at, tile.width);
      // A dot product's loss is its negative.
      scale[v] = hn::Div(hn::Set(floats, base == FootprintBase::dot ? -1.0F : 1.0F), units.state);
      ratio[v] = hn::Div(hn::Set(floats, 32768.0F * (reach_ / most)), units.pattern);
      hn::Store(hn::Mul(hn::Mul(units.state, hn::Set(floats, high_half)), units.pattern), floats, steps_.data() + at);
    }
    hn::Store(hn::BitCast(floats, round_pair(ratio[0], ratio[1])), floats, ratios_.data() + lane / block_vectors);
    round_states(tile, lane, scale);
  }
}

/// Differences are within the sum of both reaches, and both sides of one have the same unit. Factors have their own.
template <FootprintBase base>
auto RoundedEntries<base>::units_of(const float* states, Index width) const -> Units {
  Vector largest = hn::Set(floats, least_reach);
  Vector finite = hn::Zero(floats);  // Or not a number, which steps become then, and scores.
  for (Index i = 0; i < dimension(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Vector x = hn::Load(floats, states + order_[at] * width);
    largest = hn::Max(largest, hn::Abs(hn::Sub(x, hn::Set(floats, centre_[at]))));
    finite = hn::MulAdd(x, hn::Zero(floats), finite);
  }
  const Vector reach = hn::Set(floats, reach_);
  const Vector unit = hn::Set(floats, 1.0F / most);
  if constexpr (base == FootprintBase::dot) return {hn::MulAdd(largest, unit, finite), hn::Mul(reach, unit)};
  const Vector common = hn::MulAdd(hn::Add(largest, reach), unit, finite);
  return {common, common};
}

template <FootprintBase base>
void RoundedEntries<base>::round_states(const Tile& tile, Index lane, const Vector (&scale)[block_vectors]) {
  float* const to = states_.data() + lane / block_vectors * dimension();
  for (Index i = 0; i < dimension(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float* const from = tile.state.data() + order_[at] * tile.width + lane;
    const Vector centre = hn::Set(floats, centre_[at]);
    Vector x[block_vectors];
    for (int v = 0; v < block_vectors; ++v)
      x[v] = hn::Mul(hn::Sub(hn::Load(floats, from + v * vector_lanes()), centre), scale[v]);
    hn::Store(hn::BitCast(floats, round_pair(x[0], x[1])), floats, to + i * vector_lanes());
  }
}

template <FootprintBase base>
void RoundedEntries<base>::take_patterns(const float* panel) {
  constexpr hn::CappedTag<float, panel_rows> rows;
  constexpr hn::Rebind<std::int16_t, decltype(rows)> shorts;
  const auto scale = hn::Set(rows, most / reach_);
  for (Index i = 0; i < dimension(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float* const from = panel + panel_rows * order_[at];
    const auto centre = hn::Set(rows, centre_[at]);
    const auto rounded = hn::NearestInt(hn::Mul(hn::Sub(hn::Load(rows, from), centre), scale));
    hn::Store(hn::DemoteTo(shorts, rounded), shorts, patterns_.get() + panel_rows * i);
  }
}

/// Losses of two patterns side by side: even lanes hold the first one's.
template <FootprintBase base>
HWY_INLINE hn::Vec<Bytes> join(const std::array<ShortVector, 2>& losses) {
  // 14 bits, or 14 and a sign: 8 bits are the highest of them.
  constexpr int excess = base == FootprintBase::dot ? 7 : 6;
  const auto pair = hn::OddEven(hn::BitCast(Bytes(), hn::ShiftLeft<8 - excess>(losses[1])),
                                hn::BitCast(Bytes(), hn::ShiftRight<excess>(losses[0])));
  if constexpr (base == FootprintBase::dot) return hn::Xor(pair, hn::Set(Bytes(), std::uint8_t{128}));
  return pair;
}

template <FootprintBase base>
HWY_INLINE ShortVector join(const std::array<ShortVector, 1>& losses) {
  return losses[0];
}

/// Rounded losses of the entries of patterns and of a block of lanes.
template <FootprintBase base, class T, std::size_t at_once>
struct RoundedLosses {
  std::array<const std::int16_t*, at_once> patterns;  ///< entry i at panel_rows · i
  const float* states;                                ///< entry i at vector_lanes() · i
  ShortVector ratio;

  HWY_INLINE typename PlainOrder<T>::Key operator()(Index i) const {
    const ShortVector x = hn::BitCast(Shorts(), hn::Load(floats, states + vector_lanes() * i));
    std::array<ShortVector, at_once> losses;
    for (std::size_t p = 0; p < at_once; ++p) losses[p] = loss(hn::Set(Shorts(), patterns[p][panel_rows * i]), x);
    return join<base>(losses);
  }

  /// Those from the entry `first` on.
  [[nodiscard]] HWY_INLINE RoundedLosses from(Index first) const {
    RoundedLosses rest = *this;
    rest.states += vector_lanes() * first;
    for (const std::int16_t*& pattern : rest.patterns) pattern += panel_rows * first;
    return rest;
  }

 private:
  HWY_INLINE ShortVector loss(ShortVector a, ShortVector x) const {
    if constexpr (base == FootprintBase::dot) return hn::MulHigh(a, x);
    const ShortVector difference = hn::Sub(x, hn::MulFixedPoint15(a, ratio));
    return hn::MulHigh(difference, difference);
  }
};

/// Adds up weighted rounded losses: [pattern][vector of the block].
template <class T, std::size_t at_once>
class RoundedSum {
 public:
  HWY_INLINE explicit RoundedSum(const std::array<const std::int16_t*, at_once>& weights) : weights_(weights) {
    for (auto& pattern : sums_)
      for (Vector& sum : pattern) sum = hn::Zero(floats);
  }

  template <std::size_t n>
  HWY_INLINE void take(Index first, const typename PlainOrder<T>::Key* losses, Index count) {
    constexpr Index most_rows = 16;  // See IntegerWeights::largest.
    constexpr auto rows = static_cast<Index>(n);
    HWY_UNROLL(2)
    for (Index i = 0; i < rows; i += most_rows)
      if (i < count) take_some<std::min(rows, most_rows)>(first + i, losses + i, std::min(count - i, most_rows));
  }

  [[nodiscard]] HWY_INLINE Vector value(std::size_t pattern, int v) const { return sums_[pattern][v]; }

 private:
  using Sums = IntegerVector[at_once][block_vectors];

  template <Index n>
  HWY_INLINE void take_some(Index first, const typename PlainOrder<T>::Key* losses, Index count) {
    Sums sums;
    for (auto& pattern : sums)
      for (IntegerVector& sum : pattern) sum = hn::Zero(Integers());
    HWY_UNROLL(8)
    for (Index i = 0; i < n; i += 2) {
      if (i + 1 < count)
        add(pairs(first + i), words(losses[i]), words(losses[i + 1]), sums);
      else if (i < count)
        add(singles(first + i), words(losses[i]), hn::Zero(Words()), sums);
    }
    for (std::size_t p = 0; p < at_once; ++p)
      for (int v = 0; v < block_vectors; ++v) sums_[p][v] = hn::Add(sums_[p][v], hn::ConvertTo(floats, sums[p][v]));
  }

  static HWY_INLINE hn::Vec<Words> words(typename PlainOrder<T>::Key losses) { return hn::BitCast(Words(), losses); }

  /// The weights of two ranks side by side.
  HWY_INLINE std::array<ShortVector, at_once> pairs(Index rank) const {
    std::array<ShortVector, at_once> result;
    for (std::size_t p = 0; p < at_once; ++p) {
      std::int32_t pair;
      std::memcpy(&pair, weights_[p] + rank, sizeof(pair));
      result[p] = hn::BitCast(Shorts(), hn::Set(Integers(), pair));
    }
    return result;
  }

  HWY_INLINE std::array<ShortVector, at_once> singles(Index rank) const {
    std::array<ShortVector, at_once> result;
    for (std::size_t p = 0; p < at_once; ++p) result[p] = hn::Set(Shorts(), weights_[p][rank]);
    return result;
  }

  /// Two rows: their losses of one pair lie side by side in the end, and their weights too.
  static HWY_INLINE void add(const std::array<ShortVector, at_once>& weights, hn::Vec<Words> a, hn::Vec<Words> b,
                             Sums& sums) {
    const hn::Vec<Words> both[block_vectors] = {hn::InterleaveLower(Words(), a, b), hn::InterleaveUpper(Words(), a, b)};
    for (int v = 0; v < block_vectors; ++v) {
      if constexpr (at_once == 1) {
        accumulate(both[v], weights[0], sums[0][v]);
      } else {
        accumulate(hn::And(both[v], hn::Set(Words(), std::uint16_t{255})), weights[0], sums[0][v]);
        accumulate(hn::ShiftRight<8>(both[v]), weights[1], sums[1][v]);
      }
    }
  }

  static HWY_INLINE void accumulate(hn::Vec<Words> losses, ShortVector weights, IntegerVector& sum) {
    IntegerVector unused = hn::Zero(Integers());
    sum = hn::ReorderWidenMulAccumulate(Integers(), hn::BitCast(Shorts(), losses), weights, sum, unused);
  }

  std::array<const std::int16_t*, at_once> weights_;
  Vector sums_[at_once][block_vectors];
};

template <class T>
RoundedScorer<T>::RoundedScorer(const AdaptiveField& field)
    : field_(field), sorter_(field.groups.ranks()), distance_entries_(field), dot_entries_(field) {}

template <class T>
void RoundedScorer<T>::take(const Tile& tile) {
  if (field_.squared_distance.used()) distance_entries_.take_states(tile);
  if (field_.dot.used()) dot_entries_.take_states(tile);
}

template <class T>
void RoundedScorer<T>::take_panel(Index first) {
  if (panel_first_ == first) return;
  panel_first_ = first;
  const float* const panel = field_.patterns.panel(first / panel_rows);
  if (field_.squared_distance.used()) distance_entries_.take_patterns(panel);
  if (field_.dot.used()) dot_entries_.take_patterns(panel);
}

template <class T>
template <FootprintBase base>
void RoundedScorer<T>::add(const RoundedEntries<base>& entries, const IntegerWeights& weights, const Patterns& patterns,
                           Index lane, Vector (*scores)[block_vectors]) {
  // A loss is the middle of those that are rounded to it; of 8 bits they are steps of 64 or 128, products from 128 on.
  constexpr bool byte = sizeof(T) == 1;
  constexpr float steps = !byte ? 1.0F : base == FootprintBase::dot ? 128.0F : 64.0F;
  constexpr float zero = byte && base == FootprintBase::dot ? -127.5F : 0.5F;

  RoundedLosses<base, T, at_once> losses{{}, entries.states(lane), entries.ratio(lane)};
  std::array<const std::int16_t*, at_once> rows;
  for (std::size_t p = 0; p < at_once; ++p) {
    losses.patterns[p] = entries.pattern(patterns[p] % panel_rows);
    rows[p] = weights.of(patterns[p]);
  }
  RoundedSum<T, at_once> sum(rows);
  const RankGroups& groups = field_.groups;
  for (Index group = 0; group < groups.count(); ++group)
    sorter_.template sort<base>(groups.size(group), losses.from(groups.begin(group)), sum);
  for (std::size_t p = 0; p < at_once; ++p) {
    for (int v = 0; v < block_vectors; ++v) {
      const Vector total = hn::Add(sum.value(p, v), hn::Set(floats, zero * weights.total(patterns[p])));
      const Vector unit =
          hn::Mul(entries.step(lane + v * vector_lanes()), hn::Set(floats, steps * weights.unit(patterns[p])));
      scores[p][v] = hn::NegMulAdd(unit, total, scores[p][v]);
    }
  }
}

template <class T>
void RoundedScorer<T>::score(Index first, Index count, Index lane, Block& block) {
  take_panel(first / panel_rows * panel_rows);
  for (Index row = 0; row < count; row += static_cast<Index>(at_once)) {
    Patterns patterns;
    Vector scores[at_once][block_vectors];
    for (std::size_t p = 0; p < at_once; ++p) {
      patterns[p] = std::min(first + row + static_cast<Index>(p), first + count - 1);
      for (Vector& score : scores[p]) score = hn::Set(floats, field_.log_prior[static_cast<std::size_t>(patterns[p])]);
    }
    if (field_.squared_distance.used())
      add(distance_entries_, field_.rounding.squared_distance, patterns, lane, scores);
    if (field_.dot.used()) add(dot_entries_, field_.rounding.dot, patterns, lane, scores);
    for (std::size_t p = 0; p < at_once; ++p) std::copy_n(scores[p], block_vectors, block[patterns[p] - first]);
  }
}

/// Whether losses are so far inside the range of floats that neither they nor exact ones lose more than digits.
HWY_INLINE hn::Mask<Floats> is_moderate(Vector step) {
  return hn::And(hn::Gt(step, hn::Set(floats, 0x1p-100F)), hn::Lt(step, hn::Set(floats, 0x1p+100F)));
}

template <class T>
Vector RoundedScorer<T>::error(Index pattern, Index lane) const {
  const auto steps_of = [&](const IntegerWeights& weights) {
    return sizeof(T) == 1 ? weights.error8(pattern) : weights.error16(pattern);
  };
  Vector sum = hn::Set(floats, 1e-30F);  // Products with tiny weights may vanish.
  auto moderate = hn::Eq(sum, sum);
  const auto add = [&](Vector step, const IntegerWeights& weights) HWY_ATTR {
    sum = hn::MulAdd(step, hn::Set(floats, steps_of(weights)), sum);
    moderate = hn::And(moderate, is_moderate(step));
  };
  if (field_.squared_distance.used()) add(distance_entries_.step(lane), field_.rounding.squared_distance);
  if (field_.dot.used()) add(dot_entries_.step(lane), field_.rounding.dot);
  moderate = hn::And(moderate, hn::Lt(sum, hn::Set(floats, 0x1p+100F)));
  return hn::IfThenElse(moderate, sum, hn::Set(floats, std::numeric_limits<float>::infinity()));
}

template class RoundedScorer<std::uint8_t>;
template class RoundedScorer<std::int16_t>;

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
