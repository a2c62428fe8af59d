// Readouts of the terms that have weight, lane by lane, where few have: neurons lie along the vectors here.

#if defined(ATTRACTOR_CPU_LANE_TERMS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_LANE_TERMS_INL
#undef ATTRACTOR_CPU_LANE_TERMS_INL
#else
#define ATTRACTOR_CPU_LANE_TERMS_INL
#endif

#include <algorithm>
#include <bit>
#include <cstdint>
#include <new>
#include <vector>

#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Σ p c of a block of patterns, for lanes that differ in their terms. Rows of patterns, which lie in panels, are laid
/// out strip by strip, once for all lanes; a lane's sum is one chain in the order of the patterns, as if nothing were
/// left out.
class LaneTerms {
 public:
  /// `most`: patterns of a block.
  LaneTerms(const PackedMatrix& contents, Index width, Index most)
      : contents_(contents),
        most_(most),
        strip_(std::min(padded(detail::sizes().readout_strip), contents.padded_rows())),
        patterns_(hwy::AllocateAligned<std::int32_t>(static_cast<std::size_t>(width * most))),
        weights_(hwy::AllocateAligned<float>(static_cast<std::size_t>(width * most))),
        used_(static_cast<std::size_t>(most / quad + 2)),
        rows_(strip_ * chunk()),
        sums_(width * chunk()) {
    if (!patterns_ || !weights_) throw std::bad_alloc();
  }

  /// Columns that are summed at a time.
  static Index chunk() { return Index{most_vectors} * vector_lanes(); }

  /// Whether reading out term by term costs less than row by row. In cycles: a row of a block of lanes takes as many as
  /// there are columns, at two multiply-adds each; a term must be found, and takes nine loads for eight vectors.
  [[nodiscard]] static bool are_few(Index terms, Index rows, Index columns) {
    const auto term_cost =
        detail::sizes().term_cost + 9.0F / 16.0F * static_cast<float>(columns) / static_cast<float>(vector_lanes());
    return static_cast<float>(terms) * term_cost <= static_cast<float>(rows * columns);
  }

  /// How many weights of the candidates [first, end) aren't 0.
  [[nodiscard]] static Index count(const Candidates& candidates, Index first, Index end) {
    Index sum = 0;
    for (Index i = first; i < end; i += word_rows) sum += std::popcount(weighed(candidates, i, end));
    return sum;
  }

  /// Begins with the block of patterns that starts at `first`.
  void start(Index first) {
    first_quad_ = first / quad;
    counts_.fill(0);
    std::fill(used_.begin(), used_.end(), std::uint8_t{0});
  }

  /// Adds those of the candidates [first, end), of a block of lanes.
  void add(const Candidates& candidates, Index first, Index end, Index lane) {
    for (Index i = first; i < end; i += word_rows)
      for (std::uint64_t left = weighed(candidates, i, end); left != 0; left &= left - 1) {
        const auto bit = static_cast<Index>(std::countr_zero(left));
        const Index row = i + bit / row_bits;
        const Index own = bit % row_bits / slot * vector_lanes() + bit % slot;
        const Index at = (lane + own) * most_ + counts_[static_cast<std::size_t>(lane + own)]++;
        patterns_[static_cast<std::size_t>(at)] = static_cast<std::int32_t>(candidates.pattern(row));
        weights_[static_cast<std::size_t>(at)] = candidates.values(row)[own];
        used(candidates.pattern(row) / quad) = 1;
      }
  }

  /// Sums a chunk of columns from `column` on over the patterns [first, end), for the lanes that have terms.
  void sum(Index first, Index end, Index column) {
    next_.fill(0);
    const Index columns = std::min(chunk(), contents_.padded_columns() - column);
    const auto vectors = static_cast<std::size_t>((columns + vector_lanes() - 1) / vector_lanes());
    for (Index from = first; from < end;) {
      const Index to = std::min(from / strip_ * strip_ + strip_, end);
      if (lay_out(from, to, column, columns))
        for (Index lane = 0; lane < most_lanes; ++lane)
          if (has_terms(lane, to))
            with_vectors<most_vectors>(vectors,
                                       [&]<std::size_t count>() HWY_ATTR { add_terms<count>(lane, from, to); });
      from = to;
    }
  }

  /// The sums of block_rows columns of the chunk for a block of lanes, 0 where a lane has no terms.
  HWY_INLINE void load(Index column, Index lane, Block& block) const {
    alignas(64) float values[block_rows][std::size_t{block_vectors} * hn::MaxLanes(Floats())];
    for (Index i = 0; i < block_lanes(); ++i) {
      const bool any = counts_[static_cast<std::size_t>(lane + i)] > 0;
      for (Index r = 0; r < block_rows; ++r) values[r][i] = any ? sums_[(lane + i) * chunk() + column + r] : 0.0F;
    }
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) block[r][v] = hn::Load(floats, values[r] + v * vector_lanes());
  }

 private:
  /// Patterns that are laid out together, half a panel.
  static constexpr Index quad = 4;

  /// Vectors of neurons whose sums are in registers: as many as keep multiply-adds from waiting for one another.
  static constexpr std::size_t most_vectors = 8;

  /// Bits of a vector's mask in a word, of a row of candidates, and rows of a word.
  static constexpr Index slot = static_cast<Index>(std::max<std::size_t>(8, hn::MaxLanes(Floats())));
  static constexpr Index row_bits = block_vectors * slot;
  static constexpr Index word_rows = 64 / row_bits;

  /// Which weights of the candidates from `first` on, word_rows at most, aren't 0.
  static HWY_INLINE std::uint64_t weighed(const Candidates& candidates, Index first, Index end) {
    std::uint64_t word = 0;
    const Index rows = std::min(word_rows, end - first);
    for (Index r = 0; r < rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const auto none = hn::Eq(candidates.value(first + r, v), hn::Zero(floats));
        word |= bits(hn::Not(none)) << static_cast<std::uint64_t>((r * block_vectors + v) * slot);
      }
    return word;
  }

  static HWY_INLINE std::uint64_t bits(hn::Mask<Floats> mask) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(floats, mask, bytes);
    return bytes[0] | static_cast<std::uint64_t>(bytes[1]) << 8U;
  }

  [[nodiscard]] std::int32_t pattern(Index lane, Index i) const {
    return patterns_[static_cast<std::size_t>(lane * most_ + i)];
  }

  [[nodiscard]] std::uint8_t& used(Index index) { return used_[static_cast<std::size_t>(index - first_quad_)]; }

  /// Whether a lane's next term is of a pattern before `end`.
  [[nodiscard]] bool has_terms(Index lane, Index end) const {
    const auto at = static_cast<std::size_t>(lane);
    return next_[at] < counts_[at] && pattern(lane, next_[at]) < end;
  }

  /// Lays out columns of those patterns [first, end) that a lane has terms of. Whether there are any.
  bool lay_out(Index first, Index end, Index column, Index columns) {
    bool any = false;
    for (Index pattern = first / quad * quad; pattern < end; pattern += quad) {
      if (used(pattern / quad) == 0) continue;
      any = true;
      const float* const from = contents_.data() + contents_.row_offset(pattern) + column * panel_rows;
      float* const to = rows_.data() + (pattern - first / quad * quad) * chunk();
      for (Index k = 0; k < columns; k += quad) transpose(from + k * panel_rows, to + k);
    }
    return any;
  }

  /// 4 columns of 4 patterns.
  static HWY_INLINE void transpose(const float* HWY_RESTRICT from, float* HWY_RESTRICT to) {
#if HWY_TARGET == HWY_SCALAR
    for (Index k = 0; k < quad; ++k)
      for (Index r = 0; r < quad; ++r) to[r * chunk() + k] = from[k * panel_rows + r];
#else
    const hn::FixedTag<float, 4> four;
    const hn::Repartition<double, decltype(four)> pair;
    const auto a = hn::Load(four, from);
    const auto b = hn::Load(four, from + panel_rows);
    const auto c = hn::Load(four, from + 2 * panel_rows);
    const auto d = hn::Load(four, from + 3 * panel_rows);
    const auto ab_low = hn::BitCast(pair, hn::InterleaveLower(four, a, b));
    const auto ab_high = hn::BitCast(pair, hn::InterleaveUpper(four, a, b));
    const auto cd_low = hn::BitCast(pair, hn::InterleaveLower(four, c, d));
    const auto cd_high = hn::BitCast(pair, hn::InterleaveUpper(four, c, d));
    hn::Store(hn::BitCast(four, hn::InterleaveLower(pair, ab_low, cd_low)), four, to);
    hn::Store(hn::BitCast(four, hn::InterleaveUpper(pair, ab_low, cd_low)), four, to + chunk());
    hn::Store(hn::BitCast(four, hn::InterleaveLower(pair, ab_high, cd_high)), four, to + 2 * chunk());
    hn::Store(hn::BitCast(four, hn::InterleaveUpper(pair, ab_high, cd_high)), four, to + 3 * chunk());
#endif
  }

  template <std::size_t count, class Add>
  static HWY_INLINE void with_vectors(std::size_t vectors, const Add& add) {
    if constexpr (count > 1)
      if (vectors < count) return with_vectors<count - 1>(vectors, add);
    add.template operator()<count>();
  }

  /// Adds a lane's terms of the strip that is laid out.
  template <std::size_t vectors>
  HWY_INLINE void add_terms(Index lane, Index first, Index end) {
    const float* const rows = rows_.data() - first / quad * quad * chunk();
    float* const chain = sums_.data() + lane * chunk();
    const std::int32_t* const patterns = patterns_.get() + lane * most_;
    const float* const weights = weights_.get() + lane * most_;
    const Index count = counts_[static_cast<std::size_t>(lane)];
    Index i = next_[static_cast<std::size_t>(lane)];
    Vector sums[vectors];
    for (std::size_t v = 0; v < vectors; ++v)
      sums[v] = i == 0 ? hn::Zero(floats) : hn::Load(floats, chain + static_cast<Index>(v) * vector_lanes());
    do {
      const Vector weight = hn::Set(floats, weights[i]);
      const float* const row = rows + patterns[i] * chunk();
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < vectors; ++v)
        sums[v] = hn::MulAdd(hn::Load(floats, row + static_cast<Index>(v) * vector_lanes()), weight, sums[v]);
    } while (++i < count && patterns[i] < end);
    for (std::size_t v = 0; v < vectors; ++v)
      hn::Store(sums[v], floats, chain + static_cast<Index>(v) * vector_lanes());
    next_[static_cast<std::size_t>(lane)] = i;
  }

  const PackedMatrix& contents_;
  Index most_;
  Index strip_;                                         ///< patterns laid out at a time
  hwy::AlignedFreeUniquePtr<std::int32_t[]> patterns_;  ///< of the lanes' terms [width × most], in order
  hwy::AlignedFreeUniquePtr<float[]> weights_;          ///< their weights
  LaneArray<Index> counts_{};
  LaneArray<Index> next_{};         ///< the lanes' first terms past the strips so far
  Index first_quad_ = 0;            ///< of the block, which may share it with the one before
  std::vector<std::uint8_t> used_;  ///< quads of the block that a lane has terms of
  AlignedFloats rows_;              ///< a strip's patterns, a chunk of columns each
  AlignedFloats sums_;              ///< [width × chunk]
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
