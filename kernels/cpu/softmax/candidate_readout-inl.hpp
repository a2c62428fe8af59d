// Readouts Σ p c of weighed candidates.
//
// Blocks of patterns end at fixed patterns, and each block's sum is added to those before without loss: there may be
// millions of terms. Within a block the sum is one chain, whatever the strips it is made in; a pattern that is there
// for another lane's sake has weight 0 here, and adding 0 changes no bit. Where patterns are bytes a block's sums are
// integers, which no order changes.

#if defined(ATTRACTOR_CPU_CANDIDATE_READOUT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_CANDIDATE_READOUT_INL
#undef ATTRACTOR_CPU_CANDIDATE_READOUT_INL
#else
#define ATTRACTOR_CPU_CANDIDATE_READOUT_INL
#endif

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "kernels/cpu/simd/decoded_panels-inl.hpp"
#include "kernels/cpu/softmax/byte_readout-inl.hpp"
#include "kernels/cpu/softmax/candidates-inl.hpp"
#include "kernels/cpu/softmax/lane_candidates.hpp"
#include "kernels/cpu/softmax/lane_terms-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

class CandidateReadout {
 public:
  /// `pattern_block`: patterns that are summed apart. `bytes`: the contents as bytes, whose sums are to be integers; or
  /// null.
  CandidateReadout(const PackedMatrix& contents, const BytePatterns* bytes, Index width, Index pattern_block)
      : contents_(contents),
        width_(width),
        pattern_block_(pattern_block),
        offsets_(static_cast<std::size_t>(detail::sizes().readout_strip)),
        rows_(contents, detail::sizes().readout_strip, block_rows),
        chain_(AlignedFloats::unset(contents.padded_columns() * block_lanes())),
        terms_(contents, width, std::min(pattern_block, contents.padded_rows()), bytes != nullptr),
        sum_(AlignedFloats::unset(contents.padded_columns() * width)),
        rest_(AlignedFloats::unset(contents.padded_columns() * width)) {
    if (bytes != nullptr) bytes_.emplace(*bytes);
  }

  /// `lanes`: of the tile in use.
  void start(Index lanes) {
    lanes_ = lanes;
    started_.fill(false);
  }

  [[nodiscard]] bool sums_are_integers() const { return bytes_.has_value(); }

  /// Adds the candidates of the blocks of lanes, or of single lanes, which come after all before.
  template <class List>
  void add(const std::vector<List>& candidates) {
    next_.fill(0);
    for (;;) {
      Index first = contents_.rows();
      for (std::size_t i = 0; i < candidates.size(); ++i)
        if (next_[i] < candidates[i].count()) first = std::min(first, candidates[i].pattern(next_[i]));
      if (first == contents_.rows()) return;
      add_block(candidates, first / pattern_block_);
    }
  }

  /// Multiplies the sums of a vector of lanes.
  HWY_INLINE void scale(Index lane, Vector factor) {
    if (!started(lane)) return;
    for (Index row = 0; row < contents_.padded_columns(); ++row)
      for (AlignedFloats* const part : {&sum_, &rest_}) {
        float* const at = part->data() + row * width_ + lane;
        hn::Store(hn::Mul(hn::Load(floats, at), factor), floats, at);
      }
  }

  /// The sums of block_rows columns for one block of lanes.
  HWY_INLINE void load(Index row, Index lane, Block& block) const {
    if (!started(lane)) return clear(block);
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = (row + r) * width_ + lane + v * vector_lanes();
        block[r][v] = hn::Add(hn::Load(floats, sum_.data() + at), hn::Load(floats, rest_.data() + at));
      }
  }

 private:
  static std::size_t block_of(Index lane) { return static_cast<std::size_t>(lane / block_lanes()); }
  [[nodiscard]] bool started(Index lane) const { return started_[block_of(lane)]; }

  /// The candidates of one block of patterns: those of blocks of lanes where most have weight row by row, the others
  /// term by term.
  void add_block(const std::vector<Candidates>& candidates, Index block) {
    const Index end_pattern = (block + 1) * pattern_block_;
    std::array<bool, most_lanes> has_terms{};
    bool any = false;
    terms_.start(block * pattern_block_, lanes_);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Index lane = static_cast<Index>(i) * block_lanes();
      const Index first = next_[i];
      const Index end = candidates[i].first_from(first, end_pattern);
      next_[i] = end;
      if (first == end) continue;
      has_terms[i] = terms_.are_few(candidates[i], first, end, contents_.padded_columns());
      if (has_terms[i])
        terms_.add(candidates[i], first, end, lane);
      else if (bytes_)
        add_bytes(lane, candidates[i], first, end);
      else
        add_rows(lane, candidates[i], first, end);
      any |= has_terms[i];
    }
    if (any) add_terms(has_terms, block * pattern_block_, std::min(end_pattern, contents_.rows()));
  }

  /// Those of single lanes.
  void add_block(const std::vector<LaneCandidates>& candidates, Index block) {
    const Index end_pattern = (block + 1) * pattern_block_;
    std::array<bool, most_lanes> has_terms{};
    terms_.start(block * pattern_block_, lanes_);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Index first = next_[i];
      const Index end = candidates[i].first_from(first, end_pattern);
      next_[i] = end;
      if (first == end) continue;
      terms_.add(candidates[i], first, end, static_cast<Index>(i));
      has_terms[block_of(static_cast<Index>(i))] = true;
    }
    add_terms(has_terms, block * pattern_block_, std::min(end_pattern, contents_.rows()));
  }

  void add_terms(const std::array<bool, most_lanes>& has_terms, Index first, Index end) {
    for (Index column = 0; column < contents_.padded_columns(); column += terms_.chunk()) {
      terms_.sum(first, end, column);
      for (Index lane = 0; lane < lanes_; lane += block_lanes())
        if (has_terms[block_of(lane)])
          for (Index row = column; row < std::min(column + terms_.chunk(), contents_.padded_columns());
               row += block_rows) {
            Block block;
            terms_.load(row - column, lane, block);
            add_sum(row, lane, block);
          }
    }
    for (Index lane = 0; lane < lanes_; lane += block_lanes()) started_[block_of(lane)] |= has_terms[block_of(lane)];
  }

  void add_bytes(Index lane, const Candidates& candidates, Index first, Index end) {
    bytes_->sum(candidates, first, end);
    for (Index row = 0; row < contents_.padded_columns(); row += block_rows) {
      Block block;
      bytes_->load(row, block);
      add_sum(row, lane, block);
    }
    started_[block_of(lane)] = true;
  }

  /// Strips are short, so that their weights stay in the first-level cache while all columns pass.
  void add_rows(Index lane, const Candidates& candidates, Index first, Index end) {
    const auto strip = static_cast<Index>(offsets_.size());
    for (Index from = first; from < end; from += strip) {
      const Index to = std::min(from + strip, end);
      rows_.clear();
      for (Index i = from; i < to; ++i) offsets_[static_cast<std::size_t>(i - from)] = rows_.add(candidates.pattern(i));
      for (Index row = 0; row < contents_.padded_columns(); row += block_rows) {
        Block block;
        if (from == first)
          clear(block);
        else
          load_chain(row, block);
        multiply(row, candidates.values(from), to - from, block);
        if (to == end)
          add_sum(row, lane, block);
        else
          store_chain(row, block);
      }
    }
    started_[block_of(lane)] = true;
  }

  HWY_INLINE void multiply(Index row, const float* HWY_RESTRICT weights, Index count, Block& block) {
    const float* HWY_RESTRICT const column = rows_.columns(row);
    for (Index k = 0; k < count; ++k)
      multiply_add<panel_rows>(column + offsets_[static_cast<std::size_t>(k)], weights + k * block_lanes(), block);
  }

  [[nodiscard]] HWY_INLINE float* chain(Index row, int v) {
    return chain_.data() + row * block_lanes() + v * vector_lanes();
  }
  HWY_INLINE void load_chain(Index row, Block& block) {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) block[r][v] = hn::Load(floats, chain(row + r, v));
  }
  HWY_INLINE void store_chain(Index row, const Block& block) {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) hn::Store(block[r][v], floats, chain(row + r, v));
  }

  /// Adds a block's sum to those before.
  HWY_INLINE void add_sum(Index row, Index lane, const Block& block) {
    for (int r = 0; r < block_rows; ++r)
      for (int v = 0; v < block_vectors; ++v) {
        const Index at = (row + r) * width_ + lane + v * vector_lanes();
        Vector high = block[r][v];
        Vector low = hn::Zero(floats);
        if (started(lane)) {
          high = hn::Load(floats, sum_.data() + at);
          low = hn::Load(floats, rest_.data() + at);
          add_exactly(block[r][v], high, low);
        }
        hn::Store(high, floats, sum_.data() + at);
        hn::Store(low, floats, rest_.data() + at);
      }
  }

  const PackedMatrix& contents_;
  Index width_;
  Index pattern_block_;
  Index lanes_ = 0;
  std::vector<Index> offsets_;              ///< where the rows of a strip's patterns start
  RowColumns rows_;                         ///< the rows themselves
  AlignedFloats chain_;                     ///< a block's sum so far [padded columns × block_lanes]
  std::optional<ByteReadout> bytes_;        ///< where the sums are integers
  LaneTerms terms_;                         ///< of a block of patterns
  AlignedFloats sum_;                       ///< of the blocks so far [padded columns × width],
  AlignedFloats rest_;                      ///< and what its rounding left
  std::array<bool, most_lanes> started_{};  ///< blocks of lanes that have sums
  std::array<Index, most_lanes> next_{};    ///< their first candidates past the blocks of patterns so far
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
