// Exact scores of an adaptive similarity where the patterns take few values at each entry, their levels. The losses of
// a state beside all levels are sorted once for all patterns. Those of one pattern, sorted, are the ones at its own
// levels: vectors of sorted losses, compressed by its bits. A pair costs O(C) for C levels, of all entries together.
//
// Bits are stored level by level, a word for 32 patterns. In the order of a state's losses, the sign bits of a vector
// of words are a mask of one pattern's losses, and shifted by one, of the next one's.
//
// The losses are those that sorting networks order, and so are sums: the same bits.

#if defined(ATTRACTOR_CPU_LEVEL_SCORER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_LEVEL_SCORER_INL
#undef ATTRACTOR_CPU_LEVEL_SCORER_INL
#else
#define ATTRACTOR_CPU_LEVEL_SCORER_INL
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/adaptive/key_sort.hpp"
#include "kernels/cpu/adaptive/rank_sort-inl.hpp"
#include "kernels/cpu/engine/field.hpp"

// Older sets than AVX2 have too few lanes to compress.
#define ATTRACTOR_COMPRESSES (HWY_TARGET <= HWY_AVX2)

#if ATTRACTOR_COMPRESSES
HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// The losses of a tile's states beside all levels, sorted, for one base.
template <FootprintBase base>
class SortedLosses {
 public:
  SortedLosses(const Levels& levels, bool used)
      : levels_(levels),
        losses_(used ? levels.padded_count() * most_lanes : 0),
        order_(static_cast<std::size_t>(used ? levels.padded_count() * most_lanes : 0)) {}

  /// Takes the state of a lane. Whether its losses have an order: there is none of NaN.
  bool sort(const Tile& tile, Index lane, KeySorter& sorter) {
    float* const losses = losses_.data() + lane * levels_.padded_count();
    spread(tile, lane, losses);
    auto unordered = hn::Lt(hn::Zero(floats), hn::Zero(floats));
    for (Index i = 0; i < levels_.padded_count(); i += vector_lanes()) {
      const Vector own = loss<base>(hn::Load(floats, levels_.values.data() + i), hn::Load(floats, losses + i));
      unordered = hn::Or(unordered, hn::IsNaN(own));
      hn::Store(own, floats, losses + i);
    }
    if (!hn::AllFalse(floats, unordered)) return false;
    sorter.sort(losses, levels_.count(), order_.data() + lane * levels_.padded_count());
    return true;
  }

  /// [padded C] ascending; what lies behind the last one belongs to no pattern.
  [[nodiscard]] HWY_INLINE const float* losses(Index lane) const {
    return losses_.data() + lane * levels_.padded_count();
  }

  /// [C] their levels.
  [[nodiscard]] HWY_INLINE const std::uint16_t* order(Index lane) const {
    return order_.data() + lane * levels_.padded_count();
  }

 private:
  /// The entry of each level; 0 behind the last one.
  void spread(const Tile& tile, Index lane, float* to) const {
    for (Index entry = 0; entry < levels_.dimension(); ++entry) {
      const float x = tile.state[entry * tile.width + lane];
      to = std::fill_n(to, levels_.begin(entry + 1) - levels_.begin(entry), x);
    }
    std::fill_n(to, levels_.padded_count() - levels_.count(), 0.0F);
  }

  const Levels& levels_;
  AlignedFloats losses_;              ///< [lanes × padded C]
  std::vector<std::uint16_t> order_;  ///< [lanes × padded C]
};

using Words = hn::RebindToUnsigned<Floats>;

/// For each byte the places of its bits.
struct alignas(64) BitPlaces : std::array<std::array<std::uint32_t, 8>, 256> {
  constexpr BitPlaces() : std::array<std::array<std::uint32_t, 8>, 256>{} {
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::size_t count = 0;
      for (std::uint32_t bit = 0; bit < 8; ++bit)
        if ((byte >> bit & 1U) != 0) (*this)[byte][count++] = bit;
    }
  }
};
inline constexpr BitPlaces bit_places;

/// Writes the values where the words' signs are set, one after another, then anything, a vector in all. Returns the
/// place behind them.
HWY_INLINE float* compress(Vector values, hn::Vec<Words> words, float* to) {
#if HWY_TARGET <= HWY_AVX3
  const auto mask = hn::MaskFromVec(hn::BitCast(floats, words));
  hn::StoreU(hn::Compress(values, mask), floats, to);
  return to + hn::CountTrue(floats, mask);
#else
  std::uint8_t mask = 0;
  hn::StoreMaskBits(floats, hn::MaskFromVec(hn::BitCast(floats, words)), &mask);
  const auto places = hn::Load(Words(), bit_places[mask].data());
  hn::StoreU(hn::TableLookupLanes(values, hn::IndicesFromVec(floats, places)), floats, to);
  return to + std::popcount(mask);
#endif
}

/// One object per thread.
class LevelScorer {
 public:
  explicit LevelScorer(const AdaptiveField& field)
      : field_(field),
        levels_(field.levels),
        sorter_(levels_.count()),
        distances_(levels_, field.squared_distance.used()),
        products_(levels_, field.dot.used()),
        words_(static_cast<std::size_t>(2 * levels_.padded_count())),
        ranked_(at_once * ranked_stride()),
        scores_(score_stride * most_lanes) {}

  /// Takes over the states of a tile, which has to stay as it is.
  void take(const Tile& tile) {
    tile_ = &tile;
    sorted_.fill(unknown);
    batches_.fill(-1);
  }

  /// s of `count` ≤ block_rows patterns from `first` on, a multiple of it, for the v-th vector of a block of lanes,
  /// which begins at `lane`. False where losses have no order: some are no numbers.
  bool score(Index first, Index count, Index lane, int v, Block& block) {
    if (!sort(lane)) return false;
    rank(first / batch_patterns, lane);
    constexpr hn::RebindToSigned<Floats> integers;
    const auto lanes = hn::Mul(hn::Iota(integers, 0), hn::Set(integers, static_cast<std::int32_t>(score_stride)));
    for (Index r = 0; r < count; ++r) block[r][v] = hn::GatherIndex(floats, scores(first + r, lane), lanes);
    return true;
  }

 private:
  /// Patterns whose bits are put in order at a time: two words share a look at the order.
  static constexpr Index group_patterns = 2 * Levels::group;
  /// Patterns that are scored for a lane before the next one's turn: its losses stay in the first-level cache.
  static constexpr Index batch_patterns = 4 * group_patterns;
  /// So that lanes don't fall on the same lines of a cache.
  static constexpr Index score_stride = batch_patterns + 16;
  /// Patterns whose losses in order are there at a time: they stay in the first-level cache.
  static constexpr Index at_once = 8;
  /// Sums of a pattern, one for each of as many ranks in turn: see WeightedSum.
  static constexpr Index chains = WeightedSum::chains;
  static constexpr std::size_t most_vectors = most_lanes / hn::MaxLanes(Floats());

  /// A vector is written where the last rank may be the first of it.
  [[nodiscard]] Index ranked_stride() const { return (levels_.dimension() / vector_lanes() + 2) * vector_lanes(); }

  [[nodiscard]] HWY_INLINE bool idle(Index lane) const {
    return lane >= tile_->lanes || std::signbit(tile_->idle[static_cast<std::size_t>(lane)]);
  }

  /// Sorts the losses of a vector of lanes. Whether they have an order.
  bool sort(Index lane) {
    Order& order = sorted_[static_cast<std::size_t>(lane / vector_lanes())];
    if (order != unknown) return order == known;
    order = known;
    for (Index at = lane; at < lane + vector_lanes(); ++at) {
      if (idle(at)) continue;
      if (field_.squared_distance.used() && !distances_.sort(*tile_, at, sorter_)) order = none;
      if (field_.dot.used() && !products_.sort(*tile_, at, sorter_)) order = none;
    }
    return order == known;
  }

  /// Scores a batch of patterns for a vector of lanes.
  void rank(Index batch, Index lane) {
    Index& own = batches_[static_cast<std::size_t>(lane / vector_lanes())];
    if (own == batch) return;
    own = batch;
    const Index end = std::min((batch + 1) * batch_patterns, levels_.rows);
    for (Index at = lane; at < lane + vector_lanes(); ++at)
      if (!idle(at))
        for (Index first = batch * batch_patterns; first < end; first += group_patterns)
          rank(first, std::min(group_patterns, end - first), at, scores(first, at));
  }

  /// Scores a group of patterns for one lane.
  void rank(Index first, Index count, Index lane, float* scores) {
    const float* const priors = field_.log_prior.data() + first;
    std::copy_n(priors, count, scores);
    if (field_.squared_distance.used()) add(distances_, field_.squared_distance, first, count, lane, scores);
    if (field_.dot.used()) add(products_, field_.dot, first, count, lane, scores);
    for (Index i = 0; i < count; ++i)  // Never retrieved, whatever the terms.
      if (priors[i] == -std::numeric_limits<float>::infinity()) scores[i] = priors[i];
  }

  /// Adds the part of a base to the scores of a group for one lane.
  template <FootprintBase base>
  void add(const SortedLosses<base>& sorted, const RankWeights& weights, Index first, Index count, Index lane,
           float* scores) {
    take_words(first / Levels::group, sorted.order(lane));
    for (Index i = 0; i < count; i += at_once) {
      compress_some(sorted.losses(lane), i);
      if (weights.stride == 0)
        weigh_some<true>(weights, first + i, quarters_ + 4 * i);
      else
        weigh_some<false>(weights, first + i, quarters_ + 4 * i);
    }
    for (Index i = 0; i < count; i += vector_lanes()) {
      Vector parts[4];
      hn::LoadInterleaved4(floats, quarters_ + 4 * i, parts[0], parts[1], parts[2], parts[3]);
      const Vector sum = hn::Add(hn::Add(parts[0], parts[1]), hn::Add(parts[2], parts[3]));
      hn::Store(hn::Add(hn::Load(floats, scores + i), sum), floats, scores + i);
    }
  }

  /// Which patterns of a group have which level, in the order of a lane's losses.
  void take_words(Index group, const std::uint16_t* order) {
    const Index count = levels_.count();
    const std::uint32_t* const lower = levels_.bits_of(group);
    const std::uint32_t* const upper = levels_.bits_of(std::min(group + 1, levels_.group_count() - 1));
    std::uint32_t* const to = words_.data();
    std::uint32_t* const to_upper = to + levels_.padded_count();
    for (Index i = 0; i < count; ++i) {
      const std::uint16_t level = order[i];
      to[i] = lower[level];
      to_upper[i] = upper[level];
    }
  }

  /// The losses of at_once patterns of a group, from `first` on, in order.
  void compress_some(const float* losses, Index first) {
    constexpr Index lanes = hn::MaxLanes(floats);
    const auto shift = static_cast<int>(Levels::group - at_once - first % Levels::group);
    float* to[at_once];
    for (Index p = 0; p < at_once; ++p) to[p] = ranked_.data() + p * ranked_stride();
    const std::uint32_t* words = words_.data() + first / Levels::group * levels_.padded_count();
    const float* const end = losses + levels_.padded_count();
    for (; losses < end; losses += lanes, words += lanes) {
      const Vector values = hn::Load(floats, losses);
      auto own = hn::ShiftLeftSame(hn::LoadU(Words(), words), shift);
      HWY_UNROLL(8)
      for (Index p = at_once - 1; p >= 0; --p) {
        to[p] = compress(values, own, to[p]);
        own = hn::Add(own, own);
      }
    }
  }

  /// Σ of weights times losses, subtracted, of at_once patterns from `first` on, in the four sums of WeightedSum each.
  /// Those of several patterns make a vector, and several vectors are summed together, for each addition waits for the
  /// one before.
  template <bool shared>
  void weigh_some(const RankWeights& weights, Index first, float* to) const {
    constexpr Index vectors = chains * at_once / hn::MaxLanes(floats);
    const float* own[at_once];
    const float* losses[at_once];
    for (Index p = 0; p < at_once; ++p) {
      own[p] = weights.of(std::min(first + p, levels_.rows - 1));
      losses[p] = ranked_.data() + p * ranked_stride();
    }
    Vector sums[vectors];
    for (Vector& sum : sums) sum = hn::Zero(floats);
    const Index ranks = levels_.dimension();
    Index rank = WeightedSum::first_turn(ranks);
    if (rank > 0) add_few_ranks<shared>(own, losses, 0, rank, sums);
    for (; rank + chains <= ranks; rank += chains) add_ranks<shared>(own, losses, rank, sums);
    if (rank < ranks) add_few_ranks<shared>(own, losses, rank, ranks - rank, sums);
    for (Index v = 0; v < vectors; ++v) hn::StoreU(sums[v], floats, to + v * vector_lanes());
  }

  template <bool shared, std::size_t vectors>
  static HWY_INLINE void add_ranks(const float* const* weights, const float* const* losses, Index rank,
                                   Vector (&sums)[vectors]) {
    constexpr Index patterns = hn::MaxLanes(floats) / chains;
    HWY_UNROLL(4)
    for (std::size_t v = 0; v < vectors; ++v) {
      const Index p = static_cast<Index>(v) * patterns;
      const Vector factors = shared ? hn::LoadDup128(floats, weights[0] + rank) : side_by_side(weights + p, rank);
      sums[v] = hn::NegMulAdd(factors, side_by_side(losses + p, rank), sums[v]);
    }
  }

  /// Fewer than there are chains: products of 0 leave the others' sums as they are.
  template <bool shared, std::size_t vectors>
  static HWY_INLINE void add_few_ranks(const float* const* weights, const float* const* losses, Index rank, Index count,
                                       Vector (&sums)[vectors]) {
    alignas(64) float few[2][at_once][chains] = {};
    const float* from[2][at_once];
    for (Index p = 0; p < at_once; ++p) {
      std::copy_n(weights[p] + rank, count, few[0][p]);
      std::copy_n(losses[p] + rank, count, few[1][p]);
      from[0][p] = few[0][p];
      from[1][p] = few[1][p];
    }
    add_ranks<shared>(from[0], from[1], 0, sums);
  }

  /// `chains` values from `at` on of each of as many rows as fill a vector.
  template <class Tag = Floats>
  static HWY_INLINE hn::Vec<Tag> side_by_side(const float* const* rows, Index at) {
    if constexpr (hn::MaxLanes(Tag()) == chains) {
      return hn::LoadU(Tag(), rows[0] + at);
    } else {
      using Half = hn::Half<Tag>;
      return hn::Combine(Tag(), side_by_side<Half>(rows + hn::MaxLanes(Half()) / chains, at),
                         side_by_side<Half>(rows, at));
    }
  }

  [[nodiscard]] HWY_INLINE float* scores(Index pattern, Index lane) {
    return scores_.data() + lane * score_stride + pattern % batch_patterns;
  }

  enum Order : std::uint8_t { unknown, known, none };

  const AdaptiveField& field_;
  const Levels& levels_;
  const Tile* tile_ = nullptr;
  KeySorter sorter_;
  SortedLosses<FootprintBase::squared_distance> distances_;
  SortedLosses<FootprintBase::dot> products_;
  std::vector<std::uint32_t> words_;  ///< [2 × padded C] a group's bits in a lane's order, 0 behind the last level
  AlignedFloats ranked_;              ///< [at_once × D and more] a pattern's losses in order
  AlignedFloats scores_;              ///< [lanes × score_stride] of a batch
  std::array<Order, most_vectors> sorted_{};
  std::array<Index, most_vectors> batches_{};  ///< whose scores there are
  alignas(64) float quarters_[4 * group_patterns];
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
