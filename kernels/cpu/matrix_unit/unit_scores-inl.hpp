// Similarities of patterns to a tile's states by the matrix unit, a few patterns at a time.

#if defined(ATTRACTOR_CPU_UNIT_SCORES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTRACTOR_CPU_UNIT_SCORES_INL
#undef ATTRACTOR_CPU_UNIT_SCORES_INL
#else
#define ATTRACTOR_CPU_UNIT_SCORES_INL
#endif

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/matrix_unit/parts-inl.hpp"
#include "kernels/cpu/matrix_unit/single_scores-inl.hpp"
#include "kernels/cpu/simd/decoded_panels-inl.hpp"
#include "kernels/sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace attractor::cpu::HWY_NAMESPACE {

/// Whether kernels of this instruction set score these patterns by the unit.
inline bool scores_by_unit(const PackedMatrix& patterns) {
  const detail::Sizes& sizes = detail::sizes();
  const bool pays = patterns.rows() >= sizes.unit_patterns && patterns.columns() >= sizes.unit_columns;
  return has_matrix_unit() && pays && patterns.suits_unit();
}

class UnitScores {
 public:
  explicit UnitScores(const PackedMatrix& patterns)
      : patterns_(patterns),
        panels_(patterns),
        steps_(steps_of(patterns.padded_columns())),
        keeps_(patterns.padded_rows() * patterns.padded_columns() <= most_kept),
        rows_(AlignedArray<std::uint16_t>::unset(spans_of(keeps_ ? patterns.padded_rows() : window) * row_span_size())),
        packed_(spans_of(keeps_ ? patterns.padded_rows() : window)),
        columns_(most_lanes / unit_span * steps_ * float_parts * unit_blocks * unit_block),
        scores_(window * most_lanes),
        single_(detail::sizes().single_lanes, steps_, patterns.has_floats()) {}

  /// `singly`: lanes are to be scored each by itself, most of the time.
  void take(const Tile& tile, bool singly) {
    scales_.take(states_of(tile));
    if (singly) single_.take(tile, scales_);
    lane_blocks_ = 0;
    end_ = 0;
  }

  /// The similarities of a pattern and the next ones of its panel for a lane and the next ones: those of a pattern lie
  /// most_lanes behind those of the one before. They stay until others are asked for.
  HWY_INLINE const float* from(const Tile& tile, Index pattern, Index lane) {
    if (pattern < first_ || pattern >= end_) multiply_from(tile, pattern / unit_span * unit_span);
    return scores_.data() + (pattern - first_) * most_lanes + lane;
  }

  /// The same sums for one lane, without the unit, added to zeros: of panels that lie `panel_step` apart.
  template <std::size_t count>
  HWY_INLINE void multiply_panels(const float* panels, Index panel_step, Index lane,
                                  PanelScores (&scores)[count]) const {
    single_.add_panels(panels, panel_step, patterns_.padded_columns(), lane, scores);
    for (PanelScores& panel : scores) panel.multiply(scales_.inverse(lane));
  }

 private:
  /// Patterns that are scored at a time: so many that the unit is seldom set up, and that what is written is there
  /// before it is read.
  static constexpr Index window = 128;

  /// Entries of patterns that are kept as the unit reads them: 1 MiB for each thread.
  static constexpr Index most_kept = Index{1} << 19;

  static Index spans_of(Index rows) { return (rows + unit_span - 1) / unit_span; }

  /// Of what is packed for a span of patterns.
  [[nodiscard]] Index row_span_size() const { return steps_ * unit_blocks * unit_block; }

  HWY_NOINLINE void multiply_from(const Tile& tile, Index pattern) {
    if (lane_blocks_ == 0) pack_lanes(tile);
    first_ = pattern;
    end_ = std::min(pattern + window, patterns_.padded_rows());
    const Index kept = keeps_ ? 0 : first_;
    for (Index row = first_; row < end_; row += unit_span) pack_span(row, (row - kept) / unit_span);
    multiply({.rows = rows_.data() + (first_ - kept) / unit_span * row_span_size(),
              .columns = columns_.data(),
              .row_steps = steps_,
              .steps = steps_,
              .row_blocks = blocks_of(end_ - first_),
              .column_blocks = lane_blocks_,
              .to = scores_.data(),
              .stride = most_lanes});
    scales_.divide(scores_.data(), end_ - first_, most_lanes);
  }

  void pack_lanes(const Tile& tile) {
    lane_blocks_ = blocks_of(tile.lanes);
    pack_columns(states_of(tile), scales_.data(), columns_.data());
  }

  /// A span of patterns, unless it is there.
  HWY_INLINE void pack_span(Index pattern, Index place) {
    if (packed_[place] != 0) return;
    const Index end = std::min(pattern + unit_span, patterns_.padded_rows());
    std::uint16_t* const to = rows_.data() + place * row_span_size();
    for (Index row = pattern; row < end; row += panel_rows) pack(row, to + (row - pattern) * unit_entries);
    packed_[place] = keeps_ ? 1 : 0;
  }

  /// A panel.
  void pack(Index pattern, std::uint16_t* to) {
    if (patterns_.storage() == PatternStorage::bfloat16 && patterns_.centre() == nullptr)
      pack_rows(patterns_.halves() + pattern / panel_rows * patterns_.panel_size(), patterns_.padded_columns(), to);
    else
      pack_rows(panels_.from(pattern / panel_rows, 1), patterns_.padded_columns(), to);
  }

  const PackedMatrix& patterns_;
  PanelWindow panels_;
  Index steps_;
  bool keeps_;  ///< all patterns that have been packed, which are few
  AlignedArray<std::uint16_t> rows_;
  AlignedArray<std::uint8_t> packed_;  ///< [spans] 1: it is kept
  AlignedArray<std::uint16_t> columns_;
  AlignedFloats scores_;
  LaneScales scales_;
  SingleUnitScores single_;
  Index lane_blocks_ = 0;  ///< of the tile in use, once they are packed
  Index first_ = 0;        ///< of the patterns that are scored
  Index end_ = 0;
};

}  // namespace attractor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
