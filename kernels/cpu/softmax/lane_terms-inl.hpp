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

#include "kernels/cpu/simd/decoded_panels-inl.hpp"
#include "kernels/cpu/simd/take_apart-inl.hpp"
#include "kernels/cpu/softmax/byte_patterns.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/lane_candidates.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Σ p c of a block of patterns, for lanes that differ in their terms. Rows of patterns, which lie in panels, are laid
/// out strip by strip, once for all lanes; a lane's sum is one chain in the order of the patterns, as if nothing were
/// left out. Or it is an integer, which two chains hold: of weights in units, see byte_patterns.hpp, the upper 15 bits,
/// and the lower 15 with a sign, of which no sum of most_byte_patterns is more than 2²⁴.
class LaneTerms {
 public:
  /// `most`: patterns of a block. `integers`: all entries are −1, 0 or 1, and sums are to be integers.
  LaneTerms(const PackedMatrix& contents, Index width, Index most, bool integers)
      : contents_(contents),
        integers_(integers),
        most_(most),
        chunk_(std::min(most_vectors, vectors_of(contents.padded_columns())) * vector_lanes()),
        strip_(std::min(padded(detail::sizes().readout_strip), contents.padded_rows())),
        terms_(hwy::AllocateAligned<Term>(static_cast<std::size_t>(width * most))),
        used_(static_cast<std::size_t>(most / group + 2)),
        group_rows_(contents, 1, chunk_),
        rows_(strip_ * chunk_),
        sums_(AlignedFloats::unset(width * chunk_)),
        lower_sums_(AlignedFloats::unset(integers ? width * chunk_ : 0)) {
    if (!terms_) throw std::bad_alloc();
  }

  /// Columns that are summed at a time.
  [[nodiscard]] Index chunk() const { return chunk_; }

  /// Whether reading out term by term costs less than row by row. In cycles: a row of a block of lanes takes as many as
  /// there are columns, at two multiply-adds each; a term must be found, and takes nine loads for eight vectors. As
  /// integers rows take half of that, and terms two multiply-adds for each load.
  [[nodiscard]] bool are_few(Index terms, Index rows, Index columns) const {
    const float vectors = static_cast<float>(columns) / static_cast<float>(vector_lanes());
    const float term_cost =
        detail::sizes().term_cost * (integers_ ? 1.5F : 1.0F) + (integers_ ? 1.0F : 9.0F / 16.0F) * vectors;
    return static_cast<float>(terms) * term_cost <= static_cast<float>(rows * columns) * (integers_ ? 0.5F : 1.0F);
  }

  /// The same of the weights of the candidates [first, end) that aren't 0: they are counted until there are too many.
  [[nodiscard]] bool are_few(const Candidates& candidates, Index first, Index end, Index columns) const {
    Index terms = 0;
    for (Index i = first; i < end; i += word_rows) {
      terms += std::popcount(weighed(candidates, i, end));
      if (!are_few(terms, end - first, columns)) return false;
    }
    return true;
  }

  /// Begins with the block of patterns that starts at `first`, for so many lanes in use.
  void start(Index first, Index lanes) {
    lanes_ = lanes;
    first_group_ = first / group;
    for (Index lane = 0; lane < lanes_; ++lane) ends_[static_cast<std::size_t>(lane)] = begin(lane);
    std::fill(used_.begin(), used_.end(), std::uint8_t{0});
  }

  /// Adds those of the candidates [first, end), of a block of lanes.
  void add(const Candidates& candidates, Index first, Index end, Index lane) {
    Term** const ends = ends_.data() + lane;
    for (Index i = first; i < end; i += word_rows) {
      const std::uint64_t word = weighed(candidates, i, end);
      for (Index r = 0; r < std::min(word_rows, end - i); ++r)
        if (const std::uint64_t row = word >> (r * row_bits) & row_mask; row != 0)
          add_row(row, static_cast<std::int32_t>(candidates.pattern(i + r)), candidates.values(i + r), ends);
    }
  }

  /// The same of a single lane.
  void add(const LaneCandidates& candidates, Index first, Index end, Index lane) {
    Term* next = ends_[static_cast<std::size_t>(lane)];
    for (Index i = first; i < end; ++i) {
      const auto pattern = static_cast<std::int32_t>(candidates.pattern(i));
      used(pattern / group) = 1;
      *next++ = {pattern, candidates.value(i)};
    }
    ends_[static_cast<std::size_t>(lane)] = next;
  }

  /// Sums a chunk of columns from `column` on over the patterns [first, end), for the lanes that have terms.
  void sum(Index first, Index end, Index column) {
    for (Index lane = 0; lane < lanes_; ++lane) next_[static_cast<std::size_t>(lane)] = begin(lane);
    const Index columns = std::min(chunk_, contents_.padded_columns() - column);
    const Index vectors = vectors_of(columns);
    for (Index from = first; from < end;) {
      const Index to = std::min(from / strip_ * strip_ + strip_, end);
      if (lay_out(from, to, column, columns))
        for (Index lane = 0; lane < lanes_; ++lane)
          if (has_terms(lane, to))
            with_vectors<most_vectors>(vectors, [&]<Index count>() HWY_ATTR {
              if (integers_)
                add_integers<count>(lane, from, to);
              else
                add_terms<count>(lane, from, to);
            });
      from = to;
    }
  }

  /// The sums of block_rows columns of the chunk for a block of lanes, 0 where a lane has no terms.
  HWY_INLINE void load(Index column, Index lane, Block& block) const {
    const Vector places = hn::Iota(floats, 0.0F);
    clear(block);
    for (int v = 0; v < block_vectors; ++v) {
      const Index first = lane + v * vector_lanes();
      for (Index i = first; i < std::min(first + vector_lanes(), lanes_); ++i) {
        if (end(i) == begin(i)) continue;
        const auto place = hn::Eq(places, hn::Set(floats, static_cast<float>(i - first)));
        const float* const sums = sums_.data() + i * chunk_ + column;
        for (int r = 0; r < block_rows; ++r) block[r][v] = hn::IfThenElse(place, hn::Set(floats, sums[r]), block[r][v]);
      }
    }
  }

 private:
  /// Patterns that are laid out together: a panel where vectors are so wide that taking it apart costs less.
  static constexpr Index quad = panel_rows / 2;
  static constexpr Index group = HWY_TARGET <= HWY_AVX3 ? panel_rows : quad;

  /// Vectors of neurons whose sums are in registers: as many as keep multiply-adds from waiting for one another.
  static constexpr Index most_vectors = 8;

  static Index vectors_of(Index columns) { return (columns + vector_lanes() - 1) / vector_lanes(); }

  /// Bits of a vector's mask in a word, of a row of candidates, and rows of a word.
  static constexpr Index slot = static_cast<Index>(std::max<std::size_t>(8, hn::MaxLanes(Floats())));
  static constexpr Index row_bits = block_vectors * slot;
  static constexpr std::uint64_t row_mask = ~std::uint64_t{0} >> (64 - row_bits);
  static constexpr Index word_rows = 64 / row_bits;

  /// Which weights of the candidates from `first` on, word_rows at most, aren't 0.
  static HWY_INLINE std::uint64_t weighed(const Candidates& candidates, Index first, Index end) {
    std::uint64_t word = 0;
    const Index rows = std::min(word_rows, end - first);
    for (Index r = 0; r < rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const auto some = hn::Ne(candidates.value(first + r, v), hn::Zero(floats));
        word |= bits(some) << static_cast<std::uint64_t>((r * block_vectors + v) * slot);
      }
    return word;
  }

  static HWY_INLINE std::uint64_t bits(hn::Mask<Floats> mask) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(floats, mask, bytes);
    return bytes[0] | static_cast<std::uint64_t>(bytes[1]) << 8U;
  }

  struct Term {
    std::int32_t pattern;
    float weight;
  };

  [[nodiscard]] Term* begin(Index lane) const { return terms_.get() + lane * most_; }
  [[nodiscard]] Term* end(Index lane) const { return ends_[static_cast<std::size_t>(lane)]; }

  [[nodiscard]] std::uint8_t& used(Index index) { return used_[static_cast<std::size_t>(index - first_group_)]; }

  /// Adds the terms of one pattern, of the lanes whose bits are set.
  HWY_INLINE void add_row(std::uint64_t lanes, std::int32_t pattern, const float* weights, Term** ends) {
    used(pattern / group) = 1;
    for (; lanes != 0; lanes &= lanes - 1) {
      const auto bit = static_cast<Index>(std::countr_zero(lanes));
      const Index own = bit / slot * vector_lanes() + bit % slot;
      *ends[own]++ = {pattern, weights[own]};
    }
  }

  /// Whether a lane's next term is of a pattern before `end_pattern`.
  [[nodiscard]] bool has_terms(Index lane, Index end_pattern) const {
    const Term* const next = next_[static_cast<std::size_t>(lane)];
    return next != end(lane) && next->pattern < end_pattern;
  }

  /// Lays out columns of those patterns [first, end) that a lane has terms of. Whether there are any.
  bool lay_out(Index first, Index end, Index column, Index columns) {
    bool any = false;
    for (Index pattern = first / group * group; pattern < end; pattern += group) {
      if (used(pattern / group) == 0) continue;
      any = true;
      group_rows_.clear();
      const Index offset = group_rows_.add(pattern);
      float* const to = rows_.data() + (pattern - first / group * group) * chunk_;
      lay_out_group(group_rows_.columns(column) + offset, columns, to, chunk_);
    }
    return any;
  }

  /// Puts the patterns of a group `stride` apart.
  static void lay_out_group(const float* HWY_RESTRICT from, Index columns, float* HWY_RESTRICT to, Index stride) {
    Index k = 0;
    if constexpr (group == panel_rows)
      for (; k + vector_lanes() <= columns; k += vector_lanes()) {
        Vector patterns[panel_rows];
        take_apart<Floats>(from + k * panel_rows, patterns);
        for (Index r = 0; r < panel_rows; ++r) hn::Store(patterns[r], floats, to + r * stride + k);
      }
    for (; k < columns; k += quad)
      for (Index r = 0; r < group; r += quad) transpose(from + k * panel_rows + r, to + r * stride + k, stride);
  }

  /// 4 columns of 4 patterns.
  static HWY_INLINE void transpose(const float* HWY_RESTRICT from, float* HWY_RESTRICT to, Index stride) {
#if HWY_TARGET == HWY_SCALAR
    for (Index k = 0; k < quad; ++k)
      for (Index r = 0; r < quad; ++r) to[r * stride + k] = from[k * panel_rows + r];
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
    hn::Store(hn::BitCast(four, hn::InterleaveUpper(pair, ab_low, cd_low)), four, to + stride);
    hn::Store(hn::BitCast(four, hn::InterleaveLower(pair, ab_high, cd_high)), four, to + 2 * stride);
    hn::Store(hn::BitCast(four, hn::InterleaveUpper(pair, ab_high, cd_high)), four, to + 3 * stride);
#endif
  }

  template <Index count, class Add>
  static HWY_INLINE void with_vectors(Index vectors, const Add& add) {
    if constexpr (count > 1)
      if (vectors < count) return with_vectors<count - 1>(vectors, add);
    add.template operator()<count>();
  }

  /// Adds a lane's terms of the strip that is laid out.
  template <Index vectors>
  HWY_INLINE void add_terms(Index lane, Index first, Index end_pattern) {
    const float* const rows = rows_.data() - first / group * group * chunk_;
    float* const chain = sums_.data() + lane * chunk_;
    const Term* const last = end(lane);
    const Term* term = next_[static_cast<std::size_t>(lane)];
    Vector sums[std::size_t{vectors}];
    for (Index v = 0; v < vectors; ++v)
      sums[v] = term == begin(lane) ? hn::Zero(floats) : hn::Load(floats, chain + v * vector_lanes());
    do {
      const Vector weight = hn::Set(floats, term->weight);
      const float* const row = rows + term->pattern * chunk_;
      HWY_UNROLL(8)
      for (Index v = 0; v < vectors; ++v)
        sums[v] = hn::MulAdd(hn::Load(floats, row + v * vector_lanes()), weight, sums[v]);
    } while (++term != last && term->pattern < end_pattern);
    for (Index v = 0; v < vectors; ++v) hn::Store(sums[v], floats, chain + v * vector_lanes());
    next_[static_cast<std::size_t>(lane)] = term;
  }

  /// The same where sums are integers; the last terms leave the whole sums in the upper ones' place, rounded once.
  template <Index vectors>
  HWY_INLINE void add_integers(Index lane, Index first, Index end_pattern) {
    const float* const rows = rows_.data() - first / group * group * chunk_;
    float* const chain = sums_.data() + lane * chunk_;
    float* const lower_chain = lower_sums_.data() + lane * chunk_;
    const Term* const last = end(lane);
    const Term* term = next_[static_cast<std::size_t>(lane)];
    Vector upper[std::size_t{vectors}];
    Vector lower[std::size_t{vectors}];
    for (Index v = 0; v < vectors; ++v) {
      const bool starts = term == begin(lane);
      upper[v] = starts ? hn::Zero(floats) : hn::Load(floats, chain + v * vector_lanes());
      lower[v] = starts ? hn::Zero(floats) : hn::Load(floats, lower_chain + v * vector_lanes());
    }
    do {
      const Vector weight = hn::Set(floats, term->weight);
      const Vector upper_units = to_integer(hn::Mul(weight, hn::Set(floats, 0x1p-15F / weight_unit)));
      const Vector left =
          hn::NegMulAdd(upper_units, hn::Set(floats, 0x1p15F), hn::Mul(weight, hn::Set(floats, 1.0F / weight_unit)));
      const Vector lower_units = to_integer(left);
      const float* const row = rows + term->pattern * chunk_;
      HWY_UNROLL(8)
      for (Index v = 0; v < vectors; ++v) {
        const Vector entries = hn::Load(floats, row + v * vector_lanes());
        upper[v] = hn::MulAdd(entries, upper_units, upper[v]);
        lower[v] = hn::MulAdd(entries, lower_units, lower[v]);
      }
    } while (++term != last && term->pattern < end_pattern);
    const bool ends = term == last;
    for (Index v = 0; v < vectors; ++v) {
      const Vector sum =
          hn::Mul(hn::MulAdd(upper[v], hn::Set(floats, 0x1p15F), lower[v]), hn::Set(floats, weight_unit));
      hn::Store(ends ? sum : upper[v], floats, chain + v * vector_lanes());
      hn::Store(lower[v], floats, lower_chain + v * vector_lanes());
    }
    next_[static_cast<std::size_t>(lane)] = term;
  }

  /// The nearest integer, of what is at most 2²².
  static HWY_INLINE Vector to_integer(Vector value) {
    const Vector large = hn::Set(floats, 0x1.8p23F);
    return hn::Sub(hn::Add(value, large), large);
  }

  const PackedMatrix& contents_;
  bool integers_;
  Index most_;
  Index chunk_;
  Index lanes_ = 0;
  Index strip_;                              ///< patterns laid out at a time
  hwy::AlignedFreeUniquePtr<Term[]> terms_;  ///< of the lanes [width × most], in order
  LaneArray<Term*> ends_{};                  ///< where the lanes' own end
  LaneArray<const Term*> next_{};            ///< the lanes' first terms past the strips so far
  Index first_group_ = 0;                    ///< of the block, which may share it with the one before
  std::vector<std::uint8_t> used_;           ///< groups of the block that a lane has terms of
  RowColumns group_rows_;                    ///< those of one of them
  AlignedFloats rows_;                       ///< a strip's patterns, a chunk of columns each, then zeros
  AlignedFloats sums_;                       ///< [width × chunk]
  AlignedFloats lower_sums_;                 ///< the same, of integers' lower parts
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
