// Scores and readouts of memories whose weights are normalised, whatever similarity makes the scores.
//
// Only candidates are kept: patterns whose weight could still matter to some lane, since their score is within a cutoff
// of the largest. In a memory that has made up its mind nearly all patterns drop out, and the readout costs next to
// nothing.
//
// What happens to a lane depends on that lane alone: a row that is kept for another lane's sake has weight 0 here, and
// adding 0 changes no bit. Segments, and the blocks of patterns whose readouts are summed apart, end at fixed patterns
// for the same reason. Each block's sum is added to those before without loss: there may be millions of terms.

#if defined(ATTRACTOR_CPU_CANDIDATE_READER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATE_READER_INL
#undef ATTRACTOR_CPU_CANDIDATE_READER_INL
#else
#define ATTRACTOR_CPU_CANDIDATE_READER_INL
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/simd/product-inl.hpp"
#include "kernels/cpu/simd/readout_term.hpp"
#include "kernels/cpu/softmax/pattern_terms-inl.hpp"
#include "kernels/negligible.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// What readers have in common: they score panels of patterns, make weights of the candidates' scores where those lie,
/// and read out `contents`, which are the patterns unless recalled from. `Scorer` makes the scores s of block_rows
/// patterns of its Field for a block of lanes, −∞ for the rows that pad the last panel.
template <class Scorer>
class CandidateReader {
 public:
  using Field = typename Scorer::Field;

  /// Call once before `readout`: drops the rows that only held lanes need, and reads out all blocks but the last.
  void prepare_readout(const Tile& tile) {
    lanes_ = tile.lanes;
    collect_terms([&](const Candidate& candidate) { return !tile.any_held || matters(tile, candidate); });
    while (blocks_left() > 1) read_out_block();
  }

  /// u for block_rows neurons and one block of lanes.
  HWY_INLINE void readout(Index row, Index lane, Block& block) const {
    if (blocks_left() > 0)
      sum_block(row, lane, block);
    else
      clear(block);
    if (has_partial_) add_partial(row, lane, block);
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      const Vector sum =
          hn::Add(hn::Load(floats, normaliser_.high.data() + at), hn::Load(floats, normaliser_.low.data() + at));
      const Vector inverse = hn::Div(hn::Set(floats, 1.0F), sum);
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) block[r][v] = hn::Mul(block[r][v], inverse);
    }
  }

 protected:
  CandidateReader(const typename Scorer::Field& field, const PackedMatrix& contents, Index width, float cutoff)
      : scorer_(field),
        contents_(contents),
        width_(width),
        pattern_block_(block_of(contents.columns())),
        segment_patterns_(std::min(detail::sizes().segment_patterns, contents.padded_rows())),
        cutoff_(cutoff),
        scores_(hwy::AllocateAligned<float>(static_cast<std::size_t>(segment_patterns_ * width))),
        partial_(contents.padded_columns() * width),
        partial_rest_(contents.padded_columns() * width) {
    if (!scores_) throw std::bad_alloc();
    candidates_.reserve(static_cast<std::size_t>(segment_patterns_));
    terms_.reserve(candidates_.capacity());
    reserve_blocks(segment_patterns_ / pattern_block_ + 2);
  }

  /// No thread allocates once it works.
  void reserve_blocks(Index count) { block_ends_.reserve(static_cast<std::size_t>(count)); }

  struct Candidate {
    Index pattern;
    Index row;  ///< of scores_
  };

  /// Patterns that are summed apart. Below 256 the sums of blocks would cost more than a tenth of those of patterns.
  static Index block_of(Index columns) {
    return std::min(detail::sizes().pattern_block, std::max<Index>(256, detail::sizes().block_floats / columns));
  }

  [[nodiscard]] float* scores(Index row) const { return scores_.get() + row * width_; }

  void start(const Tile& tile) {
    lanes_ = tile.lanes;
    for (std::size_t i = 0; i < most_lanes; ++i) {
      // No score exceeds an idle lane's maximum, so it keeps no candidate.
      const bool idle = is_set(tile.idle[i]);
      maximum_[i] = idle ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    }
    normaliser_ = {};
    candidates_.clear();
    has_partial_ = false;
  }

  static bool is_set(float bits) { return std::signbit(bits); }

  /// Scores the patterns [first, end), whose candidates there is room for.
  void score_patterns(const Tile& tile, Index first, Index end) {
    for (; first < end; first += panel_rows) score_panel(tile, first, std::min(first + panel_rows, end));
  }

  /// Scores the panel of patterns [first, end) and keeps those within the cutoff of the largest score so far of some
  /// lane.
  void score_panel(const Tile& tile, Index first, Index end) {
    const auto base = static_cast<Index>(candidates_.size());
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += block_lanes())
      for (Index row = first; row < end; row += block_rows) any |= score(tile, row, lane, base + row - first);
    if (!any) return;
    for (Index pattern = first; pattern < end; ++pattern) {
      const float* const from = scores(base + pattern - first);
      if (!any_above_threshold(tile, from)) continue;
      const auto row = static_cast<Index>(candidates_.size());
      if (scores(row) != from) std::copy_n(from, width_, scores(row));
      candidates_.push_back({pattern, row});
    }
  }

  /// Scores block_rows patterns for one block of lanes. Whether one of them is within the cutoff of the lane's largest.
  HWY_INLINE bool score(const Tile& tile, Index first, Index lane, Index to) {
    Block block;
    score_block(scorer_, tile, first, contents_.rows(), lane, block);
    bool any = false;
    const Vector never = hn::Set(floats, -std::numeric_limits<float>::infinity());
    for (int v = 0; v < block_vectors; ++v) {
      const Index at = lane + v * vector_lanes();
      // Whatever a lane without a query holds must not make candidates: it may be NaN.
      const auto idle = hn::MaskFromVec(hn::Load(floats, tile.idle.data() + at));
      HWY_UNROLL(block_rows)
      for (int r = 0; r < block_rows; ++r) block[r][v] = hn::IfThenElse(idle, never, block[r][v]);
      Vector largest = block[0][v];
      Vector sum = block[0][v];  // NaN if a score is: maxima may pass over one.
      hn::Store(block[0][v], floats, scores(to) + at);
      HWY_UNROLL(block_rows)
      for (int r = 1; r < block_rows; ++r) {
        hn::Store(block[r][v], floats, scores(to + r) + at);
        largest = hn::Max(largest, block[r][v]);
        sum = hn::Add(sum, block[r][v]);
      }
      hn::Store(hn::Max(hn::Load(floats, maximum_.data() + at), largest), floats, maximum_.data() + at);
      any |= !hn::AllFalse(floats, hn::Or(may_matter(largest, at), hn::IsNaN(sum)));
    }
    return any;
  }

  /// Not far below the lane's largest score so far. NaN matters.
  HWY_INLINE hn::Mask<Floats> may_matter(Vector score, Index lane) const {
    return hn::Not(hn::Lt(score, threshold(lane)));
  }

  HWY_INLINE Vector threshold(Index lane) const {
    return hn::Sub(hn::Load(floats, maximum_.data() + lane), hn::Set(floats, cutoff_));
  }

  HWY_INLINE bool any_above_threshold(const Tile& tile, const float* row) const {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes())
      any |= !hn::AllFalse(floats, may_matter(hn::Load(floats, row + lane), lane));
    return any;
  }

  /// Whether a candidate has weight in a lane that is about to move.
  HWY_INLINE bool matters(const Tile& tile, const Candidate& candidate) const {
    bool any = false;
    for (Index lane = 0; lane < tile.lanes; lane += vector_lanes()) {
      const auto held = hn::MaskFromVec(hn::Load(floats, tile.held.data() + lane));
      const Vector weight = hn::IfThenZeroElse(held, hn::Load(floats, scores(candidate.row) + lane));
      any |= !hn::AllFalse(floats, hn::Gt(weight, hn::Zero(floats)));
    }
    return any;
  }

  /// Lists the candidates that are wanted, and where a block of patterns ends among them.
  template <class Wanted>
  void collect_terms(const Wanted& wanted) {
    terms_.clear();
    block_ends_.clear();
    next_block_ = 0;
    Index block = -1;
    for (const Candidate& candidate : candidates_) {
      if (!wanted(candidate)) continue;
      const Index own = candidate.pattern / pattern_block_;
      if (own != block && !terms_.empty()) block_ends_.push_back(term_count());
      block = own;
      terms_.push_back(
          {.row_offset = contents_.row_offset(candidate.pattern), .weight_offset = candidate.row * width_});
    }
    if (!terms_.empty()) block_ends_.push_back(term_count());
  }

  [[nodiscard]] Index term_count() const { return static_cast<Index>(terms_.size()); }
  [[nodiscard]] std::size_t blocks_left() const { return block_ends_.size() - next_block_; }

  /// Σ p c of the next block's terms.
  HWY_INLINE void sum_block(Index row, Index lane, Block& block) const {
    const Index first = next_block_ == 0 ? 0 : block_ends_[next_block_ - 1];
    clear(block);
    multiply_terms(contents_.data() + row * panel_rows, scores_.get() + lane, terms_.data() + first,
                   block_ends_[next_block_] - first, block);
  }

  /// Adds the sum of the blocks before.
  HWY_INLINE void add_partial(Index row, Index lane, Block& block) const {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = (row + r) * width_ + lane + v * vector_lanes();
        Vector high = hn::Load(floats, partial_.data() + at);
        Vector low = hn::Load(floats, partial_rest_.data() + at);
        add_exactly(block[r][v], high, low);
        block[r][v] = hn::Add(high, low);
      }
  }

  /// Adds the next block of patterns to the partial readout; its part of the memory stays in the second-level cache.
  void read_out_block() {
    for (Index lane = 0; lane < lanes_; lane += block_lanes())
      for (Index row = 0; row < contents_.padded_columns(); row += block_rows) {
        Block block;
        sum_block(row, lane, block);
        for (int r = 0; r < block_rows; ++r)
          for (int v = 0; v < block_vectors; ++v) add_to_partial(row + r, lane + v * vector_lanes(), block[r][v]);
      }
    ++next_block_;
    has_partial_ = true;
  }

  HWY_INLINE void add_to_partial(Index row, Index lane, Vector term) {
    const Index at = row * width_ + lane;
    Vector high = has_partial_ ? hn::Load(floats, partial_.data() + at) : hn::Zero(floats);
    Vector low = has_partial_ ? hn::Load(floats, partial_rest_.data() + at) : hn::Zero(floats);
    add_exactly(term, high, low);
    hn::Store(high, floats, partial_.data() + at);
    hn::Store(low, floats, partial_rest_.data() + at);
  }

  /// Reads out the weighed candidates for all lanes, and forgets them.
  void read_out_segment() {
    collect_terms([](const Candidate& /*candidate*/) { return true; });
    while (blocks_left() > 0) read_out_block();
    candidates_.clear();
  }

  Scorer scorer_;
  const PackedMatrix& contents_;
  Index width_;
  Index pattern_block_;
  Index segment_patterns_;
  float cutoff_;
  hwy::AlignedFreeUniquePtr<float[]> scores_;  ///< scores, then weights, of the candidates [segment × width]
  AlignedFloats partial_;                      ///< readout of the blocks so far [padded columns × width],
  AlignedFloats partial_rest_;                 ///< and what its rounding left
  bool has_partial_ = false;
  std::vector<Candidate> candidates_;
  std::vector<ReadoutTerm> terms_;
  std::vector<Index> block_ends_;  ///< of terms_
  std::size_t next_block_ = 0;     ///< those before it are in partial_
  Index lanes_ = 0;                ///< of the tile in use
  LaneArray<float> maximum_;       ///< of the scores so far
  LaneSums normaliser_;            ///< Σ of the weights
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
